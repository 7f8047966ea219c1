"""Sheets of layered materials as a support."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from ase import Atoms
from pydantic import model_validator

from stemforge.settings import Positive, Random, within
from stemforge.simulate.specimen.base import SupportSettings
from stemforge.structures import layered_material
from stemforge.structures.layered.materials import MATERIALS


class Layers(SupportSettings):
    """Stacked sheets; fields as in :func:`stemforge.structures.layered_material`.

    ``num_layers`` and ``grains`` may be drawn from a distribution and are rounded.

    Parameters
    ----------
    num_layers
        Sheets on top of each other.
    """

    DESCRIBED_BY: ClassVar[tuple[Callable[..., object], ...]] = (layered_material,)

    kind: Literal["layers"]
    material: Literal["graphene", "h-BN", "MoS2", "WS2"] = "graphene"
    num_layers: Positive = 1
    stacking: Literal["AA", "AA'", "AB", "ABC", "2H", "3R"] | None = None
    rotation: Annotated[Random, within(-360, 360)] = 0.0
    twist: Annotated[Random, within(-360, 360)] = 0.0
    interlayer_distance: Positive | None = None
    ripple_amplitude: Annotated[Random, within(0, 10)] = 0.0
    ripple_wavelength: Annotated[Random, within(5)] = 50.0
    grains: Positive = 1
    hole_fraction: Annotated[Random, within(0, 0.9)] = 0.0
    hole_radius: Annotated[Random, within(1)] = 8.0

    @model_validator(mode="after")
    def _stacking_of_the_material(self) -> Self:
        known = MATERIALS[self.material].stackings
        if self.stacking is not None and self.stacking not in known:
            raise ValueError(f"stacking must be one of {', '.join(known)} for {self.material}")
        return self

    def build(self, size: tuple[float, float], rng: np.random.Generator) -> Atoms:
        """Build the support over a field of at least ``size`` (x, y) [Å]."""
        values: dict[str, Any] = self.model_dump(exclude={"kind", "material"})
        values |= {name: max(1, round(values[name])) for name in ("num_layers", "grains")}
        return layered_material(size, self.material, **values, rng=rng)

    def piece(self, size: tuple[float, float], rng: np.random.Generator) -> Atoms | None:
        """Build a small part of the sheets, without holes."""
        return self.replace(hole_fraction=0.0).build(size, rng)
