"""Which part of a framework's empty space a molecule can reach from outside: the channels, in all directions."""

from itertools import product

import numpy as np
from ase import Atoms
from scipy import ndimage
from scipy.spatial import cKDTree

from stemforge.structures.candidates.images import images_near
from stemforge.structures.cells import Array

__all__ = ["Pores"]

_STEP = 0.5  # Å, of the grid
_WINDOW = 3.0  # Å, from the middle of a window to the nuclei around: 2.7 in 6-rings, 3.3 in 8-rings, 4.0 in 10-rings


class Pores:
    """The channels of a framework: places far from all atoms that hang together from cell to cell.

    Parameters
    ----------
    crystal : ase.Atoms
        Unit cell of the framework, periodic in all directions; its protons do not count.
    window : float, default 3.0
        Smallest distance [Å] to a nucleus: with 3 Å, rings of eight T atoms and more are open, rings of six are not.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import zeolite_cell
    >>> from stemforge.structures.candidates.pores import Pores
    >>> cell = zeolite_cell()
    >>> pores = Pores(cell)
    >>> middle = np.array([0.5, 0.0, 0.0]) @ cell.cell.array  # of a straight channel
    >>> bool(pores.distance(middle) < 1), bool(pores.distance(cell.positions[0]) < 1)
    (True, False)
    """

    def __init__(self, crystal: Atoms, window: float = _WINDOW) -> None:
        self._cell = crystal.cell.array
        walls = crystal[crystal.numbers > 1]
        shape = np.maximum(np.ceil(crystal.cell.lengths() / _STEP).astype(int), 2)
        axes = (np.arange(n) / n for n in shape)
        fractions = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        corners = np.array(list(product((0.0, 0.5, 1.0), repeat=3))) @ self._cell
        reach = (
            float(crystal.cell.lengths().sum()) / 4 + window
        )  # no place is farther from the nearest corner
        walls_near = images_near(walls, corners, reach)[1]
        far = cKDTree(walls_near).query(fractions @ self._cell)[0] >= window
        inside = _percolating(far.reshape(shape))
        self.points: Array = fractions[inside.ravel()]
        """Places in the channels, in units of the lattice vectors, shape ``(n, 3)``."""

    def distance(self, place: Array) -> float:
        """Distance [Å] of a place, shape ``(3,)``, from the channels; infinite if there are none."""
        if not len(self.points):
            return float("inf")
        separation = np.linalg.solve(self._cell.T, place) - self.points
        separation -= np.round(separation)
        return float(np.linalg.norm(separation @ self._cell, axis=1).min())


def _percolating(empty: np.ndarray) -> np.ndarray:
    """Points of a periodic map whose region leads to its copy in a neighbouring cell, shape as given."""
    double = np.tile(empty, (2, 2, 2))
    labels = ndimage.label(double)[0]
    n = empty.shape
    first = labels[: n[0], : n[1], : n[2]]
    found = np.zeros(empty.shape, dtype=bool)
    # Two cells a direction show a channel that goes straight on or bends within a cell.
    for shift in product((0, 1), repeat=3):
        if any(shift):
            slices = tuple(slice(s * m, (s + 1) * m) for s, m in zip(shift, n, strict=True))
            copy = labels[slices]
            through = np.unique(first[(first > 0) & (first == copy)])
            found |= np.isin(first, through)
    # What hangs together with such a region across a face of the cell belongs to it.
    through = np.unique(labels[np.tile(found, (2, 2, 2))])
    whole = np.isin(labels, through[through > 0])
    for shift in product((0, 1), repeat=3):
        slices = tuple(slice(s * m, (s + 1) * m) for s, m in zip(shift, n, strict=True))
        found |= whole[slices]
    return found
