"""What lies over and under an atom along the beam: its column, and its depth in the support."""

from collections.abc import Iterator

import numpy as np
from ase import Atoms

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
    heights = [len(found) for found in _near(atoms, atoms.positions[chosen, :2], radius)]
    return np.array(heights, dtype=int)


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
    z = support.positions[:, 2]
    for number, found in enumerate(_near(support, places[:, :2], _REACH)):
        if len(found):
            heights = z[found]
            depths[number] = places[number, 2] - heights.min(), heights.max() - places[number, 2]
    return depths


def _near(atoms: Atoms, places: Array, reach: float) -> Iterator[Indices]:
    """Atoms within reach of each place in projection, periodic; faster than a tree of all atoms for few places."""
    edges = atoms.cell.lengths()[:2]
    xy = wrapped(atoms.positions[:, :2], edges)
    # At most 250 squares along a side: their numbers then fit into 16 bits, which numpy sorts in one go.
    squares = np.clip((edges / reach).astype(int), 1, 250)
    i, j = np.minimum((xy * (squares / edges)).astype(int), squares - 1).T
    square = (i * squares[1] + j).astype(np.uint16)
    order = np.argsort(square, kind="stable")
    starts = np.searchsorted(square[order], np.arange(squares.prod() + 1))
    for place in wrapped(places, edges):
        column, row = np.minimum((place * (squares / edges)).astype(int), squares - 1)
        around = {
            ((column + dx) % squares[0]) * squares[1] + (row + dy) % squares[1]
            for dx in (-1, 0, 1)
            for dy in (-1, 0, 1)
        }
        members = np.concatenate([order[starts[one] : starts[one + 1]] for one in sorted(around)])
        away = xy[members] - place
        away -= edges * np.round(away / edges)
        yield members[(away**2).sum(axis=1) <= reach**2]
