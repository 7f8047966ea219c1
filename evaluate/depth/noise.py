"""Noise of a focal series, from pixel to pixel and from frame to frame, and the filter that makes it white.

The support's texture is the same atoms on every frame, each more or less sharp: it is correlated over frames as well
as over pixels, and looks like atoms out of focus. Its power is measured on the frames themselves, as a matrix of
frame against frame for each spatial frequency.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage
from scipy.signal.windows import tukey

RING = 0.03
"""Width of the rings of spatial frequency in which the noise is measured [1/Å]; wider where a ring has few values."""

_SLOW = 12.0  # standard deviation of what counts as background, and is taken off [Å]
_WHITE = 0.8  # share of the pixels' own limit of frequencies above which there is counting noise alone
_HOLE = 1.3  # standard deviation of what is faded out about an atom [Å]
_ROWS = 32  # of spatial frequencies that are filtered together
_LEAST = 6.0  # values in a ring, for each frame

Stack = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class FocalNoise:
    """Noise of aligned frames, and the filter that makes it white.

    Parameters
    ----------
    frequency
        Middles of the rings [1/Å], rising, shape (rings,).
    filters
        Square roots of the inverse of the power, frame against frame, shape (rings, frames, frames).
    variance
        Of a pixel by counting, of each frame [unit²], shape (frames,).
    sampling
        Pixel size [Å].
    """

    frequency: NDArray[np.float64]
    filters: NDArray[np.float64]
    variance: NDArray[np.float64]
    sampling: float

    def filter_at(self, radial: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the filter at spatial frequencies [1/Å] of any shape; returns shape (frames, frames, *shape)."""
        place = np.interp(radial, self.frequency, np.arange(len(self.frequency)))
        low = np.minimum(place.astype(int), max(len(self.frequency) - 2, 0))
        high = np.minimum(low + 1, len(self.frequency) - 1)
        share = (place - low)[..., None, None]
        values = (1 - share) * self.filters[low] + share * self.filters[high]
        return np.moveaxis(values * _highpass(radial)[..., None, None], (-2, -1), (0, 1)).astype(np.float32)

    def whiten(self, frames: Stack) -> Stack:
        """Return frames whose noise is white and of variance 1, without slow background."""
        height, width = frames.shape[1:]
        flat = np.pad(_flattened(frames, self.sampling), ((0, 0), *_margins(height, width)), mode="reflect")
        spectra = fft.rfft2(flat)
        qy, qx = (fft.fftfreq(flat.shape[1], self.sampling), fft.rfftfreq(flat.shape[2], self.sampling))
        for first in range(0, len(qy), _ROWS):  # the filter of all frequencies at once would fill the memory
            rows = slice(first, first + _ROWS)
            mixing = self.filter_at(np.hypot(qy[rows, None], qx))
            spectra[:, rows] = np.einsum("klyx,lyx->kyx", mixing, spectra[:, rows], optimize=True)
        white = fft.irfft2(spectra, s=flat.shape[1:])
        (top, _), (left, _) = _margins(height, width)
        return np.asarray(white[:, top : top + height, left : left + width], dtype=np.float32)


def white_noise(frames: Stack, sampling: float) -> FocalNoise:
    """Return the noise of frames as if there were counting alone, each frame on its own."""
    variance = _counting(frames, sampling)
    return FocalNoise(np.zeros(1), np.diag(variance**-0.5)[None], variance, sampling)


