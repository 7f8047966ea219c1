"""Recall as a function of contrast-to-noise: counts with intervals, and a smooth curve through them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit, ndtr
from scipy.stats import binomtest

# What is believed of a curve before any graft: centre and spread of its half (contrast-to-noise), of the logarithm of
# its width, and of the log odds of what is lost however bright. Wide: a few dozen grafts outweigh it.
_PRIOR = (np.array([5.0, 0.2, -3.5]), np.array([5.0, 0.7, 1.2]))


@dataclass(frozen=True)
class Bin:
    """Recall of the grafts in a range, with the ends of an interval that holds 95 in 100 (Wilson)."""

    low: float
    high: float
    grafts: int
    found: int
    recall: float
    lower: float
    upper: float


def recall_bins(values: NDArray[np.float64], found: NDArray[np.bool_], edges: ArrayLike) -> list[Bin]:
    """Count what was found between edges; empty bins are left out.

    Examples
    --------
    >>> one, = recall_bins(np.array([4.2, 4.8, 4.9]), np.array([True, False, True]), [4, 5])
    >>> one.found, one.grafts, round(one.recall, 2)
    (2, 3, 0.67)
    """
    ends = np.asarray(edges, dtype=float)
    bins = []
    for low, high in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        inside = (values >= low) & (values < high)
        n, k = int(inside.sum()), int(found[inside].sum())
        if n:
            interval = binomtest(k, n).proportion_ci(method="wilson")
            bins.append(Bin(low, high, n, k, k / n, float(interval.low), float(interval.high)))
    return bins


@dataclass(frozen=True)
class RecallCurve:
    """Recall (1 − l) Φ((d − h)/w) at contrast-to-noise d, fitted to grafts by maximum likelihood.

    Parameters
    ----------
    half
        Contrast-to-noise h at which half is found.
    width
        Range w in which recall rises.
    lost
        Share l that is not found however bright: beside other atoms, or where the detector fails.
    draws
        Curves as likely as this one (half, logarithm of width, log odds of lost), shape (n, 3): its error.
    """

    half: float
    width: float
    lost: float
    draws: NDArray[np.float64]

    @classmethod
    def fit(cls, cnr: NDArray[np.float64], found: NDArray[np.bool_], rng: np.random.Generator) -> Self:
        """Fit the curve to grafts.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> cnr = rng.uniform(1, 12, 1000)
        >>> curve = RecallCurve.fit(cnr, rng.random(1000) < ndtr(cnr - 5), rng)
        >>> bool(abs(curve.half - 5) < 0.3)
        True
        """
        centre, spread = _PRIOR

        def loss(p: NDArray[np.float64]) -> float:
            chance = np.clip(_recall(p, cnr), 1e-9, 1 - 1e-9)
            prior = 0.5 * (((p - centre) / spread) ** 2).sum()
            return float(prior - np.log(chance[found]).sum() - np.log(1 - chance[~found]).sum())

        best = minimize(loss, centre, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-4})
        covariance = np.linalg.inv(_curvature(loss, best.x))
        draws = rng.multivariate_normal(best.x, covariance, size=400, check_valid="ignore")
        draws[:, 1:] = np.clip(draws[:, 1:], [-3, -8], [3, 3])
        half, width, lost = best.x
        return cls(float(half), float(np.exp(width)), float(expit(lost)), draws)

    def __call__(self, cnr: ArrayLike) -> NDArray[np.float64]:
        """Return the recall at contrast-to-noises."""
        p = np.array([self.half, np.log(self.width), np.log(self.lost / (1 - self.lost))])
        return _recall(p, np.asarray(cnr, dtype=float))

    def interval(self, cnr: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the ends of the interval that holds the curve 95 times in 100."""
        every = np.array([_recall(p, np.asarray(cnr, dtype=float)) for p in self.draws])
        low, high = np.percentile(every, [2.5, 97.5], axis=0)
        return low, high

    def drawn(self, number: int) -> "RecallCurve":
        """Return one of the curves that are as likely."""
        half, width, lost = self.draws[number % len(self.draws)]
        return RecallCurve(float(half), float(np.exp(width)), float(expit(lost)), self.draws)


def _curvature(
    function: Callable[[NDArray[np.float64]], float], at: NDArray[np.float64], step: float = 0.05
) -> NDArray[np.float64]:
    """Return the second derivatives of a function at its minimum, made positive."""
    moves = step * np.eye(len(at))
    pairs = [
        [
            sum(i * j * function(at + i * one + j * other) for i in (1, -1) for j in (1, -1)) / (4 * step**2)
            for other in moves
        ]
        for one in moves
    ]
    values, axes = np.linalg.eigh(np.array(pairs))
    return np.asarray(axes @ np.diag(np.maximum(values, 0.1)) @ axes.T)


def _recall(p: NDArray[np.float64], cnr: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(expit(-p[2]) * ndtr((cnr - p[0]) / np.exp(p[1])))
