"""Supports of light atoms: carbon and carbon nitride."""

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

import numpy as np
from ase import Atoms

from stemforge.settings import Fraction, NonNegative, Positive, Random, within
from stemforge.simulate.specimen.base import SupportSettings
from stemforge.structures import amorphous_carbon, carbon_nitride, carbon_particle


class AmorphousCarbon(SupportSettings):
    """A flat slab; see :func:`stemforge.structures.amorphous_carbon`.

    Parameters
    ----------
    thickness
        Along the beam [Å].
    density
        Of mass [g/cm³].
    nitrogen_fraction
        Share of nitrogen among the atoms.
    """

    kind: Literal["amorphous_carbon"]
    thickness: Positive = 40.0
    density: Positive = 2.0
    nitrogen_fraction: Fraction = 0.0

    def build(self, size: tuple[float, float], rng: np.random.Generator) -> Atoms:
        """Build the support over a field of ``size`` (x, y) [Å]."""
        values = self.model_dump(exclude={"kind", "thickness"})
        return amorphous_carbon((*size, self.thickness), **values, rng=rng)


class CarbonParticle(SupportSettings):
    """Part of a particle; fields as in :func:`stemforge.structures.carbon_particle`."""

    DESCRIBED_BY: ClassVar[tuple[Callable[..., object], ...]] = (carbon_particle,)

    kind: Literal["carbon_particle"]
    mean_thickness: Annotated[Random, within(20, 600)] = 300.0
    density: Positive = 2.0
    nitrogen_fraction: Fraction = 0.0
    vacuum_fraction: Fraction = 0.2
    roughness: NonNegative = 0.08
    correlation_length: Annotated[Random, within(30)] = 80.0
    ridge_height: NonNegative = 0.05
    porosity: Fraction = 0.15
    pore_radius: Positive = 6.0

    def build(self, size: tuple[float, float], rng: np.random.Generator) -> Atoms:
        """Build the support over a field of ``size`` (x, y) [Å]."""
        return carbon_particle(size, **self.model_dump(exclude={"kind"}), rng=rng)


class CarbonNitride(SupportSettings):
    """Layers of g-C₃N₄; fields as in :func:`stemforge.structures.carbon_nitride`."""

    DESCRIBED_BY: ClassVar[tuple[Callable[..., object], ...]] = (carbon_nitride,)

    kind: Literal["carbon_nitride"]
    num_layers: Positive = 3
    interlayer_distance: Positive = 3.2
    stacking: Literal["AB", "AA", "random"] = "AB"
    corrugation: NonNegative = 0.3
    corrugation_wavelength: Positive = 20.0
    patches: Positive = 4
    disorder: NonNegative = 0.0
    lost_fraction: Fraction = 0.0

    def build(self, size: tuple[float, float], rng: np.random.Generator) -> Atoms:
        """Build the support over a field of ``size`` (x, y) [Å]."""
        values = self.model_dump(exclude={"kind"})
        counts = {name: max(1, round(values.pop(name))) for name in ("num_layers", "patches")}
        # One crystalline patch takes whole unit cells only: ask for one more, so that the field is covered.
        grown = (size[0] + 7.2, size[1] + 12.4) if counts["patches"] == 1 else size
        return carbon_nitride(grown, **values, **counts, rng=rng)
