"""Candidates as a table, written and read again, and one as a CIF."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms
from ase.io import write

from stemforge.errors import InputError
from stemforge.files import write_csv
from stemforge.micrograph.tables import read_cells
from stemforge.structures.candidates.guest_at_site import Candidate
from stemforge.structures.candidates.minima import Shares

__all__ = ["TableRow", "cif_text", "read_table", "write_table"]

_COLUMNS = (
    "name,t_site,oxygen_site,energy_eV,weight,same_as,head_proton_A,head_oxygen_A,oxygen_proton_A,transferred,"
    "displacement_A,force_eV_per_A,reference_force_eV_per_A,steps,converged,file"
)


def cif_text(atoms: Atoms) -> str:
    """Return a unit cell as a CIF without symmetry, atoms in their order and where they are."""
    stream = io.BytesIO()
    plain = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    write(stream, plain, format="cif", wrap=False)
    return stream.getvalue().decode("utf-8")


def write_table(path: Path, candidates: Sequence[Candidate], shares: Shares | None) -> None:
    """Write candidates as CSV, with their shares if they have energies."""
    rows = []
    for number, one in enumerate(candidates):
        same = (
            "" if shares is None or shares.first[number] == number else candidates[shares.first[number]].name
        )
        lengths = (one.head_proton, one.head_oxygen, one.oxygen_proton)
        rows.append(
            (
                *(one.name, one.t_site, one.oxygen_site, _text(one.energy, ".4f")),
                *(_text(None if shares is None else float(shares.weights[number]), ".4g"), same),
                *(_text(length, ".3f") for length in lengths),
                *(int(one.transferred), _text(one.displacement, ".3f")),
                *(_text(one.force, ".3f"), _text(one.reference_force, ".3f")),
                *(one.steps, int(one.converged), f"{one.name}.cif"),
            )
        )
    write_csv(path, _COLUMNS.split(","), rows)


def _text(value: float | None, form: str) -> str | None:
    return None if value is None else format(value, form)


@dataclass(frozen=True)
class TableRow:
    """What a table says of a candidate.

    Parameters
    ----------
    name : str
        Of the candidate.
    t_site, oxygen_site : int
        Numbers of the sites.
    energy : float or None
        Of the guest at the site [eV]; None where it was docked only.
    weight : float or None
        Boltzmann weight; None where candidates have no energies.
    same_as : str
        Name of the candidate that stands for the same minimum; empty where this one does.
    converged : bool
        Whether all forces were below the limit.
    file : str
        Name of the structure file in the folder.
    """

    name: str
    t_site: int
    oxygen_site: int
    energy: float | None
    weight: float | None
    same_as: str
    converged: bool
    file: str

    @classmethod
    def of(cls, cells: dict[str, str]) -> "TableRow":
        """Read a row.

        Raises
        ------
        ValueError
            A cell holds no number where one is needed; KeyError where a column is missing.
        """
        energy, weight = (float(cells[name]) if cells[name] else None for name in ("energy_eV", "weight"))
        t_site, oxygen_site = int(cells["t_site"]), int(cells["oxygen_site"])
        converged = bool(int(cells["converged"]))
        return cls(
            cells["name"], t_site, oxygen_site, energy, weight, cells["same_as"], converged, cells["file"]
        )


def read_table(path: Path) -> list[TableRow]:
    """Read a table that `write_table` wrote.

    Raises
    ------
    stemforge.errors.InputError
        It is missing, damaged, or another table.
    """
    header, rows = read_cells(path)
    found = []
    for line, cells in rows:
        try:
            found.append(TableRow.of(dict(zip(header, cells, strict=True))))
        except KeyError as error:
            raise InputError(
                f"{path}: has no column {error}; give a folder made by stemforge structures candidates"
            ) from error
        except ValueError as error:
            raise InputError(f"{path}: line {line}: {error}") from error
    return found
