"""The noise of an image: its power at each spatial frequency, and images in which all frequencies have the same."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

_RING = 0.02  # [1/Å]
_SMOOTH = 0.7  # rings


@dataclass(frozen=True)
class Noise:
    """Power density of an image's noise, the same in all directions.

    Parameters
    ----------
    frequency
        Middles of rings [1/Å], shape (n,).
    density
        Variance of a pixel for each [1/Å²], shape (n,).
    """

    frequency: NDArray[np.float64]
    density: NDArray[np.float64]

    @classmethod
    def of(
        cls, residual: NDArray[np.float64], sampling: float, weight: NDArray[np.float64] | None = None
    ) -> "Noise":
        """Measure it on what a model leaves of an image, pixels of ``sampling`` [Å]; where a smooth weight is not 0."""
        window = np.outer(*(np.hanning(n) for n in residual.shape))
        mean = residual.mean()
        if weight is not None and (window * weight).any():
            window = window * weight
            mean = np.average(residual, weights=window)
        power = np.abs(fft.fft2((residual - mean) * window)) ** 2 / (window**2).sum()
        edges = np.arange(0, 0.5 / sampling + _RING, _RING)
        place = np.digitize(_radius(residual.shape, sampling), edges) - 1
        rings = np.arange(len(edges) - 1)
        level = np.asarray(ndimage.mean(power, place, rings))
        known = np.isfinite(level)
        level = np.interp(rings, rings[known], level[known])
        return cls(edges[:-1] + _RING / 2, ndimage.gaussian_filter1d(level, _SMOOTH) * sampling**2)

    def at(self, radius: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the density at frequencies [1/Å]."""
        return np.interp(radius, self.frequency, self.density)

    def divided(
        self, image: NDArray[np.float64], sampling: float, resolution: float, power: float = 1.0
    ) -> NDArray[np.float64]:
        """Return an image divided by its noise's density to a power, frequencies finer than a spacing left out.

        With power ½ the noise becomes white, of variance ``sampling``⁻² within what is left in; with 1 a matched filter
        needs nothing but the product with its template.
        """
        height, width = image.shape
        padded = np.pad(image, ((0, height), (0, width)), mode="symmetric")
        # Of a real image half the frequencies tell all.
        radius = _radius(padded.shape, sampling)[:, : width + 1]
        # Beyond what templates hold, noise that a filter took away would be divided by next to nothing.
        weight = np.where(radius < 1 / resolution, self.at(radius) ** -power, 0.0)
        return np.asarray(fft.irfft2(fft.rfft2(padded) * weight, padded.shape)[:height, :width])


def _radius(shape: tuple[int, int], sampling: float) -> NDArray[np.float64]:
    y, x = (fft.fftfreq(n, sampling) for n in shape)
    return np.hypot(y[:, None], x[None])
