"""`stemforge triage` on images whose truth is known: atoms or none, focus, jitter of lines, electrons; and its speed.

    python benchmarks/triage.py make FOLDER --number 200 --seed 501       # half of them without metal; truth.json
    python benchmarks/triage.py judge FOLDER                              # triage, held against the truth
    python benchmarks/triage.py fit FOLDER                                # what atoms_probability is made of

Specimens that the detector that comes with stemforge never met: graphene with Si or with Co and N, C₃N₄ with Fe, carbon
films with Au, thin and thick carbon with Pt; each with and without its metal. `make --known` takes those that it was
trained on, of other seeds: `fit` is for them, so that `judge` shows what the fit is worth elsewhere.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cyclopts import App

from stemforge.console import progress
from stemforge.files import write_json
from stemforge.micrograph.writers import write_tiff
from stemforge.simulate import SimulationRecipe, simulate_sample
from stemforge.simulate.recipe_set import RecipeSet
from stemforge.simulate.recording.record import record, recording_rng
from stemforge.train import load_weights
from stemforge.train.labelled import visible_atoms

STRANGERS = ("si-graphene", "co-n-graphene", "fe-c3n4", "au-carbon", "quickstart", "pt-nc")
BARE = {"au-carbon": {"particles": []}, "pt-nc": {}}
SIDE = 256  # pixels; pt-nc, which takes longest, has 512
DEFOCUS = {"choice": [0, 0, 0, 40, 80, 120, 160]}  # Å, beside that of the recipe
JITTER = {"loguniform": [0.02, 0.8]}  # Å
app = App()


def recipes(known: bool, seed: int) -> dict[str, SimulationRecipe]:
    """Return the recipes by name."""
    overrides: dict[str, Any] = {"seed": seed, "microscope.defocus": DEFOCUS}
    overrides |= {"degradation.line_jitter": JITTER, "store_structures": False}
    if known:
        members = RecipeSet.shipped("any-atom").members(overrides)
        return {name: recipe for name, recipe in members.items() if recipe.single_atoms}
    found = {}
    for name in STRANGERS:
        size = {"scan.shape": [SIDE, SIDE]} if name != "pt-nc" else {}
        found[name] = SimulationRecipe.load(name, {**overrides, **size})
    return found


def without_metal(name: str, recipe: SimulationRecipe) -> SimulationRecipe:
    """Return a recipe whose specimen is nothing but the support."""
    bare: dict[str, Any] = {"single_atoms": ()}
    if getattr(recipe, "particles", ()):
        bare["particles"] = ()
    return recipe.replace(**bare)


def samples(known: bool, number: int, seed: int) -> Iterator[tuple[str, bool, Any, Any]]:
    """Yield name, whether with metal, sample and recording; each recipe in turn, half of them without metal."""
    every = list(recipes(known, seed).items())
    for index in range(number):
        name, recipe = every[index // 2 % len(every)]
        metal = index % 2 == 0
        chosen = recipe if metal else without_metal(name, recipe)
        sample = simulate_sample(chosen, index)
        yield name, metal, sample, record(sample, chosen.degradation, recording_rng({"seed": seed}, index))


@app.command
def make(folder: Path, *, number: int = 200, seed: int = 501, known: bool = False, start: int = 0) -> None:
    """Simulate images into a folder, with truth.json."""
    folder.mkdir(parents=True, exist_ok=True)
    card = load_weights("any-atom")[1]
    truth: dict[str, Any] = {}
    with progress("simulate", number, "images") as advance:
        for index, (name, metal, sample, recording) in enumerate(samples(known, number, seed)):
            visible, _ = visible_atoms(recording.labels, card.visible)
            settings = recording.settings
            title = f"{index:04d}_{name}_{'metal' if metal else 'none'}"
            write_tiff(folder / f"{title}.tif", recording.image[0], sample.sampling)
            truth[title] = {
                "recipe": name,
                "metal": metal,
                "visible": int(visible.sum()),
                "metadata": dict(sample.metadata),
                "jitter": settings.line_jitter,
                "jitter_across": settings.line_jitter_across,
                "source_size": settings.source_size,
                "electrons": float(sample.signal[0].mean() * settings.electrons_per_pixel(sample.sampling)),
            }
            write_json(folder / "truth.json", truth)
            advance(1)


if __name__ == "__main__":
    app()
