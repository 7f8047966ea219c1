"""Images of a crystal or a sheet: reflections in the power spectrum that make a lattice."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

_SIDE = 1024  # of the part that is looked at [pixel]
_LEAST_SIDE = 64
# Spatial frequencies that are looked at [1/pixel]: slow background has the lowest.
_LOWEST, _HIGHEST = 0.02, 0.48
_AXIS = 2.5  # bins beside both axes, on which the flicker of scan lines lies
# Bins whose mean a frequency is compared with, and those in the middle that are left out.
_AROUND, _PEAK = 25, 7
# Times the power around. Speckle of amorphous material is distributed exponentially about it: 12 to 28 is its largest
# on recorded HAADF images; sheets of graphene and MoS₂ have 200 to 1500.
_SHARP = 25.0
_MOST = 60  # reflections, the strongest, that are looked at
_TURNED = 0.2  # sine of the least angle between two reflections that span a lattice
_NEAR = 2.0  # bins within which a third is their sum


def shows_lattice(image: ArrayLike) -> bool:
    """Say whether an image shows a lattice: sharp reflections, one of which is the sum of two others.

    Amorphous material has none. Interferences that the scan picked up are sharp, too, and can lie in several
    directions, but none is the sum of others. A lattice that noise hides, or that is a small part of the image, is not
    noticed.

    Parameters
    ----------
    image
        Shape (height, width). One with fewer than 64 pixels along a side says nothing: False.

    Examples
    --------
    >>> y, x = np.mgrid[:128, :128]
    >>> rng = np.random.default_rng(0)
    >>> a, b = np.cos(x + 0.3 * y), np.cos(0.8 * y - 0.2 * x)
    >>> [shows_lattice(rng.poisson(30 + 5 * one)) for one in (np.zeros_like(a), a, a + b, (1 + a) * (1 + b))]
    [False, False, False, True]
    """
    values = np.asarray(image)
    rows, columns = (slice((n - min(n, _SIDE)) // 2, (n + min(n, _SIDE)) // 2) for n in values.shape)
    part = values[rows, columns].astype(float)
    if min(part.shape) < _LEAST_SIDE:
        return False
    # A few pixels of a frame or of a hot detector have all frequencies.
    part = np.clip(part, *np.percentile(part, [0.2, 99.8]))
    window = np.outer(*map(np.hanning, part.shape))
    part = (part - (part * window).sum() / window.sum()) * window
    power = np.fft.fftshift(np.abs(np.fft.fft2(part)) ** 2)
    fy, fx = np.meshgrid(*(np.fft.fftshift(np.fft.fftfreq(n)) for n in part.shape), indexing="ij")
    radius = np.hypot(fy, fx)
    asked = (radius > _LOWEST) & (radius < _HIGHEST)
    upright, level = (np.abs(f) * n <= _AXIS for f, n in zip((fx, fy), part.shape[::-1], strict=True))
    around = _mean_around(power, asked & ~upright & ~level, (_AROUND, _AROUND))
    # Reflections may lie on an axis, too: there they stand out of a line of flicker.
    for line, size in ((upright, (_AROUND, 1)), (level, (1, _AROUND))):
        around[line] = _mean_around(power, asked, size)[line]
    sharp = asked & (power > _SHARP * around) & (around > 0)
    labels, number = ndimage.label(sharp, structure=np.ones((3, 3)))
    every = np.arange(1, number + 1)
    strongest = np.argsort(ndimage.maximum(power, labels, every))[::-1][:_MOST]
    places = ndimage.maximum_position(power, labels, every[strongest])
    found = np.array([(fx[place], fy[place]) for place in places]).reshape(-1, 2)
    first, second = found[:, None], found[None]
    areas = np.abs(first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0])
    lengths = np.linalg.norm(found, axis=1)
    spanning = areas > _TURNED * np.outer(lengths, lengths)
    sums = (first + second)[spanning]
    away = np.abs(sums[:, None] - second) * part.shape[::-1]
    return bool((away.max(axis=2) <= _NEAR).any())


def _mean_around(
    power: NDArray[np.float64], counted: NDArray[np.bool_], size: tuple[int, int]
) -> NDArray[np.float64]:
    """Mean of the bins around each that are counted, without those in the middle, where the peak itself is."""
    middle = (min(size[0], _PEAK), min(size[1], _PEAK))

    def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = [n[0] * n[1] * ndimage.uniform_filter(values, n, mode="wrap") for n in (size, middle)]
        difference: NDArray[np.float64] = sums[0] - sums[1]
        return difference

    return total(np.where(counted, power, 0.0)) / np.maximum(total(counted.astype(float)), 1.0)
