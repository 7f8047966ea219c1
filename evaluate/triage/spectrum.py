"""What an image's spectrum says of its focus and of its scan: how fine its detail is, and how much its lines jitter.

Both are held against the noise, whose spectrum is known up to a factor: counting is white, and the detector's decay
correlates it along the lines alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, ndimage, optimize

from stemforge.errors import MicrographError
from stemforge.simulate.microscope import FWHM
from stemforge.simulate.recording.correlation import measured_decay_time
from stemforge.simulate.recording.decay import noise_autocorrelation

LEAST_SIDE = 64
"""Side of the smallest image whose spectrum is measured [pixel]."""

_LOCAL = 20.0  # standard deviation of the mean that is taken off [pixel]
_FINE = 0.35  # cycles a pixel along the line: beyond, there is nothing but noise
_STEEP = (
    0.3  # cycles a pixel across the lines: beyond, a specimen imaged without jitter shows nothing but noise
)
_COARSE = 0.025  # cycles a pixel: below, flicker and slow background are stronger than the specimen
_LAGS = 12  # over which the detector's decay correlates noise [pixel]
_RINGS = 40  # of equal width, up to half a cycle a pixel
_SHARED = 1.5  # in a Hann window neighbouring frequencies share power: errors of means are larger by that
_WIDEST = 15.0  # standard deviation of the coarsest detail [pixel]
_TEXTURE = 0.1  # share of the power by which pores and ridges may differ from atoms at random places
_CERTAIN = 0.35  # standard error of the logarithm of a width that is still given
_SIGNAL = 4.0  # standard errors of the specimen's power over noise, from which its jitter is given


@dataclass(frozen=True)
class ImageSpectrum:
    """Power of an image's detail, and of its noise.

    Parameters
    ----------
    power
        At each frequency, shape (height, width // 2 + 1), of the image less its local mean, in a Hann window.
    noise
        Of the noise alone at each frequency along the lines, shape (width // 2 + 1,).
    height, width
        Of the image [pixel].

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> specimen = 40 * ndimage.gaussian_filter(rng.normal(size=(256, 256)), 2.0)
    >>> spectrum = image_spectrum(specimen + rng.normal(size=(256, 256)))
    >>> round(spectrum.finest_detail() / (2.355 * 2), 1), spectrum.line_jitter() < 0.2
    (1.0, True)
    """

    power: NDArray[np.float64]
    noise: NDArray[np.float64]
    height: int
    width: int

    @property
    def along(self) -> NDArray[np.float64]:
        """Frequencies along the lines [cycles a pixel]."""
        return np.asarray(fft.rfftfreq(self.width))

    @property
    def across(self) -> NDArray[np.float64]:
        """Frequencies across the lines [cycles a pixel]."""
        return np.asarray(fft.fftfreq(self.height))

    def finest_detail(self) -> float | None:
        """Return the full width at half maximum of the finest detail [pixel]; None where noise hides all detail.

        Atoms at random places, of a support or on it, have a white spectrum; their image has it times the square of
        what the probe transfers. Its width is that of the Gaussian whose square falls off alike.
        """
        k = np.hypot(self.across[:, None], self.along)
        ring = np.minimum((k * 2 * _RINGS).astype(int), _RINGS)
        # Within 45° of the lines' direction: jitter spreads power across the lines.
        usable = (self.along > _COARSE) & (np.abs(self.across[:, None]) <= self.along) & (ring < _RINGS)
        number, signal, square = (
            np.bincount(ring[usable], values[usable], _RINGS)
            for values in (np.ones_like(k), self.power - self.noise, self.power**2)
        )
        full = number > 2
        mean = signal[full] / number[full]
        error = _SHARED * np.sqrt(square[full]) / number[full]
        return _gaussian_width((np.arange(_RINGS)[full] + 0.5) / (2 * _RINGS), mean, error)

    def line_jitter(self) -> float | None:
        """Return how far lines lie beside their places, root mean square along and across [pixel]; None if not known.

        A line's displacement along x by a normal ε of variance σ² leaves the share exp(−4π²σ²k²) of the power at the
        frequency k along the line where it was, and spreads the rest evenly over all frequencies across the lines;
        displacements across the lines do so with a share c at all k. So beyond the specimen's frequencies across the
        lines the power over noise, as a share of that at all of them, is 1 − (1 − c) exp(−4π²σ²k²).
        """
        steep = np.abs(self.across) > _STEEP
        columns = (self.along > _COARSE) & (self.along < _FINE)
        k = self.along[columns]
        part, whole = (
            (self.power[rows][:, columns].mean(0) - self.noise[columns])
            for rows in (steep, np.ones_like(steep))
        )
        error = _SHARED * self.power[steep][:, columns].mean(0) / np.sqrt(np.count_nonzero(steep))
        return _jitter(k, part, whole, error, self._mean_square_across(columns))

    def _mean_square_across(self, columns: NDArray[np.bool_]) -> float:
        """Return the mean square frequency of the detail across the lines [cycles² a pixel²]."""
        gentle = np.abs(self.across) < _STEEP
        signal = np.maximum((self.power[gentle][:, columns] - self.noise[columns]).sum(1), 0)
        return float((signal @ self.across[gentle] ** 2) / max(signal.sum(), 1e-12))


def image_spectrum(image: ArrayLike) -> ImageSpectrum:
    """Measure the spectrum of an annular image's detail and of its noise.

    Parameters
    ----------
    image
        As recorded, shape (height, width), at least :data:`LEAST_SIDE` pixels a side.

    Raises
    ------
    MicrographError
        A smaller image.

    Examples
    --------
    >>> spectrum = image_spectrum(np.random.default_rng(0).normal(size=(128, 160)))
    >>> spectrum.power.shape, bool(abs(spectrum.noise.mean() - 1) < 0.1)  # white noise of variance 1
    ((128, 81), True)
    """
    values = np.asarray(image, dtype=np.float64)
    if values.ndim != 2 or min(values.shape) < LEAST_SIDE:
        raise MicrographError(
            f"a spectrum needs an image of {LEAST_SIDE} × {LEAST_SIDE} pixels, not {values.shape}"
        )
    height, width = values.shape
    # In place: of a large image each copy in double precision counts.
    detail = ndimage.gaussian_filter(values, _LOCAL, mode="reflect")
    np.subtract(values, detail, out=detail)
    window = np.outer(np.hanning(height), np.hanning(width))
    detail *= window
    np.square(window, out=window)
    squares = window.sum()
    del window
    power = np.abs(fft.rfft2(detail, overwrite_x=True))
    del detail
    np.square(power, out=power)
    power /= squares
    noise = _noise_shape(values, power.shape[1])
    # Where neither the specimen nor, across the lines, its jitter shows.
    fine = fft.rfftfreq(width) > _FINE
    level = np.median(power[:, fine] / noise[fine]) / np.log(2)  # of an exponential distribution
    return ImageSpectrum(power, noise * level, height, width)


def _noise_shape(image: NDArray[np.float64], columns: int) -> NDArray[np.float64]:
    """Return the noise's power at each frequency along the lines, up to a factor."""
    decay = measured_decay_time(image)
    if not decay:
        return np.ones(columns)
    correlation = noise_autocorrelation(decay, _LAGS)
    lags = np.arange(1, _LAGS + 1)
    k = fft.rfftfreq(image.shape[1])
    shape = correlation[0] + 2 * (np.cos(2 * np.pi * np.outer(k, lags)) @ correlation[1:])
    return np.asarray(np.maximum(shape, 1e-3 * correlation[0]))


def _gaussian_width(
    k: NDArray[np.float64], mean: NDArray[np.float64], error: NDArray[np.float64]
) -> float | None:
    """Return the width of the Gaussian whose squared transfer fits a spectrum best."""

    def model(log_scale: float, sigma: float) -> NDArray[np.float64]:
        return np.asarray(np.exp(log_scale - 4 * np.pi**2 * sigma**2 * k**2))

    start = [np.log(max(float(mean.max()), 1e-12)), np.log(3.0)]
    bounds = ([-np.inf, np.log(0.3)], [np.inf, np.log(_WIDEST)])
    scatter = np.hypot(error, _TEXTURE * np.maximum(mean, 0))
    found = optimize.least_squares(
        lambda p: (model(p[0], np.exp(p[1])) - mean) / scatter, start, bounds=bounds, loss="soft_l1"
    )
    covariance = np.linalg.pinv(found.jac.T @ found.jac)
    if not 0 < covariance[1, 1] < _CERTAIN**2 or covariance[0, 0] > 1:
        return None
    return float(np.exp(found.x[1]) * FWHM)


def _jitter(
    k: NDArray[np.float64],
    part: NDArray[np.float64],
    whole: NDArray[np.float64],
    error: NDArray[np.float64],
    across: float,
) -> float | None:
    """Return the root mean square displacement of lines along and across; None where there is little but noise."""
    if (whole / error**2).sum() < _SIGNAL * np.sqrt((1 / error**2).sum()):
        return None

    def residual(p: NDArray[np.float64]) -> NDArray[np.float64]:
        return (part - whole * (1 - (1 - p[1]) * np.exp(-4 * np.pi**2 * p[0] * k**2))) / error

    found = optimize.least_squares(residual, [0.1, 0.02], bounds=([0, 0], [25, 0.9]), loss="soft_l1")
    variance = found.x[0] - np.log(1 - found.x[1]) / (4 * np.pi**2 * max(across, 1e-6))
    return float(np.sqrt(variance))
