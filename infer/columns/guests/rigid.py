"""A molecule that is moved and turned as a whole, and what an average cell has of it."""

from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.transform import Rotation

from stemforge.infer.occupancy.crystal import potential_spectrum

NUMBER = 6
"""What is fitted of a molecule: place (x, y) [Å], turns about the three axes [rad], and molecules a cell."""
_OTHER = 1e6  # cost of taking an atom for one of another element


@dataclass(frozen=True)
class RigidGuest:
    """A molecule in a pose, as often in a cell along the beam.

    Parameters
    ----------
    name
        What it is.
    atoms
        With positions in the crystal's cell [Å], the beam along z.
    content
        Molecules in a cell along the beam.

    Examples
    --------
    >>> from ase.build import molecule
    >>> ring = RigidGuest("pyridine", molecule("C5H5N"))
    >>> turned = ring.moved(np.array([1.0, 0.0, 0.0, 0.0, np.pi / 2, 0.0]))
    >>> (turned.middle - ring.middle).round(3).tolist()
    [1.0, 0.0]
    """

    name: str
    atoms: Atoms
    content: float = 1.0

    @property
    def heavy(self) -> NDArray[np.intp]:
        """Numbers of the atoms that are not hydrogen."""
        return np.flatnonzero(self.atoms.numbers > 1)

    @property
    def middle(self) -> NDArray[np.float64]:
        """Middle of these (x, y) [Å]."""
        return np.asarray(self.atoms.positions[self.heavy, :2].mean(0))

    @property
    def _beside(self) -> NDArray[np.float64]:
        return np.asarray(self.atoms.positions - self.atoms.positions[self.heavy].mean(0))

    def moved(self, step: NDArray[np.float64]) -> "RigidGuest":
        """Return it moved, turned about its middle, and changed in content, by values as ``NUMBER`` lists them."""
        atoms = self.atoms.copy()
        turn = Rotation.from_rotvec(step[2:5]).as_matrix()
        atoms.positions = self._beside @ turn.T + atoms.positions[self.heavy].mean(0) + [*step[:2], 0]
        return replace(self, atoms=atoms, content=self.content + float(step[5]))

    def turned_in_plane(self, angle: float) -> "RigidGuest":
        """Return it turned about the normal of the plane that its atoms are nearest to [rad]."""
        normal = np.linalg.svd(self._beside[self.heavy])[2][2]
        return self.moved(np.r_[0, 0, normal * angle, 0])

    def waves(self, k: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Return the transform of each atom's potential at frequencies (x, y) [1/Å], shape (atoms, n)."""
        numbers = self.atoms.numbers
        still = {number: potential_spectrum(Atoms([number]), k) for number in set(numbers.tolist())}
        phases = np.exp(-2j * np.pi * (self.atoms.positions[:, :2] @ k.T))
        return np.asarray(phases * np.array([still[number] for number in numbers.tolist()]))

    def place_slopes(self) -> NDArray[np.float64]:
        """Return how places (x, y) of the atoms change with pose, shape (NUMBER − 1, atoms, 2)."""
        turns = [np.cross(axis, self._beside)[:, :2] for axis in np.eye(3)]
        moves = [np.broadcast_to(axis, turns[0].shape) for axis in np.eye(2)]
        return np.array([*moves, *turns])

    def slopes(self, k: NDArray[np.float64], waves: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Return how the molecule's transform changes with all that is fitted of it, shape (NUMBER, n)."""
        each = -2j * np.pi * np.einsum("paj,nj->pan", self.place_slopes(), k)
        return np.concatenate([self.content * (each * waves).sum(1), waves.sum(0)[None]])

    def paired(self, other: "RigidGuest") -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Say which heavy atom of another is which of these in projection, and how far it is [Å], shape (heavy,)."""
        one, two = (guest.atoms[guest.heavy] for guest in (self, other))
        between = np.linalg.norm(one.positions[:, None, :2] - two.positions[:, :2], axis=2)
        unlike = one.numbers[:, None] != two.numbers
        rows, columns = linear_sum_assignment(between**2 + _OTHER * unlike)
        far = np.where(unlike, np.inf, between)[rows, columns]
        return columns, far

    def same(self, other: "RigidGuest", within: float) -> bool:
        """Whether another looks the same in projection, atoms within so much of each other [Å]."""
        if self.name != other.name:
            return False
        return bool((self.paired(other)[1] < within).all())
