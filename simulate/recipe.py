"""The simulation recipe: everything that makes a corpus, in one YAML file."""

from enum import IntEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from pydantic import Field, model_validator

from stemforge.errors import RecipeError
from stemforge.settings import Fraction, NonNegative, Positive, Random, Settings, within
from stemforge.simulate.microscope import Microscope
from stemforge.simulate.recording.degrade import Degradation
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


class Stage(IntEnum):
    """Stages of a sample; each has its own stream of random numbers."""

    DRAW = 0
    STRUCTURE = 1
    SIMULATION = 2
    DEGRADATION = 3


class AmorphousCarbon(Settings):
    """A flat slab; fields as in :func:`stemforge.structures.amorphous_carbon`."""

    kind: Literal["amorphous_carbon"]
    thickness: Positive = 40.0
    density: Positive = 2.0
    nitrogen_fraction: Fraction = 0.0

    def build(self, size: tuple[float, float], rng: np.random.Generator) -> Atoms:
        """Build the support over a field of ``size`` (x, y) [Å]."""
        return amorphous_carbon(
            (*size, self.thickness), density=self.density, nitrogen_fraction=self.nitrogen_fraction, rng=rng
        )


class CarbonParticle(Settings):
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


class CarbonNitride(Settings):
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


class StructureFile(Settings):
    """Any structure file that ASE reads, in place of a builder."""

    kind: Literal["file"]
    path: Path
    single_atoms: tuple[str, ...] = ()
    repeat: tuple[int, int] = (1, 1)

    def build(self, size: tuple[float, float], rng: np.random.Generator) -> Atoms:
        """Read the structure and repeat it in x and y; ``size`` is checked by the scan."""
        return structure_from_file(self.path, single_atoms=self.single_atoms).repeat((*self.repeat, 1))


class Zeolite(Settings):
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
    framework: Literal["mfi"] | Path = "mfi"
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
        film = {
            "zone_axis": self.zone_axis,
            "thickness": max(1, round(self.thickness)),
            "mistilt": (
                float(self.mistilt * np.cos(self.mistilt_angle)),
                float(self.mistilt * np.sin(self.mistilt_angle)),
            ),
        }
        tile = self._framework(**film).info["tile_size"]
        repeat = (int(np.ceil(size[0] / tile[0])), int(np.ceil(size[1] / tile[1])))
        atoms = self._framework(**film, repeat=repeat)
        if self.aluminium:
            atoms = substitute_aluminium(atoms, fraction=self.aluminium, variants=self.variants, rng=rng)
        if self.guests and self.occupancy:
            # The tiles with aluminium are variants already.
            atoms = place_guest(
                atoms,
                self.guests,
                occupancy=self.occupancy,
                anchored=self.anchored,
                columns=self.columns,
                variants=None if self.aluminium else self.variants,
                rng=rng,
            )
        return atoms

    def _framework(self, **film: Any) -> Atoms:
        return mfi(**film) if self.framework == "mfi" else zeolite(self.framework, **film)


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


class Engine(Settings):
    """How images are computed.

    Parameters
    ----------
    name
        ``kernels`` for thick light supports, ``prism`` or ``multislice`` (the reference); ``auto`` takes the
        cheapest of them whose error is within ``max_error``.
    thermal_sigma
        Root mean square thermal displacement along one direction [Å].
    depth_step, broadening
        Of ``kernels``: see :func:`stemforge.simulate.kernel_signal`.
    frozen_phonons, slice_thickness, sampling, interpolation
        Of ``multislice`` and ``prism``: see :func:`stemforge.simulate.abtem_signal`. With a segmented detector
        ``prism`` images crystals tile by tile (:func:`stemforge.simulate.segmented_signal`), and atoms move as
        their Debye-Waller factors say.
    device
        ``cpu``, or ``gpu``: ``kernels`` then sums through torch, and abTEM runs through CuPy. The images are the
        same to 1e-3, not to the bit.
    max_error
        Error that is allowed [root mean square, relative to the image's standard deviation]. With annular detectors
        it decides what ``auto`` is, see :func:`stemforge.simulate.choose_engine`; with a segmented detector
        ``sampling`` and ``slice_thickness`` are planned for it, see :func:`stemforge.simulate.plan_segmented`.
    """

    name: Literal["auto", "kernels", "prism", "multislice"] = "kernels"
    thermal_sigma: Annotated[float, Field(ge=0)] = 0.08
    depth_step: Annotated[float, Field(gt=0)] = 10.0
    broadening: bool = True
    frozen_phonons: Annotated[int, Field(ge=0)] = 8
    slice_thickness: Annotated[float, Field(gt=0)] = 2.0
    sampling: Annotated[float, Field(gt=0)] | None = None
    interpolation: Annotated[int, Field(ge=1)] = 1
    device: Literal["cpu", "gpu"] = "cpu"
    max_error: Annotated[float, Field(gt=0, lt=1)] | None = None

    @property
    def title(self) -> str:
        """Name, and interpolation where there is any."""
        return f"{self.name} (interpolation {self.interpolation})" if self.interpolation > 1 else self.name

    @model_validator(mode="after")
    def _auto_needs_a_bound(self) -> Self:
        if self.name == "auto" and self.max_error is None:
            raise ValueError("name: auto needs max_error, the error that is allowed, such as 0.2")
        return self

    @model_validator(mode="after")
    def _interpolation_needs_prism(self) -> Self:
        if self.interpolation > 1 and self.name != "prism":
            raise ValueError("interpolation is an option of prism only")
        return self


