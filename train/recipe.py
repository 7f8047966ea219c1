"""The training recipes: everything that decides a run."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field

from stemforge.errors import RecipeError
from stemforge.settings import Settings
from stemforge.train.atom_net.model import AtomNetSettings
from stemforge.train.data.augment import Augmentation
from stemforge.train.divaesr.model import DIVAESRSettings
from stemforge.train.faster_rcnn.model import FasterRCNNSettings


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
        Share of the samples, the last of each corpus, kept for validation.
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


class Crops(Settings):
    """Which crops SAC-CNN is shown.

    Parameters
    ----------
    min_cnr
        A simulated atom counts as visible, and its crops as positive, from this contrast-to-noise on, against the
        counts of the degraded image and the texture of its support (:func:`stemforge.simulate.visibility`).
        Measured labels all count.
    ignore_cnr
        Atoms fainter than visible but above this contrast-to-noise are neither positive nor negative.
    per_image
        Crops taken from each image an epoch.
    positive
        Share of positives, as far as the image has atoms.
    hard
        Share of the negatives taken at bright spots that are no atoms, and just beside atoms.
    jitter
        How far a positive's centre may lie from its atom [pixel].
    """

    min_cnr: Annotated[float, Field(ge=0)] = 4.0
    ignore_cnr: Annotated[float, Field(ge=0)] = 3.0
    per_image: Annotated[int, Field(ge=2)] = 96
    positive: Annotated[float, Field(gt=0, lt=1)] = 0.5
    hard: Annotated[float, Field(ge=0, le=1)] = 0.5
    jitter: Annotated[int, Field(ge=0, le=5)] = 1


class SACCNNRecipe(TrainingRecipe):
    """Everything that decides a SAC-CNN training run.

    Parameters
    ----------
    dropout
        Of the network.
    crops
        Which crops are shown.

    Examples
    --------
    >>> SACCNNRecipe.shipped().learning_rate
    0.0001
    """

    SHIPPED: ClassVar[tuple[str, ...]] = ("sac-cnn",)

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    crops: Crops = Crops()


class AtomNetRecipe(TrainingRecipe):
    """Everything that decides an AtomNet training run.

    Parameters
    ----------
    crops
        What counts as an atom: ``min_cnr`` and ``ignore_cnr``; its other fields are SAC-CNN's.
    crop
        Side of the square crops shown [pixel].
    per_image
        Crops cut from each image an epoch.
    doses
        Simulated images are exposed to a dose drawn log-uniformly between these [e/Å²]; by default as their corpus'
        recipe says. A network that has seen more doses is better at those, and no worse at the corpus' own.
    offset_weight
        Loss = cross-entropy of the heat map + ``offset_weight`` · negative log-likelihood of the offsets.
    augmentation
        How much training images are varied; brightness and contrast do not apply, as images are standardised.
    network
        Sizes.

    Examples
    --------
    >>> AtomNetRecipe.shipped().crops.min_cnr
    4.0
    """

    SHIPPED: ClassVar[tuple[str, ...]] = ("atom-net", "atom-net-fine-tuning")

    crops: Crops = Crops()
    crop: Annotated[int, Field(ge=32, le=2048)] = 256
    per_image: Annotated[int, Field(ge=1)] = 3
    doses: Doses | None = None
    offset_weight: Annotated[float, Field(ge=0)] = 0.01
    augmentation: Augmentation = Augmentation(rotation="quarter", zoom=(1, 1))
    network: AtomNetSettings = AtomNetSettings()


class DosedRecipe(TrainingRecipe):
    """What the recipes of both networks for low-dose iDPC images share.

    Parameters
    ----------
    doses
        Each image is shown at a dose drawn log-uniformly between these [e/Å²].
    clean_share
        Share of the images shown without counting noise instead.
    high_pass
        Spatial frequency below which iDPC images are damped before they are scaled [1/Å]; 0 keeps all. Published
        pairs are taken as they are.
    augmentation
        How much training images are varied.
    """

    doses: Doses = (300.0, 1e4)
    clean_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    high_pass: Annotated[float, Field(ge=0)] = 0.02
    augmentation: Augmentation = Augmentation()


class DIVAESRRecipe(DosedRecipe):
    """Everything that decides a DIVAESR training run.

    Parameters
    ----------
    kl_weight, lambda_l1
        Loss = MSE(noise) + ``kl_weight`` · KL + ``lambda_l1`` · L1(output, target).
    per_image
        Patches of 64 × 64 pixels cut from each image; published pairs share batches in such groups too.
    target
        What is to be drawn: the projected ``atoms``, or the ``clean`` iDPC image. Published pairs have atoms.
    split
        How published pairs are split: as ``published``, where views of one image are in both parts, or by
        ``structure``.
    network
        Sizes and mode.
    """

    SHIPPED: ClassVar[tuple[str, ...]] = ("divaesr", "divaesr-small", "vae", "sr", "vae-sr")

    images_per_batch: Annotated[int, Field(ge=1)] = 1
    kl_weight: Annotated[float, Field(ge=0)] = 2.5e-4
    lambda_l1: Annotated[float, Field(gt=0)] = 0.5
    per_image: Annotated[int, Field(ge=1)] = 16
    target: Literal["atoms", "clean"] = "atoms"
    split: Literal["published", "structure"] = "published"
    network: DIVAESRSettings = DIVAESRSettings()


class FasterRCNNRecipe(DosedRecipe):
    """Everything that decides a Faster R-CNN training run.

    Parameters
    ----------
    crop
        Side of the square crops shown [pixel of the corpus].
    per_image
        Crops taken from each image.
    visible
        A molecule that the crop cuts counts from this share of its box on.
    one_class
        Call everything a molecule, as published; otherwise the classes are the corpora's molecules.
    zoom
        Pixels shown along a pixel of the corpus: with 2 the detector sees the restored image as it is, with 1
        it is resampled to the corpus' pixels, four times cheaper.
    network
        Sizes; its ``classes`` are set from the corpora.
    """

    SHIPPED: ClassVar[tuple[str, ...]] = ("faster-rcnn", "faster-rcnn-small")

    crop: Annotated[int, Field(ge=32, le=4096)] = 256
    per_image: Annotated[int, Field(ge=1)] = 2
    visible: Annotated[float, Field(gt=0, le=1)] = 0.5
    one_class: bool = False
    zoom: Literal[1, 2] = 1
    network: FasterRCNNSettings = FasterRCNNSettings()
