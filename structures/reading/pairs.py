"""Pairs of atoms that are near to each other, across the faces of the cell too."""

import numpy as np
from ase import Atoms
from scipy.spatial import KDTree

from stemforge.structures.cells import Array, Indices

__all__ = ["near_pairs"]


def near_pairs(atoms: Atoms, reach: float) -> tuple[Indices, Indices, Indices, Array]:
    """Find pairs of atoms within a distance.

    Where the distance is a fraction of that between atoms, ASE's neighbour list takes thirty times as long and as much
    memory: 4 s and 1.5 GB for 100,000 atoms within 0.6 Å.

    Parameters
    ----------
    atoms : ase.Atoms
        In a cell of three dimensions, periodic or not along each.
    reach : float
        Largest distance [Å].

    Returns
    -------
    i, j : numpy.ndarray of int
        The atoms, ``i <= j``; a pair may come twice.
    shifts : numpy.ndarray of int
        Lattice vectors by which ``j`` is moved to be near ``i``, shape ``(n, 3)``.
    distances : numpy.ndarray
        Distances [Å].

    Examples
    --------
    >>> from ase import Atoms
    >>> from stemforge.structures.reading.pairs import near_pairs
    >>> i, j, shifts, d = near_pairs(Atoms("C2", [(0, 1, 1), (3.9, 1, 1)], cell=(4, 4, 4), pbc=True), 0.5)
    >>> i[0], j[0], shifts[0].tolist(), d[0].round(3)
    (np.int64(0), np.int64(1), [-1, 0, 0], np.float64(0.1))
    """
    cell = atoms.cell.array
    inverse = np.linalg.inv(cell)
    margins = reach * np.linalg.norm(inverse, axis=0)  # as fractions of the cell
    fractions = atoms.positions @ inverse
    home = np.where(atoms.pbc, np.floor(fractions), 0.0)
    points, index = fractions - home, np.arange(len(atoms))
    moved = -home
    for axis in np.flatnonzero(atoms.pbc):
        copies = [(points, index, moved)]
        for step in range(-int(np.ceil(margins[axis])), int(np.ceil(margins[axis])) + 1):
            places = points[:, axis] + step
            near = (places >= -margins[axis]) & (places <= 1 + margins[axis])
            if step and near.any():
                by = step * np.eye(3)[axis]
                copies.append((points[near] + by, index[near], moved[near] + by))
        points, index, moved = (np.concatenate(parts) for parts in zip(*copies, strict=True))
    pairs = KDTree(points @ cell).query_pairs(reach, output_type="ndarray")
    pairs = pairs[(pairs < len(atoms)).any(axis=1)]  # one of the two is no copy
    swapped = index[pairs[:, 0]] > index[pairs[:, 1]]
    a, b = np.where(swapped, pairs[:, 1], pairs[:, 0]), np.where(swapped, pairs[:, 0], pairs[:, 1])
    distances = np.linalg.norm((points[a] - points[b]) @ cell, axis=1)
    return index[a], index[b], np.rint(moved[b] - moved[a]).astype(int), distances
