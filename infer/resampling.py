"""Bringing an image to the pixel size that a network was trained at, and which pixel sizes can be brought there."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from skimage.transform import resize

from stemforge.errors import InputError
from stemforge.train.networks import Finds

# Pixel sizes closer than this are taken as equal: resampling costs more than the difference.
_SAME_SAMPLING = 0.02
# Share of the spectrum, at its fine end, in which there is nothing but noise.
_NOISE_BAND = 0.3
# The median of x² for a normal variable of variance 1.
_MEDIAN_SQUARE = 0.4549

NOISE_SEED = 0
"""Of the noise in frequencies that an image of coarser pixels does not have: the same image gives the same atoms."""


def resampled(
    image: NDArray[np.float32], sampling: float | None, wanted: float | None, *, white: bool = False
) -> tuple[NDArray[np.float32], float | None]:
    """Bring an image to the pixel size that a network wants.

    Parameters
    ----------
    image
        Shape (height, width).
    sampling, wanted
        Its pixel size and the wanted one [Å]; where either is None, or they differ by less than 2 %, the image
        stays as it is.
    white
        Keep the noise white, as that of the images is on which a detector of atoms learnt what noise is. See
        :func:`resampled_white`. Without, the image is interpolated, smoothly.

    Returns
    -------
    image, sampling
        The image and its pixel size. The field of view stays: pixel i lies at ((i + ½) / zoom − ½) of the
        original.
    """
    if sampling is None or wanted is None or abs(sampling / wanted - 1) <= _SAME_SAMPLING:
        return image, sampling
    zoom = sampling / wanted
    shape = _resampled_shape(image.shape, zoom)
    if white:
        return resampled_white(image, shape), wanted
    # Antialiased: detail finer than the wanted pixels would fold into them.
    out = resize(image, shape, order=3, mode="reflect", anti_aliasing=zoom < 1, preserve_range=True)
    return out.astype(np.float32), wanted


def resampled_white(image: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Resample an image so that white noise stays white: as finer or coarser pixels would have recorded it.

    Interpolation smooths noise. A network that learnt from images with white noise then takes what is left of it for
    atoms: of images at 1 Å per pixel, brought to 0.293 Å, precision was 0.18 where the same images recorded at 0.1 Å gave
    0.86. Here the image's cosine transform is cut off for coarser pixels; for finer ones it is
    continued with noise of the density that it has at its fine end. What the image shows is neither changed nor added to.

    Parameters
    ----------
    image
        Shape (height, width).
    shape
        The wanted height and width [pixel], of the same field of view.

    Returns
    -------
    ndarray
        The image with the same mean, the noise of its pixels as of smaller or larger ones.

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(100, 5, (100, 120)).astype("float32")
    >>> finer = resampled_white(noise, (150, 180))
    >>> neighbours = np.corrcoef(finer[:, 1:].ravel(), finer[:, :-1].ravel())[0, 1]
    >>> round(float(finer.std() / 5), 1), abs(float(neighbours)) < 0.05
    (1.5, True)
    """
    mean = float(image.mean(dtype=np.float64))
    spectrum = fft.dctn(image - np.float32(mean), norm="ortho", overwrite_x=True)
    kept = tuple(slice(min(n, m)) for n, m in zip(image.shape, shape, strict=True))
    out = np.zeros(shape, dtype=np.float32)
    if shape[0] > image.shape[0] or shape[1] > image.shape[1]:
        corner = spectrum[tuple(slice(int(n * (1 - _NOISE_BAND)), None) for n in image.shape)]
        level = np.float32(np.sqrt(np.median(corner**2) / _MEDIAN_SQUARE)) if corner.size else np.float32(0)
        out = level * np.random.default_rng(NOISE_SEED).standard_normal(shape, dtype=np.float32)
    out[kept] = spectrum[kept]
    del spectrum
    # Orthonormal transforms keep the sum of squares; here the values of the signal are to stay.
    scale = np.sqrt(out.size / image.size)
    return (fft.idctn(out, norm="ortho", overwrite_x=True) * np.float32(scale) + np.float32(mean)).astype(
        np.float32
    )


def _resampled_shape(shape: tuple[int, ...], zoom: float) -> tuple[int, int]:
    return max(1, round(shape[0] * zoom)), max(1, round(shape[1] * zoom))
