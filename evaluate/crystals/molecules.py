"""Evaluation of detected molecules: average precision and recall of boxes, by class and by size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from stemforge.corpus.sample import Sample
from stemforge.errors import CorpusError, InputError
from stemforge.evaluate.atoms.scores import format_score
from stemforge.evaluate.crystals.boxes import BoxTable
from stemforge.evaluate.pairing import pair_images, read_tables
from stemforge.files import write_json
from stemforge.infer.molecules.detection import read_molecules
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate.labels.boxes import SPHERES, BoxDefinition, sample_molecule_boxes

SMALL = 16.0
"""Side below which a box counts as small [pixel]; from three times as much on it counts as large."""

# COCO's limits are sides of 32 and 96 pixels, meant for photographs of everyday things.
_COCO_SMALL = 32.0
# More than any image holds: COCO stops counting at 100.
_MOST = 2000


@dataclass(frozen=True)
class BoxScore:
    """How well boxes were found; None where there was nothing to find.

    Parameters
    ----------
    ap, ap50, ap75
        Average precision, mean over IoU 0.50, 0.55, …, 0.95, and at 0.5 and 0.75.
    ar
        Average recall over the same IoUs, every detection counted.
    ap_small, ap_medium, ap_large, ar_small, ar_medium, ar_large
        The same for boxes of some size alone.
    classes
        ``ap`` and ``ar`` of each class.
    images, truth, predicted
        Number of images, of labelled and of predicted boxes.

    Examples
    --------
    >>> each = {"pyridine": {"ap": 0.6, "ar": 0.65}}
    >>> score = BoxScore(0.6, 0.9, 0.7, 0.65, *[None] * 6, each, images=1, truth=10, predicted=11)
    >>> score.classes["pyridine"]["ar"], score.ap_small  # no small box was labelled
    (0.65, None)
    """

    ap: float | None
    ap50: float | None
    ap75: float | None
    ar: float | None
    ap_small: float | None
    ap_medium: float | None
    ap_large: float | None
    ar_small: float | None
    ar_medium: float | None
    ar_large: float | None
    classes: Mapping[str, Mapping[str, float | None]]
    images: int
    truth: int
    predicted: int


def score_boxes(
    predicted: Sequence[Annotations],
    truth: Sequence[Annotations],
    *,
    one_class: bool = False,
    small: float = SMALL,
) -> BoxScore:
    """Score predicted boxes by COCO's measures.

    Parameters
    ----------
    predicted
        One an image: boxes (x0, y0, x1, y1) [pixel] with columns ``label`` and ``score``.
    truth
        One an image: boxes with column ``label``.
    one_class
        Leave the classes aside: a molecule is a molecule.
    small
        Boxes of a smaller area than a square of this side are small, from three times this side on large
        [pixel]; COCO's 32 and 96 pixels would call every molecule small.

    Returns
    -------
    BoxScore
        Over all images together.

    Raises
    ------
    InputError
        Numbers of images that differ, tables without boxes, labels or scores.

    References
    ----------
    Lin et al., ECCV 2014, arXiv:1405.0312 (COCO).

    Examples
    --------
    >>> known = Annotations([[10, 10]], [[0, 0, 20, 20]], {"label": ["pyridine"]})
    >>> found = Annotations([[10, 11]], [[0, 1, 20, 21]], {"label": ["pyridine"], "score": [0.9]})
    >>> score = score_boxes([found], [known])
    >>> round(score.ap50, 2), round(score.ap, 2)
    (1.0, 0.9)
    """
    from torchmetrics.detection import MeanAveragePrecision

    if len(predicted) != len(truth) or not truth:
        raise InputError(f"{len(predicted)} predictions do not fit {len(truth)} labelled images")
    if not (np.isfinite(small) and small > 0):
        raise InputError(f"small must be a positive length [pixel], not {small}")
    names = ["molecule"] if one_class else _names(predicted, truth)
    scale = _COCO_SMALL / small  # IoU does not change with the size of a pixel
    metric = MeanAveragePrecision(
        backend="faster_coco_eval", max_detection_thresholds=[1, 100, _MOST], class_metrics=True
    )
    metric.warn_on_many_detections = False
    metric.update(
        [_tensors(table, names, scale, scored=True) for table in predicted],
        [_tensors(table, names, scale, scored=False) for table in truth],
    )
    result = metric.compute()
    keys = ("classes", "map_per_class", f"mar_{_MOST}_per_class")
    # Without a class the figures still have one entry, -1.
    rows = zip(*(np.atleast_1d(result[key].numpy()) for key in keys), strict=False)
    classes = {names[int(index)]: {"ap": _known(ap), "ar": _known(ar)} for index, ap, ar in rows}
    values = {"ap": "map", "ap50": "map_50", "ap75": "map_75", "ar": f"mar_{_MOST}"}
    values |= {f"{m}_{s}": f"m{m}_{s}" for m in ("ap", "ar") for s in ("small", "medium", "large")}
    return BoxScore(
        **{name: _known(float(result[key])) for name, key in values.items()},
        classes=classes,
        images=len(truth),
        truth=sum(len(table) for table in truth),
        predicted=sum(len(table) for table in predicted),
    )


def _known(value: float) -> float | None:
    """COCO says -1 where there is nothing to measure."""
    return None if value < 0 else float(value)


def _names(predicted: Sequence[Annotations], truth: Sequence[Annotations]) -> list[str]:
    return sorted({str(label) for table in (*truth, *predicted) for label in table["label"]}) or ["molecule"]


def _check_classes(predicted: Sequence[Annotations], truth: Sequence[Annotations]) -> None:
    """Refuse tables that have not one class in common: every figure would be 0."""
    found, known = ({str(label) for table in side for label in table["label"]} for side in (predicted, truth))
    if known and found and not known & found:
        raise InputError(
            f"the predictions' classes ({', '.join(sorted(found))}) are none of the labels' "
            f"({', '.join(sorted(known))}); score them as one class (one_class)"
        )


def _tensors(
    table: Annotations, names: Sequence[str], scale: float, *, scored: bool
) -> dict[str, torch.Tensor]:
    if table.boxes is None:
        raise InputError("a table has no boxes")
    labels = [0 if len(names) == 1 else names.index(str(label)) for label in table["label"]]
    tensors = {
        "boxes": torch.from_numpy(table.boxes * scale).float().reshape(-1, 4),
        "labels": torch.tensor(labels, dtype=torch.int64),
    }
    if scored:
        tensors["scores"] = torch.from_numpy(np.asarray(table["score"], dtype=np.float32))
    return tensors


@dataclass(frozen=True)
class MoleculeEvaluation:
    """The score of a folder of detections.

    Parameters
    ----------
    pred, truth
        What was scored against what.
    score
        Over all images together.
    images
        Score of each image, by name.
    one_class, small, threshold
        As it was scored.
    boxes
        What a box is in the score.

    Examples
    --------
    >>> score = BoxScore(0.6, 0.9, 0.7, 0.65, *[None] * 6, {"pyridine": {"ap": 0.6, "ar": 0.65}}, 1, 10, 11)
    >>> evaluation = MoleculeEvaluation("found", "labels", score, {"a": score}, True, 32.0, None)
    >>> evaluation.table().title
    '11 boxes against 10 labelled ones on 1 images (van-der-waals)'
    """

    pred: str
    truth: str
    score: BoxScore
    images: Mapping[str, BoxScore]
    one_class: bool
    small: float
    threshold: float | None
    boxes: BoxDefinition = SPHERES

    def to_json(self, path: str | Path) -> None:
        """Write everything to a JSON file."""
        write_json(path, self)

    def table(self) -> Table:
        """Lay out all molecules, each class and each size for a terminal."""
        score = self.score
        title = f"{score.predicted} boxes against {score.truth} labelled ones on {score.images} images ({self.boxes})"
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for name in ("", "AP@[.5:.95]", "AP50", "AP75", "AR"):
            table.add_column(name, justify="right" if name else "left")
        figures = [format_score(value) for value in (score.ap, score.ap50, score.ap75, score.ar)]
        table.add_row("all", *figures, end_section=True)
        names = sorted(score.classes)
        for name in names:
            ap, ar = (format_score(score.classes[name][measure]) for measure in ("ap", "ar"))
            table.add_row(name, ap, "", "", ar, end_section=name == names[-1])
        low, high = f"{self.small:g}", f"{3 * self.small:g}"
        sizes = {"small": f"below {low} px", "medium": f"{low} to {high} px", "large": f"from {high} px"}
        for size, text in sizes.items():
            ap, ar = (format_score(getattr(score, f"{measure}_{size}")) for measure in ("ap", "ar"))
            table.add_row(text, ap, "", "", ar)
        return table


def evaluate_molecules(
    pred: str | Path,
    truth: str | Path,
    *,
    one_class: bool = False,
    small: float = SMALL,
    min_score: float | None = None,
    unlabelled: bool = False,
    boxes: BoxDefinition | None = None,
) -> MoleculeEvaluation:
    """Score a folder of detected molecules against labels.

    Parameters
    ----------
    pred
        Folder that ``stemforge infer molecules`` wrote: one CSV an image.
    truth
        Folder of CSVs with columns ``x0_px,y0_px,x1_px,y1_px,label``, or a corpus with molecule boxes. Images pair
        by name, see :func:`~stemforge.evaluate.pair_images`.
    one_class, small
        As for :func:`score_boxes`.
    min_score
        Count only predictions with at least this score. Average precision is meant to see them all.
    unlabelled
        Leave predictions without truth out instead of refusing them.
    boxes
        What a box is in the score; by default what it is in the predictions. Tables say in a column ``boxes`` what
        theirs are, van der Waals where they do not. Others are converted: a corpus's from its atoms where it keeps
        them, those of tables as :func:`~stemforge.simulate.convert_boxes` does.

    Returns
    -------
    MoleculeEvaluation
        The score of all images together and of each.

    Raises
    ------
    InputError
        A table that cannot be used, images without partner, classes of which none is in both folders, or boxes of
        several definitions that cannot be converted.

    Examples
    --------
    >>> row = "x0_px,y0_px,x1_px,y1_px,label,score{}4,4,12,12,pyridine,0.9{}".format(*2 * [chr(10)])
    >>> for folder in ("found", "labels"):
    ...     Path(folder).mkdir()
    ...     _ = (Path(folder) / "a.csv").write_text(row)
    >>> evaluate_molecules("found", "labels").score.ap
    1.0
    """
    if min_score is not None and not np.isfinite(min_score):
        raise InputError(f"min_score must be a finite number, not {min_score}")
    predicted = read_boxes(pred, "pred")
    wanted = _definition(predicted, pred) if boxes is None else boxes
    labelled = read_boxes(truth, "truth", wanted)
    pairs = pair_images(predicted, labelled, unlabelled)
    # Both are of one image: the pixel size of either serves the other.
    found = {name: predicted[name].to(wanted, labelled[other].sampling) for name, other in pairs.items()}
    known = {other: labelled[other].to(wanted, predicted[name].sampling) for name, other in pairs.items()}
    for name in pairs:
        if "score" not in found[name].columns:
            raise InputError(f"pred {pred}: the table {name} has no column 'score'")
        if not np.isfinite(found[name]["score"]).all():
            raise InputError(f"pred {pred}: the table {name} holds scores that are no finite numbers")
    tables = {
        name: found[name] if min_score is None else found[name].where(found[name]["score"] >= min_score)
        for name in pairs
    }
    if not one_class:
        _check_classes([found[name] for name in pairs], [known[other] for other in pairs.values()])
    options: dict[str, Any] = {"one_class": one_class, "small": small}
    score = score_boxes(list(tables.values()), [known[other] for other in pairs.values()], **options)
    alone = {name: score_boxes([tables[name]], [known[other]], **options) for name, other in pairs.items()}
    return MoleculeEvaluation(str(pred), str(truth), score, alone, one_class, small, min_score, wanted)


def _definition(tables: Mapping[str, BoxTable], folder: str | Path) -> BoxDefinition:
    """Return what a box is in all tables of a folder."""
    known = {table.definition for table in tables.values() if table.definition is not None}
    if len(known) > 1:
        listed = ", ".join(sorted(map(str, known)))
        raise InputError(
            f"pred {folder}: its tables hold boxes of different definitions ({listed}); say "
            "which one to score (boxes)"
        )
    return known.pop() if known else SPHERES


def read_boxes(folder: str | Path, what: str, definition: BoxDefinition = SPHERES) -> dict[str, BoxTable]:
    """Read one table of boxes per image from a folder of CSVs or a corpus.

    Parameters
    ----------
    folder
        Folder of CSVs, or a corpus whose samples carry boxes, the column ``species`` and the metadata ``molecules``.
    what
        Name of the argument that gave the folder (``"pred"``), for messages.
    definition
        What boxes a corpus is asked for; tables hold what they hold.

    Returns
    -------
    dict
        Tables with boxes and column ``label``, by image name.
    """

    def of_sample(sample: Sample) -> BoxTable:
        boxes = labelled_boxes(sample, sample_molecule_boxes(sample, definition))
        return BoxTable(f"{folder}, sample {sample.index}", boxes, definition, sample.sampling)

    return read_tables(
        folder, what, lambda path: BoxTable.of_table(str(path), read_molecules(path)), of_sample
    )


def labelled_boxes(sample: Sample, boxes: NDArray[np.float64] | None = None) -> Annotations:
    """Return the boxes of a sample's molecules with their names; elsewhere where ``boxes`` say so."""
    placed = sample.labels.boxes if boxes is None else boxes
    names = sample.metadata.get("molecules")
    if placed is None or not isinstance(names, list) or "species" not in sample.labels.columns:
        raise CorpusError(
            f"sample {sample.index}: carries no molecule boxes with names (boxes, column species, metadata "
            "molecules)"
        )
    labels = np.array([names[int(s)] for s in sample.labels["species"]], dtype=object)
    return Annotations.of_boxes(placed, {"label": labels})
