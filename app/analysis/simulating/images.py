"""Simulated images for the page; structure and noise-free signal are kept, so that noise alone is drawn anew."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from stemforge.app.analysis.pictures import contrast_of, grey_of
from stemforge.app.analysis.simulating.recipes import recipe_of
from stemforge.corpus.sample import Sample
from stemforge.simulate import Recording, SimulationRecipe, check_recipe, record, simulate_sample
from stemforge.simulate.engines.scattering import measure_object_function
from stemforge.simulate.recording.record import recording_rng

_VISIBLE = 5.0  # contrast-to-noise from which a label is drawn as an atom that can be found
_T = TypeVar("_T")


class Kept:
    """The last few results of something slow, by what they depend on.

    Parameters
    ----------
    most
        That are kept.

    Examples
    --------
    >>> kept = Kept(2)
    >>> kept.of("a", lambda: 1), kept.of("a", lambda: 2), kept.made
    (1, 1, 1)
    """

    def __init__(self, most: int) -> None:
        self._most, self._values = most, OrderedDict[Hashable, Any]()
        self.made = 0
        """How many were made."""

    def of(self, key: Hashable, make: Callable[[], _T]) -> _T:
        """Return what is kept under a key; where nothing is, make and keep it."""
        if key not in self._values:
            self._values[key] = make()
            self.made += 1
        self._values.move_to_end(key)
        while len(self._values) > self._most:
            self._values.popitem(last=False)
        value: _T = self._values[key]
        return value


STRUCTURES, SAMPLES = Kept(3), Kept(8)
"""Structures by specimen and field; samples by everything but the recording."""


def simulate(support: str, element: str | None, values: dict[str, float]) -> dict[str, Any]:
    """Simulate an image, as far as it is not kept already.

    Parameters
    ----------
    support, element, values
        As in :func:`stemforge.app.analysis.simulating.controls.read_values`.

    Returns
    -------
    dict
        ``grey`` (8 bits, shape (height, width)), places ``x``, ``y`` [pixel] of the labelled atoms, ``visible``, what
        the recipe is called, and ``facts``.
    """
    start = time.perf_counter()
    recipe = recipe_of(support, element, values)
    made = SAMPLES.made
    sample, recording = recorded(recipe)
    image, labels = recording.image[0], recording.labels
    visible = labels["cnr"] >= _VISIBLE if "cnr" in labels.columns else np.ones(len(labels), dtype=bool)
    thickness = sample.metadata["thickness_angstrom"] / 10
    return {
        "name": recipe.name,
        "grey": grey_of(image, contrast_of(image)),
        "x": np.round(labels.points[:, 0], 2),
        "y": np.round(labels.points[:, 1], 2),
        "visible": visible.astype(np.uint8),
        "elements": [chemical_symbols[number] for number in labels["element"].tolist()],
        "sampling": recipe.scan.sampling,
        "simulated": SAMPLES.made > made,
        "seconds": time.perf_counter() - start,
        "facts": {
            "atoms": sample.metadata["num_atoms"],
            "thickness": thickness,
            "electrons": float(image.mean()),
            "engine": recipe.engine.title,
        },
    }


def warm() -> None:
    """Simulate what the place shows first, so that it is drawn at once and no slider waits for a compiler."""
    simulate("carbon", "Pt", {})
    # Of the image its atoms' object functions may be kept from an earlier run.
    measure_object_function("C", 60e3, 30.0, (50.0, 60.0), 0.2)


def recorded(recipe: SimulationRecipe) -> tuple[Sample, Recording]:
    """Return the sample of a recipe, and its image as ``stemforge export`` would record it."""
    sample = SAMPLES.of(_without(recipe, "degradation", "name"), lambda: _sample(recipe))
    return sample, record(sample, recipe.degradation, recording_rng({}, 0, recipe.seed))


def structure_of(recipe: SimulationRecipe) -> Atoms:
    """Return the structure of a recipe."""
    others = ("degradation", "name", "microscope", "engine", "focus")
    return STRUCTURES.of(_without(recipe, *others), lambda: recipe.build(0)[1])


def _sample(recipe: SimulationRecipe) -> Sample:
    check_recipe(recipe)
    kept = recipe.replace(store_structures=False)  # it is kept by itself
    return simulate_sample(kept, 0, atoms=structure_of(recipe))


def _without(recipe: SimulationRecipe, *fields: str) -> str:
    return recipe.model_dump_json(exclude=set(fields))
