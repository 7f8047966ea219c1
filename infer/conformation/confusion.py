"""How often one candidate would be taken for another, from their images and the noise alone."""

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from stemforge.infer.conformation.models import Models

WANTED = 0.95
"""Share of right answers for which dose and number of cells are given."""
_DRAWS = 4000
_SEED = 0  # of the draws: the same image has the same result
_FACTORS = (1e-3, 1e4)  # of the dose, within which the one needed is looked for


def confusion_of(whitened: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how often cells of each candidate are taken for each candidate.

    Of two candidates the one is favoured by a log-likelihood difference that is normally distributed: its mean is half
    the square of the distance between both, where noise has unit variance, and its standard deviation that distance.

    Parameters
    ----------
    whitened
        Candidates' expected values where noise is white and of unit variance, shape (m, n).

    Returns
    -------
    ndarray
        Rows: what a cell shows; columns: what it is taken for; shape (m, m).

    Examples
    --------
    >>> confusion_of(np.array([[0.0, 0.0], [3.29, 0.0]])).round(2).tolist()
    [[0.95, 0.05], [0.05, 0.95]]
    """
    number = len(whitened)
    products = whitened @ whitened.T
    left, values, _ = np.linalg.svd(products)
    draws = np.random.default_rng(_SEED).normal(size=(_DRAWS, number)) @ (left * np.sqrt(values)).T
    norms = np.diag(products) / 2
    rows = []
    for shown in range(number):
        taken = (draws + products[shown] - norms).argmax(1)
        rows.append(np.bincount(taken, minlength=number) / _DRAWS)
    return np.array(rows)


def needed_factor(models: Models, noise: NDArray[np.float64], wanted: float = WANTED) -> float:
    """Return by how much dose or number of cells must grow for a share of right answers; infinite where none helps.

    Parameters
    ----------
    models
        Of the candidates.
    noise
        Covariance of the noise of one cell, shape (n, n); electrons lower it, and so do averages.
    wanted
        Mean share of right answers over all candidates.
    """

    def lacking(logarithm: float) -> float:
        right = confusion_of(models.whitened(noise / np.exp(logarithm)))
        return wanted - float(np.diag(right).mean())

    low, high = np.log(_FACTORS)
    if lacking(high) > 0:
        return float("inf")
    if lacking(low) < 0:
        return float(_FACTORS[0])
    return float(np.exp(optimize.brentq(lacking, low, high, xtol=0.02)))
