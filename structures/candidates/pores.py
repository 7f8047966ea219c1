"""Which part of a framework's empty space a molecule can reach from outside: the channels, in all directions."""

from itertools import product

import numpy as np
from ase import Atoms
from scipy import ndimage
from scipy.spatial import cKDTree

from stemforge.structures.candidates.images import images_near
from stemforge.structures.cells import Array, Indices

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
    """Points of a periodic map whose region leads to its copy in another cell, shape as given."""
    labels, count = ndimage.label(empty)
    links = _links_across_faces(labels)
    channels = np.zeros(count + 1, dtype=bool)
    known = np.zeros(count + 1, dtype=bool)
    for first in range(1, count + 1):
        if not known[first]:
            members, endless = _walk(first, links)
            known[members], channels[members] = True, endless
    return np.asarray(channels[labels])


def _links_across_faces(labels: np.ndarray) -> dict[int, list[tuple[int, Indices]]]:
    """Return for each region those that it meets across a face of the cell, and the step [cells] that leads there."""
    links: dict[int, list[tuple[int, Indices]]] = {}
    for axis, step in enumerate(np.eye(3, dtype=int)):
        ends, begins = np.take(labels, -1, axis), np.take(labels, 0, axis)
        meet = (ends > 0) & (begins > 0)
        for one, other in np.unique(np.column_stack([ends[meet], begins[meet]]), axis=0).tolist():
            links.setdefault(one, []).append((other, step))
            links.setdefault(other, []).append((one, -step))
    return links


def _walk(first: int, links: dict[int, list[tuple[int, Indices]]]) -> tuple[list[int], bool]:
    """Return the regions that hang together with one, and whether a way leads from it to another cell's copy of it."""
    cells = {first: np.zeros(3, dtype=int)}
    waiting, endless = [first], False
    while waiting:
        region = waiting.pop()
        for other, step in links.get(region, []):
            cell = cells[region] + step
            if other not in cells:
                cells[other] = cell
                waiting.append(other)
            endless |= bool(np.any(cells[other] != cell))
    return list(cells), endless
