"""Drift from frame to frame: by images and by atoms, refined by the atoms that stay."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.registration import phase_cross_correlation

from stemforge.evaluate.series.detections import Detections, Series

NEAR = 0.15
"""Distance within which atoms of two frames coincide, in 1/√density: a frame of as many random atoms has one within it
for 7 atoms in 100."""
HUBER = 2.0
"""Standard deviations from which a residual counts less (Huber 1964)."""

_UPSAMPLE = 20  # shifts of images are told to this part of a pixel
_BACKGROUND = 16  # of an image, slower than this part of its side: no feature to register
_SMOOTH = 1.5  # pixels: finer than that is noise
_FINE = 3  # times that a shift is improved by the atoms that coincide
_ROUNDS = 4  # of weighing residuals anew

Points = NDArray[np.float64]


def coarse_drift(series: Series) -> Points:
    """Find how far each frame is displaced against the first one, frame after frame.

    Of the shifts that the images tell, that the atoms tell, and none, the one counts that brings more atoms of a frame
    onto those of the frame before. Frames on which nothing was found lie between their neighbours.

    Returns
    -------
    ndarray
        Displacement (x, y) [unit], shape (frames, 2); 0 of the first frame.
    """
    found = series.detections
    images = None if series.images is None else [prepared(image) for image in series.images]
    radius = NEAR * found.spacing
    drift, filled = np.zeros((len(series), 2)), found.filled
    for before, number in pairwise(filled.tolist()):
        first, second = found.on(before), found.on(number)
        shifts = [np.zeros(2), best_shift(first, second, found)]
        if images is not None:
            shifts.append(image_shift(images[before], images[number]) * series.scale)
        shifts = [_improved(first, second, shift, radius) for shift in shifts]
        drift[number] = drift[before] + max(shifts, key=lambda one: _fit(first, second, one, radius))
    return _between(drift, filled)


def image_shift(first: NDArray[np.float64], second: NDArray[np.float64]) -> Points:
    """Return how far the content of a second image is displaced against the first one's (x, y) [pixel].

    By the peak of their cross-correlation (Guizar-Sicairos, Thurman & Fienup 2008, doi:10.1364/OL.33.000156). Its phase
    alone, which sharpens the peak on clean images, is mostly noise's on these.

    Examples
    --------
    >>> image = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(64, 64)), 3, mode="wrap")
    >>> image_shift(image, ndimage.shift(image, (1.5, -2), mode="grid-wrap")).round(1).tolist()
    [-2.0, 1.5]
    """
    shift, *_ = phase_cross_correlation(first, second, upsample_factor=_UPSAMPLE, normalization=None)
    return -np.asarray(shift, dtype=float)[::-1] + 0.0


def best_shift(first: Points, second: Points, found: Detections) -> Points:
    """Return the shift (x, y) [unit] that brings most of the second points onto the first ones.

    Both are drawn as spots, whose cross-correlation has its peak there; the shift is good to a part of the radius
    within which atoms coincide. No shift where one of them has no point.
    """
    if not len(first) or not len(second):
        return np.zeros(2)
    step = NEAR * found.spacing / 2
    drawn = [_drawn(points, found.size, step) for points in (first, second)]
    shift, *_ = phase_cross_correlation(*drawn, normalization=None)
    return -np.asarray(shift, dtype=float)[::-1] * step


def matched(first: Points, second: Points, shift: Points, radius: float) -> tuple[NDArray, NDArray]:
    """Return which points of two frames coincide: pairs each of which is the other's nearest, within a radius."""
    if not len(first) or not len(second):
        return np.empty(0, dtype=int), np.empty(0, dtype=int)
    moved = second - shift
    distance, nearest = cKDTree(first).query(moved)
    back = cKDTree(moved).query(first)[1]
    index = np.arange(len(second))
    mutual = (back[nearest] == index) & (distance <= radius)
    return nearest[mutual], index[mutual]


