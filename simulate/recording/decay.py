"""The detector's decay: what the signal of one pixel leaves in the pixels that follow it on the line.

Scintillator, photomultiplier and amplifier answer an electron with a signal that decays exponentially. Electrons come
at any moment of the dwell time, and the pixel is what was there of the signal in its own dwell time.
"""

import numpy as np
from numpy.typing import NDArray

LONGEST = 32.0
"""Longest decay time [dwell times]."""

_LENGTH = 10.0  # decay times after which nothing is left

Kernel = NDArray[np.float64]
"""Share of a signal in its own pixel and in those after it, of sum 1, shape (n,)."""


def decay_kernels(decay_time: float) -> tuple[Kernel, Kernel]:
    """Return how expected counts, and how their noise, spread along the line.

    An electron that comes at time u of the dwell, 0 to 1, leaves exp(−(1 − u)/τ) to the following pixels. Averaged over
    u that is τ(1 − a) with a = exp(−1/τ), of which pixel n gets (1 − a) aⁿ⁻¹: so does the expected image. Shot noise
    has the autocovariance of single electrons, averaged over u: 1 − τ(1 − a) at lag 0 and ½τ(1 − a)² aⁿ⁻¹ at lag n, of
    sum 1 (Campbell's theorem). Its kernel is the one with positive powers alone that has it.

    Parameters
    ----------
    decay_time
        τ, in dwell times, above 0.

    Returns
    -------
    mean, noise
        Kernels of the same length. A mean one moves what it smears by τ pixels.

    Examples
    --------
    >>> mean, noise = decay_kernels(0.1)
    >>> mean[:2].round(3).tolist(), noise[:2].round(3).tolist()
    ([0.9, 0.1], [0.947, 0.053])
    """
    a = float(np.exp(-1 / decay_time))
    left = decay_time * (1 - a)  # of an electron, to all pixels after its own
    tail = a ** np.arange(int(np.ceil(_LENGTH * decay_time)) + 1)
    mean = np.r_[1 - left, left * (1 - a) * tail]
    # The noise's kernel is b₀ + b₁z over 1 − az, with b₀ + b₁ = 1 − a for the sum and b₀b₁ from the variance 1 − left.
    product = ((1 - a) - (1 - left) * (1 + a)) / 2
    first = ((1 - a) + np.sqrt((1 - a) ** 2 - 4 * product)) / 2
    noise = np.r_[first, ((1 - a) - (1 - a) * first) * tail]
    return mean / mean.sum(), noise / noise.sum()


def noise_autocorrelation(decay_time: float, lags: int) -> NDArray[np.float64]:
    """Return the noise's autocovariance along the line over the counts' variance, at lags 0 to ``lags``.

    Examples
    --------
    >>> noise_autocorrelation(0.1, 2).round(3).tolist()
    [0.9, 0.05, 0.0]
    """
    a = float(np.exp(-1 / decay_time))
    after = decay_time / 2 * (1 - a) ** 2 * a ** np.arange(lags)
    return np.r_[1 - decay_time * (1 - a), after]
