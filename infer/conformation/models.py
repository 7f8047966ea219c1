"""What is expected of a cell that shows a candidate, and of one that shows none of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, ndimage
from scipy.special import logsumexp

from stemforge.infer.conformation.candidates import Candidate
from stemforge.infer.conformation.covariance import covariance_of_spots, stacked
from stemforge.infer.conformation.fitting import Fitted
from stemforge.infer.conformation.poses import Poses
from stemforge.infer.crystals.cells import Cells

DISCREPANCY = 0.05
"""Error of a candidate's image, as a share of the cell's contrast at each frequency: what no candidate explains."""
_SHIFT, _STRENGTH = (
    0.1,
    0.05,
)  # of one cell against the mean of all: standard deviations [Å], and of its contrast
_SMOOTH = 15  # reflections over which contrast at a frequency is averaged
_REACH = 1.2  # of a guest's atom in a picture, a Gaussian's standard deviation [Å]
_RIDGE = 1e-6  # of the mean variance, so that a covariance can be inverted


def radial_power(values: NDArray[np.complex128], radius: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean power of coefficients of about the same frequency, shape (n,)."""
    order = np.argsort(radius, kind="stable")
    smooth = ndimage.gaussian_filter1d(np.abs(values[order]) ** 2, _SMOOTH, mode="nearest")
    power = np.empty_like(smooth)
    power[order] = smooth
    return power


@dataclass(frozen=True)
class Models:
    """Gaussian models of a cell's coefficients, real parts and then imaginary ones.

    Parameters
    ----------
    means
        Of the candidates, shape (m, 2n).
    error
        Covariance of what is alike for all: place and contrast of the cell, and the candidates' discrepancy; shape
        (2n, 2n).
    guests
        What of the means their guests are, shape (m, 2n).
    other
        Further covariance of a cell that shows none of them: guests of any shape where the candidates have theirs.
    filled
        Which candidates have guests, shape (m,). A candidate without them is the empty framework by a name of its own.
    poses
        The candidates with their guests as far off as their places are uncertain.
    """

    means: NDArray[np.float64]
    guests: NDArray[np.float64]
    error: NDArray[np.float64]
    other: NDArray[np.float64]
    filled: NDArray[np.bool_]
    poses: Poses

    @classmethod
    def of(
        cls,
        candidates: Sequence[Candidate],
        fits: Sequence[Fitted],
        cells: Cells,
        hk: NDArray[np.int64],
        discrepancy: float = DISCREPANCY,
    ) -> "Models":
        """Make them of fitted candidates; the discrepancy is a share of the contrast at each frequency."""
        means = np.array([fitted.coefficients for fitted in fits])
        mean = means.mean(0)
        cell = candidates[0].cell
        radius = np.hypot(*(hk / cell).T)
        slopes = -2j * np.pi * (hk / cell).T * mean * _SHIFT
        common = stacked(np.concatenate([slopes, [mean * _STRENGTH]]))
        unexplained = discrepancy**2 * radial_power(mean, radius) / 2
        error = common.T @ common + np.diag(np.tile(unexplained, 2))
        guests = stacked(np.array([fitted.guest for fitted in fits]))
        filled = np.array([len(candidate.guest_positions) > 0 for candidate in candidates])
        other = _other(candidates, fits, cells, hk)
        return cls(stacked(means), guests, error, other, filled, Poses.of(candidates, fits, hk))

    def log_likelihoods(
        self, values: NDArray[np.float64], noise: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return logarithms of how likely cells are under each candidate, and under none of them.

        Parameters
        ----------
        values
            Measured coefficients, shape (b, 2n).
        noise
            Covariance of their noise, shape (2n, 2n).

        Returns
        -------
        candidates, none
            Shapes (b, m) and (b,).
        """
        under = self.poses.together(_log_densities(values, self.poses.means, noise + self.error))
        # Each candidate's framework with a guest of any shape in place of the mean of those known, and without any;
        # but where the empty framework is a candidate, that one answers for it.
        bare = (self.means - self.guests)[self.filled]
        average = bare + self.guests[self.filled].mean(0)
        none = [_log_densities(values, average, noise + self.error + self.other)]
        if self.filled.all():
            none.append(_log_densities(values, bare, noise + self.error))
        every = np.concatenate(none, axis=1)
        return under, np.asarray(logsumexp(every, axis=1) - np.log(every.shape[1]))

    def whitened(self, noise: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the candidates' means where noise and error have unit variance, shape (m, 2n)."""
        # Guests in other places are taken as noise here: their share of the mean over candidates.
        covariance = noise + self.error + self.poses.spread
        return _whiten(_factor(covariance), self.means - self.means.mean(0))


def _log_densities(
    values: NDArray[np.float64], means: NDArray[np.float64], covariance: NDArray[np.float64]
) -> NDArray[np.float64]:
    factor = _factor(covariance)
    middle = means.mean(0)
    white, expected = _whiten(factor, values - middle), _whiten(factor, means - middle)
    squares = (white**2).sum(1)[:, None] - 2 * white @ expected.T + (expected**2).sum(1)
    return np.asarray(-squares / 2 - np.log(np.diag(factor)).sum())


def _factor(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    ridge = _RIDGE * np.trace(covariance) / len(covariance)
    try:
        return np.linalg.cholesky(covariance + ridge * np.eye(len(covariance)))
    except np.linalg.LinAlgError:
        # Noise much weaker at some frequencies than at others: rounding and interpolation make its variance negative.
        values, vectors = np.linalg.eigh(covariance)
        positive = (vectors * np.maximum(values, ridge)) @ vectors.T
        return np.linalg.cholesky(positive + ridge * np.eye(len(covariance)))


def _whiten(factor: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(linalg.solve_triangular(factor, values.T, lower=True).T)


def _other(
    candidates: Sequence[Candidate],
    fits: Sequence[Fitted],
    cells: Cells,
    hk: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the covariance of guests of any shape, as strong in the mean as the candidates' guests."""
    guests = np.array([fitted.guest for fitted in fits])
    power = (np.abs(guests[np.abs(guests).any(1)]) ** 2).mean(0)
    radius = np.hypot(*(hk / candidates[0].cell).T)
    shape = radial_power(np.sqrt(power).astype(complex), radius)
    covariance = covariance_of_spots(cells, _window(candidates, fits, cells), hk, shape)
    # Two guests of no relation differ by the power of both.
    return covariance * (power.sum() / np.trace(covariance)) * 2


def _window(candidates: Sequence[Candidate], fits: Sequence[Fitted], cells: Cells) -> NDArray[np.float64]:
    """Return where in a cell the candidates have their guests, shape ``cells.grid``."""
    window = np.zeros(len(cells.fractions))
    matrix = np.diag(candidates[0].cell)
    for candidate, fitted in zip(candidates, fits, strict=True):
        positions = candidate.guest_positions / candidate.cell * np.array(fitted.signs) + fitted.origin
        beside = cells.fractions[:, None] - positions
        beside -= np.round(beside)
        square = ((beside @ matrix) ** 2).sum(-1)
        window = np.maximum(window, np.exp(-square / (2 * _REACH**2)).max(1, initial=0.0))
    return window.reshape(cells.grid)
