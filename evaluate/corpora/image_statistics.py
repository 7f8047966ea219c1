"""What an annular micrograph says of itself without a label: detector, noise, flicker, texture, blobs.

Everything is measured alike on real and on simulated images, so that the two can be compared; priors of a recipe follow
from it in :mod:`stemforge.evaluate.corpora.priors`.
"""

import itertools
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage, optimize

from stemforge.errors import MicrographError

BANDS = (18.8, 9.4, 4.7, 3.2, 2.3)
"""Edges of the bands of texture [Å]: wavelengths between one and the next."""
_LOCAL = 24.0  # pixels; standard deviation of the local mean
_BLOCK = 16  # side of the blocks in which noise is held against the mean [pixel]
# An atom's spot as a Gaussian [Å], and how many standard deviations of noise make a blob.
_SPOT = 1.1
_BLOB_SNR = 5.0
# An offset whose error is more than this share of the signal over it is not believed.
_OFFSET_ERROR = 0.1
_FIRST_LAG = 16  # pixels; nearer, the specimen's own texture looks like flicker


@dataclass(frozen=True)
class ImageStatistics:
    """Statistics of one annular image.

    Parameters
    ----------
    sampling
        Pixel size [Å].
    gain, offset
        Detector units an electron, and at no electron: from noise variance against mean.
    counts
        Mean of the specimen [electrons a pixel].
    dark
        Mean of the darkest twentieth of the image, where there is vacuum the dark counts [electrons a pixel].
    noise
        Standard deviation of a pixel's noise, relative to the specimen's mean.
    flicker, flicker_time
        Relative standard deviation of the emission over lines, and its memory [lines].
    vacuum_fraction
        Share of the image that is vacuum.
    texture
        Variance of the specimen's intensity relative to its mean, in the bands between :data:`BANDS`, without noise.
    blobs
        Bright spots of an atom's size [1/nm²].
    blob_contrast
        10th, 50th and 90th percentile of their height over the local mean, as a share of it.
    blob_width
        Full width at half maximum of the mean of the brightest blobs [Å].
    """

    sampling: float
    gain: float
    offset: float
    counts: float
    dark: float
    noise: float
    flicker: float
    flicker_time: float
    vacuum_fraction: float
    texture: tuple[float, ...]
    blobs: float
    blob_contrast: tuple[float, float, float]
    blob_width: float

    def flat(self) -> dict[str, float]:
        """Return every figure by name, those of several entries numbered by what they are."""
        values: dict[str, Any] = asdict(self)
        bands = values.pop("texture")
        contrasts = values.pop("blob_contrast")
        names = [f"texture {low:g}-{high:g} Å" for low, high in zip(BANDS[1:], BANDS, strict=False)]
        values |= dict(zip(names, bands, strict=True))
        values |= dict(
            zip(("blob contrast p10", "blob contrast p50", "blob contrast p90"), contrasts, strict=True)
        )
        return values


