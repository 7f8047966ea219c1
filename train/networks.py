"""The table of networks: what each is, takes, gives and needs. Whoever works with a network asks here.

A network is a room, a folder beside this file, whose module ``network`` holds its row. Rows are imported when they
are asked for, so that finding atoms does not load what finding molecules needs.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemforge.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from stemforge.corpus.reader import Corpus
    from stemforge.corpus.sample import Sample
    from stemforge.train.card import Card, Inputs
    from stemforge.train.data.batches import EpochBatches
    from stemforge.train.data.exposures import Exposure
    from stemforge.train.recipe import TrainingRecipe
    from stemforge.train.task import Task

Finds = Literal["atoms", "images", "molecules"]
"""What a network gives: atoms on annular images; restored iDPC images; molecules on iDPC images."""


class Row(NamedTuple):
    """One line of the table: where a network is and where the class of its recipes, and its recipes that ship.

    Between them stands what it does in one line of help. The first recipe is the one with the network's name.
    """

    where: str
    recipe: str
    summary: str
    recipes: tuple[str, ...]


NETWORKS: Mapping[str, Row] = {
    "sac-cnn": Row(
        "stemforge.train.sac_cnn.network:SACCNNNetwork",
        "stemforge.train.sac_cnn.recipe:SACCNNRecipe",
        "detector of single atoms in crops",
        ("sac-cnn",),
    ),
    "atom-net": Row(
        "stemforge.train.atom_net.network:AtomNetNetwork",
        "stemforge.train.atom_net.recipe:AtomNetRecipe",
        "map of single atoms",
        ("atom-net", "atom-net-fine-tuning"),
    ),
    "divaesr": Row(
        "stemforge.train.divaesr.network:DIVAESRNetwork",
        "stemforge.train.divaesr.recipe:DIVAESRRecipe",
        "restores low-dose iDPC images",
        ("divaesr", "divaesr-small", "vae", "sr", "vae-sr"),
    ),
    "unet": Row(
        "stemforge.train.unet.network:UNetNetwork",
        "stemforge.train.unet.recipe:UNetRecipe",
        "restores them, with an interval for each pixel",
        ("unet", "unet-published"),
    ),
    "faster-rcnn": Row(
        "stemforge.train.faster_rcnn.network:FasterRCNNNetwork",
        "stemforge.train.faster_rcnn.recipe:FasterRCNNRecipe",
        "detector of molecules",
        ("faster-rcnn", "faster-rcnn-small"),
    ),
}
"""Every network, by the name under which its weights are stored."""


@dataclass(frozen=True)
class TrainingData:
    """What a network learns from.

    Parameters
    ----------
    training, validation
        Batches to learn from and to validate on.
    sampling
        Pixel size of the images [Å], or None.
    sources
        A line about each source, for the card.
    recipe
        The recipe with what the data decide, such as the names of classes.
    inputs
        What the network will want to see; those of its kind by default.
    """

    training: "EpochBatches"
    validation: "EpochBatches"
    sampling: float | None
    sources: tuple[str, ...]
    recipe: "TrainingRecipe"
    inputs: "Inputs"

    @classmethod
    def of(
        cls,
        batches: "Callable[[Sequence[Corpus], str, Any], EpochBatches]",
        corpora: "Sequence[Corpus]",
        recipe: "TrainingRecipe",
        inputs: "Inputs | None" = None,
        files: Sequence[str] = (),
    ) -> "TrainingData":
        """Divide corpora into both parts; ``batches`` takes corpora, part and recipe."""
        from stemforge.train.card import Inputs
        from stemforge.train.data.batches import common_sampling, describe

        sampling = common_sampling(corpora)
        training, validation = (batches(corpora, part, recipe) for part in ("train", "validation"))
        sources = (*files, *describe(corpora))
        return cls(training, validation, sampling, sources, recipe, inputs or Inputs())


class Network(ABC):
    """A network: its settings, recipe, data and task.

    Attributes
    ----------
    name
        In :data:`NETWORKS`.
    finds
        What it gives.
    work
        What it does, in messages.
    use
        Command that uses its weights, with ``{weights}`` for the file.

    Examples
    --------
    >>> Network.named("unet").work, [name for name in NETWORKS if Network.named(name).finds == "atoms"]
    ('restoring', ['sac-cnn', 'atom-net'])
    >>> Network.named("unet").use.format(weights="unet")
    'stemforge infer restore IMAGE --weights unet --out DIR'
    """

    name: ClassVar[str]
    finds: ClassVar[Finds]
    work: ClassVar[str]
    use: ClassVar[str]

    @classmethod
    def named(cls, name: str) -> Self:
        """Return a network of this kind by its name; one of another kind is refused.

        Examples
        --------
        >>> AtomDetector.named("atom-net").smoothing
        1.0
        """
        found = network(name)
        if not isinstance(found, cls):
            needed = " or ".join(names_of(cls.finds))
            raise WeightsError(f"{cls.work} needs weights of {needed}, these are of {name}")
        return found

    @property
    def recipe(self) -> "type[TrainingRecipe]":
        """Class of its training recipes."""
        return recipe_class(self.name)

    @abstractmethod
    def build(self, settings: Mapping[str, Any]) -> "nn.Module":
        """Build it, with random weights, from what its card says."""

    @abstractmethod
    def data(self, paths: Sequence[str | Path], recipe: Any) -> TrainingData:
        """Open what it learns from; corpora that it cannot learn from are refused."""

    @abstractmethod
    def task(self, recipe: Any) -> "Task":
        """Return the Lightning task that trains it."""

    def finish(self, model: Any, validation: "EpochBatches") -> None:
        """Set what is measured on the validation images once the network is trained; most have nothing."""
        return

    def unfinished(self, model: Any) -> str | None:
        """Say what a network lacks that is still in training and was not given to :meth:`finish`; most lack nothing."""
        return None


class AtomDetector(Network):
    """A network that says of every pixel of an annular image how likely an atom is near.

    Attributes
    ----------
    smoothing
        Standard deviation of the smoothing of its log odds before peaks are taken [pixel]: what neighbouring pixels say
        of an atom is nearly the same, and what they differ in is chance.

    Examples
    --------
    >>> detector = AtomDetector.named("sac-cnn")
    >>> detector.finds, detector.reach(detector.build({}))
    ('atoms', (10, 1))
    >>> AtomDetector.named("divaesr")
    Traceback (most recent call last):
        ...
    stemforge.errors.WeightsError: detecting atoms needs weights of sac-cnn or atom-net, these are of divaesr
    """

    finds = "atoms"
    work = "detecting atoms"
    use = "stemforge infer atoms IMAGE --weights {weights} --out DIR"
    smoothing: ClassVar[float]

    @abstractmethod
    def prepare(self, image: ArrayLike) -> NDArray[np.float32]:
        """Make of an image as recorded, shape (height, width), what the network wants to see."""

    @abstractmethod
    def preparation(self) -> "nn.Module":
        """Return :meth:`prepare` as a module over images (1, 1, height, width), for graphs that leave Python.

        Raises
        ------
        WeightsError
            It has no form that other programs know.
        """

    @abstractmethod
    def maps(self, model: Any, images: "Tensor") -> "Tensor":
        """Run over prepared images (1, 1, height, width).

        Returns
        -------
        Tensor
            (k, height, width): the likelihood of an atom near each pixel; with k = 4 also the way (x, y) to its
            centre and the standard deviation of each coordinate [pixel].
        """

    @abstractmethod
    def reach(self, model: Any) -> tuple[int, int]:
        """Return how far around a pixel the network looks, and the pixels that its grid steps by [pixel]."""


class Restored(NamedTuple):
    """A restored image, shape (scale · height, scale · width), and the interval that holds 90 % of the true values.

    ``low`` and ``high`` are None where the network does not say how sure it is.
    """

    image: NDArray[np.float32]
    low: NDArray[np.float32] | None = None
    high: NDArray[np.float32] | None = None


class Restorer(Network):
    """A network that takes the noise off an iDPC image and draws it with more pixels.

    Attributes
    ----------
    patch
        Smallest side of an image [pixel].

    Examples
    --------
    >>> from stemforge.train import load_weights
    >>> model, card = load_weights("unet")
    >>> noisy = np.random.default_rng(0).random((128, 128), "float32")
    >>> Restorer.named(card.architecture).restore(model, noisy).image.shape
    (256, 256)
    """

    finds = "images"
    work = "restoring"
    use = "stemforge infer restore IMAGE --weights {weights} --out DIR"
    patch: ClassVar[int]

    @abstractmethod
    def restore(self, model: Any, image: NDArray[np.float32], *, overlap: int = 16) -> Restored:
        """Restore an image between 0 and 1, shape (height, width)."""

    def data(self, paths: Sequence[str | Path], recipe: Any) -> TrainingData:
        """Open corpora of segment signals, and zip files laid out as ``stem-sr.zip`` or ``trainval.zip``."""
        from stemforge.train.card import Inputs
        from stemforge.train.data.restoration import RestorationPairs, open_sources

        sources, corpora = open_sources(paths, recipe)
        files = [Path(path).name for path in paths if Path(path).is_file()]
        inputs = Inputs(high_pass=recipe.high_pass if corpora else 0.0)

        def pairs(_: "Sequence[Corpus]", part: str, recipe: Any) -> RestorationPairs:
            return RestorationPairs(sources, part, recipe)

        return TrainingData.of(pairs, corpora, recipe, inputs, files)

    def doubling(self, model: Any) -> "Restore":
        """Return what restores images for a detector: clipped to 0 … 1, with twice as many pixels along each side.

        Raises
        ------
        WeightsError
            The network leaves the number of pixels as it is.
        """
        if model.tiles.scale != 2:
            raise WeightsError(
                "the restorer has as many pixels in its result as in the image; detectors need one that doubles them"
            )
        return lambda image: self.restore(model, image).image.clip(0, 1)

    def target(self, card: "Card", sample: "Sample", exposure: "Exposure") -> NDArray[np.float32]:
        """Draw what the network was trained to draw of a sample: a :data:`~stemforge.train.data.restoration.Target`."""
        from stemforge.train.data.restoration import draw_target

        return draw_target(self._drawn(card), sample, exposure, int(card.settings.get("scale", 2)))

    def require(self, card: "Card", corpora: "Sequence[Corpus]") -> None:
        """Refuse corpora without segments, or without structures where atoms are drawn."""
        from stemforge.train.data.exposures import require_segments

        require_segments(corpora, self.patch, structure=self._drawn(card) == "atoms")

    def _drawn(self, card: "Card") -> str:
        return str(card.recipe.get("target", self.recipe.model_fields["target"].default))


class MoleculeDetector(Network):
    """A network that finds molecules as boxes, in torchvision's manner: images in, boxes, labels and scores out.

    Examples
    --------
    >>> from stemforge.train import load_weights
    >>> model, card = load_weights("faster-rcnn")
    >>> MoleculeDetector.named(card.architecture).classes(card)
    ('molecule',)
    """

    finds = "molecules"
    work = "detecting molecules"
    use = "stemforge infer molecules IMAGE --weights {weights} --out DIR"

    @abstractmethod
    def classes(self, card: "Card") -> tuple[str, ...]:
        """Return the names of what it finds; label i is the name i − 1."""

    @abstractmethod
    def shown(
        self, card: "Card", image: NDArray[np.float32], restore: "Restore | None"
    ) -> NDArray[np.float32]:
        """Make of an iDPC image between 0 and 1 what the network sees."""


Restore = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Restores an image between 0 and 1, with twice as many pixels along each side."""


def network(name: str) -> Network:
    """Return a network by its name.

    Raises
    ------
    WeightsError
        No network has this name.

    Examples
    --------
    >>> network("atom-net").finds
    'atoms'
    """
    return _named(_row(name).where)()


def recipe_class(name: str) -> "type[TrainingRecipe]":
    """Return the class of a network's training recipes, without importing the network, which takes torch.

    Raises
    ------
    WeightsError
        No network has this name.

    Examples
    --------
    >>> recipe_class("unet").shipped().network.scale
    2
    """
    return _named(_row(name).recipe)


def _row(name: str) -> Row:
    if name not in NETWORKS:
        raise WeightsError(f"no network is called '{name}'; there are {', '.join(NETWORKS)}")
    return NETWORKS[name]


def _named(path: str) -> Any:
    """Import what ``module:name`` names."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def names_of(finds: Finds) -> tuple[str, ...]:
    """Return the names of the networks that find a kind of thing."""
    return tuple(name for name in NETWORKS if network(name).finds == finds)
