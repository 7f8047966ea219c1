"""From signal to counts: blur by the source, scan, count, and let the detector's signal decay.

Here with NumPy; :mod:`stemforge.simulate.recording.device` does the same with torch.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy  # its module signal takes a second to import, and is when it is first used
from numpy.typing import NDArray
from scipy import ndimage

from stemforge.simulate.recording.decay import decay_kernels
from stemforge.simulate.splines import cubic_weights

Counts = NDArray[np.float32]
"""Electrons a pixel, shape (channels, height, width)."""


@dataclass(frozen=True)
class Acquisition:
    """How one image is acquired, in pixels and electrons.

    Parameters
    ----------
    sigma
        Standard deviation of the source [pixel].
    displacement
        Of each line's content [pixel], shape (height, 2).
    flicker
        Factor on every pixel's current, shape (height, width), or None.
    electrons
        Incident a pixel.
    decay_time
        Of the detector's signal [dwell times].
    pulse_spread
        Relative standard deviation of an electron's signal.
    """

    sigma: float
    displacement: NDArray[np.float64]
    flicker: NDArray[np.float32] | None
    electrons: float
    decay_time: float = 0.0
    pulse_spread: float = 0.0


def acquire(
    values: NDArray[np.float32], acquisition: Acquisition, rng: np.random.Generator | None
) -> NDArray[np.float32]:
    """Blur by the source, distort, let the emission flicker, count, and let the signal decay.

    Parameters
    ----------
    values
        Fraction of incident electrons, shape (channels, height, width).
    acquisition
        What to do.
    rng
        Source of the counting noise; None gives expected counts.

    Returns
    -------
    ndarray
        Counts, shape (channels, height, width).
    """
    if acquisition.sigma:
        values = ndimage.gaussian_filter(values, (0, acquisition.sigma, acquisition.sigma), mode="nearest")
    if acquisition.displacement.any():
        values = _distort(values, acquisition.displacement)
    if acquisition.flicker is not None:
        values = values * acquisition.flicker
    expected = np.clip(values, 0, None) * np.float32(acquisition.electrons)
    if rng is None:
        return _decay(expected, acquisition.decay_time, lambda values: values)
    return _decay(
        expected, acquisition.decay_time, lambda values: _count(values, acquisition.pulse_spread, rng)
    )


def _count(expected: Counts, pulse_spread: float, rng: np.random.Generator) -> Counts:
    """Draw counts. Pulses of different height are gamma distributed: a sum of n of them is, too.

    More electrons are counted, each for less, so that mean and variance stay what was expected.
    """
    if not pulse_spread:
        return rng.poisson(expected).astype(np.float32)
    square = pulse_spread**2
    number = rng.poisson(expected * (1 + square))
    return (rng.standard_gamma(number / square) * (square / (1 + square))).astype(np.float32)


def _decay(expected: Counts, decay_time: float, count: Callable[[Counts], Counts]) -> Counts:
    """Count, and let every electron's signal decay along the line.

    Lines do not know each other: the beam flies back for many decay times, and then runs up to the line's first pixel.
    What it met on that way is taken to be as bright as that pixel.
    """
    if not decay_time:
        return count(expected)
    mean, noise = decay_kernels(decay_time)
    run_up = len(mean) - 1
    expected = np.pad(expected, ((0, 0), (0, 0), (run_up, 0)), mode="edge")
    counts = scipy.signal.lfilter(mean, 1.0, expected) + scipy.signal.lfilter(
        noise, 1.0, count(expected) - expected
    )
    return np.asarray(counts[..., run_up:], dtype=np.float32)


def _distort(values: NDArray[np.float32], displacement: NDArray[np.float64]) -> NDArray[np.float32]:
    """Sample each line where the scan really was: by cubic splines along y, then along x.

    The same as :func:`scipy.ndimage.map_coordinates` with edges repeated, four times as fast: a line has one
    displacement for all its pixels. Linear interpolation would blur by an amount that changes from line to line.
    """
    height, width = values.shape[1:]
    room = int(np.ceil(np.abs(displacement).max())) + 14
    rows, columns = np.arange(height) - displacement[:, 1] + room, room - displacement[:, 0]
    r0, c0 = np.floor(rows).astype(int), np.floor(columns).astype(int)
    wy, wx = (
        cubic_weights((places - start).astype(np.float32)) for places, start in ((rows, r0), (columns, c0))
    )
    reach = (c0 - 1)[:, None] + np.arange(width + 3)
    made = np.empty_like(values)
    for image, out in zip(values, made, strict=True):
        padded = np.pad(image, room, mode="edge")
        spline = ndimage.spline_filter(padded, order=3, output=np.float32, mode="mirror")
        lines = sum(wy[k][:, None] * spline[r0 - 1 + k] for k in range(4))
        lines = np.take_along_axis(lines, reach, axis=1)
        out[:] = sum(wx[k][:, None] * lines[:, k : k + width] for k in range(4))
    return made
