"""One structure, one image: the engine that the recipe names."""

from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from stemforge.simulate.engines.kernels import kernel_signal
from stemforge.simulate.engines.reference import abtem_signal
from stemforge.simulate.engines.segmented import segmented_signal
from stemforge.simulate.recipe import SimulationRecipe


def focus_depth(drawn: SimulationRecipe, atoms: Atoms) -> float:
    """Return the depth of a drawn sample's focal plane [Å]."""
    z = atoms.positions[:, 2] if len(atoms) else np.zeros(1)
    return float(z.min() + drawn.focus * np.ptp(z) + drawn.microscope.defocus)


def image_structure(
    drawn: SimulationRecipe, atoms: Atoms, focus: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Image a structure with the recipe's engine.

    Parameters
    ----------
    drawn
        Settings with every distribution drawn, and an engine that is not ``auto``.
    atoms
        The structure.
    focus
        Depth of the focal plane [Å].
    rng
        Source of the frozen phonons.

    Returns
    -------
    ndarray
        Fraction of incident electrons, shape (detectors, height, width).
    """
    engine = drawn.engine
    if drawn.microscope.segments is not None and engine.name == "prism":
        options: dict[str, Any] = {"slice_thickness": engine.slice_thickness, "device": engine.device}
        if engine.sampling is not None:
            options["sampling"] = engine.sampling
        return segmented_signal(atoms, drawn.microscope, drawn.scan, focus, **options)
    if engine.name == "kernels":
        return kernel_signal(
            atoms,
            drawn.microscope,
            drawn.scan,
            focus,
            thermal_sigma=engine.thermal_sigma,
            depth_step=engine.depth_step,
            broadening=engine.broadening,
            device="cuda" if engine.device == "gpu" else "cpu",
        )
    return abtem_signal(
        atoms,
        drawn.microscope,
        drawn.scan,
        focus,
        algorithm=engine.name,
        interpolation=engine.interpolation,
        sampling=engine.sampling,
        slice_thickness=engine.slice_thickness,
        frozen_phonons=engine.frozen_phonons,
        thermal_sigma=engine.thermal_sigma,
        device=engine.device,
        rng=rng,
    )
