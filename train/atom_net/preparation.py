"""What AtomNet wants to see: an annular image in units of its noise, over its local mean."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from stemforge.errors import MicrographError


def standardise_image(image: ArrayLike, background: float = 24.0) -> NDArray[np.float32]:
    """Bring an annular image to what AtomNet wants to see: in units of its noise, over its local mean.

    Parameters
    ----------
    image
        Shape (height, width), any unit with any offset.
    background
        Standard deviation of the Gaussian mean that is taken away [pixel].

    Returns
    -------
    ndarray
        Shape (height, width), float32. Noise, taken from the median absolute difference between neighbours on
        a row (rows flicker), has a standard deviation of 1.

    Raises
    ------
    MicrographError
        Values that are not finite, or an image without noise or signal.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(500, 20, (128, 128))
    >>> 0.9 < float(standardise_image(noise).std()) < 1.1
    True
    """
    values = np.asarray(image, dtype=np.float32)
    if not np.isfinite(values).all():
        raise MicrographError("the image holds values that are not finite")
    steps = np.abs(np.diff(values, axis=1))
    # 0.6745: the median of |x| for a normal variable; √2: a difference has twice the variance.
    noise = float(np.median(steps)) / (0.6745 * np.sqrt(2)) or float(steps.mean())
    if noise == 0:
        raise MicrographError("the image is uniform; it holds no signal")
    local = ndimage.gaussian_filter(values, background, mode="reflect")
    return ((values - local) / np.float32(noise)).clip(-50, 50).astype(np.float32)
