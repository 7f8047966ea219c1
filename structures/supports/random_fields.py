"""Random surfaces: periodic Gaussian fields limited to a band of wavelengths."""

import numpy as np

from stemforge.structures.cells import Array

__all__ = ["random_field"]


def random_field(
    shape: tuple[int, int], size: tuple[float, float], band: tuple[float, float], rng: np.random.Generator
) -> Array:
    """Gaussian random field, periodic, with zero mean and unit variance, equally rough in every octave.

    Parameters
    ----------
    shape : (int, int)
        Pixels along x and y.
    size : (float, float)
        Edges of the field [Å].
    band : (float, float)
        Shortest and longest wavelength [Å]; between them the power spectrum falls as 1/k², so that each
        octave carries the same variance. On real Pt/NC images the octaves from 0.3 to 2 nm do.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        Field of shape `shape`, indexed ``[x, y]`` like positions; all zero where no wavelength of the band
        fits into `size`.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures.supports.random_fields import random_field
    >>> field = random_field((64, 64), (64.0, 64.0), (8.0, 32.0), np.random.default_rng(0))
    >>> field.shape, float(field.std().round(3))
    ((64, 64), 1.0)
    """
    k = np.hypot(
        np.fft.fftfreq(shape[0], size[0] / shape[0])[:, None], np.fft.rfftfreq(shape[1], size[1] / shape[1])
    )
    with np.errstate(divide="ignore"):
        amplitude = np.where((k >= 1 / band[1]) & (k <= 1 / band[0]), 1 / k, 0.0)
    field = np.fft.irfft2(amplitude * np.fft.rfft2(rng.standard_normal(shape)), s=shape)
    spread = field.std()
    return field / spread if spread > 0 else np.zeros(shape)
