"""The costly steps of :func:`stemforge.simulate.degrade` on a torch device: blur, distortion, counting, decay.

The random numbers of the distortions are drawn on the CPU and shared, so that but for counting noise both give the
same image. Blur and splines follow :mod:`scipy.ndimage`: Gaussian cut at four standard deviations, edges repeated,
interpolating cubic splines.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from stemforge.simulate.recording.acquisition import Acquisition
from stemforge.simulate.recording.decay import decay_kernels
from stemforge.simulate.splines import cubic_weights

# How far scipy.ndimage repeats the edges before it fits splines [pixel].
_PAD = 12


def blur(values: torch.Tensor, sigma: float) -> torch.Tensor:
    """Blur by a Gaussian of standard deviation ``sigma`` [pixel]; shape (channels, height, width)."""
    radius = int(4 * sigma + 0.5)
    steps = torch.arange(-radius, radius + 1, device=values.device, dtype=torch.float64)
    kernel = torch.exp(-(steps**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).to(values.dtype)
    padded = functional.pad(values[:, None], [radius] * 4, mode="replicate")
    rows = functional.conv2d(padded, kernel[None, None, :, None])
    return functional.conv2d(rows, kernel[None, None, None, :])[:, 0]


def distort(values: torch.Tensor, displacement: NDArray[np.float64]) -> torch.Tensor:
    """Sample each line where the scan was; shapes (channels, height, width) and (height, 2) [pixel]."""
    height, width = values.shape[1:]
    padded = functional.pad(values[:, None], [_PAD] * 4, mode="replicate")[:, 0]
    coefficients = _spline_coefficients(_spline_coefficients(padded, 1), 2)
    moved = torch.as_tensor(displacement, device=values.device, dtype=torch.float64)
    rows, columns = (torch.arange(n, device=values.device, dtype=torch.float64) for n in (height, width))
    # Within the repeated edges, where the outermost taps still are.
    y = (rows - moved[:, 1] + _PAD).clamp(1, height + 2 * _PAD - 3)
    x = (columns - moved[:, :1] + _PAD).clamp(1, width + 2 * _PAD - 3)
    taps, weights = _taps(y)
    lines = (coefficients[:, taps] * weights[..., None].to(values.dtype)).sum(2)
    taps, weights = _taps(x)
    index = taps.reshape(1, height, -1).expand(len(values), -1, -1)
    gathered = lines.gather(2, index).reshape(len(values), height, width, 4)
    return (gathered * weights.to(values.dtype)).sum(-1)


def count(expected: torch.Tensor, rng: np.random.Generator, pulse_spread: float = 0.0) -> torch.Tensor:
    """Draw electron counts, of pulses of different height; the device's generator is seeded from ``rng``."""
    generator = torch.Generator(device=expected.device).manual_seed(int(rng.integers(2**62)))
    if not pulse_spread:
        return torch.poisson(expected, generator=generator)
    square = pulse_spread**2
    number = torch.poisson(expected * (1 + square), generator=generator)
    heights = torch._standard_gamma(torch.clamp(number, min=1) / square, generator=generator)
    return torch.where(number > 0, heights * (square / (1 + square)), 0.0)


def decay(
    expected: torch.Tensor, decay_time: float, counted: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Count, and let every electron's signal decay along the line; ``decay_time`` in dwell times."""
    if not decay_time:
        return counted(expected)
    mean, noise = (torch.as_tensor(k, device=expected.device) for k in decay_kernels(decay_time))

    def along(values: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
        rows = values.reshape(-1, 1, values.shape[-1])
        made = functional.conv1d(rows, kernel.flip(0).to(values.dtype)[None, None])
        return made.reshape(*values.shape[:-1], -1)

    expected = functional.pad(expected, (len(mean) - 1, 0), mode="replicate")
    return along(expected, mean) + along(counted(expected) - expected, noise)


def acquire_on_device(
    values: NDArray[np.float32], acquisition: Acquisition, rng: np.random.Generator | None, device: str
) -> NDArray[np.float32]:
    """Do what :func:`stemforge.simulate.recording.acquisition.acquire` does, on a device of torch."""
    # A GPU rounds what it convolves to 11 bits unless told otherwise: 1.3e-3 of the mean on an image of pt-nc.
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        return _acquired(values, acquisition, rng, device)


def _acquired(
    values: NDArray[np.float32], acquisition: Acquisition, rng: np.random.Generator | None, device: str
) -> NDArray[np.float32]:
    image: Any = torch.as_tensor(values, device=device)
    if acquisition.sigma:
        image = blur(image, acquisition.sigma)
    if acquisition.displacement.any():
        image = distort(image, acquisition.displacement)
    if acquisition.flicker is not None:
        image = image * torch.as_tensor(acquisition.flicker, device=device)
    expected = image.clamp(min=0) * acquisition.electrons
    if rng is None:
        counts = decay(expected, acquisition.decay_time, lambda values: values)
    else:
        counts = decay(
            expected, acquisition.decay_time, lambda values: count(values, rng, acquisition.pulse_spread)
        )
    return np.asarray(counts.cpu().numpy(), dtype=np.float32)


def _spline_coefficients(values: torch.Tensor, axis: int) -> torch.Tensor:
    """Coefficients of the cubic spline through values along an axis, mirrored at its ends."""
    n = values.shape[axis]
    # Whole-sample symmetric: d c b | a b c d | c b a. The filter is then a division in Fourier space.
    mirrored = torch.cat([values, values.narrow(axis, 1, n - 2).flip(axis)], axis)
    frequency = 2 * torch.pi * torch.fft.rfftfreq(2 * n - 2, device=values.device)
    shape = [1, 1, 1]
    shape[axis] = -1
    spectrum = torch.fft.rfft(mirrored, dim=axis) * (3 / (2 + torch.cos(frequency))).reshape(shape)
    return torch.fft.irfft(spectrum, 2 * n - 2, dim=axis).narrow(axis, 0, n)


def _taps(places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the four nearest points and their spline weights, with a last axis of 4."""
    first = places.floor()
    points = first.long()[..., None] + torch.arange(-1, 3, device=places.device)
    return points, torch.stack(cubic_weights(places - first), -1)
