"""Turned lattices in one orthogonal cell: the cell that all of them nearly fit, and the strain that is left."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.build import make_supercell

from stemforge.structures.cells import Array, Indices

__all__ = ["common_cell", "fill_cell", "turned"]

_MOST_GROWTH = 24.0  # Å by which an edge may grow to fit better
_ENOUGH = 0.002  # strain below which the smaller cell is taken


def turned(unit: Atoms, degrees: float) -> Atoms:
    """Return a cell of a sheet turned about z."""
    copy = unit.copy()
    copy.rotate(degrees, "z", rotate_cell=True)
    return copy


def common_cell(lattices: Sequence[Array], size: tuple[float, float]) -> tuple[Array, Indices, float]:
    """Find an orthogonal cell into which lattices fit with little strain.

    Parameters
    ----------
    lattices
        Two lattice vectors (rows) of each [Å], shape ``(2, 2)``. The cell's edges have lengths of lattice vectors of
        the first, which is therefore sheared at most; the others are stretched as well.
    size
        Smallest edges along x and y [Å].

    Returns
    -------
    edges, repeats, strain
        Edges [Å], shape (2,); for each lattice the whole numbers of its vectors that become the two edges, shape
        ``(n, 2, 2)``; and the largest distance of such a sum from its edge, as a share of the edge.

    Notes
    -----
    Of the cells at most 24 Å larger than asked, the smallest with a strain below 0.2 %, or else that with the least.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures.layered.periodic import common_cell
    >>> edges, repeats, strain = common_cell([np.array([[2.0, 0.0], [-1.0, np.sqrt(3)]])], (9.0, 9.0))
    >>> edges.round(3).tolist(), repeats[0].tolist(), strain < 1e-12
    ([10.0, 10.392], [[5, 0], [3, 6]], True)
    """
    edges, sums, strains = zip(*(_edge(lattices, size, axis) for axis in (0, 1)), strict=True)
    return np.array(edges), np.stack(sums, axis=1), max(strains)


def _edge(lattices: Sequence[Array], size: tuple[float, float], axis: int) -> tuple[float, Indices, float]:
    """Best length of one edge, the whole numbers of each lattice that make it, and their strain."""
    first, inverses = lattices[0], [np.linalg.inv(lattice) for lattice in lattices]
    # All lattice points in a strip along the axis.
    reach = np.linalg.norm(first, axis=1).max()
    corners = np.array(
        [[low, across] for low in (0, size[axis] + _MOST_GROWTH) for across in (-reach, reach)]
    )
    bounds = (corners if axis == 0 else corners[:, ::-1]) @ inverses[0]
    low, high = np.floor(bounds.min(0)).astype(int), np.ceil(bounds.max(0)).astype(int)
    i, j = np.mgrid[low[0] : high[0] + 1, low[1] : high[1] + 1].reshape(2, -1)
    points = np.stack([i, j], axis=1) @ first
    lengths = np.linalg.norm(points, axis=1)
    fits = (points[:, axis] > 0) & (np.abs(points[:, 1 - axis]) <= reach)
    lengths = np.unique(
        lengths[fits & (lengths >= size[axis] - 1e-9) & (lengths <= size[axis] + _MOST_GROWTH)]
    )
    targets = np.zeros((len(lengths), 2))
    targets[:, axis] = lengths
    sums = np.stack([np.rint(targets @ inverse).astype(int) for inverse in inverses])
    gaps = [np.linalg.norm(n @ lattice - targets, axis=1) for n, lattice in zip(sums, lattices, strict=True)]
    strain = np.max(gaps, axis=0) / lengths
    small = np.flatnonzero(strain <= _ENOUGH)
    best = int(small[0]) if len(small) else int(strain.argmin())
    return float(lengths[best]), sums[:, best], float(strain[best])


def fill_cell(unit: Atoms, repeats: Indices, edges: Array) -> Atoms:
    """Repeat a cell of a sheet so that its sums become the edges exactly, by a small strain."""
    matrix = np.eye(3, dtype=int)
    matrix[:2, :2] = repeats
    sheet = make_supercell(unit, matrix)
    z = sheet.positions[:, 2].copy()
    sheet.set_cell([*edges, 1.0], scale_atoms=True)
    sheet.positions[:, 2] = z  # the height of the cell is no strain
    return sheet
