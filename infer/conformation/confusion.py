"""How often one candidate would be taken for another, from their images and the noise alone."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from stemforge.infer.conformation.models import Models

WANTED = 0.95
"""Share of right answers for which dose and number of cells are given."""
LARGEST = 20
"""Cells along each side of the largest block that is considered."""
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
    """Return by how much the dose must grow for a share of right answers on single cells; infinite where none helps.

    Parameters
    ----------
    models
        Of the candidates.
    noise
        Covariance of the noise of one cell, shape (n, n), which goes down as the dose goes up.
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


def needed_block(
    models: Models, noise: Callable[[int], NDArray[np.float64]], factor: float, wanted: float = WANTED
) -> int | None:
    """Return how many cells along each side must be averaged for a share of right answers; None where more than 20.

    Neighbouring cells share slow noise, and what of it a cell's edges spread to its frequencies an average has less of:
    so cells are not counted, the noise of blocks is asked.

    Parameters
    ----------
    models
        Of the candidates.
    noise
        Covariance of the noise of a block by the number of cells along its side.
    factor
        From :func:`needed_factor`, where the search starts: the cells that would do if each had noise of its own.
    wanted
        Mean share of right answers over all candidates.
    """

    def enough(size: int) -> bool:
        return float(np.diag(confusion_of(models.whitened(noise(size)))).mean()) >= wanted

    if not np.isfinite(factor):
        return None
    size = int(np.clip(np.ceil(np.sqrt(factor)), 1, LARGEST))
    if enough(size):
        while size > 1 and enough(size - 1):
            size -= 1
        return size
    while size < LARGEST:
        size += 1
        if enough(size):
            return size
    return None
