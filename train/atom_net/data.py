"""Crops of images with maps of their atoms, for AtomNet."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stemforge.corpus.reader import Corpus
from stemforge.errors import MicrographError
from stemforge.simulate import Degradation
from stemforge.simulate.recording.record import corpus_degradation
from stemforge.train.atom_net.preparation import standardise_image
from stemforge.train.atom_net.recipe import AtomNetRecipe
from stemforge.train.data.augment import PLAIN, draw_view
from stemforge.train.data.batches import EpochBatches, Item, require_size
from stemforge.train.labelled import labelled_image, require_atoms

HEAT_SIGMA = 1.8
"""Standard deviation of the spot that an atom is drawn as [pixel]."""
OFFSET_RADIUS = 3.0
"""Pixels as near to an atom as this learn the way to it [pixel]."""
_DOUBTFUL_RADIUS = 6.0  # pixels about a doubtful atom that teach nothing


class HeatMaps(NamedTuple):
    """A batch of crops with what AtomNet is to say of them.

    ``image`` (n, 1, h, w); ``heat`` (n, h, w) from 0 to 1; ``weight`` (n, h, w), 0 where nothing is known; ``offset``
    (n, 2, h, w) [pixel]; ``near`` (n, h, w), 1 where the offset counts.
    """

    image: Tensor
    heat: Tensor
    weight: Tensor
    offset: Tensor
    near: Tensor


def draw_heat(
    shape: tuple[int, int], atoms: NDArray[np.float64], doubtful: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Draw what AtomNet is to say of an image.

    Parameters
    ----------
    shape
        Height and width.
    atoms, doubtful
        Points (x, y) [pixel]: atoms that count, and such that are neither atom nor background.

    Returns
    -------
    heat, weight, offset, near
        As in :class:`HeatMaps`, without the first axis.

    Examples
    --------
    >>> heat, weight, offset, near = draw_heat((32, 32), np.array([[10.25, 20.0]]), np.empty((0, 2)))
    >>> float(offset[0, 20, 10]), float(offset[1, 20, 10]), int(near.sum())
    (0.25, 0.0, 26)
    """
    height, width = shape
    heat = np.zeros(shape, np.float32)
    weight = np.ones(shape, np.float32)
    offset = np.zeros((2, *shape), np.float32)
    nearest = np.full(shape, np.inf, np.float32)
    for x, y in doubtful:
        rows, columns, dx, dy = _around(x, y, _DOUBTFUL_RADIUS, height, width)
        weight[rows, columns][np.hypot(dx, dy) <= _DOUBTFUL_RADIUS] = 0
    for x, y in atoms:
        rows, columns, dx, dy = _around(x, y, 4 * HEAT_SIGMA, height, width)
        distance2 = dx**2 + dy**2
        heat[rows, columns] = np.maximum(heat[rows, columns], np.exp(-distance2 / (2 * HEAT_SIGMA**2)))
        weight[rows, columns][distance2 <= _DOUBTFUL_RADIUS**2] = 1
        closer = distance2 < nearest[rows, columns]
        nearest[rows, columns][closer] = distance2[closer]
        for axis, way in enumerate((dx, dy)):
            offset[axis, rows, columns][closer] = way[closer]
    return heat, weight, offset, (nearest <= OFFSET_RADIUS**2).astype(np.float32)


def _around(
    x: float, y: float, radius: float, height: int, width: int
) -> tuple[slice, slice, NDArray[np.float32], NDArray[np.float32]]:
    """Return the pixels about a point, and the way from each to it."""
    rows = slice(max(0, int(np.ceil(y - radius))), max(0, min(height, int(y + radius) + 1)))
    columns = slice(max(0, int(np.ceil(x - radius))), max(0, min(width, int(x + radius) + 1)))
    dy, dx = np.meshgrid(
        y - np.arange(rows.start, rows.stop), x - np.arange(columns.start, columns.stop), indexing="ij"
    )
    return rows, columns, dx.astype(np.float32), dy.astype(np.float32)


class AtomHeatMaps(EpochBatches):
    """Batches of crops over corpora; every epoch degrades every image and cuts crops anew.

    Parameters
    ----------
    corpora
        Simulated ones are degraded as their recipe says, measured ones taken as they are.
    part
        ``"train"`` or ``"validation"``.
    recipe
        Settings of the run.

    Yields
    ------
    HeatMaps
        A batch.

    Examples
    --------
    >>> from stemforge import Annotations, CorpusWriter, Sample
    >>> writer = CorpusWriter("corpus", {"name": "demo"}, "0" * 64, kind="measured")
    >>> rng, made = np.random.default_rng(0), Annotations([[20, 30], [40, 10]])
    >>> samples = [Sample(i, rng.random((1, 64, 64), "float32"), 0.3, ("HAADF",), made) for i in range(4)]
    >>> _ = writer.write(0, samples)
    >>> data = AtomHeatMaps([Corpus("corpus")], "validation", AtomNetRecipe(crop=64, per_image=3))
    >>> [(batch.image.shape, batch.offset.shape) for batch in data]
    [(torch.Size([3, 1, 64, 64]), torch.Size([3, 2, 64, 64]))]
    """

    def __init__(self, corpora: Sequence[Corpus], part: str, recipe: AtomNetRecipe) -> None:
        require_atoms(corpora)
        require_size(corpora, recipe.crop)
        super().__init__(corpora, part, recipe)
        self.recipe = recipe
        self.degradations = [self._degradation(corpus) for corpus in self.corpora]

    def batch(self, items: NDArray[np.int64], epoch: int) -> HeatMaps:
        """Return the crops of some images and their maps."""
        made = [crop for item in items for crop in self._crops(self.items[int(item)], epoch)]
        return HeatMaps(*(torch.from_numpy(np.stack(arrays)) for arrays in zip(*made, strict=True)))

    def _degradation(self, corpus: Corpus) -> Degradation | None:
        degradation, doses = corpus_degradation(corpus), self.recipe.doses
        return degradation if degradation is None or doses is None else degradation.at_dose(doses)

    def _crops(self, item: Item, epoch: int) -> list[tuple[NDArray[np.float32], ...]]:
        recipe, shape = self.recipe, (self.recipe.crop, self.recipe.crop)
        rng = self.rng(item.key, epoch)
        augmentation = recipe.augmentation if self.part == "train" else PLAIN
        degradation = self.degradations[item.source]
        try:
            labelled = labelled_image(self.sample(item), recipe.visible, degradation, rng, standardise_image)
        except MicrographError:
            # Not an electron on the image: nothing is shown, and nothing is there.
            nothing = np.empty((0, 2))
            return [(np.zeros((1, *shape), np.float32), *draw_heat(shape, nothing, nothing))]
        made: list[tuple[NDArray[np.float32], ...]] = []
        for _ in range(recipe.per_image):
            view = draw_view(labelled.image.shape, recipe.crop, augmentation, rng)
            image = view.cut(labelled.image)
            atoms, doubtful = (view.move(points) for points in (labelled.atoms, labelled.doubtful))
            made.append((image[None].astype(np.float32), *draw_heat(shape, atoms, doubtful)))
        return made
