"""Noise2Self: denoising that learns how much to smooth from the noisy image alone."""

import numpy as np
from numpy.typing import NDArray
from skimage.restoration import calibrate_denoiser, denoise_tv_chambolle

from stemforge.errors import InputError

Image = NDArray[np.float32]

# Weights of the total variation that are tried, for an image between 0 and 1.
_WEIGHTS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.7, 1.0)
_SMALLEST = 8


def denoise_noise2self(image: Image) -> Image:
    """Smooth an image by total variation, each pixel from its neighbours alone, as much as foretells it best.

    A pixel is replaced by the mean of its neighbours before the image is smoothed; what comes out in its place is its
    estimate. Where noise is independent from pixel to pixel, the smoothing whose estimates are nearest to the noisy
    image is also nearest to the truth, so that no clean image is needed to choose it. Noise of iDPC is not: integration
    makes neighbours alike, their noise is foretold together with the image, and little of it is taken away.

    Parameters
    ----------
    image
        Between 0 and 1, shape (height, width), at least 8 pixels along each side.

    Returns
    -------
    ndarray
        Shape (height, width), float32.

    Raises
    ------
    InputError
        Image too small.

    References
    ----------
    Batson & Royer, Proc. ICML 2019, 524, arXiv:1901.11365; by scikit-image's ``calibrate_denoiser``.

    Examples
    --------
    >>> rows, columns = np.mgrid[:48, :48]
    >>> clean = 0.5 + 0.3 * np.sin(rows / 6) * np.cos(columns / 7)
    >>> noisy = (clean + np.random.default_rng(0).normal(0, 0.2, clean.shape)).astype("float32")
    >>> bool(np.std(denoise_noise2self(noisy) - clean) < 0.5 * np.std(noisy - clean))
    True
    """
    values = np.asarray(image, dtype=np.float32)
    if values.ndim != 2 or min(values.shape) < _SMALLEST:
        raise InputError(f"the image must have at least {_SMALLEST} × {_SMALLEST} pixels, not {values.shape}")
    denoise = calibrate_denoiser(values, denoise_tv_chambolle, {"weight": _WEIGHTS})
    return np.asarray(denoise(values), dtype=np.float32)
