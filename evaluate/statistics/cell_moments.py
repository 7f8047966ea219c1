"""Mean and variation of the areas of Voronoi cells, without the effects of the mask's edge and of few atoms."""

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
_PAIRS = 3  # atoms of which a covariance is stated
# Grids are turned from atom to atom, so that the edges of a lattice's cells lie along none. They are not moved: of two
# places at one number the nearer one is known more often, and more often of the cell.
_TURN = np.pi * (3 - np.sqrt(5))
_RANDOM = 0.280176  # squared variation of random places (Gilbert 1962)
_TAILS = 3 + 6 * _RANDOM  # kurtosis of a gamma law with that variance, which areas are close to


def cell_moments(points: NDArray[np.float64], window: Window) -> tuple[float, float]:
    """Return the mean area of Voronoi cells [pixel²], and their standard deviation over it.

    A place at u from an atom belongs to its cell if no other atom is in the disc round the place through the atom.
    That is known where the disc lies in the mask, and with the same chance whether it holds one or not. Of the atoms
    for which it is known the share f(u) has the place in its cell: the mean area is ∫ f(u) du. In the same way the
    variance is ∫∫ cov(u, v) du dv, of atoms for which both places are known. Cells need not be whole: none is left out
    for its size. The integrals are sums over a square grid; what the points of a grid in a shape scatter is taken off.

    In an image that has more atoms by chance all cells are smaller: what varies over its whole width is not seen in it.
    Of n random places on a torus the mean |W|/n is too large by a share of 1/n on average, and 1 + c², c the variation,
    too small by as much. Where the number of atoms varies more, as that of clusters does, the share is larger: taken to
    be as c², which holds for the processes measured. n is how many atoms have known surroundings, on average over the
    cell. The root of a variance is too small by (kurtosis − 1)/(8 n). All three are given back.

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
    Robbins 1944, Ann. Math. Stat. 15, 70 (moments of areas); Matheron 1971, The Theory of Regionalized Variables;
    Gilbert 1962, Ann. Math. Stat. 33, 958 (areas of random places).

    Examples
    --------
    >>> window = Window.frame((512, 512))
    >>> mean, variation = cell_moments(window.draw(200, np.random.default_rng(0)), window)
    >>> 0.9 < mean * 200 / window.pixels < 1.1, 0.4 < variation < 0.65
    (True, True)
    """
    step = _STEP * np.sqrt(window.pixels / len(points))
    shifts, right, below = _grid()
    places = points[:, None] + _turned(shifts, len(points)) * step
    distance = np.hypot(*shifts.T) * step
    known = window.border_at(places) >= distance
    if known[:, distance <= _NEEDED / _STEP * step].sum(axis=0).min() < FEWEST:
        return np.nan, np.nan
    within = np.zeros(known.shape, dtype=np.float32)
    within[known] = cKDTree(points).query(places[known])[1] == np.nonzero(known)[0]
    mean, square, inverse = _moments(within, known.astype(np.float32), (right, below))
    mean *= 1 - inverse * square / _RANDOM
    given_back = (1 + square) / (2 * _RANDOM) + (_TAILS - 1) / 8
    return float(mean * step**2), float(np.sqrt(square) * (1 + inverse * given_back))


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


def _turned(shifts: NDArray[np.int64], atoms: int) -> NDArray[np.float64]:
    """Return the grid of each atom [step], turned against those of others, shape (atoms, places, 2)."""
    angle = np.arange(atoms)[:, None] * _TURN
    x, y = shifts.T
    return np.stack([np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y], axis=-1)


def _moments(
    within: NDArray[np.float32],
    known: NDArray[np.float32],
    neighbours: tuple[tuple[NDArray[np.int64], ...], ...],
) -> tuple[float, float, float]:
    """Return the mean area [step²], the variance over its square, and the mean of 1 / number of atoms over the cell."""
    # Of how many atoms both places are of the cell, the first one is, and both are known.
    both, first, number = within.T @ within, within.T @ known, known.T @ known
    atoms = np.maximum(np.diag(number), 1)
    share = np.diag(first) / atoms
    mean = float(share.sum())
    # As n − 1 of n for a variance: shares are those of the same atoms.
    variance = float(np.sum((both * number - first * first.T) / _ordered_pairs(number)))
    edge = 0.0
    for one, other in neighbours:
        differ = first[one, other] + first[other, one] - 2 * both[one, other]
        edge += float(np.sum(differ / np.maximum(number[one, other], 1))) / 4
    square = (variance - _SCATTER * np.pi * edge) / mean**2
    return mean, max(square, 0.0), float(np.sum(share / atoms)) / mean


def _ordered_pairs(number: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return n(n − 1), without end where there are too few atoms: what is divided by it does not count."""
    return np.where(number >= _PAIRS, number * (number - 1), np.float32(np.inf))
