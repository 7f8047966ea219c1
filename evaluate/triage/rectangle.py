"""The largest rectangle of an image in which every pixel is usable: noise is measured where nothing was filled."""

import numpy as np
from numpy.typing import NDArray
from skimage.measure import block_reduce

_GRID = 8  # side of the blocks that a rectangle is made of, where not all is usable [pixel]


def largest_rectangle(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return rows and columns of the largest rectangle in which a mask holds everywhere.

    Parameters
    ----------
    mask
        Shape (height, width).

    Returns
    -------
    tuple of slice
        To 8 pixels, unless the mask holds everywhere; empty where no block of 8 × 8 pixels is whole.

    Examples
    --------
    >>> mask = np.ones((64, 96), bool)
    >>> mask[:10] = mask[:20, 90:] = False
    >>> largest_rectangle(mask)
    (slice(16, 64, None), slice(0, 88, None))
    """
    if mask.all():
        return slice(0, mask.shape[0]), slice(0, mask.shape[1])
    whole = block_reduce(mask, _GRID, np.min)  # blocks that reach over the edge are not whole
    heights = np.zeros(whole.shape[1], dtype=int)
    area, best = 0, (0, 0, 0, 0)
    for row, line in enumerate(whole):
        heights = np.where(line, heights + 1, 0)
        height, left, right = _largest_below(heights.tolist())
        if height * (right - left) > area:
            area, best = height * (right - left), (row + 1 - height, row + 1, left, right)
    top, bottom, left, right = (_GRID * n for n in best)
    return slice(top, bottom), slice(left, right)


def _largest_below(heights: list[int]) -> tuple[int, int, int]:
    """Return height, first and last column of the largest rectangle below a skyline."""
    area, best = 0, (0, 0, 0)
    rising: list[tuple[int, int]] = []  # where a height begins, and the height
    for column, height in enumerate([*heights, 0]):
        start = column
        while rising and rising[-1][1] >= height:
            start, taller = rising.pop()
            if taller * (column - start) > area:
                area, best = taller * (column - start), (taller, start, column)
        rising.append((start, height))
    return best
