"""Crops of 21 × 21 pixels, drawn from corpora of simulated and of measured images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from torch import Tensor

from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.errors import MicrographError
from stemforge.simulate import Degradation
from stemforge.simulate.recording.record import corpus_degradation
from stemforge.train.data.batches import EpochBatches, Item
from stemforge.train.labelled import LabelledImage, labelled_image, require_atoms
from stemforge.train.recipe import Visible
from stemforge.train.sac_cnn.model import CROP
from stemforge.train.sac_cnn.preparation import subtract_background
from stemforge.train.sac_cnn.recipe import Crops, SACCNNRecipe

# No negative is centred nearer to an atom than this [pixel]: half the published match box.
_CLEAR = 5.0
# Places beside an atom, taken as hard negatives, lie this far from it [pixel].
_BESIDE = (6.0, 9.0)


def choose_centres(
    labelled: LabelledImage, crops: Crops, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose crop centres on one image.

    Returns
    -------
    centres, classes
        (x, y) [pixel], shape (n, 2), and 1 for an atom or 0 for background, shape (n,).
    """
    height, width = labelled.image.shape
    wanted = round(crops.per_image * crops.positive)
    atoms = labelled.atoms
    if len(atoms):
        chosen = atoms[rng.integers(len(atoms), size=wanted)]
        positives = np.rint(chosen).astype(int) + rng.integers(-crops.jitter, crops.jitter + 1, (wanted, 2))
    else:
        positives = np.empty((0, 2), dtype=int)

    number = crops.per_image - wanted
    hard = round(number * crops.hard)
    avoid = np.concatenate([atoms, labelled.doubtful])
    candidates = [_bright_spots(labelled.image, rng, hard // 2), _beside(atoms, rng, hard - hard // 2)]
    # Enough for those that lie on an atom or off the image to be dropped.
    candidates.append(rng.uniform(0, [width - 1, height - 1], (3 * number, 2)))
    negatives = np.rint(np.concatenate(candidates)).astype(int)
    on_image = np.all((negatives >= 0) & (negatives < [width, height]), axis=1)
    negatives = negatives[on_image]
    if len(avoid):
        negatives = negatives[cKDTree(avoid).query(negatives)[0] >= _CLEAR]
    negatives = negatives[:number]
    centres = np.clip(np.concatenate([positives, negatives]), 0, [width - 1, height - 1])
    return centres, np.repeat([1, 0], [len(positives), len(negatives)])


def _bright_spots(image: NDArray[np.float32], rng: np.random.Generator, number: int) -> NDArray[np.float64]:
    """Return the places where the smoothed image peaks; the brighter, the likelier."""
    smooth = ndimage.gaussian_filter(image, 1.5)
    rows, columns = np.nonzero(smooth == ndimage.maximum_filter(smooth, 7))
    if not len(rows) or not number:
        return np.empty((0, 2))
    weights = smooth[rows, columns].astype(float) + 1e-9
    # Oversampled, because the atoms among them are dropped later.
    count = min(3 * number, len(rows))
    chosen = rng.choice(len(rows), count, replace=False, p=weights / weights.sum())[: 2 * number]
    return np.column_stack([columns[chosen], rows[chosen]]).astype(float)


def _beside(atoms: NDArray[np.float64], rng: np.random.Generator, number: int) -> NDArray[np.float64]:
    if not len(atoms) or not number:
        return np.empty((0, 2))
    angle = rng.uniform(0, 2 * np.pi, number)
    radius = rng.uniform(*_BESIDE, number)
    return (
        atoms[rng.integers(len(atoms), size=number)]
        + np.column_stack([np.cos(angle), np.sin(angle)]) * radius[:, None]
    )


def cut_crops(image: NDArray[np.float32], centres: NDArray[np.int64]) -> NDArray[np.float32]:
    """Cut 21 × 21 crops around (x, y) centres, zero beyond the border; shape (n, 1, 21, 21)."""
    half = CROP // 2
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(image, half), (CROP, CROP))
    return windows[centres[:, 1], centres[:, 0]][:, None]


@dataclass(frozen=True)
class CutAtoms:
    """Makes the crops and classes that SAC-CNN learns from one sample; a transform of any data set.

    Parameters
    ----------
    crops
        Which crops.
    degradation
        Applied to simulated signals; None for measured images.
    visible
        Which atoms count.
    turn
        Turn and mirror each crop at random.

    Examples
    --------
    >>> from stemforge import Annotations
    >>> image = np.random.default_rng(0).random((1, 48, 48), "float32")
    >>> sample = Sample(0, image, 0.3, ("HAADF",), Annotations([[20, 30]]))
    >>> crops, classes = CutAtoms(Crops(per_image=6), degradation=None)(sample, np.random.default_rng(0))
    >>> crops.shape, classes.tolist()
    (torch.Size([6, 1, 21, 21]), [1, 1, 1, 0, 0, 0])
    """

    crops: Crops
    degradation: Degradation | None
    visible: Visible = Visible()  # noqa: RUF009 - frozen
    turn: bool = True

    def __call__(self, sample: Sample, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return crops of shape (n, 1, 21, 21) and classes of shape (n,)."""
        try:
            labelled = labelled_image(sample, self.visible, self.degradation, rng, subtract_background)
        except MicrographError:
            # An image of vacuum at a low dose may show nothing at all. One blank crop keeps the number of
            # batches: Lightning validates after the last of them, and distributed ranks wait for each other.
            return torch.zeros(1, 1, CROP, CROP), torch.zeros(1, dtype=torch.int64)
        centres, classes = choose_centres(labelled, self.crops, rng)
        cut = cut_crops(labelled.image, centres)
        if self.turn:
            cut = _turn(cut, rng)
        return torch.from_numpy(np.ascontiguousarray(cut)), torch.from_numpy(classes.astype(np.int64))


class AtomCrops(EpochBatches):
    """Batches of crops over corpora; every epoch degrades every image anew.

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
    crops, classes
        Tensors of shape (n, 1, 21, 21) and (n,).

    Examples
    --------
    >>> from stemforge import Annotations, CorpusWriter
    >>> writer = CorpusWriter("corpus", {"name": "demo"}, "0" * 64, kind="measured")
    >>> rng, made = np.random.default_rng(0), Annotations([[20, 30], [40, 10]])
    >>> samples = [Sample(i, rng.random((1, 48, 48), "float32"), 0.3, ("HAADF",), made) for i in range(4)]
    >>> _ = writer.write(0, samples)
    >>> data = AtomCrops([Corpus("corpus")], "train", SACCNNRecipe(crops=Crops(per_image=8), validation=0.25))
    >>> [(crops.shape, classes.tolist().count(1)) for crops, classes in data]
    [(torch.Size([16, 1, 21, 21]), 8), (torch.Size([8, 1, 21, 21]), 4)]
    """

    def __init__(self, corpora: Sequence[Corpus], part: str, recipe: SACCNNRecipe) -> None:
        require_atoms(corpora)
        super().__init__(corpora, part, recipe)
        self.cuts = [
            CutAtoms(recipe.crops, corpus_degradation(corpus), recipe.visible, turn=part == "train")
            for corpus in self.corpora
        ]

    def batch(self, items: NDArray[np.int64], epoch: int) -> tuple[Tensor, Tensor]:
        """Return the crops of some images and their classes."""
        parts = [self._crops(self.items[int(item)], epoch) for item in items]
        images, classes = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        return images, classes

    def _crops(self, item: Item, epoch: int) -> tuple[Tensor, Tensor]:
        return self.cuts[item.source](self.sample(item), self.rng(item.key, epoch))


def _turn(crops: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Turn and mirror each crop into one of its eight orientations."""
    turned = np.empty_like(crops)
    orientation = rng.integers(8, size=len(crops))
    for k in range(8):
        chosen = orientation == k
        rotated = np.rot90(crops[chosen], k % 4, axes=(2, 3))
        turned[chosen] = rotated[..., ::-1] if k >= 4 else rotated
    return turned
