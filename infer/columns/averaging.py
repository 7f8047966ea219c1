"""Blocks of neighbouring cells, averaged: less noise, fewer places."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stemforge.errors import InputError
from stemforge.infer.crystals.cells import Cells
from stemforge.infer.crystals.domains import Domains
from stemforge.infer.crystals.lattice import Lattice
from stemforge.infer.occupancy.registration import Registration
from stemforge.micrograph.image import Micrograph

_FEW = 3  # blocks along each side of an averaged image


@dataclass(frozen=True)
class AveragedCells:
    """Averages of blocks of cells, side by side.

    Parameters
    ----------
    micrograph, lattice
        The averaged image, its axes along the lattice's, and the lattice on it.
    middles
        Middles of the blocks on the image as recorded (x, y) [pixel], by row and column of the averaged image; shape
        (rows, columns, 2).
    averaged
        Cells in a block.
    """

    micrograph: Micrograph
    lattice: Lattice
    middles: NDArray[np.float64]
    averaged: int

    def block_of(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the middles (x, y) [pixel] of the blocks that show points (x, y) [pixel] of the averaged image."""
        rows, columns = self.middles.shape[:2]
        height, width = self.micrograph.shape
        column, row = np.floor((points + 0.5) / [width / columns, height / rows]).astype(int).T
        return self.middles[row.clip(0, rows - 1), column.clip(0, columns - 1)]


def average_cells(micrograph: Micrograph, domains: Domains, number: int) -> AveragedCells:
    """Average each block of cells of an image into one, and set these side by side.

    Parameters
    ----------
    micrograph
        The image.
    domains
        Where the lattice found on it holds: a block lies in one domain, and its cells are cut where that has them.
    number
        Cells along each side of a block.

    Raises
    ------
    InputError
        Fewer than nine whole blocks.

    Examples
    --------
    >>> lattice = Lattice((0.0, 0.0), (20.0, 0.0), (0.0, 15.0), 1.0, 0.0, 0.0, 1.0, "oblong", (20.0, 15.0))
    >>> places = np.zeros((21, 28))
    >>> domains = Domains(lattice, places.astype(int), np.zeros((21, 28, 2)), places, np.zeros((1, 2)), 5, (2.0, 2.0))
    >>> image = np.tile(np.arange(300.0).reshape(15, 20), (7, 7))
    >>> averaged = average_cells(Micrograph(image.astype("float32")), domains, 2)
    >>> averaged.micrograph.shape, averaged.middles[0, 0].tolist()
    ((45, 60), [20.0, 15.0])
    """
    if number < 1:
        raise InputError(f"cells must be 1 or more, not {number}")
    lattice = domains.lattice
    size = np.array(lattice.cell)
    pixels = np.maximum(1, np.round(size / lattice.sampling)).astype(int)
    grid = (int(pixels[1]), int(pixels[0]))
    cells = Cells.of(lattice, micrograph.shape, micrograph.name, domains=domains, grid=grid)
    blocks = cells.blocks(number)
    if len(blocks) < _FEW**2:
        raise InputError(
            f"{micrograph.name}: shows {len(cells.places)} whole cells, which make {len(blocks)} blocks of "
            f"{number} × {number}; {_FEW**2} are needed: average fewer cells"
        )
    registration = Registration.of_domains(domains, micrograph.shape)
    shown = cells.cut(np.asarray(micrograph.image, dtype=np.float64), registration.bend_at(cells.points))
    means = np.array([shown[block].mean(0) for block in blocks])
    middles = np.array([cells.middles[block].mean(0) for block in blocks])
    laid = _laid(np.array([cells.corners[block].mean(0) for block in blocks]))
    rows, columns = laid.shape
    image = means[laid].transpose(0, 2, 1, 3).reshape(rows * grid[0], columns * grid[1])
    # The frame of the cells begins anywhere in the crystal's cell.
    begin = lattice.to_fractional(np.array(cells.lattice.origin_px))
    origin = (np.array([columns, rows]) // 2 - begin % 1) * pixels
    on_it = replace(
        lattice,
        origin_px=(float(origin[0]), float(origin[1])),
        a_px=(float(pixels[0]), 0.0),
        b_px=(0.0, float(pixels[1])),
        sampling=float(np.sqrt(size.prod() / pixels.prod())),
        rotation=0.0,
        distortion=0.0,
    )
    averaged = Micrograph(image.astype(np.float32), on_it.sampling, name=micrograph.name)
    return AveragedCells(averaged, on_it, middles[laid], number**2)


def _laid(places: NDArray[np.float64]) -> NDArray[np.intp]:
    """Lay blocks into a rectangle: their numbers by row and column, as many as fit, neighbours near each other."""
    number = len(places)
    order = np.lexsort((places[:, 0], places[:, 1].round(3)))
    _, count = np.unique(places[:, 1].round(3), return_counts=True)
    wide = int(np.median(count))  # as they lie on the image
    columns = max(
        range(_FEW, number // _FEW + 1), key=lambda one: (number // one * one, -abs(one - wide)), default=_FEW
    )
    rows = number // columns
    return order[: rows * columns].reshape(rows, columns)