def measure_noise(frames: Stack, sampling: float, places: NDArray[np.float64]) -> FocalNoise:
    """Measure the noise of frames from which the atoms have been taken off.

    Parameters
    ----------
    frames
        Aligned frames without atoms, shape (frames, height, width).
    sampling
        Pixel size [Å].
    places
        Of the atoms (x, y) [pixel], shape (n, 2): what their images leave there is not noise, and is faded out.
    """
    variance = _counting(frames, sampling)
    spectra, radial, weight = _spectra(frames, sampling, _beside(frames.shape[1:], places, _HOLE / sampling))
    spectra = spectra / np.sqrt(variance)[:, None]
    order = np.argsort(radial)
    least = int(np.ceil(_LEAST * len(frames)))
    frequency, filters, first = [], [], 0
    while first < len(order):
        last = max(first + least, int(np.searchsorted(radial[order], radial[order[first]] + RING)))
        last = len(order) if len(order) - last < least else last
        ring = order[first:last]
        values, weights = spectra[:, ring], weight[ring]
        power = (values * weights @ values.conj().T).real / weights.sum()
        frequency.append(float(radial[ring].mean()))
        filters.append(_inverse_root(power, len(ring)) / np.sqrt(variance))
        first = last
    return FocalNoise(np.array(frequency), np.array(filters), variance, sampling)


def _inverse_root(power: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    """Return the square root of the inverse of a measured power; what chance explains of it is white."""
    values, vectors = np.linalg.eigh(power)
    chance = (1 + np.sqrt(len(power) / number)) ** 2  # Marchenko & Pastur 1967: largest of white noise
    values = np.where(values > chance, values, 1.0)
    return np.asarray((vectors / np.sqrt(values)) @ vectors.T)


def _beside(shape: tuple[int, ...], places: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Return 1 far from all places, and less within some standard deviations [pixel] of one."""
    grid = np.ones(shape)
    columns, rows = np.rint(np.reshape(places, (-1, 2))).astype(int).T
    grid[rows.clip(0, shape[0] - 1), columns.clip(0, shape[1] - 1)] = 0
    distance = np.asarray(ndimage.distance_transform_edt(grid) if len(rows) else np.full(shape, np.inf))
    return np.asarray(1 - np.exp(-0.5 * (distance / sigma) ** 2))


def _spectra(
    frames: Stack, sampling: float, beside: NDArray[np.float64] | float = 1.0
) -> tuple[NDArray[np.complex128], NDArray[np.float64], NDArray[np.float64]]:
    """Return spectra (frames, n) of which white noise has the variance of a pixel, their frequencies and weights."""
    height, width = frames.shape[1:]
    window = np.outer(tukey(height, 0.25), tukey(width, 0.25)) * beside
    flat = _flattened(frames, sampling) * window
    spectra = fft.rfft2(flat) / np.sqrt((window**2).sum())
    qy, qx = fft.fftfreq(height, sampling), fft.rfftfreq(width, sampling)
    weight = np.where((qx > 0) & (qx < 0.5 / sampling - 1e-9), 2.0, 1.0) * np.ones((height, 1))
    radial = np.hypot(qy[:, None], qx)
    inner = (radial > 0.5 / _SLOW / np.pi) & (radial <= 0.5 / sampling)
    return spectra[:, inner], radial[inner], weight[inner]


def _counting(frames: Stack, sampling: float) -> NDArray[np.float64]:
    """Return the variance of a pixel by counting, from frequencies that no probe passes."""
    spectra, radial, _ = _spectra(frames, sampling)
    beyond = radial > _WHITE * 0.5 / sampling
    return np.asarray((np.abs(spectra[:, beyond]) ** 2).mean(1))


def _flattened(frames: Stack, sampling: float) -> NDArray[np.float64]:
    sigma = _SLOW / sampling
    values = np.asarray(frames, dtype=float)
    return values - ndimage.gaussian_filter(values, (0, sigma, sigma), mode="reflect")


def _highpass(radial: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what :func:`_flattened` leaves of each frequency."""
    return np.asarray(1 - np.exp(-2 * (np.pi * _SLOW * radial) ** 2))


def _margins(height: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return by how much frames are continued beyond their edges before they are filtered."""
    sides = []
    for length in (height, width):
        whole = fft.next_fast_len(length + min(64, length), real=True)
        sides.append(((whole - length) // 2, whole - length - (whole - length) // 2))
    return sides[0], sides[1]
