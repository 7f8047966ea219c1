"""Mean and variation of the areas of Voronoi cells, without the effect of the mask's edge."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from stemforge.evaluate.statistics.window import Window

FEWEST = 10
"""Atoms whose surroundings must be known at each distance up to :data:`_NEEDED`, or nothing is stated."""

# In units of 1/√density: of random places 4 % of the area lies further from its atom than the second, next to
# none than the third; clusters reach further.
_STEP, _NEEDED, _REACH = 0.2, 1.0, 2.4
_SCATTER = (
    0.0728  # variance of the points of a square grid in a shape, over its perimeter in steps (Matheron)
)
_PAIRS = 8  # atoms of which a covariance is stated


def cell_moments(points: NDArray[np.float64], window: Window) -> tuple[float, float]:
    """Return the mean area of Voronoi cells [pixel²], and their standard deviation over it.

    A place at u from an atom belongs to its cell if no other atom is in the disc round the place through the atom.
    That is known where the disc lies in the mask, and with the same chance whether it holds one or not. Of the atoms
    for which it is known the share f(u) has the place in its cell: the mean area is ∫ f(u) du. In the same way the
    variance is ∫∫ cov(u, v) du dv, of atoms for which both places are known. Cells need not be whole: none is left out
    for its size. The integrals are sums over a square grid; what the points of a grid in a shape scatter is taken off.

    Parameters
    ----------
    points
        Atoms (x, y) [pixel], shape (n, 2).
    window
        Where atoms could be found.

    Returns
    -------
    tuple of float
        NaN where the mask is too narrow.

    References
    ----------
    Robbins 1944, Ann. Math. Stat. 15, 70 (moments of areas); Matheron 1971, The Theory of Regionalized Variables.

    Examples
    --------
    >>> window = Window.frame((512, 512))
    >>> mean, variation = cell_moments(window.draw(200, np.random.default_rng(0)), window)
    >>> round(mean * 200 / window.pixels, 1), 0.4 < variation < 0.65
    (1.0, True)
    """
    step = _STEP * np.sqrt(window.pixels / len(points))
    shifts, right, below = _grid()
    distance = np.hypot(*shifts.T) * step
    places = points[:, None] + shifts * step
    known = window.border_at(places) >= distance
    number = known.sum(axis=0)
    if number[distance <= _NEEDED / _STEP * step].min() < FEWEST:
        return np.nan, np.nan
    within = np.zeros(known.shape, dtype=np.float32)
    within[known] = cKDTree(points).query(places[known])[1] == np.nonzero(known)[0]
    mean = float(np.sum(within.sum(axis=0) / np.maximum(number, 1))) * step**2
    both, one, pair = _shares(within, known.astype(np.float32))
    # As n − 1 of n for a variance: shares are those of the same atoms.
    covariance = (both - one * one.T) * pair / np.maximum(pair - 1, 1)
    variance = float(covariance.sum()) * step**4
    edge = sum(float((one[a, b] + one[b, a] - 2 * both[a, b]).sum()) for a, b in (right, below)) / 4
    perimeter = np.pi * edge * step
    variance -= _SCATTER * perimeter * step**3
    return mean, float(np.sqrt(max(variance, 0.0)) / mean)


def _grid() -> tuple[NDArray[np.int64], tuple[NDArray[np.int64], ...], tuple[NDArray[np.int64], ...]]:
    """Return places round an atom [step], shape (n, 2), and pairs of them that are neighbours along each axis."""
    most = round(_REACH / _STEP)
    span = np.arange(-most, most + 1)
    disc = np.hypot(*np.meshgrid(span, span)) <= most
    order = np.full(disc.shape, -1)
    order[disc] = np.arange(np.count_nonzero(disc))
    row, column = np.nonzero(disc)
    pairs = []
    for first, second in ((order[:, :-1], order[:, 1:]), (order[:-1], order[1:])):
        kept = (first >= 0) & (second >= 0)
        pairs.append((first[kept], second[kept]))
    return np.stack([column, row], axis=1) - most, pairs[0], pairs[1]


def _shares(within: NDArray[np.float32], known: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """Return how often both places are of a cell, how often the first is, and of how many atoms both are known.

    Shapes (places, places); 0 where too few are.
    """
    number = known.T @ known
    enough = number >= _PAIRS
    of = np.where(enough, 1 / np.maximum(number, 1), 0).astype(np.float32)
    return within.T @ within * of, within.T @ known * of, np.where(enough, number, 0)
