"""Whether an image holds an atom at all: from the likelihoods of everything that may be one."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

CONSTANT, SLOPE = 1.27, 1.02
"""Log odds of an atom at an :func:`evidence` of one, and what each unit of its logarithm adds; by
``benchmarks/triage.py fit``."""

FAINT = 0.3
"""Likelihood below which a candidate is counted with texture and noise."""

_TEXTURE = (
    0.25  # as much evidence as each expected atom among the faint candidates stands for, where there are none
)
_LEAST = 0.02  # evidence that stands for none


def evidence(likelihoods: ArrayLike) -> float:
    """Return how many nearly certain atoms an image has beyond those that its texture would make.

    Parameters
    ----------
    likelihoods
        Of an image's candidates, calibrated, shape (n,).

    Returns
    -------
    float
        Σp³ over all candidates less a quarter of Σp over the :data:`FAINT` ones, 0.02 at least. Both grow with the
        area that is looked at, so that images of different sizes can be compared.
    """
    p = np.asarray(likelihoods, dtype=float)
    return float(_LEAST + max(0.0, (p**3).sum() - _TEXTURE * p[p < FAINT].sum()))


def atoms_probability(likelihoods: ArrayLike) -> float:
    """Return the probability that an image holds at least one visible atom, if half of all images do.

    Candidates of an image are not independent: what looks like an atom by chance does so again where the support has
    the same texture. So the product of 1 − p is not what it seems, and a logistic law of the logarithm of their
    :func:`evidence` stands in its place, fitted to simulated images half of which have no metal.

    Parameters
    ----------
    likelihoods
        Of an image's candidates, from :data:`stemforge.infer.CANDIDATE` on, calibrated.

    Examples
    --------
    >>> atoms_probability([0.99, 0.98, 0.97, 0.95, 0.6]) > 0.9, atoms_probability([0.1, 0.05]) < 0.1
    (True, True)
    """
    return float(expit(CONSTANT + SLOPE * np.log(evidence(likelihoods))))
