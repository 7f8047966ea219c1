"""Whether an image holds an atom at all: from the likelihoods of everything that may be one."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

FIRST = 5
"""Likeliest candidates that count one by one."""
WEIGHTS = (0.0, 1.0, 1.0)
"""Constant, and what one unit of each of the :func:`evidence` adds to the log odds; fitted by benchmarks/triage.py."""

_LEAST = 0.02  # likelihood that stands for none


def evidence(likelihoods: ArrayLike) -> NDArray[np.float64]:
    """Return two numbers that tell images with atoms from those without.

    Parameters
    ----------
    likelihoods
        Of an image's candidates, calibrated.

    Returns
    -------
    ndarray
        Logarithm of the expected number, and mean log odds of the five likeliest, a missing one at 0.02.
    """
    p = np.sort(np.asarray(likelihoods, dtype=float))[::-1]
    first = np.clip(np.pad(p[:FIRST], (0, max(0, FIRST - len(p)))), _LEAST, 1 - 1e-4)
    return np.array([np.log(p.sum() + _LEAST), float(np.log(first / (1 - first)).mean())])


def atoms_probability(likelihoods: ArrayLike) -> float:
    """Return the probability that an image holds at least one visible atom.

    Candidates of an image are not independent: what looks like an atom by chance does so again where the support has
    the same texture. So the product of 1 − p is not what it seems, and a logistic law of the :func:`evidence`, fitted to
    simulated images half of which have no metal, stands in its place.

    Parameters
    ----------
    likelihoods
        Of an image's candidates, from :data:`stemforge.infer.CANDIDATE` on, calibrated.

    Examples
    --------
    >>> atoms_probability([0.99, 0.98, 0.97, 0.95, 0.6]) > 0.95, atoms_probability([0.1, 0.05]) < 0.1
    (True, True)
    """
    constant, *weights = WEIGHTS
    return float(expit(constant + evidence(likelihoods) @ np.array(weights)))
