"""How the noise of a cell's Fourier coefficients, or of their average over cells, hangs together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from stemforge.infer.crystals.cells import Cells
from stemforge.infer.occupancy.noise import Noise

_STEP = 0.05  # between the distances at which noise is known [Å]
_FEWEST = 200  # frequencies of the integral over its spectrum
_EACH_WAVE = 4  # of these for each wave of the integrand at the farthest distance


def stacked(values: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return complex numbers, shape (..., n), as real ones: real parts, then imaginary ones; shape (..., 2n)."""
    return np.concatenate([values.real, values.imag], axis=-1)


@dataclass(frozen=True)
class Autocorrelation:
    """Covariance of two pixels of stationary noise by how far they lie from each other.

    Parameters
    ----------
    distance
        Rising from 0 [Å], shape (n,).
    covariance
        At each distance, shape (n,).
    """

    distance: NDArray[np.float64]
    covariance: NDArray[np.float64]

    @classmethod
    def of(cls, noise: Noise, resolution: float, farthest: float) -> "Autocorrelation":
        """Transform a spectrum, which ends at a finest spacing [Å], for distances up to the farthest [Å]."""
        number = max(_FEWEST, int(np.ceil(_EACH_WAVE * farthest / resolution)))
        q = (np.arange(number) + 0.5) / number / resolution
        weight = noise.at(q) * 2 * np.pi * q / number / resolution
        distance = np.arange(0, farthest + _STEP, _STEP)
        return cls(distance, special.j0(2 * np.pi * distance[:, None] * q) @ weight)

    def at(self, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the covariance at distances [Å]."""
        return np.interp(distance, self.distance, self.covariance)


def covariance_of_average(
    cells: Cells, chosen: NDArray[np.int64], hk: NDArray[np.int64], noise: Autocorrelation
) -> NDArray[np.float64]:
    """Return the covariance of the coefficients of an average over cells.

    The noise is stationary, of a known spectrum. A cell is cut with sharp edges: what is periodic stays what it is, but
    the noise of one frequency spreads to others, strong slow noise most of all, and neighbouring cells share it.

    Parameters
    ----------
    cells
        Of an image.
    chosen
        Which of them are averaged, shape (m,).
    hk
        Indices of the coefficients, shape (n, 2).
    noise
        Of the image.

    Returns
    -------
    ndarray
        Of real parts, then imaginary ones; shape (2n, 2n).
    """
    rows, columns = cells.grid
    steps_y, steps_x = np.mgrid[1 - rows : rows, 1 - columns : columns]
    steps = np.stack([steps_x / columns, steps_y / rows], -1)
    corners = cells.corners[chosen]
    between = (corners[:, None] - corners).reshape(-1, 2).round(6)  # domains lie at fractions of a cell
    lags, count = np.unique(between, axis=0, return_counts=True)
    table = np.zeros(steps.shape[:2])
    matrix = cells.lattice.matrix.T * cells.lattice.sampling
    for lag, number in zip(lags, count, strict=True):
        table += number * noise.at(np.linalg.norm((steps + lag) @ matrix, axis=-1))
    table /= len(corners) ** 2
    y, x = np.indices(cells.grid).reshape(2, -1)
    points = table[y[:, None] - y + rows - 1, x[:, None] - x + columns - 1]
    waves = _waves(cells, hk)
    return np.asarray(waves @ points @ waves.T)


def covariance_of_spots(
    cells: Cells, window: NDArray[np.float64], hk: NDArray[np.int64], power: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the covariance of the coefficients of something that a window holds, the same in every cell.

    Parameters
    ----------
    cells
        Of an image.
    window
        Standard deviation at each point of a cell, shape ``cells.grid``.
    hk
        Indices of the coefficients, shape (n, 2).
    power
        Of each coefficient before the window is laid over it, shape (n,).

    Returns
    -------
    ndarray
        Of real parts, then imaginary ones; shape (2n, 2n).
    """
    rows, columns = cells.grid
    plane = np.zeros(cells.grid)
    plane[hk[:, 1] % rows, hk[:, 0] % columns] = plane[-hk[:, 1] % rows, -hk[:, 0] % columns] = power
    table = np.fft.ifft2(plane).real
    y, x = np.indices(cells.grid).reshape(2, -1)
    points = table[(y[:, None] - y) % rows, (x[:, None] - x) % columns]
    waves = _waves(cells, hk) * window.ravel()
    return np.asarray(waves @ points @ waves.T)


def _waves(cells: Cells, hk: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what makes coefficients of a cell's points, shape (2n, points)."""
    waves = np.exp(-2j * np.pi * (hk @ cells.fractions.T)) / len(cells.fractions)
    return np.concatenate([waves.real, waves.imag])
