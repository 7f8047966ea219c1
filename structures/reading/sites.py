"""Sites of a structure: none written twice, none too near to another, each with its share of an atom."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from stemforge.structures.cells import Array, Indices, Mask
from stemforge.structures.checks import require
from stemforge.structures.reading.pairs import near_pairs
from stemforge.structures.reading.symmetry import SAME_SITE

__all__ = ["TOO_CLOSE", "Sites", "checked_sites"]

TOO_CLOSE = 0.6
"""Atoms that come nearer than this [Å] are alternatives of a disordered site, or a mistake."""
_FULL = 1 - 1e-3  # occupancy that counts as 1
_SHORTEST_EDGE = 1.0  # Å
_FARTHEST = 1e6  # Å


@dataclass(frozen=True)
class Sites:
    """Sites of a structure file, with every symmetry image written out.

    Parameters
    ----------
    source
        The file.
    atoms
        A site each, in cell and with the periodicity of the file. Arrays: ``occupancy``; ``thermal_sigma`` [Å], nan
        where not known; ``kind``, the number of the file's row.
    labels
        Of the rows.
    remarks
        What was put right, in words that follow the file's name.
    """

    source: str
    atoms: Atoms
    labels: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def partial(self) -> Mask:
        """Which sites are not fully occupied."""
        return self.atoms.arrays["occupancy"] < 1

    @property
    def elements(self) -> list[str]:
        """Symbols of the elements in the file, in order."""
        return sorted({chemical_symbols[number] for number in self.atoms.numbers})

    def names(self, indices: NDArray[np.int_]) -> list[str]:
        """Labels of sites."""
        return [self.labels[kind] for kind in self.atoms.arrays["kind"][indices]]


def checked_sites(values: dict[str, Any], source: str) -> Sites:
    """Check what was read, and merge what is written twice.

    Parameters
    ----------
    values
        Of :func:`stemforge.structures.reading.files.read_atoms`.
    source
        The file.

    Raises
    ------
    ValueError
        A site without an element, a place or an edge that is no number, a share that is none, atoms on top of each
        other; the message names the file and the atoms.
    """
    positions, cell = np.asarray(values["positions"], float), np.asarray(values["cell"], float)
    require(len(positions) > 0, "path", "a file with at least one atom", source)
    near = bool(np.abs(np.vstack([positions, cell])).max() < _FARTHEST)  # false where one is no number
    require(near, "path", f"a file with positions and a cell below {_FARTHEST:g} Å", source)
    numbers = np.asarray(values["numbers"], int)
    unknown = np.flatnonzero((numbers < 1) | (numbers >= len(chemical_symbols)))
    if len(unknown):
        label = values["labels"][values["kind"][unknown[0]]]
        mend = "Remove dummy atoms, and give the others chemical symbols."
        require(False, f"the species of every site in {source!r}", "a chemical element", label, mend)
    occupancy, remarks = _shares(np.asarray(values["occupancy"], float), source)
    # Films are tiled in x and y whatever the file says.
    pbc = (True, True, bool(values["pbc"][2]))
    atoms = Atoms(numbers, positions, cell=cell, pbc=pbc)
    atoms.set_array("occupancy", occupancy)
    atoms.set_array("thermal_sigma", np.asarray(values["thermal_sigma"], float))
    atoms.set_array("kind", np.asarray(values["kind"], int))
    sites = Sites(source, atoms[occupancy > 0], tuple(values["labels"]), ())
    heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0) if atoms.cell.rank == 3 else np.zeros(3)
    if heights.min() > 0:  # who needs a cell says so
        mend = f"Is it a placeholder? Give the cell in Å, at least {_SHORTEST_EDGE:g} Å."
        require(
            bool(heights.min() >= _SHORTEST_EDGE),
            f"the cell of {source!r}",
            "that of the structure",
            heights.round(3).tolist(),
            mend,
        )
        sites, merged = _merged(sites)
        remarks += merged
    return Sites(source, sites.atoms, sites.labels, (*values["remarks"], *remarks))


def _shares(occupancy: Array, source: str) -> tuple[Array, list[str]]:
    """Return occupancies between 0 and 1, and remarks on what the file says otherwise."""
    wrong = occupancy[~((occupancy >= 0) & (occupancy <= 1 + 1e-3))]
    if len(wrong):
        require(False, f"the occupancy of every site in {source!r}", "between 0 and 1", float(wrong[0]))
    if not occupancy.any():  # as VMD writes them into PDB files
        return np.ones(len(occupancy)), ["its occupancies are all 0, which is taken as not stated"]
    remarks = []
    if not occupancy.all():
        remarks.append(f"{np.count_nonzero(occupancy == 0)} sites of occupancy 0 are left out")
    return np.where(occupancy >= _FULL, 1.0, occupancy), remarks


def _merged(sites: Sites) -> tuple[Sites, list[str]]:
    """Return the sites without those that are written twice; refuse others that lie on top of each other."""
    atoms, remarks = sites.atoms, []
    i, j, shift, d = near_pairs(atoms, TOO_CLOSE)
    # On both faces of the cell, a site is the same whatever share of it is occupied; in one place, two are two.
    occupancy, numbers = atoms.arrays["occupancy"], atoms.numbers
    same = (numbers[i] == numbers[j]) & (d <= SAME_SITE) & (occupancy[i] == occupancy[j])
    same &= (occupancy[i] == 1) | shift.any(axis=1)
    twice = np.unique(j[same & (i < j)])
    if len(twice):
        remarks.append(
            f"atoms that lie where another of their element does, as on both faces of the cell: {len(twice)}; each "
            "place is counted once"
        )
    kept = np.ones(len(atoms), dtype=bool)
    kept[twice] = False
    full = (occupancy[i] == 1) | (occupancy[j] == 1)
    close = np.flatnonzero(full & kept[i] & kept[j])
    if len(close):
        _refuse_pair(sites, i[close[0]], j[close[0]], float(d[close[0]]))
    return Sites(sites.source, atoms[kept], sites.labels, ()), remarks


def _refuse_pair(sites: Sites, i: Indices, j: Indices, distance: float) -> None:
    names = " and ".join(sites.names(np.array([i, j])))
    mend = f"{names} are nearer. Disordered or doubled sites? Keep one of them, or give each its occupancy."
    allowed = f"at least {TOO_CLOSE:g} Å"
    require(False, f"the distance between atoms in {sites.source!r}", allowed, round(distance, 3), mend)
