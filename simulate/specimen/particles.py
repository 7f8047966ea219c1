"""Nanoparticles on or in a support."""

from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from ase import Atoms
from pydantic import Field, model_validator

from stemforge.settings import Fraction, NonNegative, Positive, Random, Settings, within
from stemforge.structures import add_nanoparticles, nanoparticle


class Particles(Settings):
    """Nanoparticles of one element; fields as in :func:`stemforge.structures.add_nanoparticles`.

    ``diameter`` is drawn for a sample, as every distribution in a recipe; ``diameter_spread`` makes the particles of
    one sample differ.
    """

    DESCRIBED_BY: ClassVar[tuple[Callable[..., object], ...]] = (nanoparticle, add_nanoparticles)

    element: str
    diameter: Annotated[Random, within(6, 200)] = 20.0
    diameter_spread: Fraction = 0.0
    areal_density: NonNegative = 0.005
    shape: Literal["wulff", "octahedron", "cuboctahedron", "decahedron", "icosahedron"] = "wulff"
    surface_energies: Mapping[str, Annotated[float, Field(gt=0)]] | None = None
    zone_axis: tuple[int, int, int] | None = None
    placement: Literal["surface", "volume"] = "surface"
    sunk_fraction: Fraction = 0.0
    contact_distance: Positive = 2.5
    min_gap: NonNegative = 3.0

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        # A small one is cheap, and says what is wrong with element, shape and energies.
        nanoparticle(self.element, 12.0, self.shape, surface_energies=self.surface_energies)
        return self

    def add_to(self, atoms: Atoms, rng: np.random.Generator) -> Atoms:
        """Add the particles to a support."""
        values = self.model_dump(exclude={"element"})
        return add_nanoparticles(atoms, self.element, **values, rng=rng)
