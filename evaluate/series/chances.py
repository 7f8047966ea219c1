"""What links cost: how likely motion, misses, hops and false atoms are."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import expit

from stemforge.evaluate.series.detections import Detections

GATE = 4.0
"""Steps longer than this many standard deviations of a coordinate are hops: 3 of 10,000 others are as long."""
REACH = 0.3
"""Longest hop that is followed, in 1/√density: one atom in four has another one within it."""
LEAST_HOP = 0.055
"""Shortest hop, in 1/√density (1 Å at 0.3 atoms per nm²): where a neighbour comes or leaves, a fit moves by less."""
ALTERNATIVE = 30.0
"""Cost of an end, and of a start: an offset that keeps costs positive."""
NEVER = 1e6
"""Cost of a link that cannot be."""

_MEDIAN = 2 * np.log(2)  # median of χ² with two degrees of freedom


@dataclass(frozen=True)
class LinkModel:
    """What is known of atoms and detector, from which the costs of links follow.

    Parameters
    ----------
    motion
        Variance of a coordinate's ordinary step from frame to frame beyond what the detector's errors explain [unit²]:
        diffusion, and what remains of drift.
    recall
        Chance that an atom is found on a frame.
    hop
        Chance of a hop from frame to frame.
    loss
        Chance to disappear from frame to frame.
    reach
        Longest hop [unit].
    density
        Atoms per area [1/unit²].
    least
        Shortest hop [unit].
    """

    motion: float
    recall: float
    hop: float
    loss: float
    reach: float
    density: float
    least: float = 0.0

    @classmethod
    def first(cls, found: Detections, reach: float | None = None) -> "LinkModel":
        """Return what is believed before anything is linked; ordinary steps by neighbours in frames in a row."""
        reach = REACH * found.spacing if reach is None else reach
        squares, variances = [], []
        for number in range(found.frames - 1):
            here, later = (np.flatnonzero(found.frame == n) for n in (number, number + 1))
            if not len(here) or not len(later):
                continue
            distance, nearest = cKDTree(found.points[later]).query(found.points[here])
            near = distance < reach
            squares.append(distance[near] ** 2)
            variances.append(found.variance[here[near]] + found.variance[later[nearest[near]]])
        motion = step_excess(np.concatenate(squares), np.concatenate(variances)) if squares else 0.0
        return cls(motion, 0.85, 0.02, 0.02, reach, found.density, LEAST_HOP * found.spacing)

    def width(self, variance: Any, frames: Any = 1) -> Any:
        """Return the standard deviation of a coordinate's step [unit], of detections whose variances sum to this."""
        return np.sqrt(variance + self.motion * frames + 1e-12)

    def shortest_hop(self, variance: NDArray[np.float64]) -> float:
        """Return the length from which a step counts as a hop, of a typical atom [unit].

        Parameters
        ----------
        variance
            Of a coordinate, of all detections that were followed [unit²].
        """
        return max(float(GATE * self.width(2 * np.median(variance))), self.least)


def step_excess(
    squares: NDArray[np.float64], variances: NDArray[np.float64], frames: NDArray[Any] | float = 1.0
) -> float:
    """Return by how much a coordinate's steps vary beyond their errors: half of the steps are shorter than the median.

    Parameters
    ----------
    squares, variances
        Squared lengths of steps, and the variances of a coordinate by the detector's errors of both ends [unit²].
    frames
        Over how many frames.

    Examples
    --------
    >>> steps = np.random.default_rng(0).normal(0, [0.5, 0.5], (5000, 2))
    >>> round(step_excess((steps**2).sum(1), np.full(5000, 0.09)), 2)
    0.16
    """
    if not len(squares):
        return 0.0
    low, high = 0.0, float(np.median(squares)) / _MEDIAN + 1e-12
    if np.median(squares / np.maximum(variances, 1e-12)) <= _MEDIAN:
        return 0.0
    for _ in range(60):
        middle = (low + high) / 2
        if np.median(squares / (variances + middle * frames)) > _MEDIAN:
            low = middle
        else:
            high = middle
    return float(high)


