"""What a column is: by its intensity, and by what the lattice has at its place."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import norm

from stemforge.infer.columns.sites import OXYGEN, TETRAHEDRAL, ColumnSite

NONE = "none"
"""There is no column where one was expected."""
CLASSES = (TETRAHEDRAL, OXYGEN, NONE)

# Share of columns that are not what the lattice has, before any is looked at, and how many columns that is worth.
_OTHER, _COUNTED = 0.01, 100
_SPREAD = 0.1  # of intensities about those expected, beside their errors
_ROUNDS = 20


@dataclass(frozen=True)
class Classes:
    """What columns are.

    Parameters
    ----------
    probability
        Of each class of ``CLASSES``, shape (n, 3).
    other
        Share of the columns that are not what the lattice has at their places.
    """

    probability: NDArray[np.float64]
    other: float


def classify(
    intensity: NDArray[np.float64],
    error: NDArray[np.float64],
    site: NDArray[np.intp],
    sites: Sequence[ColumnSite],
    *,
    lattice: bool = True,
) -> Classes:
    """Weigh what each column may be by its intensity and by what is expected at its place.

    A mixture: at a place of the lattice is the column that the lattice has there, but for a share of all columns, which
    is learnt; these may be any other, or none.

    Parameters
    ----------
    intensity, error
        In silicon atoms, shape (n,).
    site
        Number of the site each column is at, shape (n,).
    sites
        What the lattice has at its places.
    lattice
        Whether the lattice is asked. Without it only shares of classes among all columns are known: a control.

    Examples
    --------
    >>> from ase import Atoms
    >>> sites = [ColumnSite.of(Atoms("Si4")), ColumnSite.of(Atoms("O4"))]
    >>> found = classify(np.array([4.0, 1.4, 0.0]), np.full(3, 0.2), np.array([0, 1, 1]), sites)
    >>> [CLASSES[one] for one in found.probability.argmax(1)]
    ['T', 'O', 'none']
    """
    kinds = [one.kind for one in sites]
    expected = np.array([one.strength for one in sites])
    present = np.bincount(site, minlength=len(sites))

    def density(mean: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log density of every intensity about means, shape (n, means)."""
        width = np.hypot(error[:, None], _SPREAD * mean)
        return np.asarray(norm.logpdf(intensity[:, None], mean, width))

    by_class = np.full((len(intensity), len(CLASSES)), -np.inf)
    for number, name in enumerate(CLASSES[:2]):
        of = np.array([kind == name for kind in kinds]) & (present > 0)
        if of.any():
            by_class[:, number] = logsumexp(density(expected[of]), axis=1, b=present[of] / present[of].sum())
    by_class[:, CLASSES.index(NONE)] = density(np.zeros(1))[:, 0]
    placed = np.array([CLASSES.index(kinds[one]) for one in site])
    rows = np.arange(len(placed))
    if not lattice:
        shares = np.bincount(placed, minlength=len(CLASSES)) / len(placed)
        with np.errstate(divide="ignore"):
            joint = by_class + np.log(shares)
        return Classes(np.exp(joint - logsumexp(joint, axis=1, keepdims=True)), 0.0)
    # At its place a column has the intensity of that site, not of any of its class.
    by_class[rows, placed] = norm.logpdf(intensity, expected[site], np.hypot(error, _SPREAD * expected[site]))
    other = _OTHER
    for _ in range(_ROUNDS):
        prior = np.full((len(placed), len(CLASSES)), other / (len(CLASSES) - 1))
        prior[rows, placed] = 1 - other
        joint = by_class + np.log(prior)
        probability = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
        wrong = (1 - probability[rows, placed]).sum() + _OTHER * _COUNTED
        other = float(np.clip(wrong / (len(placed) + _COUNTED), 1e-4, 0.9))
    return Classes(probability, other)