def refine_drift(
    found: Detections, parts: Sequence[NDArray[np.int64]], drift: Points, variance: float
) -> tuple[Points, NDArray[np.float64]]:
    """Refine the drift by the atoms that stay where they are.

    Each part of a track between two hops has one place of its own, each frame one displacement; both follow together
    by least squares, in which residuals that the errors do not explain count less (Huber 1964).

    Parameters
    ----------
    found
        As found, drift not taken off.
    parts
        Indices of the detections of each part of a track.
    drift
        Displacement of each frame as known so far (x, y), shape (frames, 2).
    variance
        Of a coordinate, to be added to what the detector says [unit²].

    Returns
    -------
    drift, variance
        The displacement, 0 of the first frame, and the variance of its coordinates against the first frame [unit²],
        shape (frames,): 0 of that frame, NaN of frames on which no atom of these parts was found.
    """
    parts = [part for part in parts if len(part) > 1]
    if not parts:
        return drift, np.zeros(len(drift))
    index = np.concatenate(parts)
    part = np.repeat(np.arange(len(parts)), [len(one) for one in parts])
    frame, left = found.frame[index], found.points[index] - drift[found.frame[index]]
    sigma = np.sqrt(np.maximum(found.variance[index] + variance, 1e-12))
    weight = sigma**-2.0
    change = np.zeros_like(drift)
    inverse = np.zeros((len(drift), len(drift)))
    for _ in range(_ROUNDS):
        table = np.zeros((len(parts), len(drift)))
        np.add.at(table, (part, frame), weight)
        whole = table.sum(1)
        place = np.stack([np.bincount(part, weight * left[:, i], len(parts)) / whole for i in (0, 1)], 1)
        # Normal equations of the frames alone: places of parts are eliminated.
        normal = np.diag(table.sum(0)) - (table / whole[:, None]).T @ table
        right = np.stack(
            [np.bincount(frame, weight * (left - place[part])[:, i], len(drift)) for i in (0, 1)], 1
        )
        inverse = np.linalg.pinv(normal, hermitian=True)
        change = inverse @ right
        means = place - (table / whole[:, None]) @ change
        size = np.hypot(*(left - change[frame] - means[part]).T) / sigma
        weight = sigma**-2 * np.minimum(1, HUBER / np.maximum(size, 1e-12))
    known = np.unique(frame)
    first = known[0]
    # The frames' places are known against their mean; what is told is against the first of them.
    error = np.full(len(drift), np.nan)
    error[known] = (np.diag(inverse) + inverse[first, first] - 2 * inverse[:, first])[known].clip(0)
    refined = drift + change
    return _between(refined - refined[found.filled[0]], found.filled), error


def _between(drift: Points, known: NDArray[np.int64]) -> Points:
    """Return the drift with that of frames of which nothing is known from their neighbours."""
    frames = np.arange(len(drift))
    return np.stack([np.interp(frames, known, values[known]) for values in drift.T], 1)


def _improved(first: Points, second: Points, shift: Points, radius: float) -> Points:
    """Move a shift to the mean difference of the atoms that coincide under it."""
    for _ in range(_FINE):
        here, later = matched(first, second, shift, radius)
        if not len(here):
            break
        shift = np.median(second[later] - first[here], axis=0)
    return shift


def _fit(first: Points, second: Points, shift: Points, radius: float) -> float:
    """Return how many atoms coincide, those nearer counting more."""
    here, later = matched(first, second, shift, radius)
    distance = np.hypot(*(second[later] - first[here] - shift).T)
    return float(np.exp(-2 * (distance / radius) ** 2).sum())


def prepared(image: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return an image without slow background and noise, faded out at its edges."""
    values = np.asarray(image, dtype=float)
    values = ndimage.gaussian_filter(values, _SMOOTH) - ndimage.gaussian_filter(
        values, max(values.shape) / _BACKGROUND
    )
    low, high = np.percentile(values, [0.1, 99.9])  # one hot pixel must not outweigh all atoms
    window = np.outer(np.hanning(values.shape[0] + 2)[1:-1], np.hanning(values.shape[1] + 2)[1:-1])
    return np.asarray(np.clip(values, low, high) * window)


def _drawn(points: Points, size: Points, step: float) -> NDArray[np.float64]:
    """Draw points as spots on a grid with a margin as wide as the frame, so that what drifts out does not come in."""
    shape = 2 * np.ceil(size[::-1] / step).astype(int) + 1
    grid = np.zeros(shape)
    column, row = np.rint(points / step).astype(int).T
    np.add.at(grid, (row % shape[0], column % shape[1]), 1.0)
    return np.asarray(ndimage.gaussian_filter(grid, 1.0, mode="wrap"))
