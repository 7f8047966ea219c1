"""The score threshold: what a detector gains and loses as it is raised, and where to put it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemforge.errors import InputError
from stemforge.evaluate.atoms.matching import Matcher, match_boxes
from stemforge.evaluate.atoms.scores import score_atoms, summarise
from stemforge.micrograph.annotations import Annotations


@dataclass(frozen=True)
class ThresholdCurve:
    """Scores of a set of images as the score threshold rises.

    Parameters
    ----------
    thresholds
        Increasing; a prediction counts where its score is at least the threshold. Shape (t,).
    precision, recall, f1
        Pooled over all images, shape (t,).
    f1_mean, f1_sd
        Mean and standard deviation (ddof = 1; NaN for a single image) of F1 over images, shape (t,).

    Examples
    --------
    >>> f1 = np.array([0.61, 0.72, 0.55])
    >>> curve = ThresholdCurve(np.array([0.3, 0.5, 0.7]), f1, f1, f1, f1, np.full(3, 0.05))
    >>> float(curve.thresholds[curve.f1_mean.argmax()])
    0.5
    """

    thresholds: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    f1_mean: NDArray[np.float64]
    f1_sd: NDArray[np.float64]


def threshold_curve(
    predicted: Sequence[ArrayLike],
    scores: Sequence[ArrayLike],
    truth: Sequence[ArrayLike],
    thresholds: ArrayLike | None = None,
    match: Matcher = match_boxes,
) -> ThresholdCurve:
    """Follow precision, recall and F1 over the score threshold, for many images at once.

    Parameters
    ----------
    predicted
        (x, y) [px] of each image's predictions, each of shape (n, 2).
    scores
        Score of each of these predictions, each of shape (n,).
    truth
        (x, y) [px] of each image's atoms, each of shape (m, 2).
    thresholds
        Where to evaluate. By default up to 101 values, the lowest score and above it midway between
        neighbouring ones, so that rounding of a score cannot move a prediction across.
    match
        Criterion, as in :func:`score_atoms`.

    Returns
    -------
    ThresholdCurve
        Recall never rises with the threshold: assignments have as many pairs as can be had.

    Raises
    ------
    InputError
        Lists of different length, scores that do not fit their points or are not finite, no predictions.

    Notes
    -----
    Points are taken as they are. A detector that is run again at another threshold may also split or merge
    neighbouring spots; these curves show neither that nor points below the threshold it was run with.

    Examples
    --------
    >>> curve = threshold_curve([[[5, 5], [60, 60]]], [[0.9, 0.3]], [[[5, 6]]])
    >>> curve.thresholds, curve.precision, curve.recall
    (array([0.3, 0.6]), array([0.5, 1. ]), array([1., 1.]))
    """
    if not len(predicted) == len(scores) == len(truth) > 0:
        raise InputError(
            "predicted, scores and truth must hold one entry an image, "
            f"not {len(predicted)}, {len(scores)} and {len(truth)}"
        )
    images = []
    for number, (points, values, atoms) in enumerate(zip(predicted, scores, truth, strict=True), start=1):
        found = Annotations(points, columns={"score": np.asarray(values, dtype=float)})
        if not np.all(np.isfinite(found["score"])):
            raise InputError(f"scores of image {number}: must be finite numbers")
        # Best first: the predictions above any threshold are then the first few.
        images.append((found.where(np.argsort(-found["score"], kind="stable")), Annotations(atoms).points))
    if thresholds is None:
        thresholds = _default_thresholds(np.concatenate([found["score"] for found, _ in images]))
    at = np.unique(np.asarray(thresholds, dtype=float))
    if not (at.size and np.all(np.isfinite(at))):
        raise InputError(
            f"thresholds must be finite numbers, at least one, not {np.asarray(thresholds).tolist()}"
        )
    table = []
    for found, atoms in images:
        counts = np.searchsorted(-found["score"], -at, side="right")
        by_count = {n: score_atoms(found.points[:n], atoms, match) for n in set(counts.tolist())}
        table.append([by_count[n] for n in counts.tolist()])
    pooled = [summarise(column).pooled for column in zip(*table, strict=True)]
    precision, recall, pooled_f1 = np.array([(score.precision, score.recall, score.f1) for score in pooled]).T
    f1 = np.array([[score.f1 for score in row] for row in table])
    sd = np.std(f1, axis=0, ddof=1) if len(images) > 1 else np.full(len(at), np.nan)
    return ThresholdCurve(at, precision, recall, pooled_f1, f1_mean=f1.mean(axis=0), f1_sd=sd)


def best_threshold(curve: ThresholdCurve, by: Literal["f1_mean", "f1"] = "f1_mean") -> float:
    """Return the threshold with the highest F1; the middle one where several in a row share it.

    Parameters
    ----------
    curve
        From :func:`threshold_curve`. Choose on images that the reported score does not use.
    by
        ``"f1_mean"``, the mean over images, or ``"f1"``, the pooled value.

    Examples
    --------
    >>> best_threshold(threshold_curve([[[5, 5], [60, 60]]], [[0.9, 0.3]], [[[5, 6]]]))
    0.6
    """
    values = getattr(curve, by)
    first = int(np.argmax(values))
    others = np.flatnonzero(values[first:] < values[first])
    last = first + int(others[0]) - 1 if len(others) else len(values) - 1
    return float(curve.thresholds[(first + last) // 2])


def _default_thresholds(scores: NDArray[np.float64], most: int = 101) -> NDArray[np.float64]:
    if not len(scores):
        raise InputError("scores: no image has a prediction, so there is no threshold to follow")
    ranked = np.sort(scores)
    levels, first = np.unique(ranked, return_index=True)
    between = np.concatenate([levels[:1], (levels[1:] + levels[:-1]) / 2])
    if len(levels) <= most:
        return between
    # Evenly over the predictions, not over the axis: networks crowd their scores near 0 and 1.
    wanted = np.linspace(0, len(ranked) - 1, most)
    return between[np.unique(np.searchsorted(first, wanted, side="right") - 1)]
