"""Measurements on one annular image without labels: flicker, texture, blobs."""

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize

BANDS = (18.8, 9.4, 4.7, 3.2, 2.3)
"""Edges of the bands of texture [Å]: wavelengths between one and the next."""
# An atom's spot as a Gaussian [Å], and how many standard deviations of noise make a blob.
_SPOT = 1.1
_BLOB_SNR = 5.0
_FIRST_LAG = 16  # pixels; nearer, the specimen's own texture looks like flicker


def flicker(relative: NDArray[np.float64], specimen: NDArray[np.bool_]) -> tuple[float, float]:
    """Emission noise: shared by distant pixels of a line, but not by neighbouring lines."""
    difference = np.diff(relative, axis=0) / np.sqrt(2)
    usable_pixels = specimen[1:] & specimen[:-1]
    width = relative.shape[1]
    lags = np.unique(np.geomspace(_FIRST_LAG, width / 2, 12).astype(int))
    shared = []
    for lag in lags:
        both = usable_pixels[:, lag:] & usable_pixels[:, :-lag]
        products = difference[:, lag:] * difference[:, :-lag]
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


def texture(counts: NDArray[np.float64], specimen: NDArray[np.bool_], sampling: float) -> tuple[float, ...]:
    """Relative variance of the specimen in bands of wavelength, from its brightest square half as wide as the image."""
    side = min(counts.shape) // 2
    step = max(side // 4, 1)
    corners = itertools.product(*(range(0, length - side + 1, step) for length in counts.shape))
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
    bands = [(k >= 1 / low) & (k < 1 / up) for low, up in itertools.pairwise(BANDS)]
    # What lies on the axis is taken to be as strong as what does not.
    return tuple(float((power[usable & band] - noise).mean() * band.sum()) for band in bands)


def blobs(
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
    low, middle, high = np.percentile(height, [10, 50, 90]).tolist()
    order = np.argsort(-snr[rows, columns])[: max(5, len(rows) // 4)]
    reach = int(np.ceil(4 * sigma))
    patches = [
        (counts / local)[r - reach : r + reach + 1, c - reach : c + reach + 1]
        for r, c in zip(rows[order], columns[order], strict=True)
        if reach <= r < counts.shape[0] - reach and reach <= c < counts.shape[1] - reach
    ]
    width = spot_width(np.mean(patches, axis=0)) * sampling if patches else 0.0
    return float(len(rows) / area), (low, middle, high), width


def spot_width(spot: NDArray[np.float64]) -> float:
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
