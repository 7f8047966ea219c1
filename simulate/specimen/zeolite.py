"""Zeolite films with molecules in their channels."""

from typing import Annotated, Any, Literal, Self

import numpy as np
from ase import Atoms
from pydantic import Field, model_validator

from stemforge.settings import ADDED_LATER, Fraction, NamedFile, NonNegative, Positive, Random
from stemforge.simulate.scan import Scan
from stemforge.simulate.specimen.base import SupportSettings
from stemforge.structures import place_guest, substitute_aluminium, zeolite
from stemforge.structures.zeolites.known import KNOWN


def _usual_axis(framework: Any) -> tuple[int, int, int]:
    """Return the zone axis along which a framework, by its name or a file, is seen unless another is stated."""
    known = KNOWN.get(str(framework))
    return known.zone_axis if known else (0, 1, 0)


class Zeolite(SupportSettings):
    """A zeolite film with molecules in its channels.

    Parameters
    ----------
    framework
        ``mfi``, ``fau``, ``cha``, ``mor`` or ``bea``, built in, or a CIF file.
    zone_axis
        Lattice direction along the beam: see :func:`stemforge.structures.zeolite`. Without it a framework that is built
        in is imaged along its channels, and a CIF along b.
    thickness
        Along the beam [unit cells], rounded.
    mistilt
        Small tilt of the beam [mrad].
    mistilt_angle
        Azimuth of the tilt [rad].
    aluminium
        Share of the T atoms that are Al, each with a proton: see
        :func:`stemforge.structures.substitute_aluminium`.
    anchored
        Whether guests bind to the protons.
    guests
        Names of molecules with their weights: see :func:`stemforge.structures.place_guest`.
    occupancy
        Share of the channels that hold a guest.
    guests_per_channel
        Molecules, or columns of them, in each channel that is not empty, as far as they fit.
    columns
        Each channel that is not empty holds a molecule in every unit cell along the beam, all in one pose.
    variants
        Different tiles in a field; each is imaged once. null draws every tile on its own.
    """

    kind: Literal["zeolite"]
    framework: Literal["mfi", "fau", "cha", "mor", "bea"] | NamedFile = "mfi"
    zone_axis: tuple[int, int, int] = (0, 1, 0)
    thickness: Positive = 2.0
    mistilt: NonNegative = 0.0
    mistilt_angle: Random = 0.0
    aluminium: Fraction = 0.0
    anchored: bool = False
    guests: dict[str, float] = Field(default={})
    occupancy: Fraction = 1.0
    guests_per_channel: Annotated[int, Field(ge=1), ADDED_LATER] = 1
    columns: bool = False
    variants: Annotated[int, Field(ge=1)] | None = 4

    @model_validator(mode="before")
    @classmethod
    def _seen_along_its_channels(cls, values: Any) -> Any:
        if isinstance(values, dict) and "zone_axis" not in values:
            return values | {"zone_axis": _usual_axis(values.get("framework", "mfi"))}
        return values

    def replace(self, **changes: Any) -> Self:
        """Return the same film with some settings changed; another framework is seen along its own channels.

        A zone axis other than the usual one of the framework as it was is kept.

        Raises
        ------
        RecipeError
            An unknown field, a wrong type or a value out of range.

        Examples
        --------
        >>> film = Zeolite(kind="zeolite")
        >>> film.replace(framework="fau").zone_axis, film.replace(zone_axis=(1, 0, 0), framework="fau").zone_axis
        ((1, 1, 0), (1, 0, 0))
        """
        if "framework" in changes and self.zone_axis == _usual_axis(self.framework):
            changes = {"zone_axis": _usual_axis(changes["framework"])} | changes
        return super().replace(**changes)

    def build(self, size: tuple[float, float], rng: np.random.Generator) -> Atoms:
        """Build as many tiles as cover a field of ``size`` (x, y) [Å]."""
        tile = self.tile().info["tile_size"]
        atoms = self.tile((int(np.ceil(size[0] / tile[0])), int(np.ceil(size[1] / tile[1]))))
        if self.aluminium:
            atoms = substitute_aluminium(atoms, fraction=self.aluminium, variants=self.variants, rng=rng)
        if self.guests and self.occupancy:
            # The tiles with aluminium are variants already.
            values = self.model_dump(include={"occupancy", "anchored", "columns"})
            values |= {"each": self.guests_per_channel, "variants": None if self.aluminium else self.variants}
            atoms = place_guest(atoms, self.guests, **values, rng=rng)
        return atoms

    def check(self, scan: Scan) -> None:
        """Refuse a framework or guests that cannot be built; one tile is enough to see."""
        self.trial((1.0, 1.0))

    def tile(self, repeat: tuple[int, int] = (1, 1)) -> Atoms:
        """Build the empty film, as so many tiles; the settings must be drawn."""
        azimuth = (np.cos(self.mistilt_angle), np.sin(self.mistilt_angle))
        mistilt = tuple(float(self.mistilt * part) for part in azimuth)
        thickness = max(1, round(self.thickness))
        film: dict[str, Any] = {
            "zone_axis": self.zone_axis,
            "thickness": thickness,
            "mistilt": mistilt,
            "repeat": repeat,
        }
        if isinstance(self.framework, NamedFile):
            return zeolite(self.framework.path, sha256=self.framework.sha256, **film)
        return zeolite(self.framework, **film)
