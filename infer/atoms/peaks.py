"""From maps to atoms: three ways in which what a network says of every pixel becomes points."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import peak_local_max

from stemforge.infer.maxima import parabola_vertex
from stemforge.micrograph.annotations import Annotations
from stemforge.train.card import log_odds

DISC = np.hypot(*np.mgrid[-5:6, -5:6]) <= 5.5
"""Pixels around a peak that are below it: two atoms nearer than this cannot be told from each other."""


def find_regions(likelihood: NDArray[np.float32], threshold: float) -> Annotations:
    """Find atoms in a likelihood map as published with SAC-CNN: connected regions above a threshold, their centroids.

    Parameters
    ----------
    likelihood
        Shape (height, width).
    threshold
        Pixels from this likelihood on belong to an atom.

    Returns
    -------
    Annotations
        Centroids weighted by likelihood, (x, y) [pixel], with column ``score``: the region's maximum. Highest
        score first.

    Examples
    --------
    >>> likelihood = np.zeros((9, 9), dtype=np.float32)
    >>> likelihood[2, 3:6], likelihood[7, 7] = 0.9, 0.6
    >>> found = find_regions(likelihood, 0.5)
    >>> found.points.tolist(), found["score"].astype(float).round(1).tolist()
    ([[4.0, 2.0], [7.0, 7.0]], [0.9, 0.6])
    """
    regions, count = ndimage.label(likelihood >= threshold)
    if not count:
        return Annotations([], columns={"score": np.empty(0)})
    index = np.arange(1, count + 1)
    # Weights above the threshold's complement: a saturated plateau has its middle as centroid.
    centres = np.array(ndimage.center_of_mass(likelihood, regions, index))
    score = ndimage.maximum(likelihood, regions, index)
    order = np.argsort(-score, kind="stable")
    return Annotations(centres[order, ::-1], columns={"score": score[order]})


def find_spots(likelihood: NDArray[np.float32], threshold: float) -> Annotations:
    """Find atoms in a smoothed likelihood map: its peaks.

    Unlike regions, peaks keep close atoms apart at a low threshold and hold together at a high one.

    Parameters
    ----------
    likelihood
        Shape (height, width).
    threshold
        Peaks from this likelihood on are atoms.

    Returns
    -------
    Annotations
        Points (x, y) [pixel] with column ``score``, the likelihood there. Highest score first.

    Examples
    --------
    >>> y, x = np.mgrid[:30, :40]
    >>> odds = 6 * np.exp(-((x - 20.3) ** 2 + (y - 10) ** 2) / 18) - 3  # their logarithm
    >>> likelihood = 1 / (1 + np.exp(-odds))
    >>> find_spots(likelihood, 0.5).points.round(1).tolist()
    [[20.3, 10.0]]
    """
    values = np.asarray(likelihood, dtype=float)
    # skimage wants peaks above its threshold; here those on it count too.
    below = np.nextafter(threshold, -np.inf)
    places = peak_local_max(
        values, min_distance=5, threshold_abs=below, exclude_border=False, footprint=DISC, p_norm=2
    )
    # Mirrored, a peak in the outermost line stays in it: repeated values would put it on the edge.
    around = np.pad(log_odds(values), 1, mode="reflect")
    rows, columns = places.T + 1
    peak = around[rows, columns]
    steps = ((0, 1), (1, 0))
    shift = [
        parabola_vertex(around[rows - dy, columns - dx], peak, around[rows + dy, columns + dx])
        for dy, dx in steps
    ]
    points = places[:, ::-1] + np.clip(np.nan_to_num(np.column_stack(shift)), -0.5, 0.5)
    return Annotations(points, columns={"score": values[places[:, 0], places[:, 1]]})


def find_peaks(
    likelihood: NDArray[np.float32],
    offset: NDArray[np.float32],
    sigma: NDArray[np.float32],
    threshold: float,
) -> Annotations:
    """Find atoms in maps of likelihood and offset: peaks of the likelihood, moved by the offset.

    Parameters
    ----------
    likelihood, offset, sigma
        From :func:`map_image`, the likelihood smoothed.
    threshold
        Peaks from this likelihood on are atoms.

    Returns
    -------
    Annotations
        Points (x, y) [pixel] with columns ``score``, the likelihood at the peak, and ``sigma_px``, the standard
        deviation of each coordinate by the network's own word [pixel]. Highest score first.

    Examples
    --------
    >>> likelihood = np.zeros((9, 9), dtype=np.float32)
    >>> likelihood[4, 2:5] = 0.5, 0.9, 0.4
    >>> offset = np.full((2, 9, 9), 0.25, dtype=np.float32)  # the network places atoms below the pixel
    >>> find_peaks(likelihood, offset, np.full((9, 9), 0.1), 0.5).points.tolist()
    [[3.25, 4.25]]
    """
    # An atom's spot is one peak; two atoms nearer than this cannot be told apart.
    highest = ndimage.maximum_filter(likelihood, footprint=DISC)
    rows, columns = np.nonzero((likelihood == highest) & (likelihood >= threshold))
    order = np.argsort(-likelihood[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    points = np.column_stack([columns, rows]) + offset[:, rows, columns].T
    return Annotations(points, columns={"score": likelihood[rows, columns], "sigma_px": sigma[rows, columns]})
