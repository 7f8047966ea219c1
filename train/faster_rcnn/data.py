"""Images for Faster R-CNN: crops of iDPC images, noisy or restored, with the boxes of their molecules."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.errors import CorpusError, MicrographError
from stemforge.simulate import BoxDefinition, Degradation, sample_molecule_boxes
from stemforge.simulate.labels.boxes import SPHERES
from stemforge.simulate.recording.record import corpus_degradation
from stemforge.train.data.augment import PLAIN, View, draw_view, shade
from stemforge.train.data.batches import EpochBatches, Item
from stemforge.train.data.exposures import Exposure, draw_dose, expose, require_segments
from stemforge.train.data.idpc import shrink
from stemforge.train.faster_rcnn.recipe import FasterRCNNRecipe
from stemforge.train.networks import Restore

ONE_CLASS = "molecule"
"""Name of the class in one-class mode."""


@dataclass(frozen=True)
class Boxes:
    """Molecules on an image: boxes (x0, y0, x1, y1) [pixel], shape (n, 4), and classes from 1 on, shape (n,)."""

    boxes: NDArray[np.float64]
    classes: NDArray[np.int64]


def molecule_names(corpora: Sequence[Corpus], *, one_class: bool = False) -> tuple[str, ...]:
    """Return the names of the classes: all molecules of the corpora in alphabetical order, or one for all.

    Raises
    ------
    CorpusError
        No image names a molecule.
    """
    names = {
        str(name) for corpus in corpora for sample in corpus for name in sample.metadata.get("molecules", ())
    }
    if not names:
        folders = ", ".join(str(corpus.folder) for corpus in corpora)
        raise CorpusError(f"{folders}: no molecule on any image; there is nothing to learn")
    return (ONE_CLASS,) if one_class else tuple(sorted(names))


def sample_boxes(
    sample: Sample,
    exposure: Exposure,
    classes: Sequence[str],
    definition: BoxDefinition = SPHERES,
) -> Boxes:
    """Return where an exposure shows its sample's molecules; all of one class where ``classes`` has one.

    Boxes are those of a definition; they move with the specimen and keep their size.
    """
    boxes = sample_molecule_boxes(sample, definition)
    if boxes is None:
        raise CorpusError(f"sample {sample.index}: has no molecule boxes")
    names = sample.metadata["molecules"]
    if len(classes) == 1:
        numbers = np.ones(len(boxes), np.int64)
    else:
        wanted = {name: i for i, name in enumerate(classes, start=1)}
        try:
            numbers = np.array([wanted[names[int(s)]] for s in sample.labels["species"]], np.int64)
        except (KeyError, IndexError, ValueError) as error:
            raise CorpusError(
                f"sample {sample.index}: has a molecule that is none of {', '.join(classes)} ({error})"
            ) from error
    return Boxes(exposure.degraded.move_boxes(boxes), numbers)


def boxes_on(view: View, boxes: Boxes, share: float) -> Boxes:
    """Return the boxes on a view, cut at its edges; those that show less than a share of their area drop out."""
    moved = view.move_boxes(boxes.boxes)
    cut = np.clip(moved, -0.5, view.size - 0.5)
    area, left = (np.prod(b[:, 2:] - b[:, :2], axis=1) for b in (moved, cut))
    # A box of no area teaches nothing, and torchvision refuses it.
    keep = (left >= share * area) & ((cut[:, 2:] - cut[:, :2]) >= 1).all(axis=1)
    return Boxes(cut[keep], boxes.classes[keep])


class MoleculeImages(EpochBatches):
    """Batches of images with boxes; every epoch draws doses and crops anew.

    Parameters
    ----------
    corpora
        Of segment signals, with molecule boxes.
    part
        ``"train"`` or ``"validation"``.
    recipe
        Settings of the run; ``network.classes`` names what is found.
    restore
        Restores each image on a ``device`` before the detector sees it; None shows it as it is.

    Yields
    ------
    images, targets
        Lists of tensors of shape (1, height, width) between 0 and 1, and of torchvision's dictionaries with
        ``boxes`` (n, 4), in which 0 is the outer edge of the first pixel, and ``labels`` (n,).

    Raises
    ------
    CorpusError
        A corpus that lacks what is needed.

    Examples
    --------
    >>> from stemforge import Annotations, CorpusWriter
    >>> from stemforge.simulate import SEGMENTS
    >>> from stemforge.train import FasterRCNNSettings
    >>> writer = CorpusWriter("corpus", {"name": "demo", "degradation": {"dose": 1e3}}, "0" * 64)
    >>> signal = 0.05 + 0.01 * np.random.default_rng(0).random((4, 64, 64), "float32")
    >>> labels = Annotations([[30, 30]], [[20, 20, 40, 40]], {"species": np.array([0], "uint8")})
    >>> names = {"molecules": ["pyridine"]}
    >>> _ = writer.write(0, [Sample(i, signal, 0.25, SEGMENTS, labels, names) for i in range(2)])
    >>> network = FasterRCNNSettings(classes=("pyridine",))
    >>> recipe = FasterRCNNRecipe(crop=64, per_image=1, validation=0.5, network=network)
    >>> (images, targets), = MoleculeImages([Corpus("corpus")], "validation", recipe)
    >>> images[0].shape, targets[0]["boxes"].tolist(), targets[0]["labels"].tolist()
    (torch.Size([1, 64, 64]), [[20.5, 20.5, 40.5, 40.5]], [1])
    """

    def __init__(
        self,
        corpora: Sequence[Corpus],
        part: str,
        recipe: FasterRCNNRecipe,
        restore: Callable[..., NDArray[np.float32]] | None = None,
    ) -> None:
        require_segments(corpora, recipe.crop, boxes=True)
        super().__init__(corpora, part, recipe)
        self.recipe = recipe
        self.restore = restore
        self.definition = BoxDefinition(recipe.boxes)
        self.degradations = [corpus_degradation(corpus) or Degradation(dose=0) for corpus in self.corpora]

    def batch(self, items: NDArray[np.int64], epoch: int) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
        """Return the crops of some images and their boxes."""
        made = [crop for item in items for crop in self._crops(self.items[int(item)], epoch)]
        images = [torch.from_numpy(np.ascontiguousarray(image[None], np.float32)) for image, _ in made]
        return images, [detection_target(boxes, self.recipe.zoom) for _, boxes in made]

    def _crops(self, item: Item, epoch: int) -> list[tuple[NDArray[np.float32], Boxes]]:
        recipe = self.recipe
        rng = self.rng(item.key, epoch)
        sample = self.sample(item)
        dose = draw_dose(recipe.doses, recipe.clean_share, rng)
        augmentation = recipe.augmentation if self.part == "train" else PLAIN
        try:
            exposure = expose(sample, self.degradations[item.source], dose, rng, high_pass=recipe.high_pass)
        except MicrographError:
            # Hardly an electron on the whole image: nothing is shown, and nothing is there.
            side = recipe.crop * recipe.zoom
            return [(np.zeros((side, side), np.float32), Boxes(np.empty((0, 4)), np.empty(0, np.int64)))]
        molecules = sample_boxes(sample, exposure, recipe.network.classes, self.definition)
        restore = None if self.restore is None else partial(self.restore, device=self.device)
        image = detector_input(exposure.noisy, restore, recipe.zoom)
        made = []
        for _ in range(recipe.per_image):
            view = draw_view(exposure.noisy.shape, recipe.crop, augmentation, rng)
            cut = shade(np.clip(view.cut(image, recipe.zoom), 0, 1), augmentation, rng)
            made.append((cut, boxes_on(view, molecules, recipe.box_share)))
        return made


def detector_input(image: NDArray[np.float32], restore: Restore | None, zoom: int) -> NDArray[np.float32]:
    """Make what the detector sees of a normalised iDPC image, the same in training and in inference.

    Parameters
    ----------
    image
        From :func:`stemforge.train.prepare_idpc`, shape (height, width).
    restore
        Restores it, with twice as many pixels along each side; None leaves it as it is.
    zoom
        Pixels along a pixel of ``image``, 1 or 2.

    Returns
    -------
    ndarray
        Shape (height × zoom, width × zoom).
    """
    if restore is None:
        return image if zoom == 1 else np.repeat(np.repeat(image, zoom, axis=0), zoom, axis=1)
    restored = restore(image)
    return restored if zoom == 2 else shrink(restored)


def native_boxes(boxes: NDArray[np.floating], zoom: int) -> NDArray[np.float64]:
    """Return detected boxes on the pixels of the image that :func:`detector_input` was given, shape (n, 4)."""
    return np.asarray(boxes, float).reshape(-1, 4) / zoom - 0.5


def detection_target(boxes: Boxes, zoom: int) -> dict[str, Tensor]:
    """Return boxes as torchvision wants them: from outer edge to outer edge, at ``zoom`` pixels a pixel."""
    return {
        "boxes": torch.from_numpy((boxes.boxes + 0.5) * zoom).float().reshape(-1, 4),
        "labels": torch.from_numpy(boxes.classes),
    }