class LinkChances:
    """How likely links, starts, ends and false atoms are.

    Parameters
    ----------
    model
        What is known of atoms and detector.
    frames
        Of the series.
    """

    def __init__(self, model: LinkModel, frames: int) -> None:
        self.model, self.frames = model, frames
        self._square, self._disc = model.reach**2, np.pi * model.reach**2
        self._missed = max(1 - model.recall, 1e-3)

    def ended(self, frame: int) -> float:
        """Return the chance that an atom that was found on this frame is not found again."""
        return self.model.loss + self._missed ** (self.frames - 1 - frame)

    def begun(self, frame: int) -> float:
        """Return the density of atoms that are found on this frame for the first time [1/unit²]."""
        return float(self.model.density * (self.model.loss + self._missed**frame))

    def step(self, first: Any, second: Any, hop: bool = True) -> float:
        """Return the logarithm of the density [1/unit²] at which an atom found first is found next there.

        Both are rows of frame, x, y and variance.
        """
        square = (second[1] - first[1]) ** 2 + (second[2] - first[2]) ** 2
        if square > self._square:
            return -NEVER
        model, gap = self.model, int(second[0] - first[0])
        variance = first[3] + second[3] + model.motion * gap + 1e-12
        if not hop and square > max(GATE**2 * variance, model.least**2):
            return -NEVER
        stayed = (1 - model.hop) ** gap
        density = (
            stayed * np.exp(-square / (2 * variance)) / (2 * np.pi * variance) + (1 - stayed) / self._disc
        )
        kept = gap * np.log(1 - model.loss) + (gap - 1) * np.log(self._missed)
        return float(np.log(density * model.recall) + kept)

    def cost(self, first: Any, second: Any, hop: bool = True) -> float:
        """Return the cost of a link; rows also hold the chance that what a detection belongs to is an atom.

        That counts half at each end: between two links it counts once.
        """
        step = self.step(first, second, hop)
        if step <= -NEVER:
            return NEVER
        lost = self.ended(int(first[0])) * self.begun(int(second[0]))
        return max(ALTERNATIVE - step + np.log(lost) - np.log(first[4] * second[4]) / 2, 1e-3)

    def ordinary_cost(self, first: Any, second: Any) -> float:
        """Return the cost of an ordinary step; a hop is none."""
        return self.cost(first, second, hop=False)

    def trimmed(self, found: Detections, track: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return a track without detections at its ends that are likelier false than of this atom."""
        best = self.evidence(found, track)
        for cut in (slice(None, -1), slice(1, None)):
            while len(track) > 1 and self.evidence(found, track[cut]) > best:
                track = track[cut]
                best = self.evidence(found, track)
        return track

    def hop(self, found: Detections, track: NDArray[np.int64], number: int) -> float:
        """Return the chance that a step of a track is one atom's hop.

        Otherwise what is before it and what is after it are two atoms, or false detections.

        Parameters
        ----------
        found
            The series, drift taken off.
        track
            Detections of the track.
        number
            Of the first detection after the step.
        """
        parts = (max(self.evidence(found, part), 0.0) for part in (track[:number], track[number:]))
        return float(expit(self.evidence(found, track) - sum(parts)))

    def evidence(self, found: Detections, track: NDArray[np.int64]) -> float:
        """Return the logarithm of how much likelier detections are of one atom than all false.

        By Bayes' rule false detections of likelihood l are as dense as (1 − l)/l of the atoms.
        """
        model, rows = self.model, np.column_stack([found.frame, found.points, found.variance])[track]
        score = found.score[track]
        true = np.log(score / (1 - score) / (model.density * model.recall)).sum()
        steps = sum(self.step(a, b) for a, b in pairwise(rows))
        ends = np.log(self.begun(int(rows[0, 0])) * model.recall) + np.log(self.ended(int(rows[-1, 0])))
        return float(true + steps + ends)
