"""The noise of an image of a crystal, measured between the crystal's reflections."""

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from stemforge.infer.crystals.lattice import Lattice
from stemforge.infer.occupancy.noise import Noise

_RING, _SMOOTH = 0.02, 0.7  # [1/Å], and over how many rings the density is smoothed
# Power of a reflection, under a Hann window, up to which a frequency is between reflections; share of a ring's
# frequencies that are taken at least: those furthest from reflections.
_LEAK, _SHARE = 0.02, 0.1


def noise_between(
    residual: NDArray[np.float64], lattice: Lattice, weight: NDArray[np.float64] | None = None
) -> Noise:
    """Measure noise where a crystal has no reflections.

    At reflections, a fit of the crystal takes noise with it, and leaves what it does not explain. Neither is noise.

    Parameters
    ----------
    residual
        An image without its crystal, shape (height, width).
    lattice
        Of the crystal.
    weight
        Smooth, of each pixel; by default all are looked at.

    Examples
    --------
    >>> lattice = Lattice((0.0, 0.0), (20.0, 0.0), (0.0, 15.0), 1.0, 0.0, 0.0, 1.0, "oblong", (20.0, 15.0))
    >>> cells = np.tile(np.random.default_rng(0).normal(0, 3, (15, 20)), (8, 6))
    >>> image = cells + np.random.default_rng(1).normal(0, 1, cells.shape)
    >>> bool(abs(noise_between(image, lattice).at(np.array([0.2, 0.4])) - 1).max() < 0.15)
    True
    """
    window = np.outer(*(np.hanning(n + 2)[1:-1] for n in residual.shape))
    if weight is not None and (window * weight).any():
        window = window * weight
    left = (residual - np.average(residual, weights=window)) * window
    power = (np.abs(fft.fft2(left)) ** 2 / (window**2).sum()).ravel()
    y, x = (fft.fftfreq(n) for n in residual.shape)
    cycles = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    indices = cycles @ lattice.matrix
    beside = (indices - np.round(indices)) @ np.linalg.inv(lattice.matrix) * residual.shape[::-1]
    leak = (_hann(beside) ** 2).prod(1)
    radius = np.hypot(*cycles.T) / lattice.sampling
    edges = np.arange(0, 0.5 / lattice.sampling + _RING, _RING)
    level = np.full(len(edges) - 1, np.nan)
    place = np.digitize(radius, edges) - 1
    for ring in range(len(level)):
        members = np.flatnonzero(place == ring)
        if len(members):
            least = max(_LEAK, float(np.quantile(leak[members], _SHARE)))
            level[ring] = power[members[leak[members] <= least]].mean()
    known = np.isfinite(level)
    rings = np.arange(len(level))
    level = ndimage.gaussian_filter1d(np.interp(rings, rings[known], level[known]), _SMOOTH)
    return Noise(edges[:-1] + _RING / 2, level * lattice.sampling**2)


def _hann(bins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the transform of a Hann window at distances [bins], 1 at none."""
    square = np.where(np.abs(np.abs(bins) - 1) < 1e-6, 0.0, bins**2)
    return np.asarray(np.where(np.abs(np.abs(bins) - 1) < 1e-6, 0.5, np.sinc(bins) / (1 - square)))
