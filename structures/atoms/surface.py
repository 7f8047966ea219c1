"""Where a support is, seen along the beam: its covered area and its two outer surfaces."""

import numpy as np
from ase import Atoms
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from stemforge.structures.cells import Array, Mask, wrapped

__all__ = ["Surface", "covered_pixels"]

_PIXEL = 1.0  # Å
_LARGEST_HOLE = 4.0  # Å, radius; wider gaps are vacuum, narrower ones are holes between atoms


def covered_pixels(atoms: Atoms) -> Mask:
    """Which pixels of the (x, y) cell the atoms cover, in projection along z.

    The map is a morphological closing of the pixels that hold an atom, periodic, with a disc of 4 Å: the
    pores of a carbon nitride sheet count as covered, vacuum beside a particle does not.

    Parameters
    ----------
    atoms : ase.Atoms
        Atoms inside an orthogonal cell.

    Returns
    -------
    numpy.ndarray of bool
        Indexed ``[x, y]``, with pixels of about 1 Å that divide the cell.

    Examples
    --------
    >>> from ase import Atoms
    >>> from stemforge.structures.atoms.surface import covered_pixels
    >>> square = Atoms("C4", positions=[(5, 5, 2), (9, 5, 2), (5, 9, 2), (9, 9, 2)], cell=(20, 20, 4))
    >>> covered_pixels(square)[[7, 15], 7]
    array([ True, False])
    """
    edges = atoms.cell.lengths()[:2]
    shape = np.maximum(np.round(edges / _PIXEL), 1).astype(int)
    occupied = np.zeros(shape, dtype=bool)
    i, j = np.minimum((atoms.positions[:, :2] * (shape / edges)).astype(int), shape - 1).T
    occupied[i, j] = True
    if not occupied.any():
        return occupied
    margin = int(np.ceil(2 * _LARGEST_HOLE / _PIXEL)) + 1
    padded = np.pad(occupied, margin, mode="wrap")
    sampling = edges / shape
    grown = distance_transform_edt(~padded, sampling=sampling) <= _LARGEST_HOLE
    # Where nothing is left to measure the distance to, edt has no answer; then all is covered.
    closed = distance_transform_edt(grown, sampling=sampling) > _LARGEST_HOLE if not grown.all() else grown
    return closed[margin:-margin, margin:-margin]


class Surface:
    """The top and bottom surface of atoms, as a ball finds them that rolls over them.

    Parameters
    ----------
    atoms : ase.Atoms
        Atoms inside an orthogonal cell, periodic in x and y.

    Examples
    --------
    >>> import numpy as np
    >>> from ase import Atoms
    >>> from stemforge.structures.atoms.surface import Surface
    >>> surface = Surface(Atoms("C2", positions=[(5, 5, 1), (5, 5, 3)], cell=(10, 10, 4)))
    >>> surface.heights(np.array([[5.0, 5.0], [5.0, 5.0]]), np.array([1.0, -1.0]), contact_distance=2.0)
    array([ 5., -1.])
    """

    def __init__(self, atoms: Atoms) -> None:
        self._edges = atoms.cell.lengths()[:2]
        self._z = atoms.positions[:, 2]
        xy = wrapped(atoms.positions[:, :2], self._edges)
        self._tree = cKDTree(xy, boxsize=self._edges, balanced_tree=False, compact_nodes=False)

    def heights(self, xy: Array, side: Array, contact_distance: float) -> Array:
        """Height z [Å] at which a ball that comes down onto the surface touches the first atom.

        Parameters
        ----------
        xy : numpy.ndarray
            Points in the plane [Å], shape ``(n, 2)``.
        side : numpy.ndarray
            +1 for the top, −1 for the bottom surface, shape ``(n,)``.
        contact_distance : float
            Distance between the centres of ball and atom when they touch [Å].

        Returns
        -------
        numpy.ndarray
            Height of the ball's centre [Å], shape ``(n,)``. Over a hole wide enough to let the ball through
            it is that of the outermost atom at the rim of the hole.
        """
        xy = wrapped(xy, self._edges)
        nearest = self._tree.query(xy)[0]
        through = nearest >= contact_distance
        lists = self._tree.query_ball_point(xy, np.where(through, nearest + 1.0, contact_distance))
        counts = np.array([len(found) for found in lists])
        point, atom = np.repeat(np.arange(len(xy)), counts), np.concatenate(lists).astype(int)
        offset = np.abs(xy[point] - self._tree.data[atom])
        offset = np.minimum(offset, self._edges - offset)
        lift = np.sqrt(np.maximum(contact_distance**2 - (offset**2).sum(axis=1), 0.0))
        outwards = side[point] * self._z[atom] + lift
        return side * np.maximum.reduceat(outwards, np.concatenate([[0], np.cumsum(counts)[:-1]]))
