"""Candidates as a table, and one as a CIF."""

import csv
import io
from collections.abc import Sequence

from ase import Atoms
from ase.io import write

from stemforge.structures.candidates.building import Candidate
from stemforge.structures.cells import Array

__all__ = ["cif_text", "table_text"]

_COLUMNS = (
    "name,t_site,oxygen_site,energy_eV,weight,head_proton_A,head_oxygen_A,oxygen_proton_A,transferred,"
    "displacement_A,force_eV_per_A,steps,converged,file"
)


def cif_text(atoms: Atoms) -> str:
    """Return a unit cell as a CIF without symmetry, atoms in their order and where they are."""
    stream = io.BytesIO()
    plain = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    write(stream, plain, format="cif", wrap=False)
    return stream.getvalue().decode("utf-8")


def table_text(candidates: Sequence[Candidate], weights: Array | None) -> str:
    """Return candidates as CSV, with their Boltzmann weights, shape ``(n,)``, if they have energies."""
    stream = io.StringIO()
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(_COLUMNS.split(","))
    for number, one in enumerate(candidates):
        energy = "" if one.energy is None else f"{one.energy:.4f}"
        weight = "" if weights is None else f"{weights[number]:.4g}"
        force = "" if one.force is None else f"{one.force:.3f}"
        lengths = (one.head_proton, one.head_oxygen, one.oxygen_proton)
        rows.writerow(
            [
                *(one.name, one.t_site, one.oxygen_site, energy, weight),
                *(f"{length:.3f}" for length in lengths),
                *(int(one.transferred), f"{one.displacement:.3f}", force, one.steps, int(one.converged)),
                f"{one.name}.cif",
            ]
        )
    return stream.getvalue()
