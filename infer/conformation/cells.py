"""Cells of a crystal image: where whole ones lie, what they show, and averages over blocks of them."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stemforge.errors import InputError
from stemforge.infer.crystals.lattice import Lattice

STEP = 0.4
"""Finest distance between points at which a cell is looked at [Å]: frequencies to 1.25/Å."""
_OFFSETS = 16  # along each axis, at which the frame of cells is tried
_FEWEST = 9  # whole cells of an image: three along each side


@dataclass(frozen=True)
class Cells:
    """Whole cells of an image.

    Parameters
    ----------
    lattice
        Whose origin is a corner of a cell.
    places
        Which cells are whole: steps along both axes from the origin, shape (n, 2).
    grid
        Points along the second and the first axis at which a cell is looked at.
    """

    lattice: Lattice
    places: NDArray[np.int64]
    grid: tuple[int, int]

    @classmethod
    def of(cls, lattice: Lattice, shape: tuple[int, int], name: str = "image") -> "Cells":
        """Lay the frame so that an image shows as many whole cells as possible.

        Raises
        ------
        InputError
            Fewer than nine.
        """
        lengths = np.hypot(*lattice.matrix) * lattice.sampling
        grid = tuple(int(np.ceil(length / STEP)) for length in lengths[::-1])
        best = cls(lattice, np.empty((0, 2), dtype=np.int64), (grid[0], grid[1]))
        for origin in _origins(lattice, shape):
            framed = replace(lattice, origin_px=(float(origin[0]), float(origin[1])))
            places = _whole(framed, shape, best.grid)
            if len(places) > len(best.places):
                best = cls(framed, places, best.grid)
        if len(best.places) < _FEWEST:
            raise InputError(
                f"{name}: shows {len(best.places)} whole cells; at least {_FEWEST}, three along each side, are needed"
            )
        return best

    @cached_property
    def fractions(self) -> NDArray[np.float64]:
        """Points of a cell, row by row, in fractions of the axes (first, second), shape (points, 2)."""
        y, x = np.indices(self.grid).reshape(2, -1)
        return np.column_stack([x / self.grid[1], y / self.grid[0]])

    @property
    def extent(self) -> float:
        """A distance that no two points of the cells exceed [Å]."""
        ends = np.ptp(self.places, axis=0) + 1
        return float(ends @ np.linalg.norm(self.lattice.matrix, axis=0) * self.lattice.sampling)

    @property
    def middles(self) -> NDArray[np.float64]:
        """Middles of the cells (x, y) [pixel], shape (n, 2)."""
        return self.lattice.to_pixel((self.places + 0.5).astype(np.float64))

    def cut(self, image: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what an image shows of each cell, shape (n, rows, columns)."""
        points = self.lattice.to_pixel((self.places[:, None] + self.fractions).reshape(-1, 2))
        values = ndimage.map_coordinates(image, points.T[::-1], order=3, mode="nearest")
        return np.asarray(values.reshape(len(self.places), *self.grid))

    def drawn(
        self, cell: NDArray[np.float64], shape: tuple[int, int], shift: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Return an image of which every cell is the one given, shifted by (x, y) [pixel] at each pixel."""
        points = np.indices(shape, dtype=np.float64)[::-1] - (0.0 if shift is None else shift)
        where = (
            self.lattice.to_fractional(np.asarray(points, dtype=np.float64).reshape(2, -1).T) % 1
        ) * np.array(self.grid[::-1])
        return ndimage.map_coordinates(cell, where.T[::-1], order=3, mode="grid-wrap").reshape(shape)

    def blocks(self, size: int | None) -> list[NDArray[np.int64]]:
        """Return which cells belong to each block of ``size`` × ``size``, all whole; None: one block of all cells.

        Raises
        ------
        InputError
            The size is not positive, or no block is whole.
        """
        if size is None:
            return [np.arange(len(self.places))]
        if size < 1:
            raise InputError(f"cells must be 1 or more, got {size}")
        best: list[NDArray[np.int64]] = []
        for start in np.ndindex(size, size):
            block = np.floor_divide(self.places - np.array(start), size)
            _, inverse, count = np.unique(block, axis=0, return_inverse=True, return_counts=True)
            full = [np.flatnonzero(inverse.ravel() == i) for i in np.flatnonzero(count == size**2)]
            best = max(best, full, key=len)
        if not best:
            raise InputError(
                f"cells must be smaller than {size}: the image shows no whole block of {size} × {size} cells"
            )
        return best


def coefficients(cells: NDArray[np.float64], hk: NDArray[np.int64]) -> NDArray[np.complex128]:
    """Return Fourier coefficients of cells, shape (..., rows, columns), at indices (h, k), shape (..., n)."""
    rows, columns = cells.shape[-2:]
    plane = np.fft.fft2(cells) / (rows * columns)
    return np.asarray(plane[..., hk[:, 1] % rows, hk[:, 0] % columns])


def _origins(lattice: Lattice, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Places of the frame that are tried: a grid in the cell, and the corners of the image."""
    step = np.stack(np.meshgrid(*[np.arange(_OFFSETS) / _OFFSETS] * 2), -1).reshape(-1, 2)
    inside = lattice.to_pixel(step)
    y, x = shape[0] - 1, shape[1] - 1
    return np.concatenate([np.array([[0, 0], [x, 0], [0, y], [x, y]], dtype=float), inside])


def _whole(lattice: Lattice, shape: tuple[int, int], grid: tuple[int, int]) -> NDArray[np.int64]:
    """Return the cells of which all points lie on an image."""
    height, width = shape
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], dtype=float)
    reach = lattice.to_fractional(corners)
    low, high = np.floor(reach.min(0)).astype(int) - 1, np.ceil(reach.max(0)).astype(int) + 1
    i, j = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
    places = np.column_stack([i.ravel(), j.ravel()])
    last = 1 - 1 / np.array(grid[::-1])
    ends = np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * last
    x, y = np.moveaxis(lattice.to_pixel((places[:, None] + ends).reshape(-1, 2)).reshape(-1, 4, 2), -1, 0)
    inside = (x >= -0.5) & (y >= -0.5) & (x <= width - 0.5) & (y <= height - 0.5)
    return places[inside.all(1)]
