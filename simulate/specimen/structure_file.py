"""Any structure file as support."""

import warnings
from typing import Annotated, Literal

import numpy as np
from ase import Atoms
from pydantic import Field

from stemforge.errors import StructureWarning
from stemforge.settings import NamedFile
from stemforge.simulate.scan import Scan
from stemforge.simulate.specimen.base import SupportSettings
from stemforge.structures import structure_from_file


class StructureFile(SupportSettings):
    """Any structure file that ASE reads, in place of a builder.

    Parameters
    ----------
    path
        The file; its content is part of the recipe's hash.
    single_atoms
        Elements that are labelled.
    species
        Element of each type, for files that number their types (LAMMPS).
    repeat
        Cells along x and y. Sites that are partly occupied are drawn for each sample, in every cell.
    """

    kind: Literal["file"]
    path: NamedFile
    single_atoms: tuple[str, ...] = ()
    species: tuple[str, ...] = ()
    repeat: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = (1, 1)

    def build(self, size: tuple[float, float], rng: np.random.Generator) -> Atoms:
        """Read the structure and repeat it in x and y; ``size`` is checked by the scan."""
        values = self.model_dump(include={"single_atoms", "species", "repeat"})
        return structure_from_file(self.path.path, **values, rng=rng, sha256=self.path.sha256)

    def piece(self, size: tuple[float, float], rng: np.random.Generator) -> Atoms | None:
        """Return the whole structure; what the file holds was said before."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StructureWarning)
            return self.build(size, rng)

    def check(self, scan: Scan) -> None:
        """Refuse a file that cannot be read, or a structure smaller than the field of view."""
        cell = self.trial(scan.cell).cell
        scan.origin((cell[0, 0], cell[1, 1]))
