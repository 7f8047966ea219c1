"""How noise is correlated along the scan lines, and the decay of the detector's signal that this tells.

What of an image is nothing but noise shows in second differences across the lines: whatever is wider than a few pixels
is gone from them. Along the line they are left as they were.
"""

import numpy as np
from numpy.typing import NDArray

from stemforge.simulate.recording.decay import noise_autocorrelation

_LAGS = 5
# A straight line through the correlations at lags 2 to 5, read at lag 1: what is there without a decay.
_BEYOND = np.array([0.25 + 2.5 * 1.5 / 5, 0.25 + 2.5 * 0.5 / 5, 0.25 - 2.5 * 0.5 / 5, 0.25 - 2.5 * 1.5 / 5])
# Decay times between which the excess at lag 1 still grows [dwell times].
_TIMES = np.linspace(0.005, 0.8, 160)
# Variance of a correlation times the number of pixels: second differences of neighbouring lines share two lines.
_SHARED = 35 / 18
# Mean square of second differences along the line, over that of the pixels: of lags 0, 1 and 2.
_SECOND = np.array([1, -4 / 3, 1 / 3])


def noise_autocovariance(image: NDArray[np.floating], lags: int, axis: int = 1) -> NDArray[np.float64]:
    """Return the noise's autocovariance at lags 0 to ``lags``.

    Parameters
    ----------
    image
        Shape (height, width), any unit.
    lags
        Largest lag [pixel].
    axis
        1 for along the scan lines, 0 for across them. What all pixels of a line share, flicker, does not count.

    Examples
    --------
    >>> white = np.random.default_rng(0).normal(0, 3, (256, 256))
    >>> np.abs(noise_autocovariance(white, 2) - [9, 0, 0]).max() < 0.3
    np.True_
    """
    values = np.asarray(image, dtype=np.float64)
    lines = values if axis else values.T
    second = second_differences(lines)
    second /= np.sqrt(6)
    second -= second.mean(1, keepdims=True)
    width = second.shape[1]
    return np.array([(second[:, : width - n] * second[:, n:]).mean() for n in range(lags + 1)])


def measured_decay_time(image: NDArray[np.floating]) -> float:
    """Measure the decay time of the detector's signal by the noise that neighbours on a line share [dwell times].

    Only what lag 1 has over the trend of lags 2 to 5 counts: jitter of the lines and flicker within a line, whose
    correlations fall slowly, are no decay. The same excess across the lines is texture and is taken off. A value that
    could as well be chance is drawn towards 0, and 0.8 is the most that can be told.

    Parameters
    ----------
    image
        As recorded, any unit, shape (height, width).

    Examples
    --------
    >>> from stemforge.simulate import Degradation, degrade
    >>> flat, rng = np.full((1, 256, 256), 0.02, "float32"), np.random.default_rng(0)
    >>> recorded = degrade(flat, Degradation(dose=2e4, decay_time=0.2), 0.3, rng).image[0]
    >>> bool(abs(measured_decay_time(recorded) - 0.2) < 0.03)
    True
    """
    if min(image.shape) < _LAGS + 3:
        return 0.0
    along, across = (noise_autocovariance(image, _LAGS, axis) for axis in (1, 0))
    if along[0] <= 0:
        return 0.0
    excess = float((_excess(along) - _excess(across)) / along[0])
    if excess <= 0:
        return 0.0
    variance = 2 * _SHARED * (1 + (_BEYOND**2).sum()) / image.size
    shrunk = excess**3 / (excess**2 + variance)
    return float(np.interp(shrunk, np.r_[0, _EXCESSES], np.r_[0, _TIMES]))


def second_differences(lines: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return twice each line, but the first and the last, less its neighbours, times −1; a large image is copied once.

    Examples
    --------
    >>> second_differences(np.array([[1.0], [4.0], [9.0]]))
    array([[2.]])
    """
    second = 2 * lines[1:-1]
    np.subtract(lines[:-2], second, out=second)
    second += lines[2:]
    return second


def counted_share(decay_time: float) -> float:
    """Return the mean square of second differences along the line, over six times the variance that was counted.

    Examples
    --------
    >>> counted_share(0.0), round(counted_share(0.1), 3)
    (1.0, 0.833)
    """
    return float(_SECOND @ noise_autocorrelation(decay_time, 2)) if decay_time else 1.0


def _excess(covariance: NDArray[np.float64]) -> float:
    return float(covariance[1] - _BEYOND @ covariance[2:])


def _relative_excess(decay_time: float) -> float:
    expected = noise_autocorrelation(decay_time, _LAGS)
    return _excess(expected) / float(expected[0])


_EXCESSES = np.array([_relative_excess(time) for time in _TIMES])
