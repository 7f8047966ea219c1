"""Distances to nearest neighbours, corrected for those that lie beyond the edge, and the index of Clark and Evans."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stemforge.evaluate.statistics.curves import Curve
from stemforge.evaluate.statistics.envelopes import LEVEL, SIMULATIONS, rank_envelope
from stemforge.evaluate.statistics.figures import draw_neighbours
from stemforge.evaluate.statistics.pairs import neighbour_distances
from stemforge.evaluate.statistics.window import PointPattern, Window
from stemforge.files import write_csv

_RADII = 60
_ENOUGH = 0.9  # of the random patterns must have an atom that counts
_FARTHEST = 1.5  # of the distribution's curve, in mean distances 1/√density: Rayleigh's law is 0.9992 there


@dataclass(frozen=True, eq=False)
class NeighbourDistances:
    """How far atoms are from their nearest neighbours.

    Parameters
    ----------
    distances
        Of each atom to the nearest other one on the image [unit], shape (n,).
    weights
        What each counts in the corrected distribution, shape (n,), in all 1; 0 where the edge is nearer than the
        neighbour.
    mean
        Corrected mean [unit]; NaN where no atom is nearer to another one than to the edge.
    expected
        Mean of random places of the same density, 1/(2√λ) (Rayleigh's law) [unit].
    low, high
        Between these lie the corrected means of ``level`` of random patterns in the same mask [unit]; NaN without any.
    p
        Share of them that are at least as far from the middle as this image's; NaN without any.
    random_means
        Corrected means of the random patterns [unit], shape (simulations,); NaN of those without an atom that counts.
    distribution
        G(r), corrected, with its envelope.
    density
        Atoms per area of the mask.
    level
        As above.
    unit
        Å or px.

    Examples
    --------
    >>> window = Window.frame((512, 512), sampling=0.293)
    >>> pattern = PointPattern(window.draw(80, np.random.default_rng(2)), window)
    >>> distances = nearest_neighbours(pattern, simulations=0)
    >>> distances.unit, round(distances.used, 2)  # the others are nearer to the edge than to their neighbour
    ('Å', 0.78)
    """

    distances: NDArray[np.float64]
    weights: NDArray[np.float64]
    mean: float
    expected: float
    low: float
    high: float
    p: float
    random_means: NDArray[np.float64]
    distribution: Curve
    density: float
    level: float
    unit: str

    @property
    def used(self) -> float:
        """Share of the atoms that are further from the edge than from their neighbour: the others only limit these."""
        return float(np.mean(self.weights > 0))

    @property
    def sentence(self) -> str:
        """How to read it."""
        if np.isnan(self.mean):
            return "No atom is nearer to another one than to the edge: the mask is too narrow for neighbours."
        text = f"Nearest neighbours are {self.mean:.3g} {self.unit} away on average, {self.expected:.3g} {self.unit} "
        text += "is expected of random places at this density"
        if np.isnan(self.low):
            return f"{text}."
        return f"{text} (95 % of random patterns: {self.low:.3g} to {self.high:.3g}): {_verdict(self)}."

    def to_csv(self, path: str | Path) -> None:
        """Write each atom's distance and weight."""
        rows = [[f"{d:.4f}", f"{w:.6g}"] for d, w in zip(self.distances, self.weights, strict=True)]
        write_csv(path, [f"distance_{self.unit}", "weight"], rows)

    def figure(self) -> Figure:
        """Draw the corrected distribution beside Rayleigh's law."""
        return draw_neighbours(self)


def nearest_neighbours(
    pattern: PointPattern,
    *,
    simulations: int = SIMULATIONS,
    level: float = LEVEL,
    rng: np.random.Generator | None = None,
) -> NeighbourDistances:
    """Measure distances to nearest neighbours, corrected for neighbours beyond the edge of the mask.

    An atom counts where its neighbour is nearer than the edge, by ``1/|W ⊖ b(d)|``: atoms with a neighbour at distance
    d are only seen in the part of the mask that is further than d from its edge (Hanisch 1984). Without it distances at
    edges are too long, and leaving out atoms at edges alone makes them too short.

    Parameters
    ----------
    pattern
        The atoms.
    simulations
        Random patterns in the same mask for intervals; 0 for none.
    level
        Share of them that intervals hold.
    rng
        Source of the random patterns; by default seeded with 0.

    Returns
    -------
    NeighbourDistances
        Distances, their corrected mean and distribution, and what random places give.

    References
    ----------
    Hanisch 1984, Math. Operationsforsch. Stat. Ser. Stat. 15, 409; Baddeley 1999, Spatial sampling and censoring, in
    Stochastic Geometry, Likelihood and Computation; Clark & Evans 1954, Ecology 35, 445.

    Examples
    --------
    >>> window = Window.frame((512, 512), sampling=0.293)
    >>> pattern = PointPattern(window.draw(80, np.random.default_rng(2)), window)
    >>> result = nearest_neighbours(pattern, simulations=199)
    >>> result.low < result.mean < result.high, round(result.expected, 2)
    (True, 8.39)
    """
    window, scale = pattern.window, pattern.window.scale
    radii = np.linspace(0, _FARTHEST / np.sqrt(pattern.density_px), _RADII + 1)[1:]
    distances, weights = _weighted(pattern.points[None], window)
    values = _distribution(distances, weights, radii)[0]
    mean = float(_means(distances, weights)[0] * scale)
    envelope, low, high, p, means = None, np.nan, np.nan, np.nan, np.empty(0)
    if simulations and np.isfinite(mean):
        drawn, weight = _weighted(pattern.random(simulations, rng or np.random.default_rng(0)), window)
        means = _means(drawn, weight) * scale
        can = np.isfinite(means)
        # Where some random patterns have no such atom, the others are a choice.
        if can.sum() > max(_ENOUGH * simulations, 2 / (1 - level) - 1.5):
            envelope = rank_envelope(values, _distribution(drawn, weight, radii)[can], level)
            whole = rank_envelope(mean, means[can], level)
            low, high, p = float(whole.low[0]), float(whole.high[0]), whole.p
    rayleigh = 1 - np.exp(-np.pi * pattern.density_px * radii**2)
    curve = Curve("G", radii * scale, values, rayleigh, window.unit, envelope)
    expected = float(scale / (2 * np.sqrt(pattern.density_px)))
    values_of = (distances[0] * scale, weights[0], mean, expected, low, high, p, means)
    return NeighbourDistances(*values_of, curve, pattern.density, level, window.unit)


@dataclass(frozen=True)
class ClarkEvans:
    """The index of Clark and Evans: mean distance to nearest neighbours over that of random places.

    Parameters
    ----------
    index
        1 for random places, less where atoms cluster, more where they avoid each other; 2.149 on a triangular lattice.
    low, high
        Between these lie the indices of ``level`` of random patterns in the same mask; NaN without any.
    p
        Share of them that are at least as extreme.
    level
        As above.

    Examples
    --------
    >>> print(ClarkEvans(1.21, 0.9, 1.1, 0.01, 0.95).sentence)
    Clark and Evans' index is 1.210; 1 is random, less is clustered, more is ordered, and 95 % of random patterns ...
    """

    index: float
    low: float
    high: float
    p: float
    level: float

    @property
    def sentence(self) -> str:
        """How to read it."""
        if np.isnan(self.index):
            return "Clark and Evans' index cannot be measured without distances to neighbours."
        text = f"Clark and Evans' index is {self.index:.3f}; 1 is random, less is clustered, more is ordered"
        if np.isnan(self.low):
            return f"{text}."
        return (
            f"{text}, and {100 * self.level:g} % of random patterns give {self.low:.3f} to {self.high:.3f}."
        )


def clark_evans(neighbours: NeighbourDistances) -> ClarkEvans:
    """Return the index of Clark and Evans (1954), from corrected mean distances, with its interval by Monte Carlo.

    R = 2 m √λ, m the corrected mean distance. Where Donnelly (1978) corrects the expectation for the edge of a
    rectangle, here the mean is corrected for that of any mask; the interval is that of random patterns in it, and no
    normal law is assumed.

    Parameters
    ----------
    neighbours
        From :func:`nearest_neighbours`.

    Examples
    --------
    >>> y, x = np.mgrid[20:500:30, 20:500:30]
    >>> square = PointPattern.inside(np.stack([x.ravel(), y.ravel()], axis=1), Window.frame((480, 480)))
    >>> clark_evans(nearest_neighbours(square, simulations=199)).index > 1.8
    True
    """
    one = neighbours
    index, low, high = (float(value / one.expected) for value in (one.mean, one.low, one.high))
    return ClarkEvans(index, low, high, one.p, one.level)


def _weighted(
    patterns: NDArray[np.float64], window: Window
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return distances [pixel] and weights, shape (patterns, n); weights of a pattern have the sum 1."""
    distances = neighbour_distances(patterns, window)
    counted = window.border_at(patterns) >= distances
    weights = np.where(counted, 1 / np.maximum(window.eroded(distances), 1), 0.0)
    total = weights.sum(axis=1, keepdims=True)
    return distances, weights / np.where(total > 0, total, 1)


def _means(distances: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each pattern; NaN where no neighbour is nearer than the edge: nothing can be corrected."""
    return np.where(weights.any(axis=1), np.sum(distances * weights, axis=1), np.nan)


def _distribution(
    distances: NDArray[np.float64], weights: NDArray[np.float64], radii: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return G at the radii, shape (patterns, radii)."""
    count = len(distances)
    place = np.searchsorted(radii, distances, side="left") + np.arange(count)[:, None] * (len(radii) + 1)
    table = np.bincount(place.ravel(), weights.ravel(), count * (len(radii) + 1)).reshape(count, -1)
    return np.where((weights.sum(axis=1) > 0)[:, None], np.cumsum(table, axis=1, dtype=float)[:, :-1], np.nan)


def _verdict(one: NeighbourDistances) -> str:
    if one.low <= one.mean <= one.high:
        return "no sign of clustering or order"
    return "atoms cluster" if one.mean < one.low else "atoms avoid each other"
