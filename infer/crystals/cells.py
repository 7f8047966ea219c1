"""Cells of a crystal image: where whole ones lie, what they show, and blocks of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stemforge.errors import InputError
from stemforge.infer.crystals.domains import Domains
from stemforge.infer.crystals.lattice import Lattice

STEP = 0.4
"""Finest distance between points at which a cell is looked at [Å]: frequencies to 1.25/Å."""
_OFFSETS = 16  # along each axis, at which the frame of cells is tried
_FEWEST = 9  # whole cells of an image: three along each side
_LOOKED = 6  # points along each axis at which a cell is asked for its domain
_BORDER = 4.5  # from the border of its domain that a whole cell keeps [Å]


@dataclass(frozen=True)
class Cells:
    """Whole cells of an image.

    Parameters
    ----------
    lattice
        Of the first domain; its origin is a corner of a cell.
    places
        Which cells are whole: steps along both axes from the origin of their domain, shape (n, 2).
    grid
        Points along the second and the first axis at which a cell is looked at.
    domain
        Number of each cell's domain, shape (n,).
    displacements
        Of the domains from the first, as shares of the axes, shape (domains, 2).
    """

    lattice: Lattice
    places: NDArray[np.int64]
    grid: tuple[int, int]
    domain: NDArray[np.int64]
    displacements: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        lattice: Lattice,
        shape: tuple[int, int],
        name: str = "image",
        *,
        domains: Domains | None = None,
        grid: tuple[int, int] | None = None,
    ) -> "Cells":
        """Lay the frame so that an image shows as many whole cells as possible.

        Parameters
        ----------
        lattice
            Of the crystal.
        shape
            Height and width of the image.
        name
            Of the image, in messages.
        domains
            Where the lattice holds: cells lie in one of them, each displaced as its domain is. By default it holds on
            the whole image.
        grid
            By default points at most 0.4 Å from each other.

        Raises
        ------
        InputError
            Fewer than nine.
        """
        lengths = np.hypot(*lattice.matrix) * lattice.sampling
        rows, columns = grid or tuple(int(np.ceil(length / STEP)) for length in lengths[::-1])
        regions = _Region.of(lattice, shape) if domains is None else _Region.of_domains(domains, shape)
        displacements = np.array([region.displacement for region in regions]).reshape(-1, 2)
        last = 1 - 1 / np.array([columns, rows])
        best: list[NDArray[np.int64]] = []
        corner = np.array(lattice.origin_px)
        for origin in _origins(lattice, shape):
            framed = replace(lattice, origin_px=(float(origin[0]), float(origin[1])))
            whole = [region.whole(framed, last) for region in regions]
            if sum(map(len, whole)) > sum(map(len, best)):
                best, corner = whole, origin
        number = sum(map(len, best))
        if number < _FEWEST:
            within = " within one domain each" if len(regions) > 1 else ""
            raise InputError(
                f"{name}: shows {number} whole cells{within}; at least {_FEWEST}, three along each side, are needed"
            )
        framed = replace(lattice, origin_px=(float(corner[0]), float(corner[1])))
        domain = np.repeat(np.arange(len(best)), [len(places) for places in best])
        return cls(framed, np.concatenate(best), (rows, columns), domain, displacements)

    @cached_property
    def fractions(self) -> NDArray[np.float64]:
        """Points of a cell, row by row, in fractions of the axes (first, second), shape (points, 2)."""
        y, x = np.indices(self.grid).reshape(2, -1)
        return np.column_stack([x / self.grid[1], y / self.grid[0]])

    @cached_property
    def corners(self) -> NDArray[np.float64]:
        """First corners of the cells, displaced as their domains are, in steps along both axes, shape (n, 2)."""
        return np.asarray(self.places + self.displacements[self.domain])

    @property
    def extent(self) -> float:
        """A distance that no two points of the cells exceed [Å]."""
        ends = np.ptp(self.corners, axis=0) + 1
        return float(ends @ np.linalg.norm(self.lattice.matrix, axis=0) * self.lattice.sampling)

    @property
    def middles(self) -> NDArray[np.float64]:
        """Middles of the cells (x, y) [pixel], shape (n, 2)."""
        return self.lattice.to_pixel(self.corners + 0.5)

    @cached_property
    def points(self) -> NDArray[np.float64]:
        """Where the cells' points lie on the image (x, y) [pixel], cell by cell, shape (n × points, 2)."""
        return self.lattice.to_pixel((self.corners[:, None] + self.fractions).reshape(-1, 2))

    def block(self, size: int) -> "Cells":
        """Return neighbouring cells, ``size`` along each side, whether the image shows as many or not."""
        places = np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1).reshape(-1, 2)
        return replace(self, places=places, domain=np.zeros(size**2, dtype=np.int64))

    def cut(self, image: NDArray[np.float64], bend: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return what an image shows of each cell, shape (n, rows, columns).

        Parameters
        ----------
        image
            As recorded.
        bend
            By how much the crystal is bent at each of ``points`` (x, y) [pixel].
        """
        points = self.points if bend is None else self.points + bend
        values = ndimage.map_coordinates(image, points.T[::-1], order=3, mode="nearest")
        return np.asarray(values.reshape(len(self.places), *self.grid))

    def blocks(self, size: int | None) -> list[NDArray[np.int64]]:
        """Return which cells belong to each block of ``size`` × ``size``, all whole and of one domain.

        Parameters
        ----------
        size
            Cells along each side; None: one block of all cells.

        Raises
        ------
        InputError
            The size is not positive, or no block is whole.
        """
        if size is None:
            return [np.arange(len(self.places))]
        if size < 1:
            raise InputError(f"cells must be 1 or more, got {size}")
        found: list[NDArray[np.int64]] = []
        for domain in range(len(self.displacements)):
            members = np.flatnonzero(self.domain == domain)
            found += [members[block] for block in _blocks(self.places[members], size)]
        if not found:
            raise InputError(
                f"cells must be smaller than {size}: the image shows no whole block of {size} × {size} cells"
            )
        return found


def coefficients(cells: NDArray[np.float64], hk: NDArray[np.int64]) -> NDArray[np.complex128]:
    """Return Fourier coefficients of cells, shape (..., rows, columns), at indices (h, k), shape (..., n)."""
    rows, columns = cells.shape[-2:]
    plane = np.fft.fft2(cells) / (rows * columns)
    return np.asarray(plane[..., hk[:, 1] % rows, hk[:, 0] % columns])


def _blocks(places: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """Return the members of whole blocks, laid so that there are as many as possible."""
    # Larger than all cells together: asked first, since every way to lay the blocks is tried.
    if len(places) < size**2 or np.ptp(places, axis=0).min() + 1 < size:
        return []
    best: list[NDArray[np.int64]] = []
    for start in np.ndindex(size, size):
        block = np.floor_divide(places - np.array(start), size)
        _, inverse, count = np.unique(block, axis=0, return_inverse=True, return_counts=True)
        full = [np.flatnonzero(inverse.ravel() == i) for i in np.flatnonzero(count == size**2)]
        best = max(best, full, key=len)
    return best


@dataclass(frozen=True)
class _Region:
    """What of an image one domain covers: its displacement, and its pixels, None where these are all."""

    displacement: NDArray[np.float64]
    shape: tuple[int, int]
    inside: NDArray[np.bool_] | None = None

    @classmethod
    def of(cls, lattice: Lattice, shape: tuple[int, int]) -> "Sequence[_Region]":
        return [cls(np.zeros(2), shape)]

    @classmethod
    def of_domains(cls, domains: Domains, shape: tuple[int, int]) -> "Sequence[_Region]":
        labels = domains.map(shape)
        found = []
        for label, displacement in enumerate(domains.displacements):
            inside = labels == label
            if inside.all():
                return [cls(displacement, shape)]
            deep = ndimage.distance_transform_edt(inside) * domains.lattice.sampling >= _BORDER
            found.append(cls(displacement, shape, deep))
        return found

    def whole(self, lattice: Lattice, last: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the cells of which all points, to the last along each axis, lie in the region."""
        height, width = self.shape
        corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], dtype=float)
        reach = lattice.to_fractional(corners) - self.displacement
        low, high = np.floor(reach.min(0)).astype(int) - 1, np.ceil(reach.max(0)).astype(int) + 1
        i, j = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
        places = np.column_stack([i.ravel(), j.ravel()])
        ends = np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * last
        x, y = self._points(lattice, places, ends)
        inside = (x >= -0.5) & (y >= -0.5) & (x <= width - 0.5) & (y <= height - 0.5)
        places = places[inside.all(1)]
        if self.inside is None or not len(places):
            return places
        steps = np.stack(np.meshgrid(*[np.linspace(0, 1, _LOOKED)] * 2), -1).reshape(-1, 2) * last
        x, y = self._points(lattice, places, steps)
        row, column = (np.rint(one).astype(int).clip(0, n - 1) for one, n in ((y, height), (x, width)))
        return places[self.inside[row, column].all(1)]

    def _points(
        self, lattice: Lattice, places: NDArray[np.int64], fractions: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return points of cells (x, y) [pixel], shape (2, cells, points)."""
        points = lattice.to_pixel((places[:, None] + fractions + self.displacement).reshape(-1, 2))
        return np.moveaxis(points.reshape(len(places), -1, 2), -1, 0)


def _origins(lattice: Lattice, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Places of the frame that are tried: a grid in the cell, and the corners of the image."""
    step = np.stack(np.meshgrid(*[np.arange(_OFFSETS) / _OFFSETS] * 2), -1).reshape(-1, 2)
    inside = lattice.to_pixel(step)
    y, x = shape[0] - 1, shape[1] - 1
    return np.concatenate([np.array([[0, 0], [x, 0], [0, y], [x, y]], dtype=float), inside])
