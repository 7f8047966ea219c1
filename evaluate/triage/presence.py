"""Whether an image shows an atom at all: from the likelihoods of everything that may be one, and the area."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

_LEAST_AREA = 1.0  # nm²: an image that shows less specimen is taken for one that shows so much
_GROWTH = (
    0.75  # of chance finds' evidence with the area: between that of their mean, 1, and of its scatter, ½
)
_MOST = 0.985  # likelihood from which candidates count alike: beyond, calibrated likelihoods say no more


@dataclass(frozen=True)
class PresenceLaw:
    """How the probability of an atom follows from candidates' likelihoods p and from the area A of the specimen.

    The evidence is E = Σ (p/(1 − p))ᶜ / A^¾ over the candidates, with A in 100 nm². Chance finds are the rarer the
    greater their odds, and the more the larger the area: their mean grows with A, how much it varies by chance with √A.
    The probability is σ(a + b ln(E + ε)).

    Parameters
    ----------
    power
        c, how fast chance finds become rarer with their odds.
    least
        ε, evidence that stands for none.
    constant, slope
        a and b.
    """

    power: float
    least: float
    constant: float
    slope: float

    def evidence(self, likelihoods: ArrayLike, area: ArrayLike) -> NDArray[np.float64]:
        """Return what each candidate, shape (n,), adds to E on an area of specimen [nm²], one or that of each."""
        p = np.minimum(np.asarray(likelihoods, dtype=float), _MOST)
        return np.asarray((p / (1 - p)) ** self.power / (np.maximum(area, _LEAST_AREA) / 100) ** _GROWTH)

    def probability(self, evidence: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of an atom at the evidence E of images, shape (images,)."""
        return np.asarray(expit(self.constant + self.slope * np.log(self.least + np.asarray(evidence))))


LAW = PresenceLaw(power=1.69, least=89.5, constant=-39.0, slope=8.0)
"""Fitted to simulated images half of which have no metal; by ``benchmarks/triage_presence.py fit``."""


def atoms_probability(likelihoods: ArrayLike, area: float) -> float:
    """Return the probability that an image shows at least one visible atom, if half of all images do.

    Candidates of an image are not independent: what looks like an atom by chance does so again where the support has
    the same texture. So the product of 1 − p is not what it seems, and :data:`LAW` stands in its place.

    Parameters
    ----------
    likelihoods
        Of an image's candidates on the specimen, from :data:`stemforge.infer.CANDIDATE` on, calibrated, shape (n,).
    area
        Of the specimen [nm²].

    Examples
    --------
    >>> atoms_probability([0.97, 0.97, 0.96, 0.95, 0.6], 50.0) > 0.9, atoms_probability([0.3, 0.05], 50.0) < 0.1
    (True, True)
    """
    return float(LAW.probability(LAW.evidence(likelihoods, area).sum()))
