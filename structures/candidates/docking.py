"""A guest at an acid site: its heteroatom faces the proton, in the channel that the proton reaches."""

from collections.abc import Iterator

import numpy as np
from ase import Atoms
from ase.cell import Cell
from ase.data import chemical_symbols
from ase.geometry import get_distances
from scipy.optimize import linear_sum_assignment

from stemforge.errors import InputError, StructureError
from stemforge.structures.candidates.images import images_near
from stemforge.structures.candidates.pores import Pores
from stemforge.structures.cells import Array, Indices
from stemforge.structures.checks import require, require_count, require_generator, require_range
from stemforge.structures.tags import Tag
from stemforge.structures.zeolites.clashes import Surroundings
from stemforge.structures.zeolites.molecules import Molecule, named_molecule
from stemforge.structures.zeolites.placing import HYDROGEN_BONDS

__all__ = ["Docking", "dock_guest", "matched_deviation"]

_REACH = 14.0  # Å, from the proton: farther than any atom of a guest that fits into one cell
_BOX = 1e4  # Å; so wide that its periodic images never meet
_OTHER_ELEMENT = 1e9  # Å²; so far that no two of them are paired
_BEND = 25.0  # degrees; largest angle between O–H and H…heteroatom
_OTHER_BOND = (
    (2.0, 2.6),
    (90.0, 180.0),
)  # of a molecule without N, O or S: the proton near its first heavy atom
_TAKEN_UP = 1.03  # Å, N–H of a protonated guest
_SEPARATION = 1.0  # Å; two poses whose atoms differ by less, root mean square, are one
IN_CHANNEL = 1.2
"""Largest distance of a guest's centre from the channels' free space [Å]."""


class Docking:
    """Draws poses of a guest at acid sites of one framework.

    Parameters
    ----------
    crystal : ase.Atoms
        Unit cell from `zeolite_cell`.
    guest : str or ase.Atoms
        As for `place_guest`.
    tolerance : float
        Two atoms clash when they are nearer than this fraction of the sum of their van der Waals radii.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import acid_sites, make_acid, zeolite_cell
    >>> from stemforge.structures.candidates.docking import Docking
    >>> crystal = zeolite_cell()
    >>> acid = make_acid(crystal, acid_sites(crystal)[-2])
    >>> len(Docking(crystal, "pyridine", 0.75).poses(acid, 3, 2000, np.random.default_rng(0)))
    3
    """

    def __init__(self, crystal: Atoms, guest: str | Atoms, tolerance: float) -> None:
        require_range("tolerance", tolerance, 0.3, 1.0)
        try:
            self.molecule: Molecule = named_molecule(guest)
        except ValueError as error:
            raise InputError(
                "guest must be pyridine, thiophene, benzene, furan, a name that ase.build.molecule knows, or a "
                f"structure file (atoms in Python), got {guest!r}"
            ) from error
        self.tolerance = tolerance
        self.pores = Pores(crystal)

    def poses(self, acid: Atoms, count: int, max_tries: int, rng: np.random.Generator) -> list[Array]:
        """Positions [Å] of the guest in up to `count` poses that fit and differ, each of shape ``(n, 3)``."""
        found: list[Array] = []
        for fits, turned in self._trials(acid, max_tries, rng):
            numbers = self.molecule.numbers
            if fits and all(matched_deviation(numbers, turned, other) >= _SEPARATION for other in found):
                found.append(turned)
            if len(found) == count:
                break
        return found

    def room(self, acid: Atoms, tries: int, rng: np.random.Generator) -> float:
        """Part of the poses with the guest's heteroatom at the proton that fit."""
        return float(np.mean([fits for fits, _ in self._trials(acid, tries, rng)]))

    def _trials(self, acid: Atoms, count: int, rng: np.random.Generator) -> Iterator[tuple[bool, Array]]:
        """Poses as they are drawn, and whether each fits."""
        proton = acid.positions[acid.info["acid"]["proton"]]
        index, places = images_near(acid, proton[None], _REACH)
        walls = Atoms(acid.numbers[index], places - proton + _BOX / 2, cell=(_BOX, _BOX, _BOX))
        surroundings = Surroundings(walls, self.tolerance)
        numbers, bonded = self.molecule.numbers, np.array([self.molecule.head])
        for turned in self._draws(acid, count, rng):
            clear = not surroundings.clash(numbers, turned - proton + _BOX / 2, bonded)
            inside = clear and self.pores.distance(self._centre(turned)) <= IN_CHANNEL
            yield inside and not self._meets_itself(acid, turned), turned

    def _centre(self, positions: Array) -> Array:
        heavy = self.molecule.numbers > 1
        return positions[heavy if heavy.any() else slice(None)].mean(axis=0)

    def _draws(self, acid: Atoms, count: int, rng: np.random.Generator) -> Iterator[Array]:
        """Positions [Å] of the guest with its head at the proton, at random about the hydrogen bond."""
        proton = acid.positions[acid.info["acid"]["proton"]]
        owner = acid.info["acid"]["oxygen"]
        arm = acid.get_distance(owner, acid.info["acid"]["proton"], mic=True, vector=True)
        bond = arm / np.linalg.norm(arm)
        symbol = chemical_symbols[self.molecule.numbers[self.molecule.head]]
        (near, far), (least, most) = HYDROGEN_BONDS.get(symbol, _OTHER_BOND)
        for _ in range(count):
            along = _tilted(bond, np.radians(_BEND) * np.sqrt(rng.random()), rng)
            # The head's direction, from the molecule's centre, points back to the proton.
            head = _tilted(-along, np.radians(180.0 - rng.uniform(least, most)), rng)
            across = _tilted(head, np.pi / 2, rng)
            axes = np.column_stack([head, across, np.cross(head, across)])
            turned = self.molecule.positions @ axes.T
            yield turned - turned[self.molecule.head] + proton + rng.uniform(near, far) * along

    def _meets_itself(self, acid: Atoms, positions: Array) -> bool:
        """Whether the guest clashes with its images in the neighbouring cells."""
        copies = Atoms(self.molecule.numbers, positions, cell=acid.cell, pbc=True)
        index, places = images_near(copies, positions, 4.0)
        whole = (places[:, None] - positions).reshape(-1, 3)
        images = np.linalg.norm(whole, axis=1).reshape(len(places), -1).min(axis=1) > 1e-6
        if not images.any():
            return False
        walls = Atoms(self.molecule.numbers[index[images]], places[images] + _BOX / 2, cell=(_BOX,) * 3)
        return Surroundings(walls, self.tolerance).clash(self.molecule.numbers, positions + _BOX / 2)


