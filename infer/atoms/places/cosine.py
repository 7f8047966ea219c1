"""Filters of images by their cosine transform: an image goes on beyond its edges as in a mirror."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

Plane = NDArray[Any]
"""An image or its cosine transform, shape (height, width)."""


def gaussian_response(shape: tuple[int, int], sigma: float) -> Plane:
    """Return what a Gaussian blur leaves of each mode of the cosine transform.

    Parameters
    ----------
    shape
        Of the image, (height, width).
    sigma
        Standard deviation of the blur [pixel].

    Examples
    --------
    >>> gaussian_response((4, 4), 1.0)[0].astype(float).round(2).tolist()
    [1.0, 0.73, 0.29, 0.06]
    """
    y, x = (np.arange(n, dtype=np.float32) / (2 * n) for n in shape)
    return np.exp(-2 * np.pi**2 * sigma**2 * (y[:, None] ** 2 + x**2)).astype(np.float32)


def filtered(image: ArrayLike, response: Plane) -> Plane:
    """Multiply each mode of an image by what a filter leaves of it.

    As long a blur takes as long as a short one; :func:`scipy.ndimage.gaussian_filter` takes longer.

    Parameters
    ----------
    image
        Shape (height, width).
    response
        The filter's, same shape; the mean of the image is mode (0, 0).

    Examples
    --------
    >>> from scipy import ndimage
    >>> image = np.random.default_rng(0).normal(size=(40, 30)).astype(np.float32)
    >>> blurred = filtered(image, gaussian_response(image.shape, 3.0))
    >>> bool(np.allclose(blurred, ndimage.gaussian_filter(image, 3.0, truncate=8), atol=1e-6))
    True
    """
    return np.asarray(fft.idctn(fft.dctn(image, norm="ortho") * response, norm="ortho"))
