"""Blocks of neighbouring cells, averaged: less noise, fewer places."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stemforge.errors import InputError
from stemforge.infer.crystals.lattice import Lattice
from stemforge.micrograph.image import Micrograph

_FEW = 3  # cells along each side that must be left


def average_cells(micrograph: Micrograph, lattice: Lattice, number: int) -> tuple[Micrograph, Lattice]:
    """Average each block of cells of an image into one, and set these side by side.

    Parameters
    ----------
    micrograph, lattice
        The image, and the lattice found on it.
    number
        Cells along each side of a block.

    Returns
    -------
    Micrograph, Lattice
        The averaged image, its axes along the lattice's, and the lattice on it. The first cell is that of the first
        whole block.

    Raises
    ------
    InputError
        Fewer than three whole blocks along a side.

    Examples
    --------
    >>> lattice = Lattice((0.0, 0.0), (20.0, 0.0), (0.0, 15.0), 1.0, 0.0, 0.0, 1.0, "oblong", (20.0, 15.0))
    >>> image = np.tile(np.arange(300.0).reshape(15, 20), (7, 7))
    >>> averaged, _ = average_cells(Micrograph(image.astype("float32")), lattice, 2)
    >>> averaged.shape
    (45, 60)
    """
    if number < 1:
        raise InputError(f"cells must be 1 or more, not {number}")
    cell = np.array(lattice.cell)
    pixels = np.maximum(1, np.round(cell / lattice.sampling)).astype(int)
    first, last = _whole(lattice, micrograph.shape)
    blocks = (last - first) // number
    if blocks.min() < _FEW:
        raise InputError(
            f"{micrograph.name}: {last[0] - first[0]} × {last[1] - first[1]} whole cells make "
            f"{blocks[0]} × {blocks[1]} blocks of {number} × {number}; {_FEW} along each side are needed: average "
            "fewer cells"
        )
    size = blocks * number
    x, y = (np.arange(size[i] * pixels[i]) / pixels[i] + first[i] for i in range(2))
    points = lattice.to_pixel(np.stack(np.meshgrid(x, y), -1).reshape(-1, 2))
    image = np.asarray(micrograph.image, dtype=np.float64)
    straight = ndimage.map_coordinates(image, points.T[::-1], order=3, mode="nearest")
    parts = straight.reshape(blocks[1], number, pixels[1], blocks[0], number, pixels[0])
    averaged = parts.mean((1, 4)).reshape(blocks[1] * pixels[1], blocks[0] * pixels[0])
    middle = blocks // 2 * pixels
    laid = replace(
        lattice,
        origin_px=(float(middle[0]), float(middle[1])),
        a_px=(float(pixels[0]), 0.0),
        b_px=(0.0, float(pixels[1])),
        sampling=float(np.sqrt(cell.prod() / pixels.prod())),
        rotation=0.0,
        distortion=0.0,
    )
    return Micrograph(averaged.astype(np.float32), laid.sampling, name=micrograph.name), laid


def _whole(lattice: Lattice, shape: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first cell and the one after the last of the largest block of whole cells on an image."""
    height, width = shape
    corners = lattice.to_fractional(np.array([[0, 0], [width, 0], [0, height], [width, height]], dtype=float))
    low, high = np.floor(corners.min(0)).astype(int), np.ceil(corners.max(0)).astype(int)
    i, j = (np.arange(low[axis], high[axis] + 1) for axis in range(2))
    nodes = lattice.to_pixel(np.stack(np.meshgrid(i, j), -1).reshape(-1, 2)).reshape(len(j), len(i), 2)
    inside = ((nodes >= 0) & (nodes <= np.array([width - 1, height - 1]))).all(-1)
    best, block = 0, (0, 0, 0, 0)
    # All rectangles of nodes: an image shows some tens of cells along a side.
    total = np.pad(inside.astype(int).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    for top in range(len(j)):
        for bottom in range(top + 1, len(j)):
            for left in range(len(i)):
                for right in range(left + 1, len(i)):
                    area = (bottom - top) * (right - left)
                    if area <= best:
                        continue
                    corner = total[bottom + 1, right + 1] - total[top, right + 1]
                    if corner - total[bottom + 1, left] + total[top, left] == (bottom - top + 1) * (
                        right - left + 1
                    ):
                        best, block = area, (left, top, right, bottom)
    left, top, right, bottom = block
    return np.array([i[left], j[top]]), np.array([i[right], j[bottom]])
