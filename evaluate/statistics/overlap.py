"""Whether two tables show the same atoms: one specimen area must not count twice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.stats import poisson

from stemforge.evaluate.statistics.window import PointPattern

_TOLERANCE = 2.0  # Å, or pixels: a place's error in two images, and how much of their distortion differs
_MOST = 1000  # points of an image of which differences are taken
_STEP = 1.0  # of the shifts that are tried
_CHANCE = 1e-4  # that any shift of two random patterns matches so many points
_AT_ONCE = 300_000  # differences in memory
_LEAST = 5  # points that match, at least


@dataclass(frozen=True)
class SharedArea:
    """Two images with the same atoms.

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
            f"{self.first} and {self.second} show the same specimen area: {self.atoms} atoms coincide, {moved}; they "
            "are counted twice, leave one out"
        )


def shared_areas(patterns: Sequence[PointPattern]) -> list[SharedArea]:
    """Find images whose atoms coincide, where they are or after a shift.

    All differences between points of two images are looked through for one that occurs more often than it does in
    random patterns: among all shifts and pairs of images, with a chance of 1 in 10,000.

    Parameters
    ----------
    patterns
        Of the images; those with pixel size are compared in Å.

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
    found = (_shared(one, other, len(pairs)) for one, other in pairs)
    return [pair for pair in found if pair is not None]


def _shared(one: PointPattern, other: PointPattern, pairs: int) -> SharedArea | None:
    if one.window.unit != other.window.unit:
        return None
    whole = [pattern.points * pattern.window.scale for pattern in (one, other)]
    first, second = (points[:: -(-len(points) // _MOST)] for points in whole)
    area = min(pattern.window.pixels * pattern.window.scale**2 for pattern in (one, other))
    number = len(first) * len(second)
    # Differences are densest round none: as dense as all of them on the area.
    expected = number * np.pi * _TOLERANCE**2 / area
    tried = 4 * area / _STEP**2 * pairs
    near = _near(first, second, _densest(first, second))
    if len(near) < _LEAST or poisson.sf(len(near) - 1, expected) * tried > _CHANCE:
        return None
    shift = near.mean(axis=0)
    atoms = int(np.count_nonzero(cKDTree(whole[0]).query(whole[1] + shift)[0] <= _TOLERANCE))
    x, y = (float(value) for value in np.round(shift, 1) + 0.0)
    return SharedArea(one.name, other.name, atoms, (x, y), one.window.unit)


def _densest(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shift (x, y) round which most differences lie."""
    start = first.min(axis=0) - second.max(axis=0)
    shape = np.ceil((first.max(axis=0) - second.min(axis=0) - start) / _STEP).astype(int) + 1
    counts = np.zeros(shape[0] * shape[1])
    for shifts in _differences(first, second):
        column, row = ((shifts - start) / _STEP).astype(np.int64).T
        counts += np.bincount(column * shape[1] + row, minlength=len(counts))
    reach = int(_TOLERANCE / _STEP) + 1
    distance = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1]) * _STEP
    # Highest in the middle: where all differences lie in one square, that square is meant, and none beside it.
    kernel = np.clip(1 - (distance / (_TOLERANCE + _STEP)) ** 2, 0, None)
    smooth = ndimage.convolve(counts.reshape(shape), kernel, mode="constant")
    best = np.array(np.unravel_index(int(np.argmax(smooth)), smooth.shape))
    return np.asarray(start + (best + 0.5) * _STEP)


def _near(
    first: NDArray[np.float64], second: NDArray[np.float64], shift: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the differences that are this shift, shape (m, 2)."""
    parts = [one[np.hypot(*(one - shift).T) <= _TOLERANCE] for one in _differences(first, second)]
    return np.concatenate(parts)


def _differences(first: NDArray[np.float64], second: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Yield the differences of all points of two images, shape (m, 2), a part at a time."""
    step = max(1, _AT_ONCE // len(second))
    for index in range(0, len(first), step):
        yield (first[index : index + step, None] - second).reshape(-1, 2)
