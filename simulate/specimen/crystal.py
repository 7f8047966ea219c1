"""Slabs of crystals."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from ase import Atoms
from pydantic import BeforeValidator, Field, model_validator

from stemforge.settings import NamedFile, NonNegative, Random, within
from stemforge.simulate.scan import Scan
from stemforge.simulate.specimen.base import SupportSettings
from stemforge.structures import crystal_slab
from stemforge.structures.crystals.known import KNOWN_CRYSTALS, is_known_crystal

# A beam that is farther from the zone axis is along another one [mrad].
_LARGEST_MISTILT = 200.0


def _known_or_file(value: Any) -> Any:
    """Tell names from files: a name has no suffix and is no path."""
    if isinstance(value, str) and not is_known_crystal(value):
        if not Path(value).suffix and Path(value).name == value:
            raise ValueError(
                f"must be one of {', '.join(KNOWN_CRYSTALS)}, the symbol of an element, or the path of a structure file"
            )
        return NamedFile(path=Path(value))
    return NamedFile.model_validate(value) if isinstance(value, Mapping) else value


class CrystalSlab(SupportSettings):
    """A slab of a crystal; see :func:`stemforge.structures.crystal_slab`.

    Parameters
    ----------
    crystal
        ``mgo``, ``nio``, ``ceo2``, ``tio2-rutile``, ``tio2-anatase``, ``al2o3-alpha``, ``al2o3-gamma``, ``srtio3``, the
        symbol of an element, or a structure file (CIF).
    face
        Miller indices of the face that the beam hits at a right angle, of the conventional cell; or ``zone_axis``.
    zone_axis
        Lattice direction along the beam, in terms of the conventional cell; or ``face``.
    thickness
        Along the beam [Å], to the nearest number of whole layers.
    rotation
        Azimuth of the image's x axis from the closest row of lattice points across the beam [rad].
    mistilt
        Angle between beam and zone axis [mrad].
    mistilt_angle
        Azimuth of the tilt [rad].
    steps
        Step edges, one layer high, across each of the two surfaces (rounded to an even number).
    roughness
        Root mean square roughness of each surface [Å].
    vacuum_fraction
        Share of the field that is vacuum beside the crystal.
    edge_angle
        Azimuth of the direction towards the vacuum [rad].
    edge_roughness
        Root mean square deviation of the crystal's edge from a straight line [Å].
    max_strain
        Largest strain by which the crystal is fitted to an orthogonal, periodic field.
    """

    kind: Literal["crystal_slab"]
    crystal: Annotated[str | NamedFile, BeforeValidator(_known_or_file)]
    face: tuple[int, int, int] | None = None
    zone_axis: tuple[int, int, int] | None = None
    thickness: Annotated[Random, within(1, 2000)] = 40.0
    rotation: Random = 0.0
    mistilt: Annotated[Random, within(0, _LARGEST_MISTILT)] = 0.0
    mistilt_angle: Random = 0.0
    steps: NonNegative = 0
    roughness: NonNegative = 0.0
    vacuum_fraction: Annotated[Random, within(0, 0.95)] = 0.0
    edge_angle: Random = 0.0
    edge_roughness: NonNegative = 0.0
    max_strain: Annotated[float, Field(ge=0, le=0.2)] = 0.02

    @model_validator(mode="after")
    def _one_direction(self) -> Self:
        if (self.face is None) == (self.zone_axis is None):
            raise ValueError("give either face: [h, k, l] or zone_axis: [u, v, w]")
        if not any(self.face or self.zone_axis or ()):
            raise ValueError("a direction has an index other than 0")
        return self

    def build(self, size: tuple[float, float], rng: np.random.Generator) -> Atoms:
        """Build the support over a field of at least ``size`` (x, y) [Å]."""
        values = self.model_dump(
            exclude={"kind", "crystal", "mistilt", "mistilt_angle", "rotation", "steps", "edge_angle"}
        )
        file = self.crystal if isinstance(self.crystal, NamedFile) else None
        tilt = (self.mistilt * np.cos(self.mistilt_angle), self.mistilt * np.sin(self.mistilt_angle))
        return crystal_slab(
            str(self.crystal) if file is None else file.path,
            size,
            mistilt=(float(tilt[0]), float(tilt[1])),
            rotation=float(np.mod(self.rotation, 2 * np.pi)),
            steps=round(self.steps),
            edge_angle=self.edge_angle,
            sha256=None if file is None else file.sha256,
            rng=rng,
            **values,
        )

    def piece(self, size: tuple[float, float], rng: np.random.Generator) -> Atoms | None:
        """Build a small part of the slab, without its edge."""
        return self.replace(vacuum_fraction=0.0).build(size, rng)

    def check(self, scan: Scan) -> None:
        """Refuse a crystal that cannot be built over the field."""
        self.trial(scan.cell)
