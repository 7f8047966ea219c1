"""Images that are not as they were recorded: filtered, resampled or compressed; or with values that were cut off."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

_INNER, _OUTER = (0.15, 0.25), (0.40, 0.50)  # bands of spatial frequency along both axes [1/pixel]
_SIDE = 1024  # of the part that is looked at [pixel]
_LEAST_SIDE = 32
# White noise has 1. Eleven recorded HAADF images have 0.7 to 1.0, and 0.29 and more when binned to 1.2 Å; after a
# Gaussian filter of 0.5 pixels or a median of 3 × 3 they have 0.16 to 0.23, after wider ones less.
_FADES = 0.25
_CUT_OFF = 0.01  # share of pixels
_PILE = 3  # how many times as many pixels as the value before


def noise_fades(image: ArrayLike) -> bool:
    """Say whether an image's noise is weaker at the finest detail, as filters, resampling and JPEG leave it.

    Counting noise is white: it has the same power at all frequencies. What the specimen shows lies at lower ones.

    Parameters
    ----------
    image
        Shape (height, width). One with fewer than 32 pixels along a side says nothing: False.

    Examples
    --------
    >>> from scipy import ndimage
    >>> recorded = np.random.default_rng(0).poisson(30.0, (128, 128))
    >>> noise_fades(recorded), noise_fades(ndimage.gaussian_filter(recorded.astype(float), 1))
    (False, True)
    """
    ratio = noise_ratio(image)
    return ratio is not None and ratio < _FADES


def noise_ratio(image: ArrayLike) -> float | None:
    """Return the power of an image at the finest detail over that at less fine detail; None for a small image."""
    values = np.asarray(image)
    rows, columns = (slice((n - min(n, _SIDE)) // 2, (n + min(n, _SIDE)) // 2) for n in values.shape)
    part = values[rows, columns].astype(float)
    if min(part.shape) < _LEAST_SIDE:
        return None
    part -= part.mean()
    part *= np.outer(*map(np.hanning, part.shape))
    power = np.abs(np.fft.fft2(part))
    np.square(power, out=power)
    bands = [_median(power, *band) for band in (_OUTER, _INNER)]
    return bands[0] / bands[1] if bands[1] > 0 else 0.0


def _median(power: NDArray[np.float64], low: float, high: float) -> float:
    # Off the axes, on which the flicker of scan lines lies; the median, as lattices have peaks.
    y, x = (np.abs(np.fft.fftfreq(n)) for n in power.shape)
    inside = np.logical_and.outer((y >= low) & (y <= high), (x >= low) & (x <= high))
    return float(np.median(power[inside]))


def cut_off_share(image: ArrayLike) -> float:
    """Return the share of pixels at the largest value, where they pile up there: the detector's or a contrast's end.

    Examples
    --------
    >>> image = np.random.default_rng(0).poisson(30.0, (64, 64))
    >>> cut_off_share(image), cut_off_share(np.minimum(image, 30)) > 0.4
    (0.0, True)
    """
    values = np.asarray(image)
    top = values.max()
    share = float(np.mean(values == top))
    if share < _CUT_OFF:
        return 0.0
    below = values[values < top]
    before = float(np.mean(values == below.max())) if below.size else 0.0
    return share if share > _PILE * before else 0.0
