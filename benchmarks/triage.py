"""`stemforge triage` on images whose truth is known: atoms or none, focus, jitter of lines, electrons; and its speed.

    python benchmarks/triage.py make FOLDER --number 48 --seed 505    # half of them without metal; truth.json
    python benchmarks/triage.py judge FOLDER ...                      # atoms or none, verdicts, electrons
    python benchmarks/triage.py series FOLDER                         # the same specimens out of focus, and jittering
    python benchmarks/triage.py judge-series FOLDER                   # rank correlations with defocus and jitter
    python benchmarks/triage.py controls                              # noise alone, spots of contamination
    python benchmarks/triage.py real                                  # the real images (STEMFORGE_DATA_DIR)
    python benchmarks/triage.py speed IMAGE ...                       # images a minute
    python benchmarks/triage.py fit FOLDER ...                        # what atoms_probability is made of

Specimens that the detector that comes with stemforge never met: graphene with Si or with Co and N, C₃N₄ with Fe, carbon
films with Au, thin and thick carbon with Pt; each with and without its metal. `make --known` takes those that it was
trained on, of other seeds, with stronger jitter: `fit` is for them, and `judge` shows what it is worth elsewhere.
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
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

from stemforge.console import progress, say
from stemforge.evaluate import image_spectrum, triage_folders, triage_micrograph
from stemforge.evaluate.triage.candidates import find_candidates
from stemforge.evaluate.triage.examiners import Examination, Examiners
from stemforge.evaluate.triage.folders import image_files
from stemforge.evaluate.triage.presence import evidence
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
THIN = ("si-graphene", "co-n-graphene", "fe-c3n4", "au-carbon")
SIDE = 512  # pixels
DEFOCUS = {"choice": [0, 0, 0, 40, 80, 120]}  # Å, beside that of the recipe
SERIES_DEFOCUS = (0.0, 40.0, 80.0, 120.0, 160.0, 200.0)  # Å
SERIES_JITTER = (0.0, 0.1, 0.2, 0.4, 0.8, 1.2)  # Å along the lines; half of it across
app = App()


def recipes(known: bool, seed: int, side: int) -> dict[str, SimulationRecipe]:
    """Return the recipes by name."""
    overrides: dict[str, Any] = {
        "seed": seed,
        "microscope.defocus": DEFOCUS,
        "store_structures": False,
    }
    if known:
        overrides["degradation.line_jitter"] = {"loguniform": [0.02, 0.8]}
        members = RecipeSet.shipped("any-atom").members(overrides)
        return {name: recipe for name, recipe in members.items() if recipe.single_atoms}
    found = {}
    for name in STRANGERS:
        # The texture of thick carbon needs the whole field.
        shape = [SIDE, SIDE] if name == "pt-nc" else [side, side]
        found[name] = SimulationRecipe.load(name, {**overrides, "scan.shape": shape})
    return found


def without_metal(recipe: SimulationRecipe) -> SimulationRecipe:
    """Return a recipe whose specimen is nothing but the support."""
    bare: dict[str, Any] = {"single_atoms": ()}
    if getattr(recipe, "particles", ()):
        bare["particles"] = ()
    return recipe.replace(**bare)


def samples(known: bool, number: int, seed: int, side: int) -> Iterator[tuple[str, bool, Any, Any]]:
    """Yield name, whether with metal, sample and recording; each recipe in turn, half of them without metal."""
    every = list(recipes(known, seed, side).items())
    for index in range(number):
        name, recipe = every[index // 2 % len(every)]
        metal = index % 2 == 0
        chosen = recipe if metal else without_metal(recipe)
        sample = simulate_sample(chosen, index)
        yield name, metal, sample, record(sample, chosen.degradation, recording_rng({"seed": seed}, index))


@app.command
def make(folder: Path, *, number: int = 48, seed: int = 505, side: int = SIDE, known: bool = False) -> None:
    """Simulate images into a folder, with truth.json."""
    folder.mkdir(parents=True, exist_ok=True)
    card = load_weights("any-atom")[1]
    truth: dict[str, Any] = {}
    with progress("simulate", number, "images") as advance:
        for index, (name, metal, sample, recording) in enumerate(samples(known, number, seed, side)):
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
                "focus": sample.metadata["focus_angstrom"],
                "jitter": float(np.hypot(settings.line_jitter, settings.line_jitter_across)),
                "electrons": float(sample.signal[0].mean() * settings.electrons_per_pixel(sample.sampling)),
            }
            write_json(folder / "truth.json", truth)
            advance(1)


@app.command
def series(folder: Path, *, number: int = 3, seed: int = 510) -> None:
    """Simulate thin specimens at several defoci, and record each in focus with several jitters."""
    folder.mkdir(parents=True, exist_ok=True)
    truth: dict[str, Any] = {}
    for name in THIN:
        for index in range(number):
            for defocus in SERIES_DEFOCUS:
                fixed = {
                    "seed": seed,
                    "microscope.defocus": defocus,
                    "focus": 0.5,
                    "scan.shape": [256, 256],
                }
                # Doses at which the support itself can be seen: that of an image without detail tells no focus.
                fixed |= {"degradation.dose": {"loguniform": [3e4, 3e5]}, "degradation.line_jitter": 0.05}
                recipe = SimulationRecipe.load(name, {**fixed, "store_structures": False})
                sample = simulate_sample(recipe, index)
                jitters = SERIES_JITTER if defocus == 0 else (0.05,)
                for jitter in jitters:
                    lines = {"line_jitter": jitter, "line_jitter_across": jitter / 2}
                    settings = recipe.degradation.replace(**lines)
                    recording = record(sample, settings, recording_rng({"seed": seed}, index))
                    title = f"{name}_{index}_defocus{defocus:03.0f}_jitter{10 * jitter:02.0f}"
                    write_tiff(folder / f"{title}.tif", recording.image[0], sample.sampling)
                    truth[title] = {
                        "recipe": name,
                        "sample": f"{name}_{index}",
                        "defocus": defocus,
                        "jitter": float(np.hypot(jitter, jitter / 2)),
                    }
            write_json(folder / "truth.json", truth)
            say(f"{name} {index}")


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
def judge_series(folder: Path) -> None:
    """Rank finest detail against defocus, and the measured jitter against the true one, over all specimens."""
    truth = json.loads((folder / "truth.json").read_text())
    pairs: dict[str, list[tuple[float, float]]] = {"defocus": [], "jitter": []}
    numbers: Counter[str] = Counter()
    for name, values in truth.items():
        micrograph = read_micrograph(folder / f"{name}.tif")
        spectrum, sampling = image_spectrum(micrograph.image), micrograph.sampling or np.nan
        # Each specimen in focus is recorded with all jitters, and out of focus with a small one.
        little = 0.05 < values["jitter"] < 0.12
        kinds = [("defocus", spectrum.finest_detail())] if little else []
        kinds += [("jitter", spectrum.line_jitter())] if values["defocus"] == 0 else []
        for kind, found in kinds:
            numbers[kind] += 1
            if found is not None:
                pairs[kind].append((values[kind], found * sampling))
    for kind, rows in pairs.items():
        true, found = np.array(rows).T
        rank = spearmanr(true, found).statistic
        say(f"{kind}: rank correlation {rank:.3f} on the {len(rows)} of {numbers[kind]} images that tell it")
        for value in sorted(set(true)):
            say(f"  {value:.2f} Å: {np.median(found[true == value]):.2f} Å, {np.sum(true == value)} images")


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


@app.command
def fit(*folders: Path) -> None:
    """Fit the logistic law of the evidence."""
    detector = load_weights("any-atom")
    values, metal = [], []
    for folder in folders:
        for name, truth in json.loads((folder / "truth.json").read_text()).items():
            if truth["metal"] and not truth["visible"]:
                continue
            candidates = find_candidates(read_micrograph(folder / f"{name}.tif"), *detector)
            values.append([np.log(evidence(candidates.on_specimen))])
            metal.append(truth["metal"])
    law = LogisticRegression(C=10).fit(values, metal)
    say(
        f"{len(metal)} images, {sum(metal)} with a visible atom: {law.intercept_[0]:.2f} + {law.coef_[0, 0]:.2f} log"
    )


if __name__ == "__main__":
    app()
