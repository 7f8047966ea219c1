"""Molecules as rigid bodies: their names, their own frame, and how one lies in the beam."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.build import molecule as ase_molecule

from stemforge.structures.cells import Array, Indices
from stemforge.structures.checks import require

__all__ = ["Molecule", "Pose", "measure_pose", "named_molecule", "rotation"]

_ASE_NAMES = {"pyridine": "C5H5N", "thiophene": "C4H4S", "benzene": "C6H6", "furan": "C4H4O"}
_NAMES = {formula: name for name, formula in _ASE_NAMES.items()}
# Guests that a file holds, by their heavy atoms: pyridine may have taken up the acid proton.
_BY_HEAVY_ATOMS = {"C5N": "pyridine", "C4S": "thiophene", "C6": "benzene", "C4O": "furan"}


@dataclass(frozen=True)
class Pose:
    """How a molecule lies in the beam.

    Parameters
    ----------
    name : str
        Its name, or its formula.
    angle_degrees : float
        Azimuth of the direction from its centre to its heteroatom, projected on x–y, −180 to 180 [degrees];
        without a heteroatom, to its first heavy atom.
    tilt_degrees : float
        Angle between the normal of its plane and the beam, 0 (lies flat across the beam) to 90 [degrees].
    centre : (float, float, float)
        Mean position of its heavy atoms [Å].
    """

    name: str
    angle_degrees: float
    tilt_degrees: float
    centre: tuple[float, float, float]


@dataclass(frozen=True)
class Molecule:
    """A molecule in its own frame: centre at the origin, plane normal along z, heteroatom along x.

    Parameters
    ----------
    name : str
        Its name.
    numbers : numpy.ndarray of int
        Atomic numbers, shape ``(n,)``.
    positions : numpy.ndarray
        Positions [Å] in its frame, shape ``(n, 3)``.
    head : int
        Index of the atom that x points to: the first that is neither C nor H, or else the first heavy one.
    """

    name: str
    numbers: Indices
    positions: Array
    head: int


def _frame(numbers: Indices, positions: Array) -> tuple[Array, Array, int]:
    """Centre [Å], axes as rows (to the head, across, normal) and index of the head atom."""
    heavy = np.flatnonzero(numbers > 1) if np.any(numbers > 1) else np.arange(len(numbers))
    hetero = heavy[~np.isin(numbers[heavy], (1, 6))]
    head = int(hetero[0] if len(hetero) else heavy[0])
    centre = positions[heavy].mean(axis=0)
    spread, axes = np.linalg.svd(positions[heavy] - centre)[1:]
    flat = len(heavy) > 2 and spread[1] > 0.1
    to_head = positions[head] - centre
    if flat:
        normal = axes[2] * (1.0 if axes[2][np.argmax(np.abs(axes[2]))] > 0 else -1.0)
        to_head = to_head - (to_head @ normal) * normal
    if np.linalg.norm(to_head) < 1e-6:
        to_head = axes[0] if len(heavy) > 1 else np.array([1.0, 0.0, 0.0])
    x = to_head / np.linalg.norm(to_head)
    if not flat:  # a line has many normals: the one nearest to the beam
        beam = np.array([0.0, 0.0, 1.0]) if abs(x[2]) < 1 - 1e-9 else np.array([1.0, 0.0, 0.0])
        normal = beam - (beam @ x) * x
        normal /= np.linalg.norm(normal)
    return centre, np.array([x, np.cross(normal, x), normal]), head


def named_molecule(molecule: str | Atoms) -> Molecule:
    """Molecule in its own frame, by name or from atoms.

    Parameters
    ----------
    molecule : str or ase.Atoms
        ``"pyridine"``, ``"thiophene"``, ``"benzene"``, ``"furan"``, a name that ``ase.build.molecule`` knows,
        or atoms; theirs is the name in ``info["name"]``, or else the formula.

    Returns
    -------
    Molecule
        Centred on its heavy atoms.

    Raises
    ------
    ValueError
        If the name is unknown or there are no atoms.

    Examples
    --------
    >>> from stemforge.structures.zeolites.molecules import named_molecule
    >>> pyridine = named_molecule("pyridine")
    >>> pyridine.positions[pyridine.head].round(2).tolist()
    [1.4, 0.0, 0.0]
    """
    if isinstance(molecule, Atoms):
        formula = molecule.get_chemical_formula()
        atoms, name = molecule, str(molecule.info.get("name", _NAMES.get(formula, formula)))
    else:
        known = isinstance(molecule, str)
        try:
            atoms = ase_molecule(_ASE_NAMES.get(molecule.lower(), molecule)) if known else Atoms()
        except (KeyError, NotImplementedError):
            known = False
        allowed = f"one of {tuple(_ASE_NAMES)}, a name of ase.build.molecule, or ase.Atoms"
        require(known, "molecule", allowed, molecule)
        name = _NAMES.get(molecule, molecule.lower() if molecule.lower() in _ASE_NAMES else molecule)
    finite = len(atoms) > 0 and bool(np.isfinite(atoms.positions).all())
    require(finite, "molecule", "at least one atom, at finite positions", molecule)
    centre, axes, head = _frame(atoms.numbers, atoms.positions)
    return Molecule(name, atoms.numbers.copy(), (atoms.positions - centre) @ axes.T, head)


def rotation(angle: float, tilt: float, about: float, flipped: bool = False) -> Array:
    """Matrix that turns a molecule's own frame into the laboratory's.

    Parameters
    ----------
    angle : float
        Azimuth of the heteroatom in projection [degrees].
    tilt : float
        Angle between the molecule's normal and z [degrees].
    about : float
        Direction in the molecule's plane about which it tilts, from x [degrees].
    flipped : bool, default False
        Whether its other side faces the beam.

    Returns
    -------
    numpy.ndarray
        ``lab = R @ own``, shape ``(3, 3)``.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures.zeolites.molecules import rotation
    >>> np.degrees(np.arccos(rotation(10, 30, 77)[2, 2])).round(6)
    np.float64(30.0)
    """
    c, s = np.cos(np.radians(about)), np.sin(np.radians(about))
    axis = np.array([[0.0, 0.0, s], [0.0, 0.0, -c], [-s, c, 0.0]])  # cross product with (c, s, 0)
    t = np.radians(tilt)
    tilted = np.eye(3) + np.sin(t) * axis + (1 - np.cos(t)) * axis @ axis
    if flipped:
        tilted = tilted @ np.diag([1.0, -1.0, -1.0])
    turn = np.radians(angle) - np.arctan2(tilted[1, 0], tilted[0, 0])
    c, s = np.cos(turn), np.sin(turn)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]) @ tilted


def measure_pose(numbers: Indices, positions: Array, name: str | None = None) -> Pose:
    """Measure how a molecule lies in the beam.

    Parameters
    ----------
    numbers : numpy.ndarray of int
        Atomic numbers, shape ``(n,)``.
    positions : numpy.ndarray
        Positions [Å], shape ``(n, 3)``, not broken by a periodic boundary.
    name : str, optional
        Its name; by default found from its heavy atoms, or else its formula.

    Returns
    -------
    Pose
        Name, angles and centre.

    Examples
    --------
    >>> from ase.build import molecule
    >>> from stemforge.structures.zeolites.molecules import measure_pose
    >>> benzene = molecule("C6H6")
    >>> measure_pose(benzene.numbers, benzene.positions).tilt_degrees
    0.0
    """
    if name is None:
        heavy = Atoms(numbers[numbers > 1]).get_chemical_formula()
        name = _BY_HEAVY_ATOMS.get(heavy, Atoms(numbers).get_chemical_formula())
    centre, (x, _, normal), _ = _frame(numbers, positions)
    tilt = float(np.degrees(np.arccos(min(abs(normal[2]), 1.0))))
    angle = float(np.degrees(np.arctan2(x[1], x[0])))
    return Pose(name, angle, tilt, (float(centre[0]), float(centre[1]), float(centre[2])))
