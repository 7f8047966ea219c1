"""What is measured of a patch: levels, texture by wavelength and direction, blobs, noise and its correlation, flicker.

Everything is taken from counts whose noise has been made even: 2√(n + 3/8) has a standard deviation of 1 for Poisson
counts n (Anscombe 1948, doi:10.1093/biomet/35.3-4.246), so that a texture is measured in units of the noise on it.
"""

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from stemforge.simulate.recording.correlation import noise_autocovariance

_SHARES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
_SCALES = (0.0, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.7, 8.0, 12.0)  # standard deviations of the Gaussians [pixel]
_RINGS = 20
_SECTORS = 4  # of half a turn: along the lines, across, and both diagonals
_SECTOR_RINGS = 4
_SEGMENTS = (8, 24, 64)  # pixels of a line that are averaged; beside them the whole line
_CORRELATED = 3  # pixels of a line whose noise is held against the first one's
_SMALL = 1e-6


def patch_statistics(counts: NDArray[np.floating]) -> NDArray[np.float32]:
    """Measure a patch.

    Parameters
    ----------
    counts
        Electrons a pixel, shape (side, side); values may be below zero, as read noise makes them.

    Returns
    -------
    ndarray
        The statistics, shape (number,), float32; :func:`statistic_names` names them.

    Examples
    --------
    >>> patch = np.random.default_rng(0).poisson(60, (128, 128))
    >>> found = dict(zip(statistic_names(), patch_statistics(patch), strict=True))
    >>> abs(found["level p50"] - 2 * np.sqrt(60)) < 0.1
    np.True_
    """
    even = 2 * np.sqrt(np.maximum(counts, 0) + 0.375).astype(np.float32)
    spectrum = fft.rfft2(even)
    height, width = even.shape
    ky, kx = fft.fftfreq(height)[:, None], fft.rfftfreq(width)[None]
    # Smoothed by Gaussians: differences of neighbours are bands of wavelength.
    square = (2 * np.pi**2 * (ky**2 + kx**2)).astype(np.float32)
    smooth = [even, *(fft.irfft2(spectrum * np.exp(-(s**2) * square), even.shape) for s in _SCALES[1:])]
    parts = [
        np.quantile(smooth[6], _SHARES),
        *_powers(even, ky, kx),
        _noise(even, smooth[6]),
        _correlation(even),
        *(_shape(fine - coarse) for fine, coarse in itertools.pairwise(smooth[1:])),
        _flicker(even),
    ]
    return np.concatenate(parts).astype(np.float32)


def statistic_names() -> list[str]:
    """Return the names of what :func:`patch_statistics` measures, in its order."""
    names = [f"level p{100 * share:g}" for share in _SHARES]
    names += [f"power ring {ring}" for ring in range(_RINGS)]
    names += [f"power sector {s} ring {r}" for r in range(_SECTOR_RINGS) for s in range(_SECTORS)]
    names += [f"power axis {ring}" for ring in range(_SECTOR_RINGS)]
    names += [f"noise at level {third}" for third in ("low", "middle", "high")]
    names += [f"noise correlation at lag {lag}" for lag in range(1, _CORRELATED + 1)]
    for fine in _SCALES[1:-1]:
        names += [f"{what} at {fine:g} px" for what in ("skewness", "kurtosis", "brightest")]
    return names + [f"line noise over {length}" for length in (*_SEGMENTS, "a line")]


def _powers(
    even: NDArray[np.float32], ky: NDArray[np.float64], kx: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Power in rings of wavelength; of sectors over that of their ring; and of the axis on which flicker lies."""
    height, width = even.shape
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    varying = (even - (even * window).sum() / window.sum()) * window
    power = np.abs(fft.rfft2(varying)) ** 2 / (window**2).sum()
    k = np.hypot(ky, kx)
    off_axis = kx > 2.5 / width
    edges = np.geomspace(3 / height, 0.5, _RINGS + 1)
    rings = np.log([_mean(power, off_axis & (k >= a) & (k < b)) for a, b in itertools.pairwise(edges)])
    angle = np.round(np.arctan2(ky, kx) / np.pi * _SECTORS).astype(int) % _SECTORS
    coarse = np.geomspace(6 / height, 0.5, _SECTOR_RINGS + 1)
    sectors, axis = [], []
    for a, b in itertools.pairwise(coarse):
        ring = off_axis & (k >= a) & (k < b)
        whole = _mean(power, ring)
        sectors += [np.log(_mean(power, ring & (angle == s)) / whole) for s in range(_SECTORS)]
        axis.append(np.log(_mean(power, (kx < 0.5 / width) & (k >= a) & (k < b)) / whole))
    return [rings, np.array(sectors), np.array(axis)]


def _mean(power: NDArray[np.floating], chosen: NDArray[np.bool_]) -> float:
    return float(power[chosen].mean()) + _SMALL if chosen.any() else _SMALL


def _noise(even: NDArray[np.float32], level: NDArray[np.float32]) -> NDArray[np.float64]:
    """Logarithm of the noise's variance on the darkest, the middle and the brightest third."""
    second = (even[:, :-2] - 2 * even[:, 1:-1] + even[:, 2:]) ** 2 / 6
    inner = level[:, 1:-1]
    low, high = np.quantile(inner, (1 / 3, 2 / 3))
    thirds = (inner <= low, (inner > low) & (inner < high), inner >= high)
    return np.log([_mean(second, third) for third in thirds])


def _correlation(even: NDArray[np.float32]) -> NDArray[np.float64]:
    """Correlation of the noise along the lines: of a decaying signal at lag 1, of jittering lines beyond it, too."""
    covariance = noise_autocovariance(even, _CORRELATED)
    return np.asarray(covariance[1:] / (covariance[0] + _SMALL))


def _shape(band: NDArray[np.float32]) -> list[float]:
    """Skewness, kurtosis and brightest values of a band: few bright atoms are no Gaussian texture."""
    scaled = (band - band.mean()) / (band.std() + _SMALL)
    square = scaled * scaled
    brightest = np.partition(scaled, -(scaled.size // 500), axis=None)[-(scaled.size // 500) :]
    return [
        float(np.arcsinh((square * scaled).mean())),
        float(np.log((square * square).mean() + _SMALL)),
        float(np.log(brightest.mean() + _SMALL)),
    ]


def _flicker(even: NDArray[np.float32]) -> NDArray[np.float64]:
    """Logarithm of the variance between neighbouring lines that segments of a line share."""
    width = even.shape[1]
    steps = np.diff(even, axis=0)
    found = []
    for length in (*_SEGMENTS, width):
        parts = steps[:, : width // length * length].reshape(len(steps), -1, length).mean(2)
        found.append(np.log((parts**2).mean() * length / 2 + _SMALL))
    return np.array(found)
