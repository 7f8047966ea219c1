"""Images between probe positions: a signal is a Fourier series of few terms.

The wave in the probe-forming aperture holds spatial frequencies up to α/λ. What any detector counts is a sum of
products of two of them, so that no frequency of a signal exceeds 2α/λ, whatever the specimen: on a periodic cell as
many probe positions as that needs say all that there is to know of the image.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from stemforge.simulate.microscope import Microscope
from stemforge.simulate.scan import Scan

# abTEM's aperture has a soft edge: a little beyond the semiangle there is still some amplitude.
_BEYOND = 1.01
# Pixels whose phases are held in memory at once.
_BATCH = 4096

Lengths = tuple[float, float]


def probe_grid(microscope: Microscope, lengths: Lengths) -> tuple[int, int]:
    """Return the fewest probe positions along x and y over a periodic cell [Å] that miss nothing of an image."""
    cutoff = 2 * _BEYOND * microscope.semiangle_cutoff * 1e-3 / microscope.wavelength
    nx, ny = (fft.next_fast_len(2 * int(np.ceil(cutoff * length)) + 1) for length in lengths)
    return nx, ny


def fourier_series(signal: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Return the coefficients (channels, kx, ky), in FFT order, of signals on the grid of probe positions."""
    return fft.fft2(signal) / np.prod(signal.shape[1:])


def signal_at(
    series: NDArray[np.complex128], places: NDArray[np.float64], lengths: Lengths
) -> NDArray[np.float64]:
    """Sum Fourier series at places (x, y) [Å], shape (n, 2); returns shape (channels, n)."""
    kx, ky = (np.fft.fftfreq(n, 1 / n) for n in series.shape[1:])
    result = np.empty((len(series), len(places)))
    # In pieces that fit in the cache; every pixel has a phase of its own.
    for first in range(0, len(places), _BATCH):
        part = places[first : first + _BATCH]
        along, across = _phases(part[:, 0], lengths[0], kx), _phases(part[:, 1], lengths[1], ky)
        for channel, coefficients in enumerate(series):
            result[channel, first : first + _BATCH] = ((along @ coefficients) * across).sum(1).real
    return result


def signal_on(series: NDArray[np.complex128], scan: Scan, lengths: Lengths) -> NDArray[np.float64]:
    """Sum Fourier series on a raster in a cell of these lengths [Å]; returns shape (channels, height, width)."""
    places = scan.positions(lengths)
    if not scan.straight:
        return signal_at(series, places.reshape(-1, 2), lengths).reshape(-1, *scan.shape)
    # Rows and columns along the cell's edges: a phase for each of them is enough.
    kx, ky = (np.fft.fftfreq(n, 1 / n) for n in series.shape[1:])
    along, across = (
        _phases(places[0, :, 0], lengths[0], kx),
        _phases(places[:, 0, 1], lengths[1], ky),
    )
    return (across @ series.swapaxes(1, 2) @ along.T).real


def _phases(places: NDArray[np.float64], length: float, k: NDArray[np.float64]) -> NDArray[np.complex128]:
    return np.exp(2j * np.pi * np.outer(places / length, k))
