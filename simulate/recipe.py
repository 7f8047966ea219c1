"""The simulation recipe: everything that makes a corpus, in one YAML file."""

import warnings
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from ase import Atoms
from pydantic import Field, model_validator

from stemforge.errors import InputError, RecipeError, StructureWarning, errors_about
from stemforge.settings import ADDED_LATER, Distribution, Fraction, Settings
from stemforge.simulate.engines.auto import Engine
from stemforge.simulate.engines.kernels import Kernels
from stemforge.simulate.microscope import Microscope
from stemforge.simulate.recording.degrade import Degradation
from stemforge.simulate.scan import Scan
from stemforge.simulate.specimen.defects import Defect
from stemforge.simulate.specimen.particles import Particles
from stemforge.simulate.specimen.single_atoms import SingleAtoms
from stemforge.simulate.specimen.supports import Support
from stemforge.simulate.stages import Stage, random_stream
from stemforge.simulate.version import VERSION, older_layout

# Of recipes with a crystal that name no engine; frozen phonons as in the engines' own defaults.
_CRYSTAL_ENGINE = {"name": "auto", "max_error": 0.1}


class SimulationRecipe(Settings):
    """What a corpus is made of.

    Parameters
    ----------
    version
        Of the recipe's layout; may be left out.
    name
        Short name.
    seed
        Root of all randomness.
    num_samples
        Images in the corpus.
    shard_size
        Images in each shard file; one where ``scan.sampling`` is a distribution.
    support
        What carries the atoms.
    particles
        Nanoparticles on or in the support, one entry for each kind; put there before all that follows.
    defects
        Point defects of the support, in the order in which they are made, before single atoms are scattered.
    single_atoms
        One entry for each scattered element; their order matters to the random numbers.
    microscope
        Optics and detectors.
    scan
        Raster of the image.
    engine
        How images are computed. By default ``kernels``; for a ``crystal_slab`` what ``auto`` finds within an error of
        0.1.
    focus
        Depth of the focal plane as a fraction of the structure: 0 its entrance side, 1 its exit side.
    degradation
        What a reader of the corpus does to the noise-free signal unless another degradation is given.
    reference_dose
        Dose at which labels state their contrast-to-noise [e/Å²].
    store_structures
        Keep every atom with its sample; a thick support takes some 8 MB.

    Examples
    --------
    >>> SimulationRecipe.shipped("pt-nc").microscope.energy
    60000.0
    """

    version: Literal[2] = VERSION
    name: str = "recipe"
    seed: Annotated[int, Field(ge=0)] = 0
    num_samples: Annotated[int, Field(ge=1)] = 100
    shard_size: Annotated[int, Field(ge=1)] = 4
    support: Support
    particles: Annotated[tuple[Particles, ...], ADDED_LATER] = ()
    defects: Annotated[tuple[Defect, ...], ADDED_LATER] = ()
    single_atoms: tuple[SingleAtoms, ...] = ()
    microscope: Microscope = Microscope()
    scan: Scan = Scan()
    engine: Engine = Kernels()
    focus: Fraction = 0.5
    degradation: Degradation = Degradation(dose=1e4)
    reference_dose: Annotated[float, Field(gt=0)] = 1e4
    store_structures: bool = True

    @model_validator(mode="before")
    @classmethod
    def _this_layout(cls, values: Any) -> Any:
        changed = older_layout(values) if isinstance(values, Mapping) else None
        if changed:
            raise ValueError(f"is a recipe of an older layout: {changed}")
        return values

    @model_validator(mode="before")
    @classmethod
    def _engine_for_crystals(cls, values: Any) -> Any:
        """Let the engine of a crystal be found by its error, where the recipe names none: columns guide the probe."""
        if not isinstance(values, Mapping) or "engine" in values:
            return values
        support = values.get("support")
        kind = support.get("kind") if isinstance(support, Mapping) else getattr(support, "kind", None)
        return {**values, "engine": _CRYSTAL_ENGINE} if kind == "crystal_slab" else values

    @model_validator(mode="before")
    @classmethod
    def _one_pixel_size_a_file(cls, values: Any) -> Any:
        """Put every image into a file of its own where the pixel size is drawn: samples of one shard share theirs."""
        scan = values.get("scan") if isinstance(values, Mapping) else None
        sampling = scan.get("sampling") if isinstance(scan, Mapping) else getattr(scan, "sampling", None)
        return {**values, "shard_size": 1} if isinstance(sampling, Mapping | Distribution) else values

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
        """Hash of what decides a sample's content; a corpus may grow, so ``num_samples`` is left out.

        Files count by name and content: where the recipe does not state their SHA-256 they are read, and one that
        cannot be read is a RecipeError. A recipe without files has the hash of its settings.
        """
        return self.pinned().replace(num_samples=1).hash

    @property
    def num_shards(self) -> int:
        """Number of shards that hold the samples."""
        return -(-self.num_samples // self.shard_size)

    def rng(self, index: int, stage: Stage) -> np.random.Generator:
        """Return the stream of random numbers of one stage of one sample."""
        return random_stream(self.seed, index, stage)

    def build(self, index: int) -> tuple[Self, Atoms]:
        """Draw the settings of one sample and build its structure.

        Returns
        -------
        recipe, atoms
            These settings with every distribution replaced by a number, and the structure.

        Raises
        ------
        InputError
            What a builder refuses. ChangedFileError is one: a file has another content than the settings state.
        """
        drawn = self.draw(self.rng(index, Stage.DRAW))
        rng = self.rng(index, Stage.STRUCTURE)
        about = f"recipe '{self.name}', structure of sample {index}"
        with errors_about(about), warnings.catch_warnings():
            # What a file holds was said when the recipe was checked.
            warnings.simplefilter("ignore", StructureWarning)
            try:
                atoms = drawn.support.build(drawn.scan.cell, rng)
                for particles in drawn.particles:
                    atoms = particles.add_to(atoms, rng)
                for defect in drawn.defects:
                    atoms = defect.apply(atoms, rng)
                for species in drawn.single_atoms:
                    atoms = species.scatter_on(atoms, rng)
            except InputError:
                raise
            except (OSError, TypeError, ValueError) as error:  # of the builder, about its parameters
                raise InputError(str(error)) from error
        return drawn, atoms

    def focus_depth(self, atoms: Atoms) -> float:
        """Return the depth of the focal plane in a structure [Å]; the settings must be drawn."""
        z = atoms.positions[:, 2] if len(atoms) else np.zeros(1)
        return float(z.min() + self.focus * np.ptp(z) + self.microscope.defocus)


def shipped_recipes(*, sets: bool = False) -> dict[str, Path]:
    """Return the recipes that ship with stemforge, or the sets of recipes, by name.

    Examples
    --------
    >>> shipped_recipes()["pt-nc"].name, list(shipped_recipes(sets=True))
    ('pt-nc.yaml', ['any-atom'])
    """
    folder = Path(str(files("stemforge.simulate"))) / "recipes"
    paths = {path.stem: path for path in folder.glob("sets/*.yaml" if sets else "*.yaml")}
    return dict(sorted(paths.items()))
