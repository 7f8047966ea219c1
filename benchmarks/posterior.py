"""How well `stemforge calibrate` knows a recipe's parameters, and how like real images its recipe's are.

    python benchmarks/posterior.py hidden [--num 2000] [--open-scale] [--work FOLDER]
    python benchmarks/posterior.py real [--num 2000] [--images 44] [--seeds 3] [--work FOLDER]

`hidden`: patches of 192 × 192 pixels with parameters from wide priors; every eighth is hidden from the networks. How
often the true value lies in the 90 % interval, and what a patch tells of each parameter [nat] (0: nothing). With
`--open-scale` the pixel size is a parameter too, 0.12 to 0.5 Å, and it is said how often a patch tells it within 15 %.

`real`: calibrates on the Pt/NC images and has the classifiers of `stemforge compare` distinguish them from 512 × 512
images by the shipped recipe, by the wide priors and by the calibrated recipe, and one half of the shipped recipe's
images from the other (the control; needs STEMFORGE_DATA_DIR). `--work` keeps the patches.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from stemforge import read_micrograph
from stemforge.adapt import Parameters, calibrate_recipe
from stemforge.adapt.posterior.fitting import fit_posterior
from stemforge.adapt.posterior.patches import SIDE, Originals, record_patches
from stemforge.evaluate import TwoSample, two_sample_test
from stemforge.settings import LogUniform
from stemforge.simulate import SimulationRecipe, simulate_corpus
from stemforge.simulate.recording.record import record, recording_rng

WIDE: dict[str, Any] = {
    "support.mean_thickness": {"uniform": [60, 450]},
    "support.density": {"uniform": [1.5, 2.2]},
    "support.roughness": {"uniform": [0.03, 0.2]},
    "support.ridge_height": {"uniform": [0.02, 0.25]},
    "support.porosity": {"uniform": [0.05, 0.6]},
    "support.pore_radius": {"loguniform": [2, 10]},
    "microscope.A1": {"uniform": [0, 30]},
    "microscope.B2": {"uniform": [0, 300]},
    "microscope.C3": {"uniform": [-20000, 20000]},
    "focus": {"uniform": [0, 1]},
    "degradation.source_size": {"uniform": [0.8, 3.5]},
    "degradation.dose": {"loguniform": [1e4, 2e5]},
    "degradation.flicker": {"uniform": [0.003, 0.03]},
    "degradation.read_noise": {"uniform": [0, 6]},
    "degradation.decay_time": {"uniform": [0, 0.4]},
    "degradation.pulse_spread": {"uniform": [0, 1]},
    "degradation.line_jitter": {"uniform": [0, 0.3]},
    "degradation.line_jitter_across": {"uniform": [0, 0.7]},
    "degradation.drift": {"uniform": [0, 6]},
}
"""Priors about twice as wide as pt-nc's."""
SCALES = (0.12, 0.5)  # Å
ORIGINALS = Originals((512, 512))
NEAR = 1.15


def wide(seed: int) -> SimulationRecipe:
    """Return pt-nc with wide priors."""
    recipe = SimulationRecipe.load("pt-nc", {**WIDE, "seed": seed})
    platinum, zinc = recipe.single_atoms
    densities = (LogUniform(loguniform=(0.2, 4)), LogUniform(loguniform=(1, 60)))
    return recipe.replace(
        single_atoms=(
            platinum.replace(areal_density=densities[0]),
            zinc.replace(areal_density=densities[1]),
        )
    )


def hidden(num: int, open_scale: bool, work: Path) -> dict[str, Any]:
    """Measure the posterior on hidden patches."""
    recipe = wide(2 if open_scale else 1)
    scan = recipe.scan.replace(shape=(SIDE, SIDE))
    if open_scale:
        scan = scan.replace(sampling=LogUniform(loguniform=SCALES))
    recipe = recipe.replace(scan=scan, num_samples=num, shard_size=8, store_structures=False)
    parameters = Parameters.of(recipe)
    patches = record_patches(simulate_corpus(recipe, work), recipe, parameters, ORIGINALS)
    found = fit_posterior(patches)
    result: dict[str, Any] = {
        "hidden signals": found.hidden,
        "true value in the 90 % interval, all": found.coverage.mean(),
        "least and most of a parameter": [found.coverage.min(), found.coverage.max()],
        "in the interval": dict(zip(parameters.fields, found.coverage, strict=True)),
        "information [nat]": dict(zip(parameters.fields, found.information, strict=True)),
    }
    if open_scale:
        chosen, number = patches.source % 8 == 0, parameters.fields.index("scan.sampling")
        samples = found.sample(patches.statistics[chosen], 600)[:, :, number]
        assert patches.shares is not None
        error = (np.median(samples, axis=1) - patches.shares[chosen, number]) * np.log(SCALES[1] / SCALES[0])
        guess = (0.5 - patches.shares[chosen, number]) * np.log(SCALES[1] / SCALES[0])
        result["pixel size within 15 %"] = float((np.abs(error) < np.log(NEAR)).mean())
        result["… by the prior's median, the control"] = float((np.abs(guess) < np.log(NEAR)).mean())
    return result


def real(num: int, images: int, seeds: int, work: Path) -> dict[str, Any]:
    """Calibrate on the real images, and have them distinguished from simulated ones."""
    folder = Path(os.environ["STEMFORGE_DATA_DIR"]) / "pt-nc" / "images"
    micrographs = [read_micrograph(path) for path in sorted(folder.glob("*.tif"))]
    calibration = calibrate_recipe(micrographs, wide(2022), num=num, work=work / "patches")
    recipes = {
        "shipped": SimulationRecipe.shipped("pt-nc"),
        "wide": wide(2022),
        "calibrated": calibration.recipe,
    }
    result: dict[str, Any] = {"calibration": calibration.lines()}
    measured = [m.image for m in micrographs]
    for name, recipe in recipes.items():
        corpus = simulate_corpus(recipe.replace(num_samples=images, shard_size=4), work / name)
        tests = []
        for seed in range(seeds):
            simulated = [
                record(sample, recipe.degradation, recording_rng(corpus.recipe, sample.index, seed)).image[0]
                for sample in corpus
            ]
            tests.append(two_sample_test(measured, simulated, seed=seed, quiet=True))
        result[name] = summary(tests)
        if name == "shipped":
            halves = (
                two_sample_test(simulated[::2], simulated[1::2], seed=s, quiet=True) for s in range(seeds)
            )
            result["shipped, its two halves"] = summary(list(halves))
    return result


def summary(tests: list[TwoSample]) -> dict[str, Any]:
    """Return the accuracies of several tests, and what separates in the last."""
    found: dict[str, Any] = {"images distinguished": [test.image_accuracy for test in tests]}
    for name in ("statistics", "network"):
        found[f"patches distinguished by {name}"] = [getattr(test, name).accuracy for test in tests]
    found["separating"] = {one.statistic: one.share for one in tests[-1].separating}
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("hidden", "real"))
    parser.add_argument("--num", type=int, default=2000)
    parser.add_argument("--open-scale", action="store_true")
    parser.add_argument("--images", type=int, default=44)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = options.work or Path(temporary) / "work"
        if options.what == "hidden":
            measured = hidden(options.num, options.open_scale, place)
        else:
            measured = real(options.num, options.images, options.seeds, place)
    print(json.dumps(measured, indent=2, ensure_ascii=False, default=float))
