"""Whether two tables may show the same atoms: one specimen area must not count twice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.stats import poisson

from stemforge.console import progress
from stemforge.evaluate.statistics.window import PointPattern

_TOLERANCE = 2.0  # Å, or pixels: a place's error in two images, and how much of their distortion differs
_MOST = 1000  # points of an image of which differences are taken
_STEP = 1.0  # of the shifts that are tried, at least
_CELLS = 1024  # of shifts in a direction, at most; the best one is refined afterwards
_CHANCE = 1e-4  # that any shift of two random patterns matches so many points
_AT_ONCE = 300_000  # differences in memory
_LEAST = 5  # points that match, at least
_CLEAR = 1.5  # times as many match as at any other shift: on two lattices many shifts match as well as the best one
_RING = (2.0, 4.0)  # round the best shift, in tolerances: blobs of atoms match nearly as well there
_LOCAL = 4000  # differences among which the best shift is refined, at most


@dataclass(frozen=True)
class SharedArea:
    """Two images that may show the same atoms.

    Parameters
    ----------
    first, second
        Names of the images.
    atoms
        Atoms that lie at the same places.
    shift
        By which (x, y) [unit] the second image's must be moved onto the first one's.
    unit
        Å or px.

    Examples
    --------
    >>> print(SharedArea("a", "b", 12, (80.0, -30.0), "Å"))
    a and b may show the same specimen area: 12 atoms coincide, moved by 80, -30 Å; compare the images, ...
    """

    first: str
    second: str
    atoms: int
    shift: tuple[float, float]
    unit: str

    def __str__(self) -> str:
        x, y = self.shift
        moved = (
            "at the same places" if np.hypot(x, y) <= _TOLERANCE else f"moved by {x:.0f}, {y:.0f} {self.unit}"
        )
        return (
            f"{self.first} and {self.second} may show the same specimen area: {self.atoms} atoms coincide, {moved}; "
            "compare the images, and leave one out where they do, as its atoms are counted twice"
        )


def shared_areas(patterns: Sequence[PointPattern], *, quiet: bool = True) -> list[SharedArea]:
    """Find images whose atoms coincide, where they are or after a shift.

    All differences between points of two images are looked through for one that occurs more often than it does in
    random patterns, or nearby where atoms lie in blobs: among all shifts and pairs of images, with a chance of 1 in
    10,000. It must also match one and a half times as many atoms as any other shift, which those of two lattices do
    not: two images of one area of a crystal are not found.

    Parameters
    ----------
    patterns
        Of the images; those with pixel size are compared in Å.
    quiet
        Show no progress.

    Examples
    --------
    >>> from stemforge.evaluate import Window
    >>> window, rng = Window.frame((512, 512)), np.random.default_rng(0)
    >>> one, other = (PointPattern(window.draw(60, rng), window, name) for name in "ab")
    >>> moved = PointPattern.inside(one.points + [80, -30], window, "c")
    >>> [(found.first, found.second, found.shift) for found in shared_areas([one, other, moved])]
    [('a', 'c', (-80.0, 30.0))]
    """
    pairs = list(combinations(patterns, 2))
    found = []
    with progress("compare", len(pairs), "pairs", quiet) as advance:
        for one, other in pairs:
            found.append(_shared(one, other, len(pairs)))
            advance(1)
    return [pair for pair in found if pair is not None]


def _shared(one: PointPattern, other: PointPattern, pairs: int) -> SharedArea | None:
    if one.window.unit != other.window.unit:
        return None
    whole = [pattern.points * pattern.window.scale for pattern in (one, other)]
    first, second = (points[:: -(-len(points) // _MOST)] for points in whole)
    area = min(pattern.window.pixels * pattern.window.scale**2 for pattern in (one, other))
    best, rival, nearby = _densest(first, second)
    # Differences are densest round none: as dense as all of them on the area.
    expected = max(len(first) * len(second) * np.pi * _TOLERANCE**2 / area, nearby)
    tried = 4 * area / _STEP**2 * pairs
    number = len(_matched(first, second, best))
    if number < max(_LEAST, _CLEAR * len(_matched(first, second, rival))):
        return None
    if poisson.sf(number - 1, expected) * tried > _CHANCE:
        return None
    shifts = _matched(whole[0], whole[1], best)
    x, y = (float(value) for value in np.round(shifts.mean(axis=0), 1) + 0.0)
    return SharedArea(one.name, other.name, len(shifts), (x, y), one.window.unit)


def _densest(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return the shift (x, y) round which most differences lie, the next best one elsewhere, and how many lie nearby.

    The last is a mean over a ring round the best one, of differences within the tolerance.
    """
    start = first.min(axis=0) - second.max(axis=0)
    extent = first.max(axis=0) - second.min(axis=0) - start
    step = max(_STEP, float(extent.max()) / _CELLS)
    counts = _histogram(first, second, start, extent, step)
    reach = int(_TOLERANCE / step) + 1
    distance = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1]) * step
    # Highest in the middle: where all differences lie in one square, that square is meant, and none beside it.
    kernel = np.clip(1 - (distance / (_TOLERANCE + step)) ** 2, 0, None)
    smooth = ndimage.convolve(counts, kernel, mode="constant")
    best = _highest(smooth)
    row, column = np.ogrid[: counts.shape[0], : counts.shape[1]]
    away = np.hypot(row - best[0], column - best[1]) * step
    inner, outer = (part * (_TOLERANCE + step - _STEP) for part in _RING)
    ring = counts[(away >= inner) & (away <= outer)]
    nearby = float(ring.mean() * np.pi * (_TOLERANCE / step) ** 2) if ring.size else 0.0
    rival = _highest(np.where(away > inner + _TOLERANCE, smooth, -1.0))
    centres = [_refined(first, second, start + (place + 0.5) * step, step) for place in (best, rival)]
    return centres[0], centres[1], nearby


