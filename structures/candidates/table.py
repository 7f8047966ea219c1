"""Candidates as a table, and one as a CIF."""

import io
from collections.abc import Sequence
from pathlib import Path

from ase import Atoms
from ase.io import write

from stemforge.files import write_csv
from stemforge.structures.candidates.guest_at_site import Candidate
from stemforge.structures.candidates.minima import Shares

__all__ = ["cif_text", "write_table"]

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
