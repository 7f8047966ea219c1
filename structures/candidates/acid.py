"""Brønsted acid sites of a framework: each T site with each of its oxygens, up to symmetry."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from stemforge.errors import StructureError
from stemforge.structures.cells import Array, Indices
from stemforge.structures.checks import require
from stemforge.structures.tags import Tag
from stemforge.structures.zeolites.aluminium import BOND, proton_place

__all__ = ["AcidSite", "acid_sites", "make_acid", "with_site_kinds"]

_SHELLS = 12.0  # Å; distances up to here tell sites apart in files that state no symmetry
_SAME = 0.02  # Å; between distances of equivalent sites


@dataclass(frozen=True)
class AcidSite:
    """Where an aluminium atom and its proton go.

    Parameters
    ----------
    t : int
        Number of the T site: 1–12 in MFI, as in the literature.
    oxygen_site : int
        Number of the oxygen's site: 1–26 in MFI.
    aluminium : int
        Index of the T atom in the crystal.
    oxygen : int
        Index of the oxygen that takes the proton.
    proton : (float, float, float)
        Where the proton goes [Å].

    Examples
    --------
    >>> from stemforge.structures import zeolite_cell
    >>> crystal = zeolite_cell()
    >>> site = acid_sites(crystal)[0]
    >>> site.name, crystal.symbols[site.aluminium], crystal.symbols[site.oxygen]
    ('T1-O1', 'Si', 'O')
    >>> round(float(np.linalg.norm(crystal.positions[site.oxygen] - site.proton)), 2)
    0.97
    """

    t: int
    oxygen_site: int
    aluminium: int
    oxygen: int
    proton: tuple[float, float, float]

    @property
    def name(self) -> str:
        """Such as ``T12-O20``."""
        return f"T{self.t}-O{self.oxygen_site}"


def acid_sites(crystal: Atoms) -> list[AcidSite]:
    """List the acid sites of a framework: one for each T site and oxygen site that are bonded.

    Parameters
    ----------
    crystal : ase.Atoms
        Unit cell from `zeolite_cell`: T and O atoms alone, with the array ``kind``, which numbers T and O sites. Where
        the file states no symmetry, atoms with the same distances to their neighbours, to within 0.02 Å and up
        to 12 Å, are one site.

    Returns
    -------
    list of AcidSite
        By T site, then oxygen site. The proton is 0.97 Å from its oxygen, on the bisector that points away from
        both T atoms.

    Raises
    ------
    stemforge.errors.StructureError
        If there are other atoms than one sort of T and O, or a T atom has not four oxygens.

    Examples
    --------
    >>> from stemforge.structures import acid_sites, zeolite_cell
    >>> sites = acid_sites(zeolite_cell())
    >>> len(sites), sites[-1].name
    (48, 'T12-O24')
    """
    _require_bare(crystal)
    t, o, vectors = neighbor_list("ijD", crystal, {("Si", "O"): BOND})
    kept = crystal.numbers[o] == 8
    t, o, vectors = t[kept], o[kept], vectors[kept]
    counts = np.bincount(t, minlength=len(crystal))[crystal.numbers == 14]
    if np.any(counts != 4):
        raise StructureError(
            f"framework: {int((counts != 4).sum())} T atoms have not four oxygens within {BOND:g} Å; "
            "give a fully bonded framework"
        )
    number = _site_numbers(crystal)
    found: dict[tuple[int, int], AcidSite] = {}
    for bond in range(len(t)):
        pair = (int(number[t[bond]]), int(number[o[bond]]))
        if pair not in found:
            arms = -vectors[o == o[bond]]
            proton = proton_place(crystal.positions[o[bond]], arms)
            x, y, z = proton.tolist()
            found[pair] = AcidSite(*pair, int(t[bond]), int(o[bond]), (x, y, z))
    return [found[pair] for pair in sorted(found)]


def _require_bare(crystal: Atoms) -> None:
    others = sorted(set(crystal.get_chemical_symbols()) - {"Si", "O"})
    if others or not {"Si", "O"} <= set(crystal.get_chemical_symbols()):
        came = f"it holds {', '.join(others)} too" if others else "one of them is missing"
        raise StructureError(
            f"framework: must hold Si and O alone, and {came}; remove guests, protons and cations, and put Si "
            "for Al"
        )
    require(crystal.has("kind"), "crystal", "a unit cell from zeolite_cell()", "atoms without kinds")


def with_site_kinds(crystal: Atoms) -> Atoms:
    """Return a crystal whose equivalent sites have one number in ``kind``, found by distances without symmetry.

    A cell that is to be repeated needs it before: its copies have the same numbers as it, which looks like symmetry.
    """
    kind = crystal.arrays["kind"]
    if len(np.unique(kind)) < len(crystal):
        return crystal
    numbered = crystal.copy()
    numbered.arrays["kind"] = _kinds_by_distance(crystal)
    return numbered


def _site_numbers(crystal: Atoms) -> Indices:
    """Give T and O sites numbers from 1 on."""
    kind = with_site_kinds(crystal).arrays["kind"]
    number = np.zeros(len(crystal), dtype=int)
    for element in (14, 8):
        members = np.flatnonzero(crystal.numbers == element)
        order = np.unique(kind[members])
        number[members] = np.searchsorted(order, kind[members]) + 1
    return number


def _kinds_by_distance(crystal: Atoms) -> Indices:
    """Group atoms by element and by their distances to T atoms."""
    i, j, lengths = neighbor_list("ijd", crystal, _SHELLS)
    to_t = crystal.numbers[j] == 14
    around_each = np.split(lengths[to_t], np.searchsorted(i[to_t], np.arange(1, len(crystal))))
    kind = np.full(len(crystal), -1)
    shells: list[tuple[int, Array]] = []
    for atom in range(len(crystal)):
        around = np.sort(around_each[atom])
        for number, (element, others) in enumerate(shells):
            count = min(len(around), len(others)) - 3  # an atom may lie just inside or outside the sphere
            if element == crystal.numbers[atom] and np.all(np.abs(around[:count] - others[:count]) < _SAME):
                kind[atom] = number
                break
        else:
            kind[atom] = len(shells)
            shells.append((int(crystal.numbers[atom]), around))
    return kind


def make_acid(crystal: Atoms, site: AcidSite) -> Atoms:
    """Put an aluminium atom and its proton into a framework.

    Parameters
    ----------
    crystal : ase.Atoms
        Unit cell from `zeolite_cell`; not changed.
    site : AcidSite
        Where, from `acid_sites` of the same crystal.

    Returns
    -------
    ase.Atoms
        The crystal with one Si replaced by Al, and the proton at the end. ``info["acid"]`` has the indices
        ``aluminium``, ``oxygen`` and ``proton``.

    Examples
    --------
    >>> from stemforge.structures import acid_sites, make_acid, zeolite_cell
    >>> crystal = zeolite_cell()
    >>> make_acid(crystal, acid_sites(crystal)[0]).get_chemical_formula()
    'HAlO192Si95'
    """
    acid = crystal.copy()
    acid.numbers[site.aluminium] = 13
    proton = Atoms("H", positions=[site.proton], tags=[int(Tag.SUPPORT)])
    for name in ("kind", "site"):
        proton.set_array(name, np.array([-1 if name == "kind" else 0]))
    proton.set_array("thermal_sigma", crystal.arrays["thermal_sigma"][[site.oxygen]])
    acid += proton
    acid.info["acid"] = {
        "aluminium": site.aluminium,
        "oxygen": site.oxygen,
        "proton": len(acid) - 1,
    }
    return acid
