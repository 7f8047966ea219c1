"""Whether a molecule fits: distances to framework and other guests against van der Waals radii."""

import numpy as np
from ase import Atoms
from ase.data import vdw_radii
from scipy.spatial import cKDTree

from stemforge.structures.cells import Array, Indices, wrapped

__all__ = ["Surroundings", "contact_radii"]

_UNKNOWN_RADIUS = 2.0  # Å, of elements without a tabulated van der Waals radius
_HYDROGEN_RADIUS = (
    1.0  # Å; the tabulated 1.2 forbids the C–H…O contacts of 2.2–2.5 Å that relaxed guests make
)


def contact_radii(numbers: Indices) -> Array:
    """Van der Waals radii [Å]: 1.0 Å for H, 2 Å for elements that have none in ASE's table."""
    radii = np.where(numbers == 1, _HYDROGEN_RADIUS, vdw_radii[numbers])
    return np.where(np.isfinite(radii), radii, _UNKNOWN_RADIUS)


class Surroundings:
    """What a guest must keep clear of, periodic in x and y: framework atoms and guests placed before.

    Parameters
    ----------
    atoms : ase.Atoms
        Film in an orthogonal cell.
    tolerance : float
        Two atoms clash when they come nearer than this fraction of the sum of their radii.

    Examples
    --------
    >>> import numpy as np
    >>> from ase import Atoms
    >>> from stemforge.structures.zeolites.clashes import Surroundings
    >>> near = Surroundings(Atoms("O", positions=[(0, 5, 5)], cell=(10, 10, 10)), 0.85)
    >>> near.clash(np.array([6]), np.array([[9.0, 5.0, 5.0]])), near.clash(np.array([6]), np.array([[5.0, 5.0, 5.0]]))
    (True, False)
    """

    def __init__(self, atoms: Atoms, tolerance: float) -> None:
        self._edges = atoms.cell.lengths()[:2]
        self._tolerance = tolerance
        self._box = (*self._edges, 0.0)  # cKDTree: 0 is not periodic
        self._trees = {}
        for number in np.unique(atoms.numbers):
            points = atoms.positions[atoms.numbers == number]
            self._trees[int(number)] = cKDTree(wrapped(points, self._edges), boxsize=self._box)
        self._guests = np.empty((0, 3))
        self._radii = np.empty(0)

    def clash(self, numbers: Indices, positions: Array, bonded: Indices | None = None) -> bool:
        """Whether atoms come too near to the framework, or to guests added before.

        Parameters
        ----------
        numbers : numpy.ndarray of int
            Atomic numbers, shape ``(n,)``.
        positions : numpy.ndarray
            Positions [Å], shape ``(n, 3)``.
        bonded : numpy.ndarray of int, optional
            Indices of atoms that take part in a hydrogen bond, and may be near to O and H of the framework.

        Returns
        -------
        bool
            True if any pair clashes.
        """
        radii = contact_radii(numbers)
        inside = wrapped(positions, self._edges)
        for number, tree in self._trees.items():
            least = self._tolerance * (radii + contact_radii(np.array(number)))
            near = tree.query(inside, distance_upper_bound=float(least.max()))[0] < least
            if bonded is not None and number in (1, 8):
                near[bonded] = False
            if near.any():
                return True
        return self._meets(positions, radii, self._guests, self._radii)

    def _meets(self, positions: Array, radii: Array, others: Array, other_radii: Array) -> bool:
        """Whether two sets of atoms clash."""
        separation = positions[:, None] - others
        separation[..., :2] -= self._edges * np.round(separation[..., :2] / self._edges)
        least = self._tolerance * (radii[:, None] + other_radii)
        return bool(np.any((separation**2).sum(axis=-1) < least**2))

    def copies_clash(self, numbers: Indices, positions: Array, offsets: Array) -> bool:
        """Whether a molecule clashes with its copies or with periodic images of itself.

        Parameters
        ----------
        numbers : numpy.ndarray of int
            Atomic numbers, shape ``(n,)``.
        positions : numpy.ndarray
            Positions [Å], shape ``(n, 3)``.
        offsets : numpy.ndarray
            Where the copies are [Å], the first being the molecule itself, shape ``(m, 3)``.

        Returns
        -------
        bool
            True if any pair of atoms clashes.
        """
        radii = contact_radii(numbers)
        cells = np.array([(i, j, 0) for i in (-1, 0, 1) for j in (-1, 0, 1)]) * (*self._edges, 0.0)
        shifts = (offsets[:, None] - offsets[0] + cells).reshape(-1, 3)
        lengths = np.linalg.norm(shifts, axis=1)
        near = np.linalg.norm(np.ptp(positions, axis=0)) + 2 * radii.max() * self._tolerance
        for shift in shifts[(lengths > 1e-6) & (lengths < near)]:
            separation = positions[:, None] - positions - shift
            least = self._tolerance * (radii[:, None] + radii)
            if np.any((separation**2).sum(axis=-1) < least**2):
                return True
        return False

    def add(self, numbers: Indices, positions: Array) -> None:
        """Add a guest's atoms, for later ones to keep clear of."""
        self._guests = np.vstack([self._guests, positions])
        self._radii = np.concatenate([self._radii, contact_radii(numbers)])
