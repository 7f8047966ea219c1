"""One sample of a recipe: structure, noise-free signal, labels; and what is refused before any is made."""

import functools
from typing import Any

import numpy as np
from ase import Atoms

from stemforge.corpus.sample import Sample, Structure
from stemforge.errors import InputError
from stemforge.simulate.imaging import focus_depth, image_structure
from stemforge.simulate.labels.atoms import label_atoms
from stemforge.simulate.labels.molecules import label_molecules
from stemforge.simulate.planning.deviation import choose_engine
from stemforge.simulate.recipe import Engine, SimulationRecipe, Stage, StructureFile, Zeolite
from stemforge.simulate.scan import Scan


def simulate_sample(recipe: SimulationRecipe, index: int, *, engine: Engine | None = None) -> Sample:
    """Make one sample of a recipe: structure, noise-free signal, labels.

    Parameters
    ----------
    recipe
        The recipe; its distributions are drawn for this sample.
    index
        Number of the sample. The same recipe and number give the same sample, whatever else was made.
    engine
        What :func:`planned_engine` returned, where that was called before; it need not be planned again then.

    Returns
    -------
    Sample
        With signal of shape (detectors, height, width) as fraction of incident electrons.

    Examples
    --------
    >>> recipe = SimulationRecipe.load("fe-c3n4", {"scan.shape": [32, 32]})
    >>> simulate_sample(recipe, 0).signal.shape
    (1, 32, 32)
    """
    try:
        drawn, atoms = recipe.build(index)
    except (OSError, TypeError, ValueError) as error:  # a builder's own word on its parameters
        raise InputError(f"recipe '{recipe.name}', structure of sample {index}: {error}") from error
    focus = focus_depth(drawn, atoms)
    drawn = drawn.model_copy(update={"engine": engine or planned_engine(recipe)})
    signal = image_structure(drawn, atoms, focus, recipe.rng(index, Stage.SIMULATION))
    described: dict[str, Any] = {}
    if drawn.microscope.segments is None:
        labels = label_atoms(
            atoms,
            signal,
            drawn.microscope,
            drawn.scan,
            focus,
            reference_dose=drawn.reference_dose,
            source_size=drawn.degradation.source_size,
            thermal_sigma=drawn.engine.thermal_sigma,
        )
    else:
        labels, described["molecules"] = label_molecules(atoms, drawn.scan)
        described["frame"] = {"rotation": drawn.scan.rotation, "shift": list(drawn.scan.shift)}
        if "lattice" in atoms.info:
            described["lattice"] = _lattice_on_image(atoms, drawn.scan)
    return Sample(
        index=index,
        signal=signal,
        sampling=drawn.scan.sampling,
        channels=drawn.microscope.channels,
        labels=labels,
        metadata={
            "name": f"{recipe.name}-{index:06d}",
            "focus_angstrom": focus,
            "thickness_angstrom": float(np.ptp(atoms.positions[:, 2])) if len(atoms) else 0.0,
            "num_atoms": len(atoms),
            **described,
            "drawn": drawn.model_dump(
                mode="json", include={"support", "single_atoms", "microscope", "engine", "focus"}
            ),
        },
        structure=_structure(atoms) if recipe.store_structures else None,
    )


def planned_engine(recipe: SimulationRecipe) -> Engine:
    """Return the engine as it will be used: what ``max_error`` asks for is found on the first sample.

    It depends on the recipe alone, so that every process plans the same.
    """
    return _planned(recipe.model_dump_json())


@functools.lru_cache(maxsize=4)
def _planned(text: str) -> Engine:
    recipe = SimulationRecipe.model_validate_json(text)
    return recipe.engine if recipe.engine.max_error is None else choose_engine(recipe)[0]


def _lattice_on_image(atoms: Atoms, scan: Scan) -> dict[str, list[float]]:
    """Origin and lattice vectors (x, y) of the framework on the image [pixel]."""
    lattice = atoms.info["lattice"]
    origin = np.asarray(lattice["origin"], dtype=float)[:2]
    ends = np.stack([origin, *(origin + np.asarray(lattice[name], dtype=float)[:2] for name in ("a", "b"))])
    places = scan.pixels(ends, (float(atoms.cell[0, 0]), float(atoms.cell[1, 1])))
    return {
        "origin_px": places[0].tolist(),
        "a_px": (places[1] - places[0]).tolist(),
        "b_px": (places[2] - places[0]).tolist(),
    }


def _structure(atoms: Atoms) -> Structure:
    return Structure(
        atoms.numbers.astype(np.uint8),
        atoms.positions.astype(np.float32),
        atoms.get_tags().astype(np.uint8),
        np.asarray(atoms.cell),
    )


def check_recipe(recipe: SimulationRecipe) -> None:
    """Refuse, before any work, a recipe that the engine could not carry out.

    Raises
    ------
    InputError
        Detector beyond the antialias limit, no dose, or a structure file that cannot be read or is smaller
        than the field of view.
    """
    segmented = recipe.microscope.segments is not None
    if segmented and recipe.engine.name == "kernels":
        raise InputError(
            "engine.name: kernels adds intensities, a segmented detector needs prism or multislice"
        )
    planned = recipe.engine.name == "auto" or (segmented and recipe.engine.name == "prism")
    if recipe.engine.max_error is not None and not planned:
        raise InputError(
            "engine.max_error: is planned for prism with a segmented detector (microscope.segments), or for "
            f"engine.name auto; this is {recipe.engine.name}"
        )
    turned = (recipe.scan.rotation, *recipe.scan.shift) != (0.0, 0.0, 0.0)
    if turned and not (segmented and recipe.engine.name in ("auto", "prism")):
        raise InputError(
            "scan.rotation, scan.shift: are for prism with a segmented detector; leave them at 0"
        )
    sampling = recipe.engine.sampling or 0.97 * recipe.microscope.potential_sampling()
    limit = recipe.microscope.wavelength / (3 * sampling) * 1e3
    recipe.microscope.check_antialias(limit, sampling)
    recipe.degradation.draw(np.random.default_rng(0)).electrons_per_pixel(recipe.scan.sampling)
    if isinstance(recipe.support, Zeolite):
        rng = np.random.default_rng(0)
        try:
            recipe.support.draw(rng).build((1.0, 1.0), rng)
        except (OSError, TypeError, ValueError) as error:
            raise InputError(f"support: {error}") from error
    if isinstance(recipe.support, StructureFile):
        try:
            cell = recipe.support.build(recipe.scan.cell, np.random.default_rng(0)).cell
        except (OSError, TypeError, ValueError) as error:
            raise InputError(f"support: {error}") from error
        recipe.scan.origin((cell[0, 0], cell[1, 1]))
