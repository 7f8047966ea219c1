"""What lies over and under an atom along the beam: its column, and its depth in the support."""

import numpy as np
from ase import Atoms
from scipy.spatial import cKDTree

from stemforge.structures.cells import Array, Indices, wrapped

__all__ = ["COLUMN_RADIUS", "column_heights", "outer_depths"]

COLUMN_RADIUS = 0.5
"""Atoms no farther than this from an axis along the beam [Å] are in one column: less than half the distance of the
closest columns that images resolve (0.68 Å, half of a silicon dumbbell), and more than thermal motion (0.1 Å) and what
10 mrad of mistilt move an atom over 4 nm (0.4 Å)."""

_REACH = 3.0  # Å sideways, within which atoms tell where the support begins and ends


def column_heights(atoms: Atoms, chosen: Indices, radius: float = COLUMN_RADIUS) -> Indices:
    """Count the atoms in the columns of some, themselves included.

    Parameters
    ----------
    atoms : ase.Atoms
        Structure in an orthogonal cell, periodic in x and y.
    chosen : numpy.ndarray of int
        Which atoms are asked about, shape ``(n,)``.
    radius : float
        Of the columns [Å].

    Returns
    -------
    numpy.ndarray of int
        Atoms within the radius in projection, shape ``(n,)``.

    Examples
    --------
    >>> import numpy as np
    >>> from ase import Atoms
    >>> atoms = Atoms("C3Pt", positions=[(1, 1, 0), (1, 1, 3), (4, 4, 0), (1.1, 1, 5)], cell=(8, 8, 8))
    >>> column_heights(atoms, np.array([3, 2])).tolist()
    [3, 1]
    """
    edges = atoms.cell.lengths()[:2]
    if not len(chosen):
        return np.zeros(0, dtype=int)
    tree = _tree(atoms)
    places = wrapped(atoms.positions[chosen, :2], edges)
    return np.asarray(tree.query_ball_point(places, radius, return_length=True), dtype=int)


def outer_depths(support: Atoms, places: Array) -> Array:
    """Say how deep places lie below the two surfaces of a support.

    A surface is where, within 3 Å sideways, the first or last atom lies.

    Parameters
    ----------
    support : ase.Atoms
        Atoms in an orthogonal cell, periodic in x and y.
    places : numpy.ndarray
        Positions [Å], shape ``(n, 3)``.

    Returns
    -------
    numpy.ndarray
        Depth below the entrance surface (low z) and height over the exit surface [Å], shape ``(n, 2)``; negative
        outside the support, nan where it has no atom.

    Examples
    --------
    >>> import numpy as np
    >>> from ase import Atoms
    >>> atoms = Atoms("C2", positions=[(1, 1, 2), (1, 1, 12)], cell=(20, 20, 14))
    >>> outer_depths(atoms, np.array([(2.0, 1.0, 3.0), (9.0, 9.0, 3.0)])).tolist()
    [[1.0, 9.0], [nan, nan]]
    """
    depths = np.full((len(places), 2), np.nan)
    if not len(places) or not len(support):
        return depths
    edges, z = support.cell.lengths()[:2], support.positions[:, 2]
    near = _tree(support).query_ball_point(wrapped(places[:, :2], edges), _REACH)
    for number, found in enumerate(near):
        if found:
            heights = z[found]
            depths[number] = places[number, 2] - heights.min(), heights.max() - places[number, 2]
    return depths


def _tree(atoms: Atoms) -> cKDTree:
    edges = atoms.cell.lengths()[:2]
    xy = wrapped(atoms.positions[:, :2], edges)
    return cKDTree(xy, boxsize=edges, balanced_tree=False, compact_nodes=False)
