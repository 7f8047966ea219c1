"""What networks for iDPC want to see: an image without its slow clouds, between 0 and 1."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from stemforge.errors import MicrographError


def normalise_image(image: ArrayLike, low: float = 0.1, high: float = 99.9) -> NDArray[np.float32]:
    """Scale to 0 … 1 between two percentiles, so that neither unit nor a few hot pixels matter.

    What an iDPC image is brought to before a network sees it.

    Parameters
    ----------
    image
        Shape (height, width), any real unit.
    low, high
        Percentiles that become 0 and 1; what lies beyond is clipped.

    Returns
    -------
    ndarray
        Shape (height, width), float32, between 0 and 1.

    Raises
    ------
    MicrographError
        Values that are not finite, or an image without contrast.

    Examples
    --------
    >>> float(normalise_image(np.arange(10_000).reshape(100, 100)).mean())
    0.5
    """
    values = np.asarray(image, dtype=np.float32)
    lowest, highest = grey_range(values, low, high)
    return np.clip((values - lowest) / (highest - lowest), 0, 1).astype(np.float32)


def grey_range(values: NDArray[np.float32], low: float = 0.1, high: float = 99.9) -> tuple[float, float]:
    """Return the percentiles that :func:`normalise_image` takes to 0 and 1; as it, refuse what holds no signal."""
    if not np.isfinite(values).all():
        raise MicrographError("the image holds values that are not finite")
    lowest, highest = np.percentile(values, [low, high])
    if highest <= lowest:
        raise MicrographError("the image is uniform; it holds no signal")
    return float(lowest), float(highest)


def prepare_idpc(
    image: ArrayLike, sampling: float | None = None, high_pass: float = 0.0
) -> NDArray[np.float32]:
    """Bring an iDPC image to what restorers and Faster R-CNN want to see.

    Integration turns counting noise into clouds that grow with their size and dwarf the specimen's contrast; they
    are damped by 1 − exp(−q²/2q₀²), which takes a blurred image away, before the scale is set.

    Parameters
    ----------
    image
        Shape (height, width), any real unit.
    sampling
        Pixel size [Å]; needed only for the high-pass.
    high_pass
        Spatial frequency q₀ [1/Å] as the network was trained with: ``card.inputs.high_pass``. 0 keeps all.

    Returns
    -------
    ndarray
        Shape (height, width), float32, between 0 and 1.

    Raises
    ------
    MicrographError
        Values that are not finite, no contrast, or a high-pass for an image without pixel size.

    Examples
    --------
    >>> rows, columns = np.mgrid[:64, :64]
    >>> wave, cloud = np.cos(columns), 10 * np.cos(rows * np.pi / 64)
    >>> bool(np.corrcoef(prepare_idpc(wave + cloud, 0.3, 0.1).ravel(), wave.ravel())[0, 1] > 0.8)
    True
    """
    return normalise_image(without_clouds(image, sampling, high_pass))


def without_clouds(
    image: ArrayLike, sampling: float | None = None, high_pass: float = 0.0
) -> NDArray[np.float32]:
    """Damp the clouds of an iDPC image as :func:`prepare_idpc` does, and leave its grey scale as it is."""
    values = np.asarray(image, dtype=np.float32)
    if not high_pass:
        return values
    if sampling is None:
        raise MicrographError("the image has no pixel size, which the high-pass needs; give its sampling")
    return values - ndimage.gaussian_filter(values, 1 / (2 * np.pi * high_pass * sampling), mode="reflect")


def shrink(image: NDArray[np.float32], factor: int = 2) -> NDArray[np.float32]:
    """Average ``factor`` × ``factor`` pixels into one; what does not fill a pixel at the end is left out."""
    height, width = (n // factor for n in image.shape)
    part = image[: height * factor, : width * factor]
    return part.reshape(height, factor, width, factor).mean((1, 3), dtype=np.float32)
