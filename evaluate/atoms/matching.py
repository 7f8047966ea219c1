"""Matching: which predicted atom is which labelled one."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from stemforge.errors import AnnotationsError, InputError
from stemforge.micrograph.annotations import Annotations

# Coordinates come from text files: the last bit of a difference must not decide whether a pair that lies
# exactly on a criterion's limit is a match.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Match:
    """A one-to-one assignment of predicted to true points.

    Parameters
    ----------
    pairs
        Matched (index of the prediction, index of the truth), shape (m, 2), in order of the predictions.
    distances
        Distance between the two points of each pair, in the unit of the points, shape (m,).
    false_positives
        Number of predictions without a true point.
    false_negatives
        Number of true points without a prediction.

    Examples
    --------
    >>> match = Match(np.array([[0, 1], [2, 0]]), np.array([0.4, 1.1]), false_positives=1, false_negatives=0)
    >>> match.true_positives, match.pairs[0].tolist()  # the first prediction is the second true point
    (2, [0, 1])
    """

    pairs: NDArray[np.intp]
    distances: NDArray[np.float64]
    false_positives: int
    false_negatives: int

    @property
    def true_positives(self) -> int:
        """Number of matched pairs."""
        return len(self.pairs)


Matcher = Callable[[NDArray[np.float64], NDArray[np.float64]], Match]
"""A criterion: takes predicted and true points, returns their :class:`Match`."""


def match_boxes(predicted: ArrayLike, truth: ArrayLike, box: float = 21, iou: float = 0.5) -> Match:
    """Match points whose boxes overlap: the criterion published with SAC-CNN.

    A predicted and a true atom may be matched when the two squares of side ``box`` centred on them overlap
    with an intersection over union above ``iou``. For 21 px and 0.5, two atoms shifted along one axis
    match when they are less than 7 px apart.

    Parameters
    ----------
    predicted
        Predicted (x, y) [px], shape (n, 2); n = 0 is allowed.
    truth
        True (x, y) [px], shape (m, 2); m = 0 is allowed.
    box
        Side of the squares [px]. Larger boxes forgive larger shifts.
    iou
        Intersection over union that must be exceeded, 0 ≤ iou < 1; a pair exactly at it does not match.

    Returns
    -------
    Match
        One to one; as many pairs as can be had, and among such assignments the largest total overlap. A
        pair below the limit never takes the place of one above it.

    Raises
    ------
    InputError
        Points of another shape or not finite, box not positive, iou outside its range.

    References
    ----------
    Mitchell et al., J. Am. Chem. Soc. 2022, 144, 8018, doi:10.1021/jacs.1c12466.

    Examples
    --------
    >>> match_boxes([[10, 10], [50, 50]], [[16, 10], [57, 50]]).pairs
    array([[0, 0]])
    """
    if not (np.isfinite(box) and box > 0):
        raise InputError(f"box must be a positive length [px], not {box}")
    if not 0 <= iou < 1:
        raise InputError(f"iou must lie in 0 <= iou < 1, not {iou}")
    a, b = _points(predicted, "predicted"), _points(truth, "truth")
    # Shifted along one axis by s, boxes have an IoU of (box - s) / (box + s): none farther apart can match.
    i, j = _neighbours(a, b, box * (1 - iou) / (1 + iou), norm=np.inf)
    overlap = np.prod(np.clip(box - np.abs(a[i] - b[j]), 0, None), axis=1)
    ratio = overlap / (2 * box**2 - overlap)
    legal = ratio > iou + _ROUNDING
    return _assign(a, b, i[legal], j[legal], ratio[legal])


def match_distance(predicted: ArrayLike, truth: ArrayLike, tolerance: float) -> Match:
    """Match points that are no farther apart than a tolerance.

    Parameters
    ----------
    predicted
        Predicted (x, y) in any unit, shape (n, 2); n = 0 is allowed.
    truth
        True (x, y) in the same unit, shape (m, 2); m = 0 is allowed.
    tolerance
        Largest distance of a pair, in the unit of the points; a pair exactly at it matches.

    Returns
    -------
    Match
        One to one; as many pairs as can be had, and among such assignments the smallest total distance.

    Raises
    ------
    InputError
        Points of another shape or not finite, tolerance not positive.

    Examples
    --------
    The nearest pair alone would leave the first prediction without partner:

    >>> match_distance([[0, 0], [2, 0]], [[1.5, 0], [3.9, 0]], tolerance=2).pairs
    array([[0, 0],
           [1, 1]])
    """
    if not (np.isfinite(tolerance) and tolerance > 0):
        raise InputError(f"tolerance must be a positive length, not {tolerance}")
    a, b = _points(predicted, "predicted"), _points(truth, "truth")
    i, j = _neighbours(a, b, tolerance, norm=2)
    distance = np.hypot(*(a[i] - b[j]).T)
    legal = distance <= tolerance * (1 + _ROUNDING)
    # With the number of pairs settled, the smallest total distance is the largest total closeness.
    return _assign(a, b, i[legal], j[legal], 1 - distance[legal] / (tolerance * (1 + _ROUNDING)))


def _points(values: ArrayLike, what: str) -> NDArray[np.float64]:
    try:
        return Annotations(values).points
    except AnnotationsError as error:
        raise InputError(f"{what}: {error}") from error


def _neighbours(
    a: NDArray[np.float64], b: NDArray[np.float64], radius: float, norm: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Index pairs of points that may match: all within the radius, and a few just beyond it."""
    if not (len(a) and len(b)):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    reach = radius * (1 + 10 * _ROUNDING)
    near = cKDTree(a).sparse_distance_matrix(cKDTree(b), reach, p=norm, output_type="ndarray")
    return near["i"].astype(np.intp), near["j"].astype(np.intp)


def _assign(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    i: NDArray[np.intp],
    j: NDArray[np.intp],
    gain: NDArray[np.float64],
) -> Match:
    """Assign one to one along the legal pairs (i, j): most pairs first, then the largest total gain (0–1).

    The Hungarian method runs on each cluster of connected points by itself, so that images with many
    thousand atoms stay cheap. In a cluster every legal pair is worth more than all gains together, an illegal
    one nothing: no sum of gains can pay for a lost pair.
    """
    n = len(a) + len(b)
    graph = coo_array((np.ones(len(i)), (i, len(a) + j)), shape=(n, n))
    _, cluster = connected_components(graph, directed=False)
    order = np.argsort(cluster[i], kind="stable")
    chosen = []
    for edges in np.split(order, np.flatnonzero(np.diff(cluster[i][order])) + 1):
        if len(edges) < 2:
            chosen.append(edges)
            continue
        rows, row = np.unique(i[edges], return_inverse=True)
        columns, column = np.unique(j[edges], return_inverse=True)
        worth = np.zeros((len(rows), len(columns)))
        worth[row, column] = gain[edges] + min(worth.shape) + 1
        edge = np.full(worth.shape, -1)
        edge[row, column] = edges
        taken = edge[linear_sum_assignment(worth, maximize=True)]
        chosen.append(taken[taken >= 0])
    kept = np.concatenate(chosen)
    kept = kept[np.argsort(i[kept])]
    return Match(
        pairs=np.column_stack([i[kept], j[kept]]),
        distances=np.hypot(*(a[i[kept]] - b[j[kept]]).T),
        false_positives=len(a) - len(kept),
        false_negatives=len(b) - len(kept),
    )
