"""Which share of hops is found, by length: hops are added to the series itself, and its atoms are linked again."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from stemforge.evaluate.series.chances import LinkModel
from stemforge.evaluate.series.detections import Detections
from stemforge.evaluate.series.links import link, split_track
from stemforge.evaluate.series.motion import LEVEL
from stemforge.evaluate.series.rates import Estimate, rate
from stemforge.evaluate.series.track import Track

ADDED = 150
"""Hops that are added: of 150 a share of 0.85 is known to 3 in 100."""

_RATE = 0.02  # added hops per atom and frame at a time: among many, hops are taken for one another
_PASSES = 100  # at most: of few atoms on few frames
_WIDTH = 0.12  # of the kernel over lengths, in the range of lengths
_LEAST = 0.1  # recall: with less a found hop counts for no more
_SEED = 0

Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class HopRecall:
    """Hops that were added to a series, and which of them were found.

    Parameters
    ----------
    lengths
        Of the added hops [unit], shape (n,).
    found
        Which of them were found, shape (n,).

    Examples
    --------
    >>> lengths = np.linspace(1, 5, 150)
    >>> recall = HopRecall(lengths, lengths < 4)  # longer hops end where another atom is as near
    >>> recall.at(np.array([2.0, 4.0])).round(1).tolist()
    [1.0, 0.5]
    >>> [round(recall.rate(np.full(10, one), np.ones(10), watched=1000).value, 3) for one in (2.0, 4.0)]
    [0.01, 0.02]
    """

    lengths: NDArray[np.float64]
    found: NDArray[np.bool_]

    @property
    def mean(self) -> float:
        """Share of the added hops that was found; NaN where none could be added."""
        return float(self.found.mean()) if len(self.found) else np.nan

    def at(self, lengths: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the chance that a hop of such a length is found, shape (m,): a mean with a Gaussian kernel.

        Straight lines in the place of a mean would be right at the ends, too, but scatter more, and one over a share
        that scatters is too large on average (Nadaraya 1964, doi:10.1137/1109020).
        """
        within = np.clip(lengths, self.lengths.min(), self.lengths.max())
        away = (self.lengths - within[:, None]) / (_WIDTH * np.ptp(self.lengths) + 1e-12)
        weight = np.exp(-(away**2) / 2)
        return np.asarray(np.maximum((weight * self.found).sum(1) / weight.sum(1), _LEAST))

    def rate(self, lengths: NDArray[np.float64], chances: NDArray[np.float64], watched: float) -> Estimate:
        """Return the rate of all hops, of those that were found.

        Each counts by the chance that it is one, over the chance that such a hop is found (Horvitz & Thompson 1952,
        doi:10.2307/2280784); where none was found, the upper end of the interval is divided by the mean of these. Their
        error is part of the interval.

        Parameters
        ----------
        lengths
            Of the hops that were found [unit], shape (m,).
        chances
            That each is a hop, shape (m,).
        watched
            Chances to hop, from frame to frame, of all atoms.
        """
        number = float(np.sum(chances))
        one = rate(number, watched)
        if not len(self.found):
            return one
        mean = max(self.mean, _LEAST)
        factor = float(np.sum(chances / self.at(lengths))) / number if number else 1 / mean
        error = norm.ppf((1 + LEVEL) / 2) * np.sqrt((1 - mean) / (mean * len(self.found)))
        low, high = one.low, one.high
        if one.value > 0:
            high = one.value * np.exp(np.hypot(np.log(one.high / one.value), error))
            low = one.value * np.exp(-np.hypot(np.log(one.value / one.low), error)) if one.low > 0 else 0.0
        return Estimate(factor * one.value, float(factor * low), float(factor * high))


def hop_recall(
    placed: Detections, tracks: Sequence[Track], drift: NDArray[np.float64], model: LinkModel
) -> HopRecall:
    """Add hops to a series and follow its atoms again: which are found.

    What is displaced is all that belongs to an atom from a frame on, in any direction, by a length between the
    shortest hop and the reach, all lengths equally often. The neighbours, misses and false atoms with which a hop can
    be confused are those of the series. Each time few atoms hop, :data:`ADDED` in all. A hop is found where a track
    goes from the last detection before it to the first after it, and calls that step a hop.

    Parameters
    ----------
    placed
        What was found, distortion and drift taken off.
    tracks
        The atoms that were followed.
    drift
        Of each frame (x, y) [unit], shape (frames, 2): a hop ends within the frame.
    model
        By which they were followed.
    """
    rng = np.random.default_rng(_SEED)
    shortest = model.shortest_hop(np.concatenate([one.path.variance for one in tracks]))
    lengths: list[float] = []
    found: list[bool] = []
    for _ in range(_PASSES if shortest < model.reach else 0):
        added, points = _added(placed, tracks, drift, (shortest, model.reach), rng)
        hops = _hops(placed.shifted(points - placed.points), model)
        lengths += added.values()
        found += [pair in hops for pair in added]
        if len(found) >= ADDED:
            break
    return HopRecall(np.array(lengths), np.array(found, dtype=bool))


def _added(
    placed: Detections,
    tracks: Sequence[Track],
    drift: NDArray[np.float64],
    between: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[dict[Pair, float], NDArray[np.float64]]:
    """Return the length of each added hop, by the detections before and after it, and where detections are then."""
    points, added = placed.points.copy(), {}
    for one in tracks:
        frame, last = one.path.frame, int(one.path.frame[0])
        for start in np.flatnonzero(rng.random(one.watched) < _RATE) + int(frame[0]):
            after = int(np.searchsorted(frame, start, side="right"))
            pair = int(one.index[after - 1]), int(one.index[after])
            later = np.concatenate([one.index[after:], one.aside[placed.frame[one.aside] > start]])
            angle, length = rng.uniform(0, 2 * np.pi), float(rng.uniform(*between))
            moved = points[later] + length * np.array([np.cos(angle), np.sin(angle)])
            end = moved[0] + drift[placed.frame[later[0]]]
            # A step holds one hop: not that of before, and not one of the series.
            free = frame[after - 1] >= last and one.path.part[after] == one.path.part[after - 1]
            if free and ((end >= 0) & (end <= placed.size)).all():
                points[later], last = moved, int(frame[after])
                added[pair] = length
    return added, points


def _hops(placed: Detections, model: LinkModel) -> set[Pair]:
    """Return the detections before and after each hop that is found."""
    hops = set()
    for track in link(placed, model):
        parts = split_track(placed, track, model)[0]
        hops |= {(int(a[-1]), int(b[0])) for a, b in pairwise(parts)}
    return hops
