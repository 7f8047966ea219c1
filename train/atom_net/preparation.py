"""What AtomNet wants to see: an annular image in units of its noise, over its local mean."""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from torch import Tensor, nn

from stemforge.errors import MicrographError
from stemforge.train.data.tensors import gaussian_mean, median

BACKGROUND = 24.0
"""Standard deviation of the Gaussian mean that is taken away [pixel]."""
# The median of |x| for a normal variable; √2: a difference has twice the variance.
_MEDIAN_STEP = 0.6745 * np.sqrt(2)
_LIMIT = 50.0  # of the standardised image; beyond are faults of a detector


def standardise_image(image: ArrayLike, background: float = BACKGROUND) -> NDArray[np.float32]:
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
    noise = float(np.median(steps)) / _MEDIAN_STEP or float(steps.mean())
    if noise == 0:
        raise MicrographError("the image is uniform; it holds no signal")
    local = ndimage.gaussian_filter(values, background, mode="reflect")
    return ((values - local) / np.float32(noise)).clip(-_LIMIT, _LIMIT).astype(np.float32)


class Standardisation(nn.Module):
    """:func:`standardise_image` of tensors, for graphs that leave Python: images of any size, (1, 1, height, width).

    numpy's partial sort and scipy's filter are several times as fast, so stemforge itself does not use it; a test holds
    both against each other. A graph cannot refuse an image: a uniform one becomes zeros.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(500, 20, (50, 70)).astype("float32")
    >>> tensor = Standardisation()(torch.from_numpy(noise)[None, None])
    >>> bool(np.allclose(tensor[0, 0], standardise_image(noise), atol=1e-4))
    True
    """

    def forward(self, images: Tensor) -> Tensor:
        """Return images in units of their noise, over their local mean."""
        steps = (images[..., 1:] - images[..., :-1]).abs().flatten()
        noise = median(steps) / _MEDIAN_STEP
        noise = torch.where(noise == 0, steps.mean(), noise)
        # Without the mean first: single precision would lose the noise of an image with a large offset.
        centred = images - images.mean()
        over = (centred - gaussian_mean(centred, BACKGROUND, "reflect")) / noise
        return torch.where(noise == 0, 0.0, over).clamp(-_LIMIT, _LIMIT)
