"""How many atoms a spot is: atoms of one element scatter alike, so that clusters are spots of twice or more an atom."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

MOST = 7
"""Atoms of a spot, at most: an atom of a close-packed layer and its neighbours."""

LIGHT = 1 + 0.65 * np.arange(MOST)
"""Electrons of a spot of 1 … :data:`MOST` atoms by its fit, over those of one atom: a Gaussian leaves some of a cluster
to the background. Medians on simulated clusters of platinum (``pt-clusters``, seed 61): 1.57, 2.1, 2.9 and 3.4."""

TOGETHER = np.array([1, 1.47, 1.75, 1.85, 1.9, 1.9, 1.9])
"""Contrast-to-noise that the ideal observer measures of such a spot, over the mean of its atoms; from the same images,
1.48 and 1.74 for two and three single atoms that overlap by chance (``pt-nc``)."""

FEWEST = 6
"""Spots from which on the electrons of one atom are known."""

SCATTER = (0.3, 0.2)
"""Scatter of the logarithm of an atom's electrons where nothing is known of the image, and how far it may be off."""

# Of the share q of atoms that have a further one is believed (1 − q)^8: most spots of most images are one atom.
_SINGLE = 8.0
_LEAST_SCATTER = 0.15  # of spots of many atoms
_ODD = 1e-4  # density of spots that are none of these


@dataclass(frozen=True)
class Multiplicity:
    """Spots of an image as mixture of one, two and more atoms, whose numbers fall off by a constant factor.

    Parameters
    ----------
    electrons
        What the detector counted of one atom.
    scatter
        Standard deviation of its logarithm as it is measured.
    further
        Share of the spots of k atoms or more that have k + 1 or more.
    """

    electrons: float
    scatter: float
    further: float

    @classmethod
    def fit(cls, electrons: ArrayLike, scatter: tuple[float, float] = SCATTER) -> Self:
        """Fit to the electrons of spots by maximum likelihood; values that are not positive are left out.

        Parameters
        ----------
        electrons
            Of each spot.
        scatter
            Scatter that is expected of one atom, and by what factor it may be another (standard deviation of its
            logarithm). The less is known of it, the less can clusters be told from atoms of uneven brightness.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> atoms = np.minimum(rng.geometric(0.6, 200), MOST)
        >>> found = Multiplicity.fit(500 * LIGHT[atoms - 1] * np.exp(rng.normal(0, 0.2, 200)))
        >>> bool(abs(found.electrons / 500 - 1) < 0.1), bool(0.3 < found.further < 0.5)
        (True, True)
        """
        values = np.asarray(electrons, dtype=float)
        logs = np.log(values[values > 0])

        def loss(p: NDArray[np.float64]) -> float:
            mean, width, odds = p
            log_q, log_p = -np.logaddexp(0, -odds), -np.logaddexp(0, odds)
            chance = _densities(logs, mean, np.exp(width), np.exp(log_q)).sum(1)
            prior = 0.5 * ((width - np.log(scatter[0])) / scatter[1]) ** 2 - log_q - _SINGLE * log_p
            return float(prior - np.log(chance + _ODD).sum())

        # From few atoms a spot and from many: the likelihood may have two maxima.
        starts = [(level, odds) for level in np.percentile(logs, [20, 50]) for odds in (-3.0, -0.5)]
        fits = [
            minimize(loss, [level, np.log(scatter[0]), odds], method="Nelder-Mead", options={"xatol": 1e-3})
            for level, odds in starts
        ]
        mean, width, odds = min(fits, key=lambda one: float(one.fun)).x
        return cls(float(np.exp(mean)), float(np.exp(width)), float(1 / (1 + np.exp(-odds))))

    def chances(self, electrons: ArrayLike, shift: float = 0.0) -> NDArray[np.float64]:
        """Return the probability of each spot to be 1 … :data:`MOST` atoms, shape (spots, MOST).

        Parameters
        ----------
        electrons
            Of each spot; of one whose electrons are not known (not positive), spots at large say it.
        shift
            Added to the logarithm of an atom's electrons.
        """
        values = np.asarray(electrons, dtype=float)
        logs = np.log(np.where(values > 0, values, 1))
        chance = _densities(
            logs, np.log(self.electrons) + shift, self.scatter, self.further
        ) + 1e-12 * _weights(self.further)
        chance[~(values > 0)] = _weights(self.further)
        # Brighter than the most are the most.
        chance[values > LIGHT[-1] * self.electrons] = np.eye(MOST)[-1]
        return np.asarray(chance / chance.sum(1, keepdims=True))


def _weights(further: float) -> NDArray[np.float64]:
    share = (1 - further) * further ** np.arange(MOST)
    return np.asarray(share / share.sum())


def _densities(logs: NDArray[np.float64], mean: float, scatter: float, further: float) -> NDArray[np.float64]:
    """Return the density of logarithms with each number of atoms, shape (spots, MOST)."""
    number = np.arange(1, MOST + 1)
    spread = np.hypot(scatter / np.sqrt(number), _LEAST_SCATTER)
    pull = (logs[:, None] - mean - np.log(LIGHT)) / spread
    return np.asarray(np.exp(-0.5 * pull**2) / spread * _weights(further))