def _histogram(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    start: NDArray[np.float64],
    extent: NDArray[np.float64],
    step: float,
) -> NDArray[np.float64]:
    """Return how many differences lie in each square of shifts, shape (x, y)."""
    shape = np.ceil(extent / step).astype(int) + 1
    counts = np.zeros(shape[0] * shape[1])
    for shifts in _differences(first, second):
        column, row = ((shifts - start) / step).astype(np.int64).T
        counts += np.bincount(column * shape[1] + row, minlength=len(counts))
    return counts.reshape(shape)


def _highest(values: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.array(np.unravel_index(int(np.argmax(values)), values.shape))


def _refined(
    first: NDArray[np.float64], second: NDArray[np.float64], shift: NDArray[np.float64], step: float
) -> NDArray[np.float64]:
    """Return the difference near a shift that has most others within the tolerance; the shift where there is none."""
    near = [part[np.hypot(*(part - shift).T) <= _TOLERANCE + step] for part in _differences(first, second)]
    local = np.concatenate(near)
    if not len(local):
        return shift
    local = local[:: -(-len(local) // _LOCAL)]
    number = cKDTree(local).query_ball_point(local, _TOLERANCE, return_length=True)
    return np.asarray(local[int(np.argmax(number))])


def _matched(
    first: NDArray[np.float64], second: NDArray[np.float64], shift: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the differences of pairs that a shift brings together, each point in one of them at most, shape (m, 2)."""
    distance, index = cKDTree(first).query(second + shift)
    order = np.argsort(distance)
    order = order[distance[order] <= _TOLERANCE]
    order = order[np.unique(index[order], return_index=True)[1]]
    return np.asarray(first[index[order]] - second[order])


def _differences(first: NDArray[np.float64], second: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Yield the differences of all points of two images, shape (m, 2), a part at a time."""
    step = max(1, _AT_ONCE // len(second))
    for index in range(0, len(first), step):
        yield (first[index : index + step, None] - second).reshape(-1, 2)
