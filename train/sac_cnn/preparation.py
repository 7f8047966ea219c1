"""What SAC-CNN wants to see: an image without its background, as published."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemforge.cache import compiled
from stemforge.errors import MicrographError

WINDOW = 40
"""Side of the median window that estimates the background [pixel], as published."""


def subtract_background(image: ArrayLike, window: int = WINDOW) -> NDArray[np.float32]:
    """Remove the background and scale to 0 … 1.

    The median in a ``window`` × ``window`` neighbourhood is subtracted, what is below it clipped to 0, and the
    rest divided by its maximum (Mitchell et al. 2022, doi:10.1021/jacs.1c12466).

    Parameters
    ----------
    image
        Shape (height, width), any real unit.
    window
        Side of the median window [pixel].

    Returns
    -------
    ndarray
        Shape (height, width), float32, between 0 and 1.

    Raises
    ------
    MicrographError
        An image on which nothing stands out from its background.

    Examples
    --------
    >>> image = np.zeros((64, 64)); image[30, 30] = 5
    >>> float(subtract_background(image)[30, 30])
    1.0
    """
    image = np.ascontiguousarray(image, dtype=np.float32)
    foreground = np.clip(image - median_filter(image, window), 0, None)
    low, high = foreground.min(), foreground.max()
    if high <= low:
        raise MicrographError("nothing in the image stands out from its background; it holds no signal")
    return (foreground - low) / (high - low)


def median_filter(image: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Median in a square window, exactly as :func:`scipy.ndimage.median_filter` with reflected borders.

    Pixel values are replaced by their ranks, and a histogram of ranks slides along each row (Huang et al.
    1979, doi:10.1109/TASSP.1979.1163188): some 50 times faster than selecting in every window.

    Parameters
    ----------
    image
        Shape (height, width).
    size
        Side of the window [pixel]; an even one reaches one pixel further to the top and left, and takes the
        upper of the two middle values.

    Returns
    -------
    ndarray
        Shape (height, width).

    Examples
    --------
    >>> from scipy import ndimage
    >>> image = np.random.default_rng(0).random((40, 50), "float32")
    >>> bool((median_filter(image, 7) == ndimage.median_filter(image, 7)).all())
    True
    """
    values, ranks = np.unique(image, return_inverse=True)
    before = size // 2
    padded = np.pad(
        ranks.reshape(image.shape).astype(np.int32), (before, size - 1 - before), mode="symmetric"
    )
    # Two tiers, each about the square root of the number of ranks.
    shift = max(int(np.ceil(np.log2(len(values)) / 2)), 1) if len(values) > 1 else 1
    return values[_median_ranks(padded, size, shift, len(values))].astype(np.float32, copy=False)


@compiled
def _median_ranks(padded: NDArray[np.int32], size: int, shift: int, count: int) -> NDArray[np.int32]:
    height = padded.shape[0] - size + 1
    width = padded.shape[1] - size + 1
    target = size * size // 2
    out = np.empty((height, width), dtype=np.int32)
    fine = np.zeros(count + (1 << shift), dtype=np.int32)
    coarse = np.zeros((count >> shift) + 2, dtype=np.int32)
    for row in range(height):
        fine[:] = 0
        coarse[:] = 0
        for i in range(size):
            for j in range(size):
                rank = padded[row + i, j]
                fine[rank] += 1
                coarse[rank >> shift] += 1
        bucket = 0
        below = 0  # how many ranks lie in the buckets before this one
        for column in range(width):
            if column:
                for i in range(size):
                    gone = padded[row + i, column - 1]
                    fine[gone] -= 1
                    coarse[gone >> shift] -= 1
                    if gone >> shift < bucket:
                        below -= 1
                    come = padded[row + i, column + size - 1]
                    fine[come] += 1
                    coarse[come >> shift] += 1
                    if come >> shift < bucket:
                        below += 1
            while below > target:
                bucket -= 1
                below -= coarse[bucket]
            while below + coarse[bucket] <= target:
                below += coarse[bucket]
                bucket += 1
            passed = below
            rank = bucket << shift
            while passed + fine[rank] <= target:
                passed += fine[rank]
                rank += 1
            out[row, column] = rank
    return out