def image_statistics(image: ArrayLike, sampling: float) -> ImageStatistics:
    """Measure the statistics of an annular image.

    Parameters
    ----------
    image
        As recorded, any unit with any offset, shape (height, width), at least 128 pixels a side.
    sampling
        Pixel size [Å].

    Returns
    -------
    ImageStatistics
        What was measured.

    Raises
    ------
    MicrographError
        An image too small, not finite, or without noise that grows with the signal.

    Examples
    --------
    >>> counts = np.random.default_rng(0).poisson(60, (256, 256))
    >>> found = image_statistics(7.0 * counts + 1000, 0.3)
    >>> 0.95 < found.noise * np.sqrt(60) < 1.05
    True
    """
    values = np.asarray(image, dtype=np.float64)
    if values.ndim != 2 or min(values.shape) < 128:
        raise MicrographError(f"statistics need an image of at least 128 × 128 pixels, not {values.shape}")
    if not np.isfinite(values).all():
        raise MicrographError("the image holds values that are not finite")
    gain, offset = detector_response(values)
    counts = (values - offset) / gain
    local = ndimage.gaussian_filter(counts, _LOCAL, mode="reflect")
    bright = float(np.percentile(local, 90))
    vacuum = ndimage.gaussian_filter(counts, 6) < 0.3 * bright
    # Away from the edge, where the local mean is a mixture.
    specimen = ndimage.binary_erosion(~vacuum, iterations=int(_LOCAL), border_value=1)
    if specimen.mean() < 0.05:
        specimen = ~vacuum
    mean = float(counts[specimen].mean())
    relative = np.where(specimen, counts / np.maximum(local, 0.05 * bright) - 1, 0.0)
    flicker, memory = _flicker(relative, specimen)
    rate, contrast, width = _blobs(counts, local, specimen, sampling)
    return ImageStatistics(
        sampling=float(sampling),
        gain=gain,
        offset=offset,
        counts=mean,
        dark=float(np.sort(ndimage.gaussian_filter(counts, 4), axis=None)[: counts.size // 20].mean()),
        noise=float(np.sqrt(_noise_variance(counts)[specimen].mean()) / mean),
        flicker=flicker,
        flicker_time=memory,
        vacuum_fraction=float(vacuum.mean()),
        texture=_texture(counts, specimen, sampling),
        blobs=rate,
        blob_contrast=contrast,
        blob_width=width,
    )


def detector_response(image: NDArray[np.float64]) -> tuple[float, float]:
    """Find gain and offset of a counting detector: its noise variance is gain · (mean − offset).

    Parameters
    ----------
    image
        Detector units, shape (height, width).

    Returns
    -------
    gain, offset
        Detector units an electron, and at no electron. Where the image is too even to tell the offset, it is taken
        to be 0.

    Raises
    ------
    MicrographError
        No noise.
    """
    variance = _noise_variance(image)
    height, width = (n // _BLOCK * _BLOCK for n in image.shape)

    def blocks(values: NDArray[np.float64]) -> NDArray[np.float64]:
        shape = (height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
        return values[:height, :width].reshape(shape).mean((1, 3)).ravel()

    means, variances = blocks(image), blocks(variance)
    if variances.max() <= 0:
        raise MicrographError("the image has no noise: was it filtered or simulated without counting?")
    spread = np.percentile(means, [3, 97])
    level = float(np.median(means))
    # Each block's variance is known to a share of itself: a fit in the logarithm weighs them alike.
    usable = variances > 0
    floor = float(np.percentile(image, 5))

    def residual(p: NDArray[np.float64]) -> NDArray[np.float64]:
        expected = np.exp(p[0]) * np.maximum(means[usable] - p[1], 1e-3 * abs(level - p[1]) + 1e-12)
        return np.log(variances[usable]) - np.log(expected)

    span = float(spread[1] - spread[0])
    lowest = floor - 3 * max(span, 1e-12)
    start = np.array([np.log(np.median(variances) / max(level - floor, 1e-12)), floor - 0.3 * span])
    found = optimize.least_squares(
        residual, start, bounds=([-np.inf, lowest], [np.inf, float(means.min())]), loss="soft_l1"
    )
    gain, offset = float(np.exp(found.x[0])), float(found.x[1])
    # How well the fit knows the offset, from the curvature at its end.
    curvature = np.linalg.pinv(found.jac.T @ found.jac)[1, 1]
    error = np.sqrt(curvature * 2 * found.cost / max(len(means) - 2, 1))
    if error > _OFFSET_ERROR * abs(level - offset) or level <= offset:
        return float(np.median(variances) / level), 0.0
    return gain, offset


def _noise_variance(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance of the noise about every pixel, from second differences along the line: flicker cancels."""
    second = image[:, :-2] - 2 * image[:, 1:-1] + image[:, 2:]
    return np.pad(second**2 / 6, ((0, 0), (1, 1)), mode="edge")


def _flicker(relative: NDArray[np.float64], specimen: NDArray[np.bool_]) -> tuple[float, float]:
    """Emission noise: what neighbouring lines do not share, but pixels far apart on a line do."""
    apart = np.diff(relative, axis=0) / np.sqrt(2)
    there = specimen[1:] & specimen[:-1]
    width = relative.shape[1]
    lags = np.unique(np.geomspace(_FIRST_LAG, width / 2, 12).astype(int))
    shared = []
    for lag in lags:
        both = there[:, lag:] & there[:, :-lag]
        products = apart[:, lag:] * apart[:, :-lag]
        shared.append(products[both].mean() if both.sum() > width else np.nan)
    shared_array = np.array(shared)
    usable = np.isfinite(shared_array)
    if usable.sum() < 3 or np.nanmean(shared_array) <= 0:
        return 0.0, 0.0

    # Neighbouring lines are correlated themselves where the memory is long; that share is lost in the difference.
    def model(p: NDArray[np.float64]) -> NDArray[np.float64]:
        tau = np.exp(p[1]) * width
        kernel = np.exp(-lags[usable] / tau)
        across = 0.5 * (np.exp(-(width - lags[usable]) / tau) + np.exp(-(width + lags[usable]) / tau))
        return np.exp(2 * p[0]) * (kernel - across)

    scale = float(np.nanmax(np.abs(shared_array)))
    start = [0.5 * np.log(max(float(np.nanmean(shared_array)), 1e-8)), np.log(0.5)]
    fitted = optimize.least_squares(
        # Weakly held to half a line: amplitude and memory can make up for one another.
        lambda p: np.append((model(p) - shared_array[usable]) / scale, 0.2 * (p[1] - start[1])),
        start,
        bounds=([-9, np.log(0.03)], [-1.5, np.log(3)]),
    )
    return float(np.exp(fitted.x[0])), float(np.exp(fitted.x[1]))


def _texture(counts: NDArray[np.float64], specimen: NDArray[np.bool_], sampling: float) -> tuple[float, ...]:
    """Relative variance of the specimen in bands of wavelength, from its brightest square half as wide as the image."""
    side = min(counts.shape) // 2
    step = max(side // 4, 1)
    corners = [
        (y, x)
        for y in range(0, counts.shape[0] - side + 1, step)
        for x in range(0, counts.shape[1] - side + 1, step)
    ]
    y, x = max(corners, key=lambda c: specimen[c[0] : c[0] + side, c[1] : c[1] + side].mean())
    part = counts[y : y + side, x : x + side]
    relative = part / part.mean() - 1
    window = np.outer(np.hanning(side), np.hanning(side))
    power = np.abs(np.fft.fft2((relative - relative.mean()) * window)) ** 2 / ((window**2).sum() * side**2)
    ky, kx = np.fft.fftfreq(side, sampling)[:, None], np.fft.fftfreq(side, sampling)[None]
    k = np.hypot(ky, kx)
    usable = np.abs(kx) > 2.5 / (side * sampling)  # lines' flicker lies on the axis kx = 0
    high = usable & (k > 0.84 * 0.5 / sampling)
    noise = np.median(power[high]) / np.log(2)  # power of noise is exponentially distributed
    found = []
    for low, up in itertools.pairwise(BANDS):
        band = (k >= 1 / low) & (k < 1 / up)
        # What lies on the axis is taken to be as strong as what does not.
        found.append(float((power[usable & band] - noise).mean() * band.sum()))
    return tuple(found)


def _blobs(
    counts: NDArray[np.float64], local: NDArray[np.float64], specimen: NDArray[np.bool_], sampling: float
) -> tuple[float, tuple[float, float, float], float]:
    """Bright spots of an atom's size: how many, how high, how wide."""
    sigma = _SPOT / sampling
    smooth = ndimage.gaussian_filter(counts, sigma) - ndimage.gaussian_filter(counts, 3 * sigma)
    # Noise of the filter: white noise of variance N, less what the two Gaussians share.
    share = 1 / (4 * np.pi * sigma**2) * (1 + 1 / 9 - 4 / 10)
    snr = smooth / np.sqrt(np.maximum(local, 1e-9) * share)
    peaks = (smooth == ndimage.maximum_filter(smooth, int(2 * 3 * sigma) | 1)) & specimen & (snr > _BLOB_SNR)
    rows, columns = np.nonzero(peaks)
    area = specimen.sum() * (sampling / 10) ** 2
    if len(rows) < 3:
        return float(len(rows) / max(area, 1e-9)), (0.0, 0.0, 0.0), 0.0
    # A spot of this width keeps half of its height under a filter of its own width, and loses a tenth to the other.
    height = smooth[rows, columns] / local[rows, columns] / 0.4
    percentiles = np.percentile(height, [10, 50, 90])
    order = np.argsort(-snr[rows, columns])[: max(5, len(rows) // 4)]
    reach = int(np.ceil(4 * sigma))
    patches = [
        (counts / local)[r - reach : r + reach + 1, c - reach : c + reach + 1]
        for r, c in zip(rows[order], columns[order], strict=True)
        if reach <= r < counts.shape[0] - reach and reach <= c < counts.shape[1] - reach
    ]
    width = _width(np.mean(patches, axis=0)) * sampling if patches else 0.0
    return (
        float(len(rows) / area),
        (float(percentiles[0]), float(percentiles[1]), float(percentiles[2])),
        width,
    )


def _width(spot: NDArray[np.float64]) -> float:
    """Full width at half maximum of a round spot, by a Gaussian on a flat ground [pixel]."""
    middle = spot.shape[0] // 2
    y, x = np.mgrid[-middle : middle + 1, -middle : middle + 1]
    r2 = (x**2 + y**2).ravel()

    def residual(p: NDArray[np.float64]) -> NDArray[np.float64]:
        return p[0] + p[1] * np.exp(-r2 / (2 * p[2] ** 2)) - spot.ravel()

    found = optimize.least_squares(
        residual, [spot.min(), np.ptp(spot), middle / 3], bounds=([-9, 0, 0.3], [9, 99, 99])
    )
    return float(2.3548 * found.x[2])
