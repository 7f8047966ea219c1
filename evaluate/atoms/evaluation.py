"""Evaluation of detected atoms: a folder of predictions against a folder of labels."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from stemforge.errors import InputError
from stemforge.evaluate.atoms.curves import ThresholdCurve, threshold_curve
from stemforge.evaluate.atoms.matching import Matcher, match_boxes, match_distance
from stemforge.evaluate.atoms.result import AtomEvaluation
from stemforge.evaluate.atoms.scores import AtomScore, ImageEvaluation, Summary, score_atoms, summarise
from stemforge.evaluate.pairing import Table, pair_images, read_points
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.coordinates import suggested_unit

PUBLISHED = "box21_iou0.5"
"""Name of the published criterion: boxes of 21 px, IoU above 0.5."""


def evaluate_atoms(
    pred: str | Path,
    truth: str | Path,
    *,
    sampling: float | None = None,
    tolerances: Sequence[float] = (0.5, 1, 2),
    min_score: float | None = None,
    unlabelled: bool = False,
    select: Callable[[Annotations], ArrayLike] | None = None,
    label_unit: str | None = None,
) -> AtomEvaluation:
    r"""Score a folder of detected atoms against labels.

    Parameters
    ----------
    pred
        Folder that ``stemforge infer atoms`` wrote: one CSV an image, ``x_px,y_px,x_nm,y_nm,score``.
    truth
        Folder of CSVs (``X,Y`` of ImageJ, or stemforge's columns), or a corpus. Images pair by name, see
        :func:`~stemforge.evaluate.pair_images`.
    sampling
        Pixel size of every image [Å]. By default each image's own: from the nm columns of its predictions,
        else from its truth. It is never guessed; without it, criteria in Å are reported as None.
    tolerances
        Largest distances of a match [Å], reported beside the published box criterion.
    min_score
        Count only predictions with at least this score; by default all in the tables.
    unlabelled
        Leave predictions without truth out instead of refusing them.
    select
        Takes the labels of an image, returns a boolean mask of shape (m,): what counts as an atom. The
        labels of a simulated corpus also hold atoms that are not visible. By default all count.
    label_unit
        Unit of the truth's points where its CSVs name none: ``"px"``, the default, or one of length, which each
        image's pixel size makes pixels.

    Returns
    -------
    AtomEvaluation
        Scores by criterion for each image, their summary, and curves over the threshold.

    Raises
    ------
    InputError
        A table that cannot be used, images without partner, a least score for tables without scores.

    References
    ----------
    Mitchell et al., J. Am. Chem. Soc. 2022, 144, 8018, doi:10.1021/jacs.1c12466 (box criterion).

    Examples
    --------
    >>> import tempfile
    >>> pred, truth = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())
    >>> Annotations([[5, 5], [50, 50]], columns={"score": [0.9, 0.6]}).to_csv(pred / "021_HAADF.csv", 0.3)
    >>> _ = (truth / "021_Results.csv").write_text(" ,X,Y\n1,5,8\n")
    >>> result = evaluate_atoms(pred, truth)
    >>> {name: round(summary.mean["f1"], 3) for name, summary in result.summary.items()}
    {'box21_iou0.5': 0.667, '0.5 Å': 0.0, '1 Å': 0.667, '2 Å': 0.667}
    """
    _check_numbers(sampling, tolerances, min_score)
    found = read_points(pred, "pred")
    samplings = {name: sampling or table.sampling for name, table in found.items()}
    known = read_points(truth, "truth", label_unit=label_unit, samplings=samplings)
    pairs = pair_images(found, known, unlabelled)
    tables = [(found[name], _selected(known[other], select)) for name, other in pairs.items()]
    scored = _are_scored(tables, min_score)
    scales = [sampling or table.sampling or labels.sampling for table, labels in tables]
    if label_unit is None:
        for (table, labels), scale in zip(tables, scales, strict=True):
            _refuse_other_unit(table, labels, scale)
    criteria: dict[str, float | None] = {PUBLISHED: None} | {f"{t:g} Å": t for t in tolerances}
    images = []
    for (table, labels), scale in zip(tables, scales, strict=True):
        points = table.points if min_score is None else table.points.where(table.points["score"] >= min_score)
        pair = points.points, labels.points.points
        scores: dict[str, AtomScore | None] = {}
        for name, tolerance in criteria.items():
            match = _matcher(tolerance, _scale(table, labels, scale))
            scores[name] = score_atoms(*pair, match, scale) if match else None
        images.append(ImageEvaluation(table.name, labels.name, scale, scores, match_boxes(*pair).distances))

    summary: dict[str, Summary | None] = {}
    curves: dict[str, ThresholdCurve] = {}
    for name, tolerance in criteria.items():
        column = [score for image in images if (score := image.scores[name])]
        # A summary over the calibrated images alone would be one of other images than its neighbours'.
        summary[name] = summarise(column) if len(column) == len(images) else None
        if summary[name] and scored and any(len(table.points) for table, _ in tables):
            curves[name] = _curve(tables, scales, tolerance)
    notes = _notes(tables, scales, scored)
    return AtomEvaluation(str(pred), str(truth), tuple(images), summary, min_score, curves, notes)


_Pairs = Sequence[tuple[Table, Table]]


def _refuse_other_unit(table: Table, labels: Table, sampling: float | None) -> None:
    """Refuse labels that are plainly no pixels; as far as atoms were found is the least size that the image has."""
    found, marked = table.points.points, labels.points.points
    if not len(found) or not len(marked) or np.any(marked > found.max(axis=0)):
        return
    width, height = (int(edge) + 2 for edge in found.max(axis=0))
    unit = suggested_unit(marked, (height, width), sampling)
    if unit and unit[1]:
        raise InputError(
            f"{labels.source}: all {len(marked)} labels lie in one corner of where atoms were found, and would fit as "
            f"{unit[0]}; give their unit, {unit[0]} or px (label_unit)"
        )


def _check_numbers(sampling: float | None, tolerances: Sequence[float], min_score: float | None) -> None:
    for name, value in (("sampling", sampling), *(("tolerances", length) for length in tolerances)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise InputError(f"{name} must be a positive length [Å], not {value}")
    if min_score is not None and not np.isfinite(min_score):
        raise InputError(f"min_score must be a finite number, not {min_score}")


def _are_scored(tables: _Pairs, min_score: float | None) -> bool:
    """Say whether all predictions have scores; refuse scores that are not finite, or missing where they decide."""
    bare = [table.source for table, _ in tables if "score" not in table.points.columns]
    if min_score is not None and bare:
        raise InputError(f"{bare[0]}: has no column 'score', so min_score={min_score:g} cannot be applied")
    for table, _ in tables:
        if not bare and not np.all(np.isfinite(table.points["score"])):
            raise InputError(f"{table.source}: column score holds cells that are empty or not finite")
    return not bare


def _selected(table: Table, select: Callable[[Annotations], ArrayLike] | None) -> Table:
    if select is None:
        return table
    keep = np.asarray(select(table.points), dtype=bool)
    if keep.shape != (len(table.points),):
        raise InputError(f"{table.source}: select must return {len(table.points)} booleans, not {keep.shape}")
    return Table(table.name, table.source, table.points.where(keep), table.sampling)


def _scale(table: Table, labels: Table, scale: float | None) -> float | None:
    """Pixel size to match with: where one side has no points nothing can match, and any will do.

    An empty table carries no calibration; the others keep their scores in Å.
    """
    return scale or (1.0 if not (len(table.points) and len(labels.points)) else None)


def _matcher(tolerance: float | None, scale: float | None) -> Matcher | None:
    """Return the matcher for points in pixels: the published one, or a tolerance [Å] if there is a scale."""
    if tolerance is None:
        return match_boxes
    return None if scale is None else partial(match_distance, tolerance=tolerance / scale)


def _curve(tables: _Pairs, scales: Sequence[float | None], tolerance: float | None) -> ThresholdCurve:
    """Follow one criterion over the threshold; in Å the images may have different pixel sizes."""
    factors = [1.0 if tolerance is None else scale or 1.0 for scale in scales]
    return threshold_curve(
        [table.points.points * factor for (table, _), factor in zip(tables, factors, strict=True)],
        [table.points["score"] for table, _ in tables],
        [labels.points.points * factor for (_, labels), factor in zip(tables, factors, strict=True)],
        match=match_boxes if tolerance is None else partial(match_distance, tolerance=tolerance),
    )


def _notes(tables: _Pairs, scales: Sequence[float | None], scored: bool) -> tuple[str, ...]:
    bare = [t.name for (t, labels), s in zip(tables, scales, strict=True) if _scale(t, labels, s) is None]
    notes = []
    if bare:
        names = ", ".join(bare[:5]) + (f" and {len(bare) - 5} more" if len(bare) > 5 else "")
        notes.append(f"No pixel size for {names}: criteria in Å are not reported; sampling gives one.")
    lowest = [float(np.min(table.points["score"])) for table, _ in tables if scored and len(table.points)]
    if not scored:
        notes.append("Not every table of predictions has a column 'score': no curves over the threshold.")
    elif lowest:
        notes.append(
            f"The lowest score in the tables is {min(lowest):.4g}. Points below the detector's own threshold "
            "are not in them: the curves begin at that score, and a better threshold may lie lower."
        )
    else:
        notes.append("Not one atom was predicted on any image: no curves over the threshold.")
    return tuple(notes)
