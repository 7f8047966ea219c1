"""How the noise of a cell's Fourier coefficients, or of their average over cells, hangs together."""

import numpy as np
from numpy.typing import NDArray
from scipy import special

from stemforge.infer.conformation.cells import Cells
from stemforge.infer.occupancy.noise import Noise

_FREQUENCIES = 1200  # of the integral over the noise's spectrum
_DISTANCES = 4000  # at which it is known


def stacked(values: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return complex numbers, shape (..., n), as real ones: real parts, then imaginary ones; shape (..., 2n)."""
    return np.concatenate([values.real, values.imag], axis=-1)


def covariance_of_average(
    cells: Cells, chosen: NDArray[np.int64], hk: NDArray[np.int64], noise: Noise, resolution: float
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
    resolution
        Finest spacing that is left in the image [Å].

    Returns
    -------
    ndarray
        Of real parts, then imaginary ones; shape (2n, 2n).
    """
    rows, columns = cells.grid
    steps_y, steps_x = np.mgrid[1 - rows : rows, 1 - columns : columns]
    steps = np.stack([steps_x / columns, steps_y / rows], -1)
    places = cells.places[chosen]
    lags, count = np.unique((places[:, None] - places).reshape(-1, 2), axis=0, return_counts=True)
    distance, correlation = _autocorrelation(noise, resolution, cells, lags)
    table = np.zeros(steps.shape[:2])
    matrix = cells.lattice.matrix.T * cells.lattice.sampling
    for lag, number in zip(lags, count, strict=True):
        length = np.linalg.norm((steps + lag) @ matrix, axis=-1)
        table += number * np.interp(length, distance, correlation)
    table /= len(places) ** 2
    y, x = np.indices(cells.grid).reshape(2, -1)
    points = table[y[:, None] - y + rows - 1, x[:, None] - x + columns - 1]
    waves = _waves(cells, hk)
    return np.asarray(waves @ points @ waves.T)


def covariance_of_spots(
    cells: Cells, window: NDArray[np.float64], hk: NDArray[np.int64], spectrum: Noise, resolution: float
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
    spectrum
        How much of each frequency there is, up to a factor.
    resolution
        Finest spacing [Å].

    Returns
    -------
    ndarray
        Of real parts, then imaginary ones; shape (2n, 2n).
    """
    distance, correlation = _autocorrelation(spectrum, resolution, cells, np.zeros((1, 2), dtype=np.int64))
    beside = cells.fractions[:, None] - cells.fractions
    beside -= np.round(beside)
    length = np.linalg.norm(beside @ (cells.lattice.matrix.T * cells.lattice.sampling), axis=-1)
    points = np.interp(length, distance, correlation / correlation[0])
    waves = _waves(cells, hk) * window.ravel()
    return np.asarray(waves @ points @ waves.T)


def _waves(cells: Cells, hk: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what makes coefficients of a cell's points, shape (2n, points)."""
    waves = np.exp(-2j * np.pi * (hk @ cells.fractions.T)) / len(cells.fractions)
    return np.concatenate([waves.real, waves.imag])


def _autocorrelation(
    noise: Noise, resolution: float, cells: Cells, lags: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return distances [Å] and the covariance of two pixels that lie as far from each other."""
    q = (np.arange(_FREQUENCIES) + 0.5) / _FREQUENCIES / resolution
    weight = noise.at(q) * 2 * np.pi * q / _FREQUENCIES / resolution
    sides = np.abs(lags).max(0) + 1
    farthest = float(sides @ np.linalg.norm(cells.lattice.matrix, axis=0) * cells.lattice.sampling)
    distance = np.linspace(0, farthest, _DISTANCES)
    return distance, special.j0(2 * np.pi * distance[:, None] * q) @ weight
