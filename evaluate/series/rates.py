"""Rates of events, how long an atom stays, and shares, each with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import CensoredData, binomtest, ecdf

from stemforge.evaluate.series.motion import LEVEL
from stemforge.evaluate.statistics.density import counted_density

_NO_EVENT = 0.01  # expected events that are none
_LOW_EVENT = 0.1  # expected events of which the lower end is 0: the law's would be 10⁻⁷⁸


@dataclass(frozen=True)
class Estimate:
    """A number and the ends of an interval that holds 95 in 100.

    Examples
    --------
    >>> one = Estimate(0.25, 0.18, 0.34)
    >>> print(one, one.per(0.5), sep=", ")
    0.25 (0.18 to 0.34), 0.5 (0.36 to 0.68)
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g})"

    def per(self, amount: float) -> "Estimate":
        """Return it for each unit of an amount, such as a rate per second, of that per frame and a frame's seconds."""
        return Estimate(self.value / amount, self.low / amount, self.high / amount)


def rate(events: float, exposure: float, certain: bool = True) -> Estimate:
    """Return events per exposure, and between which values it lies (Garwood 1936); events may be an expected number.

    Parameters
    ----------
    events, exposure
        How many, in how many chances.
    certain
        Whether there was any event; otherwise the interval begins at 0.

    Examples
    --------
    >>> print(rate(0, 100), rate(10, 100), sep=" / ")
    0 (0 to 0.0369) / 0.1 (0.048 to 0.184)
    """
    if not exposure > 0:
        return Estimate(np.nan, 0.0, np.inf)
    value, low, high = counted_density(events if events >= _NO_EVENT else 0, exposure, LEVEL)
    return Estimate(value, low if certain and events > _LOW_EVENT else 0.0, high)


def residence(leaving: Estimate, step: float) -> Estimate:
    """Return the mean time at a place, of the rate of leaving per frame: an exponential law with censoring.

    Its likeliest value is all time that was watched over the number of departures (Epstein & Sobel 1953); atoms that
    stay to the end count by the time they were watched.
    """
    ends = [step / one if one > 0 else np.inf for one in (leaving.value, leaving.high, leaving.low)]
    return Estimate(*ends)


def share(number: int, total: int) -> Estimate:
    """Return a share, and between which values it lies (Wilson 1927)."""
    if not total:
        return Estimate(np.nan, 0.0, 1.0)
    ends = binomtest(number, total).proportion_ci(LEVEL, method="wilson")
    return Estimate(number / total, float(ends.low), float(ends.high))


def survival(
    durations: Sequence[float], ended: Sequence[bool]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return times, and the share still at its place then (Kaplan & Meier 1958); stays may end unwatched.

    Examples
    --------
    >>> [values.tolist() for values in survival([1, 2, 2, 5], [True, True, False, False])]
    [[0.0, 1.0, 2.0, 5.0], [1.0, 0.75, 0.5, 0.5]]
    """
    times, stop = np.asarray(durations, dtype=float), np.asarray(ended, dtype=bool)
    sample = CensoredData(uncensored=times[stop], right=times[~stop])
    curve = ecdf(sample).sf
    return np.concatenate([[0.0], curve.quantiles]), np.concatenate([[1.0], curve.probabilities])
