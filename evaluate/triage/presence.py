"""Whether an image holds an atom at all: from the likelihoods of everything that may be one."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

WEIGHTS = (1.46, -0.63, 1.52)
"""Constant, and what each of the :func:`evidence` adds to the log odds; by ``benchmarks/triage.py fit``."""

_LEAST = 0.02  # expected atoms that stand for none


def evidence(likelihoods: ArrayLike) -> NDArray[np.float64]:
    """Return two numbers that tell images with atoms from those without.

    Parameters
    ----------
    likelihoods
        Of an image's candidates, calibrated, shape (n,).

    Returns
    -------
    ndarray
        Logarithms of Σp and of Σp³. The second counts what is nearly certain; the first, of the same second, what may
        be atoms or texture, of which a large image has more.
    """
    p = np.asarray(likelihoods, dtype=float)
    return np.log([p.sum() + _LEAST, (p**3).sum() + _LEAST])


def atoms_probability(likelihoods: ArrayLike) -> float:
    """Return the probability that an image holds at least one visible atom, if half of all images do.

    Candidates of an image are not independent: what looks like an atom by chance does so again where the support has
    the same texture. So the product of 1 − p is not what it seems, and a logistic law of the :func:`evidence` stands
    in its place, fitted to simulated images half of which have no metal.

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