def matched_deviation(numbers: Indices, one: Array, other: Array, cell: Cell | None = None) -> float:
    """Root mean square distance [Å] between the atoms of two poses, equal elements paired as they are nearest.

    Parameters
    ----------
    numbers : numpy.ndarray of int
        Atomic numbers, the same for both poses, shape ``(n,)``.
    one, other : numpy.ndarray
        Positions [Å], shape ``(n, 3)``.
    cell : ase.cell.Cell, optional
        Of the crystal, where the two may be in different cells.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures.candidates.docking import matched_deviation
    >>> pair = np.array([[0.0, 0.0, 0.0], [1.1, 0.0, 0.0]])
    >>> matched_deviation(np.array([7, 7]), pair, pair[::-1]), matched_deviation(np.array([6, 8]), pair, pair[::-1])
    (0.0, 1.1)
    """
    squares = get_distances(one, other, cell=cell, pbc=None if cell is None else True)[1] ** 2
    squares[numbers[:, None] != numbers] = _OTHER_ELEMENT
    return float(np.sqrt(squares[linear_sum_assignment(squares)].mean()))


def _tilted(direction: Array, angle: float, rng: np.random.Generator) -> Array:
    """Tilt a unit vector by an angle [radian] in a random direction."""
    across = np.cross(direction, rng.normal(size=3))
    across /= np.linalg.norm(across)
    return np.asarray(np.cos(angle) * direction + np.sin(angle) * across)


def attach_guest(acid: Atoms, molecule: Molecule, positions: Array, *, protonated: bool = False) -> Atoms:
    """Add a guest to a crystal with an acid site; a protonated one has taken up the proton.

    ``info["acid"]`` gets ``head``, the index of the guest's atom that faces the proton.
    """
    docked = acid.copy()
    docked.info["acid"] = {**acid.info["acid"], "head": len(acid) + molecule.head}
    guest = Atoms(molecule.numbers, positions, tags=[int(Tag.GUEST)] * len(positions))
    guest.set_array("kind", np.full(len(guest), -1))
    docked += guest
    if protonated:
        head, proton = docked.info["acid"]["head"], docked.info["acid"]["proton"]
        arm = docked.positions[proton] - docked.positions[head]
        docked.positions[proton] = docked.positions[head] + _TAKEN_UP * arm / np.linalg.norm(arm)
    return docked


def dock_guest(
    acid: Atoms,
    guest: str | Atoms = "pyridine",
    *,
    protonated: bool = False,
    tolerance: float = 0.75,
    max_tries: int = 2000,
    rng: np.random.Generator,
) -> Atoms:
    """Dock a guest at an acid site: its heteroatom faces the proton, and it lies in a channel.

    Parameters
    ----------
    acid : ase.Atoms
        Crystal from `make_acid`; not changed.
    guest : str or ase.Atoms, default "pyridine"
        A name that `place_guest` knows, or atoms.
    protonated : bool, default False
        Put the proton on the guest's heteroatom, 1.03 Å from it, instead of on the framework's oxygen.
    tolerance : float, default 0.75
        Two atoms clash when they are nearer than this fraction of the sum of their van der Waals radii (H counts
        1.0 Å). Lower than for `place_guest`, as what is docked is to be relaxed.
    max_tries : int, default 2000
        Poses to try.
    rng : numpy.random.Generator
        Source of randomness; the same state gives the same atoms.

    Returns
    -------
    ase.Atoms
        The crystal's atoms, then the guest's with ``Tag.GUEST``. The distance from the proton to N is 1.70 to
        1.85 Å, as for `place_guest`.

    Raises
    ------
    stemforge.errors.StructureError
        If the guest fits in no pose: the proton points into no channel, or the guest is too large.
    ValueError
        If a parameter is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import acid_sites, dock_guest, make_acid, zeolite_cell
    >>> crystal = zeolite_cell()
    >>> acid = make_acid(crystal, acid_sites(crystal)[-2])
    >>> dock_guest(acid, rng=np.random.default_rng(0)).get_chemical_formula()
    'C5H6AlNO192Si95'
    """
    require("acid" in acid.info, "acid", "a crystal from make_acid()", "a crystal without an acid site")
    require_count("max_tries", max_tries)
    require_generator(rng)
    framework = acid[np.arange(len(acid)) != acid.info["acid"]["proton"]]
    docking = Docking(framework, guest, tolerance)
    poses = docking.poses(acid, 1, max_tries, rng)
    if not poses:
        raise StructureError(no_room(docking.molecule.name, max_tries))
    return attach_guest(acid, docking.molecule, poses[0], protonated=protonated)


def no_room(guest: str, tries: int) -> str:
    """Say that a guest fits nowhere at a site."""
    return (
        f"{guest} fits at this acid site in none of {tries} poses: its proton points into no channel, or the channel "
        "is too narrow; take another oxygen, a smaller guest, or a lower tolerance"
    )
