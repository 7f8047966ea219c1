"""One sample of a recipe: structure, noise-free signal, labels; and what is refused before any is made."""

import functools
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from stemforge.corpus.sample import Sample, Structure
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate.engines.auto import Engine
from stemforge.simulate.labels.atoms import label_atoms
from stemforge.simulate.labels.molecules import label_molecules
from stemforge.simulate.labels.vacancies import describe_vacancies
from stemforge.simulate.planning.deviation import choose_engine
from stemforge.simulate.planning.specimen import check_specimen
from stemforge.simulate.recipe import SimulationRecipe
from stemforge.simulate.scan import Scan
from stemforge.simulate.stages import Stage


def simulate_sample(
    recipe: SimulationRecipe, index: int, *, engine: Engine | None = None, atoms: Atoms | None = None
) -> Sample:
    """Make one sample of a recipe: structure, noise-free signal, labels.

    Parameters
    ----------
    recipe
        The recipe; its distributions are drawn for this sample.
    index
        Number of the sample. The same recipe and number give the same sample, whatever else was made.
    engine
        What :func:`planned_engine` returned, where that was called before; it need not be planned again then.
    atoms
        The structure that the recipe builds for this sample, where it was built before.

    Returns
    -------
    Sample
        With signal of shape (detectors, height, width) as fraction of incident electrons.

    Raises
    ------
    InputError
        What the engine cannot image, such as a turned scan with ``kernels``; :func:`check_recipe` finds more.

    Examples
    --------
    >>> recipe = SimulationRecipe.load("fe-c3n4", {"scan.shape": [32, 32]})
    >>> simulate_sample(recipe, 0).signal.shape
    (1, 32, 32)
    """
    recipe = recipe.pinned()
    if atoms is None:
        drawn, atoms = recipe.build(index)
    else:
        drawn = recipe.draw(recipe.rng(index, Stage.DRAW))
    focus = drawn.focus_depth(atoms)
    drawn = drawn.replace(engine=engine or planned_engine(recipe))
    drawn.engine.check(drawn.microscope, drawn.scan)
    rng = recipe.rng(index, Stage.SIMULATION)
    signal = drawn.engine.image(atoms, drawn.microscope, drawn.scan, focus, rng)
    labels, described = _labels(drawn, atoms, signal, focus)
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
                mode="json",
                include={"support", "particles", "defects", "single_atoms", "microscope", "engine", "focus"},
            ),
        },
        structure=_structure(atoms) if recipe.store_structures else None,
    )


def _labels(
    drawn: SimulationRecipe, atoms: Atoms, signal: NDArray[np.float32], focus: float
) -> tuple[Annotations, dict[str, Any]]:
    """Label atoms or, with a segmented detector, molecules; and return what the metadata say of the labels."""
    frame = {"rotation": drawn.scan.rotation, "shift": list(drawn.scan.shift)}
    if not drawn.microscope.detectors.segmented:
        imaged = (atoms, signal, drawn.microscope, drawn.scan, focus)
        quoted: dict[str, Any] = {
            "reference_dose": drawn.reference_dose,
            "source_size": drawn.degradation.source_size,
            "thermal_sigma": drawn.engine.thermal_sigma,
        }
        turned = {} if drawn.scan.straight else {"frame": frame}
        return label_atoms(*imaged, **quoted), {**describe_vacancies(*imaged, **quoted), **turned}
    labels, species = label_molecules(atoms, drawn.scan)
    described: dict[str, Any] = {"molecules": species, "frame": frame}
    if "lattice" in atoms.info:
        described["lattice"] = _lattice_on_image(atoms, drawn.scan)
    return labels, described


def planned_engine(recipe: SimulationRecipe) -> Engine:
    """Return the engine as it will be used: what ``max_error`` asks for is found on the first sample.

    It depends on the recipe alone, so that every process plans the same.
    """
    return _planned(recipe.pinned().model_dump_json())


@functools.lru_cache(maxsize=4)
def _planned(text: str) -> Engine:
    return choose_engine(SimulationRecipe.model_validate_json(text))[0]


def _lattice_on_image(atoms: Atoms, scan: Scan) -> dict[str, list[float]]:
    """Origin and lattice vectors (x, y) of the framework on the image [pixel]."""
    ends = np.array([atoms.info["lattice"][name] for name in ("origin", "a", "b")])
    ends[1:] += ends[0]
    origin, a, b = scan.pixels(ends, (float(atoms.cell[0, 0]), float(atoms.cell[1, 1])))
    return {"origin_px": origin.tolist(), "a_px": (a - origin).tolist(), "b_px": (b - origin).tolist()}


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
        Detector beyond the antialias limit, no dose, ``kernels`` for a crystal on a zone axis, a support that the
        energy does not get through, or a structure file that cannot be read, is not the one whose
        SHA-256 the recipe states, or is smaller than the field of view.

    Examples
    --------
    >>> coarse = {"engine": {"name": "multislice", "sampling": 0.1}}
    >>> check_recipe(SimulationRecipe.load("quickstart", coarse))
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: microscope.detectors: outer angle 185 mrad of HAADF lies beyond the ...
    """
    rng = np.random.default_rng(0)
    scan = recipe.scan
    if not isinstance(scan.sampling, float):
        scan = scan.replace(sampling=scan.sampling.bounds[1])  # the largest field
    recipe.engine.check(recipe.microscope, scan)
    recipe.degradation.draw(rng).electrons_per_pixel(scan.sampling)
    recipe.support.check(scan)
    check_specimen(recipe.replace(scan=scan))
