"""Whether the frames of a series show one specimen: their atoms coincide more often than those of mirrored frames."""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from stemforge.errors import InputError
from stemforge.evaluate.series.detections import Detections
from stemforge.evaluate.series.drift import NEAR, best_shift, matched

_MIRRORS = (
    (-1, 1),
    (1, -1),
    (-1, -1),
)  # of the axes (x, y): frames with the same density and another arrangement
_CLEAR = 2.0  # standard deviations above mirrored frames from which a pair coincides
_CERTAIN = 5.0  # of all pairs together
_CHANGED = 1.3  # of the pairs across a change, in the mean, below which it shows another specimen
_APART = 2  # frames that are compared: neighbours, and those one further on


def check_specimen(found: Detections, drift: NDArray[np.float64], name: str) -> float:
    """Refuse a series whose frames are of several specimens, or show nothing that stays.

    Atoms of neighbouring frames, the drift taken off, are counted that coincide. Mirrored frames have as many atoms and
    the same clusters and vacuum, but another arrangement; the best shift brings some of their atoms together, too, and
    says how many are chance.

    Parameters
    ----------
    found
        As found, drift not taken off.
    drift
        Displacement of each frame (x, y), shape (frames, 2).
    name
        Of the series, for messages.

    Returns
    -------
    float
        Share of a frame's atoms that coincide with those of the next frame, mean.

    Raises
    ------
    InputError
        Too few atoms coincide, in all or between two parts of the series.
    """
    counts: dict[tuple[int, int], float] = {}
    chance: list[float] = []
    filled = found.filled.tolist()  # a frame on which nothing was found says nothing
    for first in range(len(filled)):
        for second in range(first + 1, min(first + 1 + _APART, len(filled))):
            counts[first, second] = _share(found, drift, filled[first], filled[second])
        if first + 1 < len(filled):
            chance += _mirrored(found, filled[first], filled[first + 1])
    usual, spread = float(np.mean(chance)), max(float(np.std(chance)), 0.02)
    score = {pair: (share - usual) / spread for pair, share in counts.items()}
    neighbours = [share for (i, j), share in counts.items() if j == i + 1]
    mean = float(np.mean(neighbours))
    overall = (mean - usual) / spread * np.sqrt(len(neighbours))
    if overall < _CERTAIN:
        raise InputError(
            f"{name}: {100 * mean:.0f} % of a frame's atoms coincide with those of the next one, of mirrored frames "
            f"{100 * usual:.0f} %: these are frames of other specimens, or atoms that move too far from frame to frame"
        )
    for number in range(len(filled)):
        pairs = [pair for pair in score if number in pair]
        if all(score[pair] < _CLEAR for pair in pairs):
            raise InputError(
                f"{name}: frame {filled[number]} has no more atoms in common with its neighbours than mirrored frames; "
                "it shows another specimen, or its atoms were not found: put a blank frame in its "
                "place (without one the times of all later frames would be wrong)"
            )
    for last in range(len(filled) - 1):
        across = [(last - i, last + 1 + j) for i, j in product(range(_APART), repeat=2)]
        if np.mean([score[pair] for pair in across if pair in score]) < _CHANGED:
            raise InputError(
                f"{name}: from frame {filled[last + 1]} on another specimen is shown, or the specimen jumped further "
                "than can be followed; give the parts as series of their own"
            )
    return mean


def _share(found: Detections, drift: NDArray[np.float64], first: int, second: int) -> float:
    """Return the share of atoms that coincide on two frames."""
    here, later = found.on(first), found.on(second)
    radius, shift = NEAR * found.spacing, drift[second] - drift[first]
    return len(matched(here, later, shift, radius)[0]) / max(min(len(here), len(later)), 1)


def _mirrored(found: Detections, first: int, second: int) -> list[float]:
    """Return the shares of atoms that coincide on a frame and the mirrors of another one, by the best shift of each."""
    here, later = found.on(first), found.on(second)
    number, radius = max(min(len(here), len(later)), 1), NEAR * found.spacing
    shares = []
    for signs in _MIRRORS:
        other = np.where(np.array(signs) < 0, found.size - later, later)
        shift = best_shift(here, other, found)
        a, b = matched(here, other, shift, 2 * radius)
        if len(a):
            shift = np.median(other[b] - here[a], axis=0)
        shares.append(len(matched(here, other, shift, radius)[0]) / number)
    return shares
