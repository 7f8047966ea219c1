"""Whether two tables show the same atoms: one specimen area must not count twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import poisson

from stemforge.evaluate.statistics.window import PointPattern

_TOLERANCE = 2.0  # Å, or pixels: a place's error in two images, and how much of their distortion differs
_CHANCE = 1e-4  # that any shift of two random patterns matches so many points
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
    first, second = (pattern.points * pattern.window.scale for pattern in (one, other))
    shifts = (first[:, None] - second).reshape(-1, 2)
    tree = cKDTree(shifts)
    counts = tree.query_ball_point(shifts, _TOLERANCE, return_length=True)
    best = int(np.argmax(counts))
    # Differences are densest at no shift: n·m of them over the area, each way.
    area = min(pattern.window.pixels * pattern.window.scale**2 for pattern in (one, other))
    expected = len(shifts) * np.pi * _TOLERANCE**2 / area
    tried = max(len(shifts), area / _TOLERANCE**2)
    if counts[best] < _LEAST or poisson.sf(counts[best] - 1, expected) * tried * pairs > _CHANCE:
        return None
    shift = shifts[tree.query_ball_point(shifts[best], _TOLERANCE)].mean(axis=0)
    x, y = (float(value) for value in np.round(shift, 1) + 0.0)
    return SharedArea(one.name, other.name, int(counts[best]), (x, y), one.window.unit)
