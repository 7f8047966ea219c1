"""From which distance on a detector finds two atoms as two."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from scipy.stats import chi2

FEWEST = 20
"""Grafts beside atoms found from which on the distance is stated."""

_WIDTH = 0.15  # range of distances in which pairs begin to be resolved [Å]; on simulated films 0.1 to 0.2
_DISTANCES = np.arange(0.5, 4.0, 0.02)  # that are tried [Å]
_KEPT = np.arange(
    0.5, 1.001, 0.05
)  # share found of pairs far enough, over what free atoms of that brightness have


@dataclass(frozen=True)
class PairRecall:
    """Recall of pairs: of free atoms, beyond a distance; hardly any below.

    Parameters
    ----------
    resolved
        Distance at which half of the pairs are found as two [Å].
    low, high
        Ends of an interval that holds it 95 times in 100 [Å].
    pairs
        Of which that is known.
    """

    resolved: float
    low: float
    high: float
    pairs: int

    @classmethod
    def fit(cls, distance: ArrayLike, both: ArrayLike, free: ArrayLike) -> Self | None:
        """Fit the distance to pairs by maximum likelihood, its interval by the ratio of likelihoods.

        Parameters
        ----------
        distance
            Of the two atoms of each pair [Å], shape (n,).
        both
            Whether both were found.
        free
            Chance of the second one to be found if it stood free.

        Returns
        -------
        PairRecall or None
            None of fewer than :data:`FEWEST` pairs.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> distance = rng.uniform(1, 3, 400)
        >>> both = (distance > 2.1) & (rng.random(400) < 0.9)
        >>> pairs = PairRecall.fit(distance, both, np.full(400, 0.9))
        >>> bool(abs(pairs.resolved - 2.1) < 0.1), pairs.low < 2.1 < pairs.high
        (True, True)
        """
        lengths, hit = np.asarray(distance, dtype=float), np.asarray(both, dtype=bool)
        if len(lengths) < FEWEST:
            return None
        resolved = expit((lengths - _DISTANCES[:, None, None]) / _WIDTH)
        chance = np.clip(np.asarray(free, dtype=float) * _KEPT[:, None] * resolved, 1e-4, 1 - 1e-4)
        likelihood: NDArray[np.float64] = np.log(np.where(hit, chance, 1 - chance)).sum(axis=2).max(axis=1)
        within = _DISTANCES[likelihood >= likelihood.max() - chi2.ppf(0.95, 1) / 2]
        best = float(_DISTANCES[likelihood.argmax()])
        return cls(best, float(within[0]), float(within[-1]), len(lengths))
