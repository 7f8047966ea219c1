"""`stemforge triage` on images whose truth is known: atoms or none, verdicts, electrons; and its speed.

    python benchmarks/triage.py make FOLDER --number 48 --seed 505    # half of them without metal; truth.json
    python benchmarks/triage.py judge FOLDER ...                      # atoms or none, verdicts, electrons
    python benchmarks/triage.py controls                              # noise alone, spots of contamination
    python benchmarks/triage.py real                                  # the real images (STEMFORGE_DATA_DIR)
    python benchmarks/triage.py speed IMAGE ...                       # images a minute

Specimens that the detector that comes with stemforge never met: graphene with Si or with Co and N, C₃N₄ with Fe, carbon
films with Au, thin and thick carbon with Pt; each with and without its metal. `make --known` takes those that it was
trained on, of other seeds, with stronger jitter. `--few` leaves one to six atoms on an image, or none.
"""

import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import wait
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from cyclopts import App
from sklearn.metrics import brier_score_loss, roc_auc_score

from stemforge.console import progress, say
from stemforge.evaluate import triage_folders, triage_micrograph
from stemforge.evaluate.triage.examiners import Examination, Examiners
from stemforge.evaluate.triage.folders import image_files
from stemforge.files import write_json
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.readers import read_micrograph
from stemforge.micrograph.writers import write_tiff
from stemforge.outputs.folder import ResultFolder
from stemforge.simulate import SimulationRecipe, simulate_sample
from stemforge.simulate.recipe_set import RecipeSet
from stemforge.simulate.recording.record import record, recording_rng
from stemforge.train import load_weights
from stemforge.train.labelled import visible_atoms

STRANGERS = ("si-graphene", "co-n-graphene", "fe-c3n4", "au-carbon", "quickstart", "pt-nc")
SIDE = 512  # pixels
FEW = (1.0, 6.0)  # atoms on an image, of `make --few`
DEFOCUS = {"choice": [0, 0, 0, 40, 80, 120]}  # Å, beside that of the recipe
app = App()


def recipes(known: bool, seed: int, side: int | None) -> dict[str, SimulationRecipe]:
    """Return the recipes by name; of the side that they state with None."""
    overrides: dict[str, Any] = {
        "seed": seed,
        "microscope.defocus": DEFOCUS,
        "store_structures": False,
    }
    if known:
        overrides["degradation.line_jitter"] = {"loguniform": [0.02, 0.8]}
        overrides |= {"scan.shape": [side, side]} if side else {}
        members = RecipeSet.shipped("any-atom").members(overrides)
        return {name: recipe for name, recipe in members.items() if recipe.single_atoms}
    found = {}
    for name in STRANGERS:
        # The texture of thick carbon needs the whole field.
        shape = [SIDE, SIDE] if name == "pt-nc" else [side or SIDE] * 2
        found[name] = SimulationRecipe.load(name, {**overrides, "scan.shape": shape})
    return found


def without_metal(recipe: SimulationRecipe) -> SimulationRecipe:
    """Return a recipe whose specimen is nothing but the support."""
    bare: dict[str, Any] = {"single_atoms": ()}
    if getattr(recipe, "particles", ()):
        bare["particles"] = ()
    return recipe.replace(**bare)


def with_few_atoms(recipe: SimulationRecipe) -> SimulationRecipe:
    """Return a recipe with :data:`FEW` atoms of each kind on an image, to be expected; impurities stay as they are."""
    area = np.prod(recipe.scan.shape) * float(recipe.scan.sampling) ** 2 / 100  # nm²
    density = {"loguniform": [number / area for number in FEW]}
    kinds = [one if one.impurity else one.replace(areal_density=density) for one in recipe.single_atoms]
    return recipe.replace(single_atoms=kinds)


