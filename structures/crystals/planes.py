"""Atomic planes across the beam, and where a crystal ends: at heights that cut it into whole layers."""

from dataclasses import dataclass

import numpy as np

from stemforge.structures.cells import Array, Indices

__all__ = ["Cuts", "find_cuts"]

_SAME_PLANE = 0.02  # Å
_SAME_POLARITY = 0.02  # Å
_SAME_GAP = 0.02  # Å
_TALLEST = 6.0  # Å; where a whole layer is higher, a crystal may end under any of its planes


@dataclass(frozen=True)
class Cuts:
    """Heights along the beam at which a crystal may end.

    Parameters
    ----------
    first
        One of them [Å].
    rises
        Distances from each to the next [Å]; after the last it begins anew.
    """

    first: float
    rises: tuple[float, ...]

    def heights(self, count: int) -> Array:
        """Return the first `count` heights above the first one and that one itself [Å], shape ``(count + 1,)``."""
        whole = np.tile(self.rises, -(-count // len(self.rises)) or 1)[:count]
        return self.first + np.concatenate([[0.0], np.cumsum(whole)])

    def layers(self, thickness: float) -> int:
        """Return how many layers are nearest to a thickness [Å]; one at least."""
        most = len(self.rises) * (int(thickness // sum(self.rises)) + 2)
        away = np.abs(self.heights(most)[1:] - self.first - thickness)
        return int(np.argmin(away.round(6))) + 1


def find_cuts(z: Array, numbers: Indices, occupancy: Array, period: float) -> Cuts:
    """Find where a crystal may end.

    A layer is the smallest part that repeats along the beam in heights and composition, so that a slab of whole layers
    has the composition of the crystal. Of the gaps between its planes the one is cut that leaves layers without a
    dipole (every element has its mean height in the layer's middle), as real surfaces have none [1]_; of several the
    widest.

    Parameters
    ----------
    z : numpy.ndarray
        Heights of the atoms of one period [Å], shape ``(n,)``.
    numbers, occupancy : numpy.ndarray
        Their elements, and shares of an atom, shape ``(n,)``.
    period : float
        Height after which the crystal repeats [Å].

    References
    ----------
    .. [1] P. W. Tasker, J. Phys. C 12, 4977 (1979), doi:10.1088/0022-3719/12/22/036.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures.crystals.planes import find_cuts
    >>> fluorite = np.array([0.0, 0.78, 2.34])  # Ce, O, O of CeO2(111)
    >>> cuts = find_cuts(fluorite, np.array([58, 8, 8]), np.ones(3), 3.12)
    >>> round(cuts.first, 2), round(cuts.rises[0], 2)
    (1.56, 3.12)
    """
    heights, content = _planes(np.mod(z, period), numbers, occupancy, period)
    gaps = np.diff(heights, append=heights[0] + period)
    repeat = _repeat(gaps, content)
    layer = period * repeat / len(heights)
    if layer > _TALLEST:
        above = np.roll(heights + gaps / 2, 1)
        above[0] -= period
        rises = np.diff(above, append=above[0] + period)
        widest = int(np.argmax(gaps.round(2)))
        start = (widest + 1) % len(heights)
        return Cuts(float(above[start]), tuple(np.roll(rises, -start).tolist()))
    polarity = np.array([_polarity(heights, content, i, repeat, period) for i in range(repeat)])
    candidates = np.flatnonzero(polarity <= polarity.min() + _SAME_POLARITY)
    before = gaps[candidates - 1]
    best = candidates[np.flatnonzero(before >= before.max() - _SAME_GAP)[0]]
    return Cuts(float(heights[best] - gaps[best - 1] / 2), (float(layer),))


def _planes(z: Array, numbers: Indices, occupancy: Array, period: float) -> tuple[Array, Array]:
    """Heights of the planes, and how much of each element is in each, shape ``(planes, elements)``."""
    order = np.argsort(z, kind="stable")
    plane = np.concatenate([[0], np.cumsum(np.diff(z[order]) > _SAME_PLANE)])
    if plane[-1] and z[order[0]] + period - z[order[-1]] <= _SAME_PLANE:
        plane[plane == plane[-1]] = 0  # the last is the first of the next period
    first = np.unique(plane, return_index=True)[1]
    _, element = np.unique(numbers[order], return_inverse=True)
    content = np.zeros((len(first), element.max() + 1))
    np.add.at(content, (plane, element), occupancy[order])
    return z[order][first], content


def _repeat(gaps: Array, content: Array) -> int:
    """After how many planes both gaps and contents repeat."""
    count = len(gaps)
    for planes in range(1, count + 1):
        if count % planes == 0:
            same = np.abs(gaps - np.roll(gaps, planes)).max() <= _SAME_GAP
            if same and np.allclose(content, np.roll(content, planes, axis=0), rtol=0.01):
                return planes
    return count


def _polarity(heights: Array, content: Array, start: int, repeat: int, period: float) -> float:
    """How far apart the elements' mean heights are in the layer that begins with a plane [Å]."""
    count = len(heights)
    planes = (start + np.arange(repeat)) % count
    places = heights[planes] + period * ((start + np.arange(repeat)) // count)
    amounts = content[planes]
    present = amounts.sum(0) > 0
    means = (places[:, None] * amounts).sum(0)[present] / amounts.sum(0)[present]
    return float(np.ptp(means))
