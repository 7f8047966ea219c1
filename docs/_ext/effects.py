"""Pictures of what a field of a recipe for corpora does to an image: three values of it, all else the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stemforge.micrograph.drawing import draw_pixels, entitle
from stemforge.simulate import SimulationRecipe, check_recipe, record, simulate_sample

SIDE = 112  # of an image [pixel]
QUIET = {"source_size": 1.0, "dose": 2e6}  # hardly any noise: what the specimen and the microscope do is seen
NOISY = {"source_size": 1.0, "dose": 4e4}
SHARP = {"source_size": 0.0, "dose": 2e6}

CARBON = {"kind": "amorphous_carbon", "thickness": 60}
PARTICLE = {"kind": "carbon_particle", "mean_thickness": 120, "vacuum_fraction": 0}
NITRIDE = {"kind": "carbon_nitride", "num_layers": 2}
LAYERS = {"kind": "layers", "material": "MoS2"}
ZEOLITE = {"kind": "zeolite", "framework": "mfi", "thickness": 1, "guests": {"pyridine": 1}, "occupancy": 0.6}
IDPC = {
    "single_atoms": [],
    "microscope": {"preset": "low-dose-idpc"},
    "scan.margin": 12,
    "engine": {"name": "prism", "sampling": 0.24, "slice_thickness": 4},
}
VACANCY = {"kind": "vacancy", "element": "S", "areal_density": 0.5}
SUBSTITUTION = {"kind": "substitution", "element": "Mo", "by": "W", "areal_density": 1}
PT = [{"element": "Pt", "areal_density": 0.6}]
BARE = {"single_atoms": []}


@dataclass(frozen=True)
class Effect:
    """What is drawn of a field.

    Parameters
    ----------
    values
        Three or more, as a recipe has them.
    support, degradation
        Of the recipe, beside Pt at 60 kV.
    beside
        Further fields that differ from the recipe's, by their dotted names.
    sampling
        Pixel size [Å].
    same_contrast
        Show all on one scale of grey values, where the field changes how bright an image is.
    """

    values: Sequence[Any]
    support: Mapping[str, Any] = field(default_factory=lambda: CARBON)
    degradation: Mapping[str, Any] = field(default_factory=lambda: QUIET)
    beside: Mapping[str, Any] = field(default_factory=dict)
    sampling: float = 0.25
    same_contrast: bool = False

    def recipe(self, name: str, value: Any) -> SimulationRecipe:
        """Return the recipe in which a field has a value."""
        base = {
            "seed": 5,
            "support": dict(self.support),
            "single_atoms": PT,
            "microscope": {"energy": 60e3, "semiangle_cutoff": 32, "focal_spread": 20},
            "scan": {"shape": [SIDE, SIDE], "sampling": self.sampling, "margin": 4},
            "engine": {"name": "kernels"},
            "degradation": dict(self.degradation),
        }
        return SimulationRecipe.from_mapping(base, {**self.beside, name: value}, f"effect of {name}")

    def image(self, name: str, value: Any) -> NDArray[np.float32]:
        """Simulate and record it; all values meet the same random numbers."""
        recipe = self.recipe(name, value)
        check_recipe(recipe)
        sample = simulate_sample(recipe, 0)
        return np.asarray(record(sample, recipe.degradation, np.random.default_rng(7)).image[0])


def _zeolite(values: Sequence[Any], **beside: Any) -> Effect:
    return Effect(values, ZEOLITE, {"source_size": 0.9, "dose": 2e5}, {**IDPC, **beside}, sampling=0.3)


def _defects(values: Sequence[Any], defect: Mapping[str, Any]) -> Effect:
    return Effect(values, LAYERS, SHARP, {**BARE, "defects": [dict(defect)]}, sampling=0.15)


def _wide(values: Sequence[Any], **others: Any) -> Effect:
    return Effect(values, PARTICLE, sampling=1.0, **others)


EFFECTS: dict[str, Effect] = {
    "support.amorphous_carbon.thickness": Effect([10, 60, 200]),
    "support.carbon_particle.mean_thickness": Effect([60, 200, 400], PARTICLE),
    "support.carbon_particle.vacuum_fraction": _wide([0, 0.2, 0.5]),
    "support.carbon_particle.roughness": _wide([0, 0.08, 0.3]),
    "support.carbon_particle.correlation_length": _wide([30, 80, 200], beside={"support.roughness": 0.25}),
    "support.carbon_particle.ridge_height": _wide([0, 0.1, 0.3]),
    "support.carbon_particle.porosity": _wide([0, 0.15, 0.5]),
    "support.carbon_particle.pore_radius": _wide([3, 6, 15], beside={"support.porosity": 0.4}),
    "support.carbon_nitride.num_layers": Effect([1, 3, 8], NITRIDE, SHARP, sampling=0.2),
    "support.carbon_nitride.disorder": Effect([0, 0.3, 1], NITRIDE, SHARP, BARE, sampling=0.2),
    "support.carbon_nitride.lost_fraction": Effect([0, 0.1, 0.4], NITRIDE, SHARP, BARE, sampling=0.2),
    "support.layers.material": Effect(
        ["graphene", "h-BN", "MoS2", "WS2"], LAYERS, SHARP, BARE, sampling=0.15
    ),
    "support.layers.twist": Effect(
        [2, 5, 20], LAYERS, SHARP, {**BARE, "support.num_layers": 2}, sampling=0.25
    ),
    "support.layers.rotation": Effect([0, 10, 25], LAYERS, SHARP, BARE, sampling=0.2),
    "support.layers.grains": Effect([1, 2, 5], LAYERS, SHARP, BARE, sampling=0.35),
    "support.layers.hole_fraction": Effect([0, 0.1, 0.3], LAYERS, SHARP, BARE, sampling=0.3),
    "support.zeolite.framework": _zeolite(["mfi", "mor", "cha"], **{"support.guests": {}}),
    "support.zeolite.thickness": _zeolite([1, 2, 4]),
    "support.zeolite.mistilt": _zeolite([0, 20, 60], **{"support.thickness": 2}),
    "support.zeolite.occupancy": _zeolite([0, 0.5, 1]),
    "support.zeolite.guests": _zeolite([{"pyridine": 1}, {"thiophene": 1}], **{"support.occupancy": 1}),
    "defects.0.vacancy.areal_density": _defects([0, 1, 4], VACANCY),
    "defects.0.substitution.by": _defects(["Ti", "Nb", "W"], SUBSTITUTION),
    "single_atoms.0.element": Effect(["Fe", "Ag", "Pt"], same_contrast=True),
    "single_atoms.0.areal_density": Effect([0.1, 0.6, 2]),
    "single_atoms.0.cluster_fraction": Effect([0, 0.5, 1]),
    "single_atoms.0.placement": Effect(["surface", "volume"], beside={"support.thickness": 120, "focus": 0}),
    "particles.0.diameter": Effect(
        [8, 15, 25], beside={"particles": [{"element": "Pt", "areal_density": 0.1}]}
    ),
    "microscope.energy": Effect([30e3, 60e3, 200e3]),
    "microscope.semiangle_cutoff": Effect([15, 25, 40]),
    "microscope.defocus": Effect([-150, 0, 150]),
    "microscope.A1": Effect([0, 40, 120]),
    "microscope.B2": Effect([0, 1500, 5000]),
    "microscope.C3": Effect([0, 4e5, 1.5e6]),
    "microscope.focal_spread": Effect([0, 150, 400]),
    "microscope.detectors.rings": Effect(
        [{"ADF": [40, 90]}, {"HAADF": [90, 185]}], LAYERS, SHARP, BARE, sampling=0.15
    ),
    "scan.sampling": Effect([0.15, 0.3, 0.6]),
    "focus": Effect([0, 0.5, 1], beside={"support.thickness": 100}),
    "degradation.dose": Effect([3e3, 3e4, 1e6]),
    "degradation.source_size": Effect([0, 1.5, 4]),
    "degradation.flicker": Effect([0, 0.02, 0.1]),
    "degradation.line_jitter": Effect([0, 0.3, 1]),
    "degradation.line_jitter_across": Effect([0, 0.3, 1]),
    "degradation.drift": Effect([0, 5, 15]),
    "degradation.tear": Effect([0, 3, 8]),
    "degradation.read_noise": Effect([0, 2, 8], degradation=NOISY),
    "degradation.decay_time": Effect([0, 1, 4], degradation=NOISY),
    "degradation.bits": Effect([None, 4, 3], beside={"degradation.gain": 0.008}),
}
"""By the field's name; of a support or a defect with its kind between."""