def samples(
    known: bool, number: int, seed: int, side: int | None, few: bool = False
) -> Iterator[tuple[str, bool, Any, Any]]:
    """Yield name, whether with metal, sample and recording; each recipe in turn, half of them without metal."""
    every = [
        (name, with_few_atoms(recipe) if few else recipe)
        for name, recipe in recipes(known, seed, side).items()
    ]
    for index in range(number):
        name, recipe = every[index // 2 % len(every)]
        metal = index % 2 == 0
        chosen = recipe if metal else without_metal(recipe)
        sample = simulate_sample(chosen, index)
        yield name, metal, sample, record(sample, chosen.degradation, recording_rng({"seed": seed}, index))


@app.command
def make(
    folder: Path,
    *,
    number: int = 48,
    seed: int = 505,
    side: int | None = None,
    known: bool = False,
    few: bool = False,
) -> None:
    """Simulate images into a folder, with truth.json."""
    folder.mkdir(parents=True, exist_ok=True)
    card = load_weights("any-atom")[1]
    truth: dict[str, Any] = {}
    with progress("simulate", number, "images") as advance:
        for index, (name, metal, sample, recording) in enumerate(samples(known, number, seed, side, few)):
            visible, _ = visible_atoms(recording.labels, card.visible)
            settings = recording.settings
            title = f"{index:04d}_{name}_{'metal' if metal else 'none'}"
            write_tiff(folder / f"{title}.tif", recording.image[0], sample.sampling)
            cnr = np.sort(recording.labels["cnr"][visible])[::-1] if visible.any() else np.empty(0)
            truth[title] = {
                "recipe": name,
                "metal": metal,
                "visible": int(visible.sum()),
                "brightest_cnr": cnr[:5].round(2),
                "thickness": sample.metadata["thickness_angstrom"],
                "few": few,
                "focus": sample.metadata["focus_angstrom"],
                "jitter": float(np.hypot(settings.line_jitter, settings.line_jitter_across)),
                "electrons": float(sample.signal[0].mean() * settings.electrons_per_pixel(sample.sampling)),
            }
            write_json(folder / "truth.json", truth)
            advance(1)


def triaged(folder: Path, workers: int = 2) -> dict[str, dict[str, Any]]:
    """Return the rows of a folder's images by name, as `stemforge triage` measures them."""
    out = folder / "triage"
    triage_folders([folder], ResultFolder(out), workers=workers)
    entries = json.loads((out / "run.json").read_text())["triage"]
    return {Path(file).stem: entry["images"][0] for file, entry in entries.items() if Path(file).is_file()}


@app.command
def judge(*folders: Path, least_cnr: float = 6.0) -> None:
    """Score atoms or none, verdicts and electrons."""
    found, truth = {}, {}
    for folder in folders:
        found |= {f"{folder}/{name}": row for name, row in triaged(folder).items()}
        values = json.loads((folder / "truth.json").read_text())
        truth |= {f"{folder}/{name}": value for name, value in values.items()}
    names = list(truth)
    chance = np.array([found[name].get("atoms_probability", 0.0) for name in names])
    metal = np.array([truth[name]["metal"] for name in names])
    brightest = np.array([max(truth[name]["brightest_cnr"], default=0.0) for name in names])
    invisible = int((metal & (brightest == 0)).sum())
    say(f"{len(names)} images, {metal.sum()} with metal, of which {invisible} without a visible atom")
    for least in (4.0, least_cnr):
        chosen = ~metal | (brightest >= least)
        auc = roc_auc_score(metal[chosen], chance[chosen])
        brier = brier_score_loss(metal[chosen], chance[chosen])
        say(
            f"an atom with a contrast-to-noise of {least:g} or more: {(metal & chosen).sum()} images against "
            f"{(~metal).sum()} without metal, AUC {auc:.4f}, Brier score {brier:.3f}"
        )
    for low, high in ((0, 0.1), (0.1, 0.5), (0.5, 0.9), (0.9, 1.01)):
        inside = (chance >= low) & (chance < high) & (~metal | (brightest > 0))
        if inside.any():
            say(f"probability {low:g} to {min(high, 1):g}: atoms on {metal[inside].sum()} of {inside.sum()}")
    for title, group in (("with a visible atom", metal & (brightest > 0)), ("without metal", ~metal)):
        verdicts = Counter(found[name]["verdict"] for name, one in zip(names, group, strict=True) if one)
        say(f"{title}: {dict(verdicts)}")
    ratios = [
        found[name]["electrons_per_px"] / truth[name]["electrons"]
        for name in names
        if found[name].get("electrons_per_px") and found[name].get("vacuum_share", 0) < 0.02
    ]
    say(
        f"electrons over the true ones, {len(ratios)} images without vacuum: {np.median(ratios):.3f} "
        f"({np.percentile(ratios, 10):.3f} to {np.percentile(ratios, 90):.3f})"
    )
    for name, one, value in zip(names, metal, chance, strict=True):
        if (one and truth[name]["visible"] and value < 0.5) or (not one and value > 0.5):
            say(f"  {name}: probability {value:.2f}, brightest {truth[name]['brightest_cnr']}")


@app.command
def controls(number: int = 30, side: int = 256, seed: int = 0) -> None:
    """Ask for verdicts on noise alone, for the share of spots of contamination, and what a wrong pixel size does."""
    detector = load_weights("any-atom")
    rng = np.random.default_rng(seed)
    verdicts: Counter[str] = Counter()
    for electrons in np.geomspace(1, 300, number):
        counts = rng.poisson(electrons, (side, side))
        verdicts[triage_micrograph(Micrograph(counts, 0.25, name="noise"), *detector).verdict] += 1
    say(f"noise alone, {number} images of 1 to 300 electrons a pixel: {dict(verdicts)}")
    y, x = np.mgrid[:side, :side]
    for radius in (0, 40, 60):
        level = np.where(np.hypot(y - side / 2, x - side / 2) < radius, 90.0, 30.0)
        found = triage_micrograph(Micrograph(rng.poisson(level), 0.25, name="spot"), *detector)
        say(
            f"a spot of contamination on {np.mean(level > 30):.3f} of the image: thick share {found.thick_share:.3f}"
        )


@app.command
def real(factors: tuple[float, ...] = (1.0, 2.0, 0.5)) -> None:
    """Look at the real Pt/NC images, also with wrong pixel sizes; and at complexes on carbon without calibration."""
    data = Path(os.environ["STEMFORGE_DATA_DIR"])
    detector = load_weights("any-atom")
    labelled = [read_micrograph(path) for path in sorted((data / "pt-nc" / "images").iterdir())]
    for factor in factors:
        words: Counter[str] = Counter()
        for micrograph in labelled:
            wrong = replace(micrograph, sampling=factor * (micrograph.sampling or np.nan))
            found = triage_micrograph(wrong, *detector)
            words[found.verdict] += 1
            numbers = (found.atoms_probability, found.expected_f1, found.finest_detail_angstrom)
            say(
                f"{factor:g} {micrograph.name[:3]}: {found.words}; {numbers}, width {found.atom_width_angstrom}"
            )
        say(f"pixel size {factor:g} times the true one: {dict(words)}")


@app.command
def speed(*images: Path, copies: int = 10, workers: int = 2) -> None:
    """Count images a minute, after the processes have started, on copies of some images."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(copies):
            for path in images:
                shutil.copy(path, folder / f"{number:03d}_{path.name}")
        files = list(image_files([folder]))
        with Examiners(Examination(), workers) as examiners:
            # One image for each process before the clock is started.
            wait([examiners.submit(file) for file in files[:workers]])
            before, processor = time.perf_counter(), time.process_time()
            wait([examiners.submit(file) for file in files])
            seconds, processor = time.perf_counter() - before, time.process_time() - processor
    say(
        f"{len(files)} images in {seconds:.1f} s with {workers} processes: {60 * len(files) / seconds:.0f} a minute"
    )
    if workers == 1:  # the work is done in this process
        say(f"{processor / len(files):.2f} s of processor time an image")


if __name__ == "__main__":
    app()
