"""Single atoms on a support."""

from typing import Literal, Self

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from pydantic import model_validator

from stemforge.settings import Fraction, NonNegative, Settings
from stemforge.structures import scatter_single_atoms


class SingleAtoms(Settings):
    """Atoms scattered on a support; fields as in :func:`stemforge.structures.scatter_single_atoms`."""

    element: str
    areal_density: NonNegative = 0.3
    min_distance: NonNegative = 5.0
    placement: Literal["surface", "volume"] = "surface"
    cluster_fraction: Fraction = 0.0
    cluster_size: tuple[int, int] = (2, 4)
    ligand: Literal["Cl", "OH"] | None = None
    ligand_fraction: Fraction = 1.0
    impurity: bool = False

    @model_validator(mode="after")
    def _element_exists(self) -> Self:
        if self.element not in atomic_numbers or self.element == "X":
            raise ValueError(f"no such element: '{self.element}'")
        return self

    def scatter_on(self, atoms: Atoms, rng: np.random.Generator) -> Atoms:
        """Add the atoms to a support."""
        values = self.model_dump(exclude={"element"})
        return scatter_single_atoms(atoms, self.element, **values, rng=rng)
