"""Ripley's K and L, and the pair correlation g: how many neighbours atoms have at each distance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from stemforge.errors import InputError
from stemforge.evaluate.statistics.envelopes import LEVEL, SIMULATIONS, Envelope, rank_envelope
from stemforge.evaluate.statistics.figures import draw_curve
from stemforge.evaluate.statistics.pairs import PairHistogram, fine_edges
from stemforge.evaluate.statistics.window import PointPattern, several
from stemforge.files import write_csv

_RADII = 60  # of a curve by default
_FARTHEST = 4.0  # default longest distance, in mean distances 1/√density
_BANDWIDTH = 0.15  # half width of the kernel, in mean distances (Stoyan & Stoyan 1994 recommend 0.1 to 0.2)


@dataclass(frozen=True, eq=False)
class Curve:
    """A function of distance, with what random places give.

    Parameters
    ----------
    name
        ``K``, ``L`` or ``g``, or ``G`` for the distribution of nearest neighbours.
    radii
        Distances [unit], shape (r,).
    values
        The function [Å² or px² for K, Å or px for L], shape (r,).
    theory
        The same of random places without end.
    unit
        Of distances, Å or px.
    envelope
        Of random places in this mask; None where none was asked for.
    images
        How many it was measured on.

    Examples
    --------
    >>> radii = np.array([1.0, 2.0, 3.0])
    >>> curve = Curve("g", radii, np.array([2.5, 1.2, 1.0]), np.ones(3), "Å")
    >>> curve.to_csv("g.csv")
    >>> print(open("g.csv").readline().strip())
    r_Å,g,theory
    """

    name: str
    radii: NDArray[np.float64]
    values: NDArray[np.float64]
    theory: NDArray[np.float64]
    unit: str
    envelope: Envelope | None = None
    images: int = 1

    @property
    def sentence(self) -> str:
        """How to read it."""
        how = _READING[self.name]
        if self.envelope is None:
            return f"{how}."
        low, high = self.envelope.p_interval
        verdict = "like random places" if self.envelope.random else "not like random places"
        which = "this image is" if self.images == 1 else f"these {self.images} images are"
        return f"{how}; over all distances {which} {verdict} (p = {self.envelope.p:.3f}, {low:.3f} to {high:.3f})."

    def to_csv(self, path: str | Path) -> None:
        """Write distances, values, theory and envelopes as columns."""
        header = [f"r_{self.unit}", self.name, "theory"]
        columns = [self.radii, self.values, self.theory]
        if self.envelope is not None:
            one = self.envelope
            header += ["mean_random", "low", "high", "global_low", "global_high"]
            columns += [one.mean, one.low, one.high, one.global_low, one.global_high]
        write_csv(path, header, [[f"{value:.6g}" for value in row] for row in zip(*columns, strict=True)])

    def figure(self) -> Figure:
        """Draw the curve over its envelopes."""
        return draw_curve([self])


_READING = {
    "K": "K(r) counts the neighbours within r, over the density: above the grey band atoms cluster, below it they "
    "avoid each other",
    "L": "L(r) − r is 0 for random places: above the grey band atoms cluster at distances up to r, below it they avoid "
    "each other",
    "g": "g(r) is how many times more pairs have distance r than at random places: 1 is random, a peak a preferred "
    "distance",
    "G": "G(r) is the share of atoms whose nearest neighbour is within r: left of the grey band atoms cluster, right "
    "of it they avoid each other",
}


def ripley(
    pattern: PointPattern | Sequence[PointPattern],
    radii: ArrayLike | None = None,
    *,
    simulations: int = SIMULATIONS,
    level: float = LEVEL,
    rng: np.random.Generator | None = None,
) -> tuple[Curve, Curve]:
    """Measure Ripley's K, and L = √(K/π), in a mask of any shape.

    ``K(r) = |W|² / n(n−1) · Σ 1(d ≤ r) / γ(x − y)`` over ordered pairs, γ the set covariance of the mask: each pair
    counts for all places where it could have been in the mask (translation correction, Ohser & Stoyan 1981).

    Parameters
    ----------
    pattern
        The atoms of an image; of several, pairs of all are counted together.
    radii
        Distances [Å, or px without pixel size], increasing; by default 60 up to 4/√density, or to a
        quarter of the image's shorter side.
    simulations
        Random patterns for the envelope; 0 for none.
    level
        Share of them that it holds.
    rng
        Source of the random patterns; by default seeded with 0.

    Returns
    -------
    tuple
        K and L.

    Raises
    ------
    InputError
        Distances that are not positive, or longer than half the shorter side.

    References
    ----------
    Ripley 1977, J. R. Stat. Soc. B 39, 172; Ohser & Stoyan 1981, Biom. J. 23, 523.

    Examples
    --------
    >>> from stemforge.evaluate import Window
    >>> window = Window.frame((512, 512), sampling=0.293)
    >>> pattern = PointPattern(window.draw(80, np.random.default_rng(2)), window)
    >>> K, L = ripley(pattern, simulations=199)
    >>> L.unit, L.envelope.random
    ('Å', True)
    """
    patterns = several(pattern)
    at = _radii(patterns, radii)

    def estimate(one: PointPattern, points: NDArray[np.float64]) -> NDArray[np.float64]:
        edges = np.append(0.0, at / one.window.scale)
        return PairHistogram.of(points, one.window, edges).within() * one.window.scale**2

    values, drawn = _pooled(patterns, estimate, simulations, rng)
    envelopes = [None, None] if drawn is None else [
        rank_envelope(values, drawn, level), rank_envelope(_l(values), _l(drawn), level)
    ]  # fmt: skip
    unit, images = patterns[0].window.unit, len(patterns)
    k = Curve("K", at, values, np.pi * at**2, unit, envelopes[0], images)
    return k, Curve("L", at, _l(values), at, unit, envelopes[1], images)


def pair_correlation(
    pattern: PointPattern | Sequence[PointPattern],
    radii: ArrayLike | None = None,
    *,
    bandwidth: float | None = None,
    simulations: int = SIMULATIONS,
    level: float = LEVEL,
    rng: np.random.Generator | None = None,
) -> Curve:
    """Measure the pair correlation g(r), the density of pairs over that of random places, in a mask of any shape.

    ``g(r) = |W|² / n(n−1) · Σ k(r − d) / (2πd γ(x − y))`` over ordered pairs, with Epanechnikov's kernel k: on average
    the true g, smoothed by the kernel.

    Parameters
    ----------
    pattern, radii, simulations, level, rng
        As for :func:`ripley`.
    bandwidth
        Half the kernel's width [Å or px]; by default 0.15/√density, or an eighth of the shortest side of an image.

    Raises
    ------
    InputError
        As for :func:`ripley`; a bandwidth that is not positive.

    References
    ----------
    Stoyan & Stoyan 1994, Fractals, Random Shapes and Point Fields, ch. 15; Guan 2007, doi:10.1016/j.spl.2007.02.005
    (the distance of the pair, not r, in the denominator).

    Examples
    --------
    >>> from stemforge.evaluate import Window
    >>> window = Window.frame((512, 512))
    >>> pattern = PointPattern(window.draw(80, np.random.default_rng(2)), window)
    >>> pair_correlation(pattern, simulations=199).envelope.random
    True
    """
    patterns = several(pattern)
    at = _radii(patterns, radii)
    # With the default radii, up to half the longest distance, a quarter is always allowed.
    default = min(_BANDWIDTH / np.sqrt(_density(patterns)), _longest(patterns) / 4)
    width = default if bandwidth is None else bandwidth
    if not 0 < width < np.inf:
        raise InputError(f"bandwidth must be positive, not {bandwidth}")
    if at[-1] + width > _longest(patterns):
        raise InputError(
            f"radii and bandwidth must stay below {_longest(patterns):.4g} {patterns[0].window.unit}"
        )

    def estimate(one: PointPattern, points: NDArray[np.float64]) -> NDArray[np.float64]:
        pixels, half = at / one.window.scale, width / one.window.scale
        return PairHistogram.of(points, one.window, fine_edges(pixels[-1], half)).smoothed(pixels, half)

    values, drawn = _pooled(patterns, estimate, simulations, rng)
    envelope = None if drawn is None else rank_envelope(values, drawn, level)
    return Curve("g", at, values, np.ones(len(at)), patterns[0].window.unit, envelope, len(patterns))


def _pooled(
    patterns: Sequence[PointPattern],
    estimate: Callable[[PointPattern, NDArray[np.float64]], NDArray[np.float64]],
    simulations: int,
    rng: np.random.Generator | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return a function of pairs, and that of random patterns, each image weighted by the pairs that it should have."""
    rng = rng or np.random.default_rng(0)
    weights = np.array([len(one) * (len(one) - 1) / one.window.area for one in patterns])
    weights /= weights.sum()
    values, drawn = np.zeros(1), np.zeros(1)
    for weight, one in zip(weights, patterns, strict=True):
        values = values + weight * estimate(one, one.points[None])[0]
        if simulations:
            drawn = drawn + weight * estimate(one, one.random(simulations, rng))
        # Of hundreds of images the windows would not fit in memory together.
        if len(patterns) > 1:
            one.window.release()
    return values, drawn if simulations else None


def _l(k: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(k / np.pi)


def _density(patterns: Sequence[PointPattern]) -> float:
    """Return atoms per squared unit of length, over all images."""
    area = sum(one.window.pixels * one.window.scale**2 for one in patterns)
    return sum(map(len, patterns)) / area


def _longest(patterns: Sequence[PointPattern]) -> float:
    return min(one.window.reach * one.window.scale for one in patterns)


def _radii(patterns: Sequence[PointPattern], radii: ArrayLike | None) -> NDArray[np.float64]:
    """Return distances in the windows' unit, checked."""
    longest = _longest(patterns)
    if radii is None:
        return np.linspace(0, min(_FARTHEST / np.sqrt(_density(patterns)), longest / 2), _RADII + 1)[1:]
    at = np.atleast_1d(np.asarray(radii, dtype=float))
    steps = np.diff(at, prepend=0.0)
    if at.ndim != 1 or not np.all(steps > 0) or not at[-1] < longest:
        raise InputError(
            f"radii must be positive, increasing and below {longest:.4g} {patterns[0].window.unit}, half the image's "
            "shorter side"
        )
    return at
