"""How many atoms there are: what was found, corrected for what was missed and what is false."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stemforge.infer.completeness.injection import Grafts
from stemforge.infer.completeness.recall import RecallCurve

_STEP = 0.5  # of contrast-to-noise
_ITERATIONS = 15  # more follow each atom's noise
_DRAWS = 200
# What the bootstrap cannot know, as found on simulated images: standard deviations of the shift by which the visibility
# of grafts differs from that of atoms, of the logarithm of what is measured of atoms over what grafts say, and of that
# of the number of false atoms over the expected one.
_SHIFT = 0.15
_MEASURED = 0.08
_FALSE = 0.5
# Of the logarithm of one atom's electrons: without clusters, and how much more per share of spots with a further atom.
_BRIGHTNESS = (0.1, 0.3)
# Where nothing was found a few may still be missed: 3 is the largest number with a chance of 5 % to give none. An image
# on which that would be more atoms per nm² than this says nothing of its density, unless as many were found.
_HIDDEN = 3.0
_MOST_HIDDEN = 1.0  # [1/nm²]
# Grafts in which the ideal observer's answer is learnt, at least.
_ENOUGH = 8


@dataclass(frozen=True)
class Response:
    """What is measured of an atom that is found: normal, with mean ``start + slope · d`` and deviation ``spread``."""

    start: float
    slope: float
    spread: float

    @classmethod
    def fit(cls, grafts: Grafts) -> "Response":
        """Fit to the grafts that were found; with a handful of them, the measure is the contrast-to-noise itself."""
        ok = grafts.found & np.isfinite(grafts.measured)
        if ok.sum() < _ENOUGH:
            return cls(0.0, 1.0, 1.0)
        slope, start = np.polyfit(grafts.cnr[ok], grafts.measured[ok], 1)
        slope = max(float(slope), 0.2)
        rest = grafts.measured[ok] - start - slope * grafts.cnr[ok]
        return cls(float(start), slope, float(max(1.4826 * np.median(np.abs(rest - np.median(rest))), 0.3)))


@dataclass(frozen=True)
class Clusters:
    """How many atoms each of the spots found may be.

    Parameters
    ----------
    chances
        Gives the probability of each spot to be one, two … atoms, shape (spots, numbers), with a shift of the
        logarithm of one atom's electrons.
    together
        Contrast-to-noise of a spot of so many atoms over that of one of them, shape (numbers,).
    further
        Share of atoms that have a further one: the more clusters, the less is known of one atom.
    """

    chances: Callable[[float], NDArray[np.float64]]
    together: NDArray[np.float64]
    further: float = 0.0

    @classmethod
    def none(cls, spots: int) -> Self:
        """Return that every spot is one atom."""
        return cls(lambda shift: np.ones((spots, 1)), np.ones(1))


@dataclass(frozen=True)
class Density:
    """Atoms from a contrast-to-noise on.

    Parameters
    ----------
    cnr
        From which contrast-to-noise on atoms count.
    number, low, high
        Atoms on the specimen that was searched, and the ends of an interval of 95 in 100.
    area
        Its area [nm²].
    found
        Atoms found there, whatever their brightness.
    recall
        Share of atoms of this contrast-to-noise that are found.

    Examples
    --------
    >>> Density(4.0, 0.0, 0.0, 22.0, area=1.6, found=0, recall=0.5).too_small
    'only 1.6 nm² of specimen lie away from edges, with fewer than 3 atoms found; 6 nm² would do'
    >>> Density(4.0, 0.0, 0.0, 22.0, area=20.0, found=0, recall=0.5).too_small is None
    True
    """

    cnr: float
    number: float
    low: float
    high: float
    area: float
    found: int
    recall: float

    @property
    def too_small(self) -> str | None:
        """Why the image is too small for a density, and what would do; None where it is not."""
        needed = _HIDDEN / self.recall / _MOST_HIDDEN
        if self.area >= needed or self.found >= _HIDDEN:
            return None
        return (
            f"only {self.area:.2g} nm² of specimen lie away from edges, with fewer than {_HIDDEN:.0f} atoms found; "
            f"{np.ceil(needed):.0f} nm² would do"
        )

    @property
    def per_area(self) -> tuple[float, float, float]:
        """Density and the ends of its interval [1/nm²]."""
        return self.number / self.area, self.low / self.area, self.high / self.area


def corrected_density(
    measured: NDArray[np.float64],
    true: NDArray[np.float64],
    grafts: Grafts,
    curve: RecallCurve,
    clusters: Clusters | None = None,
    *,
    cnr: float,
    brightest: float,
    area: float,
    rng: np.random.Generator,
) -> Density:
    """Return the number of atoms at least as visible as ``cnr``, whether they were found or not.

    Dividing each atom found by the completeness at its measured brightness is wrong where both are uncertain: more
    faint atoms are taken for brighter ones than the other way round. Instead the distribution of true contrast-to-noise
    is sought that would be measured like this (iterative unfolding; Richardson 1972, Lucy 1974, D'Agostini 1995,
    doi:10.1016/0168-9002(95)00274-X), with what grafts say of recall and of measured brightness.

    Parameters
    ----------
    measured
        What the ideal observer measured of each spot.
    true
        Probability of each to be no false one.
    grafts, curve
        Injection and recovery on this image.
    clusters
        How many atoms spots may be; by default each is one.
    cnr, brightest
        Between these is counted; brighter ones count, too.
    area
        Of the specimen [nm²].
    rng
        Source of the bootstrap: spots (Poisson), whether each is one and how many atoms it is, the completeness' curve,
        and how far grafts and surrogates may be from atoms and support, in visibility and in what is measured.
    """
    clusters = Clusters.none(len(measured)) if clusters is None else clusters
    response = Response.fit(grafts)
    top = max(brightest, float((np.max(measured, initial=0.0) - response.start) / response.slope) + 1)
    edges = np.arange(_STEP, top + _STEP, _STEP)
    middle = (edges[:-1] + edges[1:]) / 2
    likely = _likelihoods(measured, middle, response)

    def atoms(weights: NDArray[np.float64], recall: NDArray[np.float64], least: float) -> float:
        """Count the atoms of spots whose weights are given for each number of atoms, shape (spots, numbers)."""
        total = 0.0
        for size, (column, together) in enumerate(zip(weights.T, clusters.together, strict=True), 1):
            if column.any():
                # Each atom of a spot is less visible than the spot.
                counted = np.clip((edges[1:] - least * together) / _STEP, 0, 1)
                total += size * float(counted @ _unfold(likely, column, recall))
        return total

    number = atoms(true[:, None] * clusters.chances(0.0), curve(middle), cnr)
    draws = []
    for index in range(_DRAWS):
        false = np.minimum((1 - true) * np.exp(rng.normal(0, _FALSE)), 1)
        weights = rng.poisson(1.0, len(measured)) * (rng.random(len(measured)) >= false)
        shift, scale = rng.normal(0, _SHIFT), np.exp(rng.normal(0, _MEASURED))
        chances = clusters.chances(rng.normal(0, _BRIGHTNESS[0] + _BRIGHTNESS[1] * clusters.further))
        drawn = (rng.random((len(measured), 1)) > np.cumsum(chances, axis=1)).sum(1, keepdims=True)
        each = weights[:, None] * (drawn == np.arange(chances.shape[1]))
        # Atoms that are measured as `middle` are `scale` times as visible.
        draws.append(atoms(each, curve.drawn(index)(scale * middle + shift), (cnr + shift) / scale))
    # Atoms are whole.
    low, high = np.percentile(draws, [2.5, 97.5])
    low, high = np.floor(low), np.ceil(high)
    recall = max(float(curve(cnr)), 0.05)
    high = max(float(high), _HIDDEN / recall if not len(measured) else 0.0)
    return Density(cnr, number, float(low), high, area, len(measured), recall)


def _likelihoods(
    measured: NDArray[np.float64], middle: NDArray[np.float64], response: Response
) -> NDArray[np.float64]:
    """Probability density of each measurement for each true contrast-to-noise, shape (atoms, bins)."""
    pull = (measured[:, None] - response.start - response.slope * middle) / response.spread
    return np.exp(-0.5 * np.clip(pull**2, 0, 200)) + 1e-12


def _unfold(
    likely: NDArray[np.float64], weights: NDArray[np.float64], recall: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the numbers of atoms in bins of true contrast-to-noise."""
    shown = np.maximum(recall, 0.02)
    if not np.any(weights > 0):
        return np.zeros(likely.shape[1])
    numbers = np.full(likely.shape[1], max(float(np.sum(weights)), 1e-9) / likely.shape[1])
    for _ in range(_ITERATIONS):
        expected = likely * (numbers * shown)
        total = np.maximum(expected.sum(1), 1e-300)
        numbers = ((weights / total) @ expected) / shown
    return numbers
