"""What random places in the same mask give: envelopes at each distance, and one test over all distances."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from stemforge.errors import InputError

SIMULATIONS = 999
"""Random patterns that an envelope is made of by default."""
LEVEL = 0.95
"""Share of random patterns that an envelope holds."""


@dataclass(frozen=True, eq=False)
class Envelope:
    """Where random patterns lie, and how the observed one compares.

    Parameters
    ----------
    low, high
        At each distance alone, ``level`` of random patterns lie between these, shape (r,).
    global_low, global_high
        Of random patterns, ``level`` lie between these at all distances together, shape (r,).
    mean
        Mean of random patterns, shape (r,).
    p
        Share of patterns, observed and random, at least as extreme as the observed one.
    p_interval
        Its ends as long as ties of the extreme rank are not broken.
    simulations
        Number of random patterns.
    level
        As above.

    Examples
    --------
    >>> one = np.ones(3)
    >>> envelope = Envelope(-one, one, -2 * one, 2 * one, 0 * one, 0.02, (0.01, 0.02), simulations=199, level=0.95)
    >>> envelope.random  # of 199 random patterns too few are as extreme
    False
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    global_low: NDArray[np.float64]
    global_high: NDArray[np.float64]
    mean: NDArray[np.float64]
    p: float
    p_interval: tuple[float, float]
    simulations: int
    level: float

    @property
    def random(self) -> bool:
        """Whether random places are not contradicted at this level."""
        return self.p > 1 - self.level


def rank_envelope(observed: ArrayLike, simulated: ArrayLike, level: float = LEVEL) -> Envelope:
    """Compare a curve with curves of random patterns: the global rank envelope test.

    At each distance the observed and simulated curves are ranked, from below and from above, and a curve is as extreme
    as its smallest rank. Many curves share it: the p value lies in an interval then, from the share of more extreme
    curves to the share of at least as extreme ones. Ties are broken by how often curves have their smallest rank, then
    the next one, … (extreme rank lengths), which gives one p value within the interval; the global envelope is the hull
    of the curves with p above 1 − level, so that a curve leaves it exactly where its own p is not.

    Parameters
    ----------
    observed
        Shape (r,); a number counts as a curve of one distance.
    simulated
        Shape (simulations, r).
    level
        Share of random patterns that the envelopes hold.

    Returns
    -------
    Envelope
        Tests of random places: under these, p is at most 1 − level with exactly this chance, or less with ties.

    Raises
    ------
    InputError
        Too few simulations for the level.

    References
    ----------
    Myllymäki, Mrkvička, Grabarnik, Seijo & Hahn 2017, J. R. Stat. Soc. B 79, 381, doi:10.1111/rssb.12172.

    Examples
    --------
    >>> curves = np.random.default_rng(0).normal(size=(999, 5))
    >>> result = rank_envelope([0, 0, 4.5, 0, 4.5], curves)
    >>> result.p, bool(result.global_high[2] < 4.5), result.random
    (0.001, True, False)
    """
    values = np.atleast_1d(np.asarray(observed, dtype=float))
    drawn = np.asarray(simulated, dtype=float).reshape(-1, len(values))
    total = len(drawn) + 1
    # The epsilon keeps 1 − 0.95 from being less than 0.05.
    outside = int((1 - level) / 2 * total + 1e-9)
    if not 0 < level < 1 or outside < 1:
        raise InputError(
            f"{len(drawn)} simulations cannot show an envelope of {level:g}; take "
            f"{int(np.ceil(2 / (1 - level) - 1e-9)) - 1} at least"
        )
    ordered = np.sort(drawn, axis=0)
    curves = np.vstack([values, drawn])
    both = [rankdata(part, method="max", axis=0) for part in (curves, -curves)]
    ranks = np.sort(np.minimum(*both), axis=1)
    extreme = ranks[:, 0]
    order = np.unique(ranks, axis=0, return_inverse=True)[1].reshape(-1)
    p = rankdata(order, method="max") / total
    kept = curves[p > 1 - level + 1e-9]
    return Envelope(
        ordered[outside - 1],
        ordered[-outside],
        kept.min(axis=0),
        kept.max(axis=0),
        drawn.mean(axis=0),
        float(p[0]),
        (float(np.mean(extreme < extreme[0])), float(np.mean(extreme <= extreme[0]))),
        len(drawn),
        level,
    )