def draw_effects(folder: Path) -> None:
    """Draw the pictures that are missing in a folder, or older than this file."""
    for name in EFFECTS:
        path = folder / f"{name}.png"
        if not path.is_file() or path.stat().st_mtime < Path(__file__).stat().st_mtime:
            draw_effect(name, path)


def draw_effect(name: str, path: Path) -> None:
    """Draw the images of a field's values beside each other.

    Raises
    ------
    ValueError
        Two values make the same image: such a picture would show nothing.
    """
    effect, dotted = EFFECTS[name], field_of(name)
    images = [effect.image(dotted, value) for value in effect.values]
    for one, two in pairwise(images):
        if np.array_equal(one, two):
            raise ValueError(f"{name}: two of {effect.values} make the same image")
    figure = Figure(figsize=(2.0 * len(images), 2.25), layout="constrained")
    low, high = np.percentile(images, [0.5, 99.8])
    for axes, value, image in zip(
        np.atleast_1d(figure.subplots(1, len(images))), effect.values, images, strict=True
    ):
        sampling = value if dotted == "scan.sampling" else effect.sampling
        draw_pixels(axes, image, sampling)
        if effect.same_contrast:
            axes.images[0].set_clim(low, high)
        entitle(axes, shown(value), 10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def field_of(name: str) -> str:
    """Return the field's dotted name in a recipe: ``support.layers.twist`` is ``support.twist``."""
    parts = name.split(".")
    kind = {"support": 1, "defects": 2}.get(parts[0], len(parts))
    return ".".join((*parts[:kind], *parts[kind + 1 :]))


def shown(value: Any) -> str:
    """Return a value as the title of its image."""
    if isinstance(value, Mapping) and all(isinstance(one, int) for one in value.values()):
        return ", ".join(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {low:g} to {high:g} mrad" for name, (low, high) in value.items())
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, int | float) else str(value)
