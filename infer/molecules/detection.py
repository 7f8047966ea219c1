"""Molecules in micrographs: restored, detected in overlapping tiles, merged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torchvision.ops import batched_nms, nms

from stemforge.errors import AnnotationsError, InputError, WeightsError, errors_about
from stemforge.files import write_csv
from stemforge.infer.crystals.lattice import Lattice
from stemforge.infer.crystals.restoration import prepared
from stemforge.infer.decision import CANDIDATE, Decision, decide
from stemforge.infer.molecules.orientations import Found, in_all_orientations
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.tables import read_cells
from stemforge.simulate.labels.boxes import SPHERES, BoxDefinition
from stemforge.train.card import Card, log_odds
from stemforge.train.networks import MoleculeDetector, Restore, Restorer

TILE = 512
"""Side of the tiles that the detector sees at once [pixel]."""
TILE_OVERLAP = 64
"""By how much tiles overlap [pixel]: more than a molecule, so that each lies whole in one of them."""

CANDIDATE_SCORE = 0.05
"""Score from which a box may be a molecule, where scores are calibrated."""

_COLUMNS = ("x0_px", "y0_px", "x1_px", "y1_px", "label", "score", "x0_nm", "y0_nm", "x1_nm", "y1_nm", "boxes",
            "channel", "channel_probability", "likelihood", "agreement", "guest", "guest_probability")  # fmt: skip
# Columns of the table that are written where they are known, and how.
_FURTHER = {"state": "", "probability": ".4f", "likelihood": ".4f", "agreement": ".3f", "guest": "",
            "guest_probability": ".3f"}  # fmt: skip
_CORNERS_NM = _COLUMNS[6:10]
# What touches a tile's inner border within this is cut off there; its neighbour has it whole [pixel].
_CUT = 2.0


@dataclass(frozen=True)
class MoleculeDetection:
    """The molecules found on a micrograph.

    Parameters
    ----------
    micrograph
        What was looked at.
    molecules
        Boxes and their middles [pixel of the micrograph; −0.5 is the edge of the first] with columns ``label``,
        the name of the class, and ``score``; best first. Of calibrated detectors also ``likelihood``, how probable it
        is that the box is right; ``agreement``, the share of the image's orientations that have the box, where all were
        looked at. Where their channels were looked at, also ``state`` and ``probability`` of the channel, and ``guest``
        and ``guest_probability``: which molecule it is if there is one.
    shown
        What the detector saw: the image at its pixel size, restored where a restorer was given, between 0 and 1.
    threshold
        Likelihood from which a box counts; score where the detector is not calibrated.
    sampling
        Pixel size of the micrograph [Å], from its file or from its lattice, or None.
    definition
        What a box is, as the detector was trained.
    candidates
        All boxes of which some count; None: those that count.
    expected_f1
        F1 to be expected of the best threshold by the likelihoods alone; None where there are none.

    Examples
    --------
    >>> columns = {"label": np.array(["pyridine"], dtype=object), "score": np.array([0.9])}
    >>> found = Annotations([[8, 8]], np.array([[4.0, 4.0, 12.0, 12.0]]), columns)
    >>> MoleculeDetection(Micrograph(np.eye(32)), found, np.eye(32), 0.5, sampling=0.25).to_csv("found.csv")
    >>> print(Path("found.csv").read_text().splitlines()[1])
    4.00,4.00,12.00,12.00,pyridine,0.9000,0.1000,0.1000,0.3000,0.3000,van-der-waals,,,,,,
    """

    micrograph: Micrograph
    molecules: Annotations
    shown: NDArray[np.float32]
    threshold: float
    sampling: float | None
    definition: BoxDefinition = SPHERES
    candidates: Annotations | None = None
    expected_f1: float | None = None

    def to_csv(self, path: str | Path) -> None:
        """Write a row for each box: corners, label, score, corners in nm, what a box is, and what its channel shows.

        Cells are empty where something is not known: corners in nm without a pixel size, channels that were not looked
        at, likelihoods of detectors that are not calibrated.
        """
        boxes = self.molecules.boxes
        assert boxes is not None  # noqa: S101 - detections have boxes; for the type checker
        columns = self.molecules.columns
        rows = []
        for i, box in enumerate(boxes):
            scaled = [""] * 4 if self.sampling is None else [f"{v * self.sampling / 10:.4f}" for v in box]
            cells = [*(f"{v:.2f}" for v in box), columns["label"][i], f"{columns['score'][i]:.4f}", *scaled]
            further = [_cell(columns[n][i], form) if n in columns else "" for n, form in _FURTHER.items()]
            rows.append([*cells, self.definition.margin, *further])
        write_csv(path, _COLUMNS, rows)


def _cell(value: Any, form: str) -> str:
    """Write a value; nothing where it is no number."""
    return "" if isinstance(value, float) and np.isnan(value) else f"{value:{form}}"


def read_molecules(path: str | Path) -> Annotations:
    """Read a table of boxes: ``x0_px,y0_px,x1_px,y1_px,label`` and, where there is one, ``score``.

    Parameters
    ----------
    path
        CSV file that ``stemforge infer molecules`` wrote, or labels of the same columns.

    Returns
    -------
    Annotations
        Boxes and their middles [pixel], with columns ``label``, perhaps ``score``, and ``boxes``, what a box is: a
        margin as :class:`~stemforge.simulate.BoxDefinition` has it, van der Waals where the table states none.
        Corners in nm (``x0_nm`` …) are kept.

    Raises
    ------
    AnnotationsError
        File missing or no such table.

    Examples
    --------
    >>> columns = {"label": np.array(["pyridine"], dtype=object), "score": np.array([0.9])}
    >>> boxes = Annotations([[8, 8]], np.array([[4.0, 4.0, 12.0, 12.0]]), columns)
    >>> MoleculeDetection(Micrograph(np.eye(32)), boxes, np.eye(32), 0.5, sampling=0.25).to_csv("found.csv")
    >>> found = read_molecules("found.csv")
    >>> found.points.tolist(), found["label"].tolist(), found["boxes"].tolist()
    ([[8.0, 8.0]], ['pyridine'], ['van-der-waals'])
    """
    table = Annotations.from_csv(path)
    header, rows = read_cells(Path(path))  # text, which a table of numbers drops
    cells = {name: [row[i].strip() for _, row in rows] for i, name in enumerate(header)}
    if table.boxes is None or (rows and "label" not in cells):
        raise AnnotationsError(f"{path}: expected columns x0_px,y0_px,x1_px,y1_px,label")
    labels = np.array(cells.get("label", []), dtype=object)
    columns = {name: table[name] for name in ("score", *_CORNERS_NM) if name in table.columns}
    with errors_about(str(path)):
        margins = [BoxDefinition.parse(cell or None).margin for cell in cells.get("boxes", [""] * len(rows))]
    columns["boxes"] = np.array(margins, dtype=object)
    return Annotations(table.points, table.boxes, {"label": labels, **columns})


def detect_molecules(
    micrograph: Micrograph,
    detector: torch.nn.Module,
    card: Card,
    *,
    restorer: tuple[torch.nn.Module, Card] | None = None,
    lattice: Lattice | None = None,
    threshold: float | None = None,
    tile: int = TILE,
    tile_overlap: int = TILE_OVERLAP,
    iou: float = 0.5,
    augment: bool = False,
    device: str | torch.device = "cpu",
) -> MoleculeDetection:
    """Find molecules on a micrograph with a trained Faster R-CNN.

    Parameters
    ----------
    micrograph
        The image.
    detector, card
        Of the detector, from :func:`stemforge.train.load_weights`.
    restorer
        Network and card of a restorer that restores the image first; the one with which the detector's training
        images were restored. None shows it the image as it is.
    lattice
        Gives the pixel size of an uncalibrated image of a crystal.
    threshold
        Likelihood from which a box counts; by default what :func:`stemforge.infer.decide` chooses for the image. Of
        detectors that are not calibrated the score, by default the card's.
    tile, tile_overlap
        Side of the detector's tiles and by how much they overlap [pixel of the image it sees].
    iou
        Overlap (intersection over union) from which two boxes are the same molecule.
    augment
        Restore and look at the image in its eight orientations, and average: eight times the work.
    device
        Where the networks run.

    Returns
    -------
    MoleculeDetection
        Boxes on the micrograph, best first.

    Raises
    ------
    InputError
        Options out of range, image too small to restore.
    WeightsError
        Weights of another architecture.

    Examples
    --------
    >>> from stemforge.train import load_weights
    >>> image = Micrograph(np.random.default_rng(0).random((64, 64)), sampling=0.25)
    >>> found = detect_molecules(image, *load_weights("faster-rcnn"), restorer=load_weights("divaesr"))
    >>> len(found.molecules), found.shown.shape, found.definition.margin
    (0, (128, 128), 'van-der-waals')
    """
    check_options(card.threshold if threshold is None else threshold, tile, tile_overlap, iou)
    network = MoleculeDetector.named(card.architecture)
    restore, smallest = restoring(card, restorer, device)
    sampling = micrograph.sampling or (lattice.sampling if lattice else None)
    image, _ = prepared(micrograph, card, lattice, smallest=smallest, finds="molecules")
    # Of a calibrated detector also what is not likely by its score alone: channels may say that it is right.
    limit = card.threshold if threshold is None else threshold
    least = limit if card.calibration is None else CANDIDATE_SCORE
    options: dict[str, Any] = {"threshold": least, "tile": tile, "overlap": tile_overlap, "iou": iou}

    def find(image: NDArray[np.float32]) -> Found:
        # A detector in doubt gives one molecule both names.
        return detect_boxes(
            detector, network.shown(card, image, restore), **options, exclusive=True, device=device
        )

    shown = network.shown(card, image, restore)
    further: dict[str, Any] = {}
    if augment:
        boxes, labels, scores, further["agreement"] = in_all_orientations(find, image, iou)
    else:
        boxes, labels, scores = detect_boxes(detector, shown, **options, exclusive=True, device=device)
    height, width = micrograph.shape
    # The detector counts from the outer edge of the first pixel, we from its centre.
    scale = np.tile([width / shown.shape[1], height / shown.shape[0]], 2)
    boxes = np.clip(boxes * scale, 0, [width, height] * 2) - 0.5
    found = named_boxes(boxes, labels, scores, network.classes(card))
    if card.calibration is not None:
        further["likelihood"] = card.calibration.likelihood(log_odds(scores))
    candidates = Annotations(found.points, found.boxes, {**found.columns, **further})
    detection = MoleculeDetection(micrograph, candidates, shown, limit, sampling, card.inputs.boxes)
    return choose_molecules(detection, candidates, card, threshold)


def choose_molecules(
    detection: MoleculeDetection, candidates: Annotations, card: Card, threshold: float | None = None
) -> MoleculeDetection:
    """Return a detection with those of the candidates that count.

    Parameters
    ----------
    detection
        On the same image.
    candidates
        Boxes with column ``score`` and, of a calibrated detector, ``likelihood``.
    card
        Of the detector.
    threshold
        As for :func:`detect_molecules`.
    """
    decision, values = Decision(card.threshold), candidates["score"]
    if card.calibration is not None:
        values = candidates["likelihood"]
        decision = decide(values[values >= CANDIDATE], card)
    limit = decision.threshold if threshold is None else threshold
    return replace(
        detection,
        molecules=candidates.where(values >= limit),
        candidates=candidates,
        threshold=limit,
        expected_f1=decision.expected_f1,
    )


def named_boxes(
    boxes: NDArray[np.float64], labels: NDArray[np.int64], scores: NDArray[np.float64], classes: Sequence[str]
) -> Annotations:
    """Return detected boxes (x0, y0, x1, y1) [pixel] with their middles and columns ``label`` and ``score``."""
    names = np.array([classes[int(label) - 1] for label in labels], dtype=object)
    return Annotations.of_boxes(boxes, {"label": names, "score": scores})


def restoring(
    card: Card, restorer: tuple[torch.nn.Module, Card] | None, device: str | torch.device
) -> tuple[Restore | None, int]:
    """Return what restores images for a detector, and the smallest side that it takes.

    A restorer that does not go with the detector, or its absence where it is needed, is refused.
    """
    if restorer is None:
        if card.inputs.restorer is not None:
            raise InputError(
                f"the detector was trained on restored images: give the restorer's weights, {card.inputs.restorer.file}"
            )
        return None, 1
    model, other = restorer
    network = Restorer.named(other.architecture)
    both = card.sampling, other.sampling
    if both[0] and both[1] and abs(both[0] / both[1] - 1) > 0.02:
        raise WeightsError(
            f"detector and restorer were trained at different pixel sizes, {both[0]:g} and {both[1]:g} Å; "
            "use weights that belong together"
        )
    return network.doubling(model.to(device)), network.patch


def check_options(threshold: float, tile: int, tile_overlap: int, iou: float) -> None:
    """Refuse options of :func:`detect_molecules` that are out of range."""
    if not 0 <= threshold < 1:
        raise InputError(f"threshold must lie between 0 and 1, not {threshold}")
    if tile < 64:
        raise InputError(f"tile must be at least 64 pixels, not {tile}")
    if not 0 <= tile_overlap <= tile // 2:
        raise InputError(f"tile_overlap must lie between 0 and half a tile ({tile // 2}), not {tile_overlap}")
    if not 0 < iou <= 1:
        raise InputError(f"iou must lie between 0 and 1, not {iou}")


def detect_boxes(
    detector: torch.nn.Module,
    image: ArrayLike,
    *,
    threshold: float = 0.0,
    tile: int = TILE,
    overlap: int = TILE_OVERLAP,
    iou: float = 0.5,
    exclusive: bool = False,
    device: str | torch.device = "cpu",
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Detect objects in overlapping tiles of an image and merge them.

    A detection that touches a tile's border inside the image is dropped where the overlap lets the neighbour see
    it whole. What is left is merged by non-maximum suppression.

    Parameters
    ----------
    detector
        In torchvision's manner: takes a list of (1, height, width), gives ``boxes``, ``labels`` and ``scores``.
    image
        As the detector wants it, shape (height, width).
    threshold, tile, overlap, iou, device
        As for :func:`detect_molecules`.
    exclusive
        One place holds one object: of boxes of different classes that overlap only the best is kept. Without, each
        class is merged by itself, as average precision wants it.

    Returns
    -------
    boxes, labels, scores
        Shapes (n, 4), (n,), (n,); best first. Boxes are (x0, y0, x1, y1) [pixel of the image], 0 being
        the outer edge of the first pixel.

    Examples
    --------
    >>> class Bright(torch.nn.Module):
    ...     def forward(self, images):
    ...         y, x = np.nonzero(np.asarray(images[0][0]) > 0)
    ...         box = torch.tensor([[x.min(), y.min(), x.max() + 1, y.max() + 1]])
    ...         return [{"boxes": box, "labels": torch.ones(1), "scores": torch.ones(1)}]
    >>> image = np.zeros((64, 64))
    >>> image[20:30, 40:44] = 1
    >>> detect_boxes(Bright(), image)[0].tolist()
    [[40.0, 20.0, 44.0, 30.0]]
    """
    values = np.asarray(image, dtype=np.float32)
    detector = detector.to(device).eval()
    boxes, labels, scores = [torch.zeros(0, 4)], [torch.zeros(0, dtype=torch.int64)], [torch.zeros(0)]
    with torch.inference_mode():
        for y0, y1, x0, x1 in _tiles(values.shape[0], values.shape[1], tile, overlap):
            part = torch.from_numpy(np.ascontiguousarray(values[y0:y1, x0:x1]))[None].to(device)
            found = {name: value.cpu() for name, value in detector([part])[0].items()}
            box = found["boxes"].float() + torch.tensor([x0, y0, x0, y0])
            keep = found["scores"] >= threshold
            for inner, side in ((x0, 0), (y0, 1)):
                keep &= (box[:, side] > inner + _CUT) if inner > 0 and overlap else True
            for outer, end, side in ((x1, values.shape[1], 2), (y1, values.shape[0], 3)):
                keep &= (box[:, side] < outer - _CUT) if outer < end and overlap else True
            boxes.append(box[keep])
            labels.append(found["labels"][keep].long())
            scores.append(found["scores"][keep].float())
    box, label, score = torch.cat(boxes), torch.cat(labels), torch.cat(scores)
    kept = nms(box, score, iou) if exclusive else batched_nms(box, score, label, iou)
    return box[kept].numpy().astype(float), label[kept].numpy(), score[kept].numpy().astype(float)


def _tiles(height: int, width: int, tile: int, overlap: int) -> Iterator[tuple[int, int, int, int]]:
    """Cover an image with overlapping tiles of equal size: top, bottom, left, right."""

    def starts(length: int) -> list[int]:
        if length <= tile:
            return [0]
        count = 1 + int(np.ceil((length - tile) / (tile - overlap)))
        return [int(start) for start in np.rint(np.linspace(0, length - tile, count))]

    for top in starts(height):
        for left in starts(width):
            yield top, min(top + tile, height), left, min(left + tile, width)
