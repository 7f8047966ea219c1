"""Bringing an image to the pixel size that a network was trained at."""

import numpy as np
from numpy.typing import NDArray
from skimage.transform import resize

# Pixel sizes closer than this are taken as equal: resampling costs more than the difference.
_SAME_SAMPLING = 0.02


def resampled(
    image: NDArray[np.float32], sampling: float | None, wanted: float | None
) -> tuple[NDArray[np.float32], float | None]:
    """Bring an image to the pixel size that a network wants.

    Parameters
    ----------
    image
        Shape (height, width).
    sampling, wanted
        Its pixel size and the wanted one [Å]; where either is None, or they differ by less than 2 %, the image
        stays as it is.

    Returns
    -------
    image, sampling
        The image and its pixel size. The field of view stays: pixel i lies at ((i + ½) / zoom − ½) of the
        original.
    """
    if sampling is None or wanted is None or abs(sampling / wanted - 1) <= _SAME_SAMPLING:
        return image, sampling
    zoom = sampling / wanted
    shape = tuple(max(1, round(n * zoom)) for n in image.shape)
    # Antialiased: detail finer than the wanted pixels would fold into them.
    out = resize(image, shape, order=3, mode="reflect", anti_aliasing=zoom < 1, preserve_range=True)
    return out.astype(np.float32), wanted