class SimulationRecipe(Settings):
    """What a corpus is made of.

    Parameters
    ----------
    name
        Short name.
    seed
        Root of all randomness.
    num_samples, shard_size
        Images in the corpus and in each shard file.
    support
        What carries the atoms.
    single_atoms
        One entry for each scattered element; their order matters to the random numbers.
    microscope, scan, engine
        Imaging.
    focus
        Depth of the focal plane as a fraction of the structure: 0 its entrance side, 1 its exit side.
    degradation
        What a reader of the corpus does to the noise-free signal unless told otherwise.
    reference_dose
        Dose at which labels state their contrast-to-noise [e/Å²].
    store_structures
        Keep every atom with its sample; a thick support takes some 8 MB.

    Examples
    --------
    >>> SimulationRecipe.shipped("pt-nc").microscope.energy
    60000.0
    """

    name: str = "recipe"
    seed: Annotated[int, Field(ge=0)] = 0
    num_samples: Annotated[int, Field(ge=1)] = 100
    shard_size: Annotated[int, Field(ge=1)] = 4
    support: Support
    single_atoms: tuple[SingleAtoms, ...] = ()
    microscope: Microscope = Microscope()
    scan: Scan = Scan()
    engine: Engine = Engine()
    focus: Fraction = 0.5
    degradation: Degradation = Degradation(dose=1e4)
    reference_dose: Annotated[float, Field(gt=0)] = 1e4
    store_structures: bool = True

    @classmethod
    def load(cls, recipe: str | Path, overrides: dict[str, Any] | None = None) -> Self:
        """Read a recipe: a YAML file, or the name of one that ships with stemforge.

        Raises
        ------
        RecipeError
            Neither a file nor a shipped recipe, or a recipe that cannot be used.
        """
        path = Path(recipe)
        if not path.is_file():
            known = shipped_recipes()
            if str(recipe) not in known:
                raise RecipeError(
                    f"{recipe}: no such recipe file, and no shipped recipe of that name ({', '.join(known)})"
                )
            path = known[str(recipe)]
        return cls.from_file(path, overrides)

    @classmethod
    def shipped(cls, name: str) -> Self:
        """Return a recipe that ships with stemforge, by name."""
        return cls.load(name)

    @property
    def content_hash(self) -> str:
        """Hash of what decides a sample's content; a corpus may grow, so ``num_samples`` is left out."""
        return self.model_copy(update={"num_samples": 1}).hash

    def rng(self, index: int, stage: Stage) -> np.random.Generator:
        """Return the stream of random numbers of one stage of one sample."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(index, int(stage))))

    def build(self, index: int) -> tuple[Self, Atoms]:
        """Draw the settings of one sample and build its structure.

        Returns
        -------
        recipe, atoms
            These settings with every distribution replaced by a number, and the structure.
        """
        rng = self.rng(index, Stage.DRAW)
        drawn = self.draw(rng)
        rng = self.rng(index, Stage.STRUCTURE)
        atoms = drawn.support.build(drawn.scan.cell, rng)
        for species in drawn.single_atoms:
            values = species.model_dump(exclude={"element"})
            atoms = scatter_single_atoms(atoms, species.element, **values, rng=rng)
        return drawn, atoms


def shipped_recipes() -> dict[str, Path]:
    """Return the recipes that ship with stemforge, by name."""
    folder = Path(str(files("stemforge.simulate"))) / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
