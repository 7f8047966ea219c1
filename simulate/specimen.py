"""What is imaged: the supports that a recipe may name, and the atoms scattered on them."""

import warnings
from typing import Annotated, Any, Literal, Self

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from pydantic import Field, model_validator

from stemforge.console import say
from stemforge.errors import InputError, StructureWarning
from stemforge.settings import Fraction, NamedFile, NonNegative, Positive, Random, Settings, within
from stemforge.simulate.scan import Scan
from stemforge.structures import (
    amorphous_carbon,
    carbon_nitride,
    carbon_particle,
    mfi,
    place_guest,
    scatter_single_atoms,
    structure_from_file,
    substitute_aluminium,
    zeolite,
)


class SupportSettings(Settings):
    """Base of all supports."""

    def build(self, size: tuple[float, float], rng: np.random.Generator) -> Atoms:
        """Build the support over a field of ``size`` (x, y) [Å]."""
        raise NotImplementedError

    def check(self, scan: Scan) -> None:
        """Refuse, before any work, files that cannot be read or that do not fill the raster."""

    def _trial(self, size: tuple[float, float]) -> Atoms:
        rng = np.random.default_rng(0)
        with warnings.catch_warnings(record=True) as remarks:
            warnings.simplefilter("always", StructureWarning)
            try:
                atoms = self.draw(rng).build(size, rng)
            except InputError as error:
                raise type(error)(f"support: {error}") from error
            except (OSError, TypeError, ValueError) as error:
                raise InputError(f"support: {error}") from error
        for remark in remarks:
            if issubclass(remark.category, StructureWarning):
                say(f"support: {remark.message}")
        return atoms


class AmorphousCarbon(SupportSettings):
    """A flat slab; fields as in :func:`stemforge.structures.amorphous_carbon`."""

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

    def check(self, scan: Scan) -> None:
        """Refuse a file that cannot be read, or a structure smaller than the field of view."""
        cell = self._trial(scan.cell).cell
        scan.origin((cell[0, 0], cell[1, 1]))


class Zeolite(SupportSettings):
    """A zeolite film with molecules in its channels.

    Parameters
    ----------
    framework
        ``mfi``, built in, or a CIF file.
    zone_axis, thickness, mistilt, mistilt_angle
        Beam direction, thickness in unit cells (rounded), and a small tilt [mrad] towards an azimuth [rad]: see
        :func:`stemforge.structures.zeolite`.
    aluminium, anchored
        Share of the T atoms that are Al, each with a proton, and whether guests bind to the protons: see
        :func:`stemforge.structures.substitute_aluminium`.
    guests, occupancy
        Names of molecules with their weights, and the share of channels that hold one: see
        :func:`stemforge.structures.place_guest`.
    columns
        Each channel that is not empty holds a molecule in every unit cell along the beam, all in one pose.
    variants
        Different tiles in a field; each is imaged once. null draws every tile on its own.
    """

    kind: Literal["zeolite"]
    framework: Literal["mfi"] | NamedFile = "mfi"
    zone_axis: tuple[int, int, int] = (0, 1, 0)
    thickness: Positive = 2.0
    mistilt: NonNegative = 0.0
    mistilt_angle: Random = 0.0
    aluminium: Fraction = 0.0
    anchored: bool = False
    guests: dict[str, float] = Field(default={})
    occupancy: Fraction = 1.0
    columns: bool = False
    variants: Annotated[int, Field(ge=1)] | None = 4

    def build(self, size: tuple[float, float], rng: np.random.Generator) -> Atoms:
        """Build as many tiles as cover a field of ``size`` (x, y) [Å]."""
        azimuth = (np.cos(self.mistilt_angle), np.sin(self.mistilt_angle))
        mistilt = tuple(float(self.mistilt * part) for part in azimuth)
        thickness = max(1, round(self.thickness))
        film = {"zone_axis": self.zone_axis, "thickness": thickness, "mistilt": mistilt}
        tile = self._framework(**film).info["tile_size"]
        repeat = (int(np.ceil(size[0] / tile[0])), int(np.ceil(size[1] / tile[1])))
        atoms = self._framework(**film, repeat=repeat)
        if self.aluminium:
            atoms = substitute_aluminium(atoms, fraction=self.aluminium, variants=self.variants, rng=rng)
        if self.guests and self.occupancy:
            # The tiles with aluminium are variants already.
            values = self.model_dump(include={"occupancy", "anchored", "columns"})
            variants = None if self.aluminium else self.variants
            atoms = place_guest(atoms, self.guests, **values, variants=variants, rng=rng)
        return atoms

    def check(self, scan: Scan) -> None:
        """Refuse a framework or guests that cannot be built; one tile is enough to see."""
        self._trial((1.0, 1.0))

    def _framework(self, **film: Any) -> Atoms:
        if isinstance(self.framework, NamedFile):
            return zeolite(self.framework.path, sha256=self.framework.sha256, **film)
        return mfi(**film)


Support = Annotated[
    AmorphousCarbon | CarbonParticle | CarbonNitride | StructureFile | Zeolite, Field(discriminator="kind")
]


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
