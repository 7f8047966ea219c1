"""The primitive cell of a centred lattice: the smallest piece that repeats."""

import numpy as np
from ase import Atoms
from scipy.spatial import cKDTree

from stemforge.structures.cells import Array

__all__ = ["primitive_cell"]

# Bases of centred lattices, rows in fractions of the conventional lattice vectors (International Tables A, 5.1.3).
_BASES = {
    "F": ((0, 1 / 2, 1 / 2), (1 / 2, 0, 1 / 2), (1 / 2, 1 / 2, 0)),
    "I": ((-1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (1 / 2, 1 / 2, -1 / 2)),
    "A": ((1, 0, 0), (0, 1 / 2, -1 / 2), (0, 1 / 2, 1 / 2)),
    "B": ((1 / 2, 0, -1 / 2), (0, 1, 0), (1 / 2, 0, 1 / 2)),
    "C": ((1 / 2, -1 / 2, 0), (1 / 2, 1 / 2, 0), (0, 0, 1)),
    "R": ((2 / 3, 1 / 3, 1 / 3), (-1 / 3, 1 / 3, 1 / 3), (-1 / 3, -2 / 3, 1 / 3)),
    "R reverse": ((1 / 3, -1 / 3, 1 / 3), (1 / 3, 2 / 3, 1 / 3), (-2 / 3, -1 / 3, 1 / 3)),
}
_SAME = 1e-2  # Å; copies by a centring are exact but for rounded coordinates


def primitive_cell(crystal: Atoms) -> tuple[Atoms, Array]:
    """Reduce a crystal in a centred cell to its primitive cell.

    Parameters
    ----------
    crystal : ase.Atoms
        Unit cell, periodic in all directions. Atoms are copies only where all their arrays are alike.

    Returns
    -------
    atoms : ase.Atoms
        Every atom of which the others are copies, in the primitive cell; the crystal itself where it is not centred.
    basis : numpy.ndarray
        Its lattice vectors as rows, in fractions of those of the crystal, shape ``(3, 3)``.

    Examples
    --------
    >>> from stemforge.structures import zeolite_cell
    >>> from stemforge.structures.zeolites.centring import primitive_cell
    >>> [len(primitive_cell(zeolite_cell(name))[0]) for name in ("mfi", "fau", "cha", "mor")]
    [288, 144, 36, 72]
    """
    for rows in _BASES.values():
        basis = np.array(rows)
        if all(_maps_onto_itself(crystal, shift) for shift in basis):
            return _reduced(crystal, basis), basis
    return crystal, np.eye(3)


def _folded(fractions: Array) -> Array:
    """Coordinates from 0 to below 1."""
    folded = np.mod(fractions, 1.0)
    folded[folded > 1 - 1e-9] = 0.0
    return np.asarray(folded)


def _maps_onto_itself(crystal: Atoms, shift: Array) -> bool:
    """Whether a translation by fractions of the lattice vectors leaves the crystal as it is."""
    if np.allclose(shift, np.rint(shift)):
        return True
    fractions = crystal.get_scaled_positions()
    near, index = cKDTree(_folded(fractions), boxsize=1.0).query(_folded(fractions + shift))
    same = all(
        np.all(values == values[index]) for name, values in crystal.arrays.items() if name != "positions"
    )
    return bool(same and near.max() * crystal.cell.lengths().max() < _SAME)


def _reduced(crystal: Atoms, basis: Array) -> Atoms:
    """Atoms of the cell with the given basis, each once, in the crystal's order."""
    fractions = _folded(crystal.get_scaled_positions() @ np.linalg.inv(basis))
    copies = cKDTree(fractions, boxsize=1.0).query_ball_point(fractions, 1e-3)
    kept = np.array([n == min(members) for n, members in enumerate(copies)])
    atoms = crystal[kept]
    atoms.set_cell(basis @ crystal.cell.array)
    atoms.set_scaled_positions(fractions[kept])
    return atoms
