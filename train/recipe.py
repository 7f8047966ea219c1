"""What every training recipe has: everything that decides a run, beside what a network adds."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field

from stemforge.errors import RecipeError
from stemforge.settings import Settings


def _ordered(doses: tuple[float, float]) -> tuple[float, float]:
    if doses[0] > doses[1]:
        raise ValueError(f"doses must be ordered, got {list(doses)}")
    return doses


Dose = Annotated[float, Field(gt=0)]
Doses = Annotated[tuple[Dose, Dose], AfterValidator(_ordered)]
"""Smallest and largest dose [e/Å²]."""


class TrainingRecipe(Settings):
    """What every network's recipe has.

    Parameters
    ----------
    seed
        Root of all randomness.
    epochs
        Passes over the data; every pass degrades every image anew.
    images_per_batch
        Images whose crops share a batch.
    learning_rate
        Of the optimiser, at the start.
    weight_decay
        Of the optimiser.
    validation
        Share of the structures kept for validation: samples of one structure are all in training or all in validation.
    patience
        Epochs without a better validation after which training stops.
    schedule
        ``constant`` learning rate, or ``cosine``: down to a hundredth of it at the last of ``epochs``.
    average
        Decay of an exponential average of the weights over steps, such as 0.998; the average is what is validated and
        kept. 0 keeps the last weights.
    balance
        Show the images of smaller corpora more than once an epoch, so that all corpora are shown equally often: a few
        measured images beside many simulated ones. Every time is another crop.
    """

    NETWORK: ClassVar[str] = ""
    """Name in :data:`stemforge.train.networks.NETWORKS` of the network that it trains."""
    SHIPPED: ClassVar[tuple[str, ...]] = ()
    """Recipes for this network that come with stemforge; the first is the published one."""

    seed: Annotated[int, Field(ge=0)] = 0
    epochs: Annotated[int, Field(ge=1)] = 30
    images_per_batch: Annotated[int, Field(ge=1)] = 2
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.15
    patience: Annotated[int, Field(ge=1)] = 8
    schedule: Literal["constant", "cosine"] = "constant"
    average: Annotated[float, Field(ge=0, lt=1)] = 0.0
    balance: bool = False

    @classmethod
    def load(cls, recipe: str | Path | None = None, overrides: dict[str, Any] | None = None) -> Self:
        """Read a recipe: a YAML file, or the name of one that ships with stemforge; the published one for None.

        Raises
        ------
        RecipeError
            Neither a file nor such a name, or a recipe that cannot be used.
        """
        name = str(recipe or cls.SHIPPED[0])
        path = Path(name)
        if name in cls.SHIPPED and not path.is_file():
            path = cls.shipped_path(name)
        elif not path.exists() and not path.suffix:
            raise RecipeError(
                f"{name}: cannot be read, there is no such file; recipes that ship are {', '.join(cls.SHIPPED)}"
            )
        return cls.from_file(path, overrides)

    @classmethod
    def shipped(cls, name: str | None = None) -> Self:
        """Return a recipe that ships with stemforge; the published one by default."""
        return cls.from_file(cls.shipped_path(name))

    @classmethod
    def shipped_path(cls, name: str | None = None) -> Path:
        """Return the file of a recipe that ships with stemforge."""
        return Path(str(files("stemforge.train"))) / "recipes" / f"{name or cls.SHIPPED[0]}.yaml"


class Visible(Settings):
    """Which simulated atoms count as visible, by the contrast-to-noise of their recording; measured labels all count.

    Parameters
    ----------
    min_cnr
        An atom counts from this contrast-to-noise on, against the counts of the degraded image and the texture of its
        support (:func:`stemforge.simulate.visibility`).
    ignore_cnr
        Fainter atoms above this contrast-to-noise are neither atom nor background.

    Examples
    --------
    >>> from stemforge import Annotations
    >>> from stemforge.train import visible_atoms
    >>> labels = Annotations([[1, 1], [5, 5], [9, 9]], columns={"cnr": [2.0, 4.0, 6.0]})
    >>> [len(labels.where(one)) for one in visible_atoms(labels, Visible(min_cnr=5.0))]
    [1, 1]
    """

    min_cnr: Annotated[float, Field(ge=0)] = 4.0
    ignore_cnr: Annotated[float, Field(ge=0)] = 3.0
