"""What the pixel size decides, and how well it is told from the atoms on an image (`infer atoms --sampling auto`).

    python benchmarks/pixel_size.py coarse [--num 16]
    python benchmarks/pixel_size.py fit --num 160 --seed 7101 --out WEIGHTS
    python benchmarks/pixel_size.py test --num 100 --seed 9307 [--recipe metal-free]
    python benchmarks/pixel_size.py sets --num 15 --seed 9401 [--probe own]
    python benchmarks/pixel_size.py real

`coarse`: the same simulated images, recorded at 0.1 Å and binned to 2 Å: precision, recall and F1 of visible atoms,
faint ones excused, within 1.76 Å. `fit`: images of pixel sizes 0.12 to 0.5 Å (logarithm uniform) and fields of 75 to
150 Å; the curves of `stemforge.infer.sampling_curve` around the right size give mean and covariance, which are stored
in the card of WEIGHTS. `test`: such images of another seed, their pixel size hidden. `sets`: four such images of one
pixel size each, estimated together (`--sampling common`), with one probe or each with its own. `real`: the Pt/NC
images, their pixel size hidden, one by one and together (needs STEMFORGE_DATA_DIR).
"""

import argparse
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stemforge import InputError, Micrograph, read_micrograph
from stemforge.console import progress
from stemforge.evaluate import match_distance
from stemforge.infer import (
    SamplingCurve,
    atom_finder,
    choose_atoms,
    common_estimate,
    estimate_sampling,
    sampling_curve,
    size_of,
)
from stemforge.infer.resampling import resampled
from stemforge.simulate import SimulationRecipe, simulate_sample
from stemforge.simulate.recording.record import Recording, record, recording_rng
from stemforge.train import Card, Sizing, load_weights, save_weights
from stemforge.train.labelled import visible_atoms

RANGE, FIELD = (0.12, 0.5), (75.0, 150.0)  # Å
SET = 4  # images
FINE, SIDE = 0.1, 1200  # Å, pixels: of the images that are binned
BINS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20)
NEAR = 1.76  # Å: 6 pixels of 0.293 Å
LEAST = 2  # visible atoms of an image from which curves are learnt
SHRINK, WIDEN = 0.03, 2.0  # of the covariance: towards its diagonal, and for honest errors


def recorded(
    name: str, seed: int, index: int, sampling: float, side: int, source: float | None = None
) -> Recording:
    """Simulate and record one image of a recipe; ``source`` is the size of the source [Å], where it is given."""
    values = {"seed": seed, "scan.shape": [side, side], "scan.sampling": sampling}
    recipe = SimulationRecipe.load(
        name, values if source is None else values | {"degradation.source_size": source}
    )
    rng = recording_rng({"seed": seed}, index)
    return record(simulate_sample(recipe, index), recipe.degradation, rng)


def images(options: argparse.Namespace) -> Iterator[tuple[float, Recording]]:
    """Yield pixel size and recording of images of random pixel size and field."""
    with progress("simulate", options.num, "images", options.quiet) as advance:
        for index in range(options.num):
            rng = np.random.default_rng([options.seed, index])
            sampling, field = (float(np.exp(rng.uniform(*np.log(ends)))) for ends in (RANGE, FIELD))
            side = 2 * round(field / sampling / 2)
            yield sampling, recorded(options.recipe, options.seed, index, sampling, side)
            advance(1)


def detected(image: np.ndarray, sampling: float, model: Any, card: Card) -> np.ndarray:
    """Return atoms (x, y) from the image's outer edge [pixel], also at pixel sizes that `detect_atoms` refuses."""
    shown, _ = resampled(image, sampling, card.sampling, white=True)
    atoms = choose_atoms(atom_finder(model, card, shown)[1], card).atoms
    return (atoms.points + 0.5) * [image.shape[1] / shown.shape[1], image.shape[0] / shown.shape[0]]


def coarse(options: argparse.Namespace, model: Any, card: Card) -> dict[str, Any]:
    """Return precision, recall and F1 against pixel size."""
    counts = np.zeros((len(BINS), 3))
    for index in range(options.num):
        recording = recorded(options.recipe, options.seed, index, FINE, SIDE)
        visible, doubtful = visible_atoms(recording.labels, card.visible)
        truth, faint = (recording.labels.points[which] * FINE for which in (visible, doubtful))
        for row, n in enumerate(BINS):
            side = SIDE // n * n
            image = recording.image[0][:side, :side].reshape(side // n, n, side // n, n).sum((1, 3))
            found = detected(image, FINE * n, model, card) * FINE * n - FINE / 2
            match = match_distance(found, truth, NEAR)
            left = np.delete(found, match.pairs[:, 0], axis=0)
            excused = match_distance(left, faint, NEAR).true_positives
            right = match.true_positives
            counts[row] += [right, len(found) - right - excused, len(truth) - right]
    return {
        f"{FINE * n:.1f}": {
            "precision": round(right / max(right + false, 1), 3),
            "recall": round(right / max(right + missed, 1), 3),
            "f1": round(2 * right / max(2 * right + false + missed, 1), 3),
        }
        for n, (right, false, missed) in zip(BINS, counts.tolist(), strict=True)
    }


def fitted(curves: list[tuple[float, SamplingCurve]]) -> Sizing:
    """Return mean and covariance of curves around the right pixel size."""
    values = np.array([curve.features(size) for size, curve in curves])
    covariance = np.cov(values.T)
    covariance = (1 - SHRINK) * covariance + SHRINK * np.diag(np.diag(covariance))
    rows = (WIDEN * covariance).round(6).tolist()
    return Sizing(tuple(values.mean(0).round(5).tolist()), tuple(map(tuple, rows)))


def fit(options: argparse.Namespace, model: Any, card: Card) -> dict[str, Any]:
    """Store in a copy of the weights what curves are like around the right pixel size."""
    curves = [
        (sampling, sampling_curve(recording.image[0], model, card))
        for sampling, recording in images(options)
        if len(recording.labels) and visible_atoms(recording.labels, card.visible)[0].sum() >= LEAST
    ]
    return stored(curves, options.out, model, card)


def stored(curves: list[tuple[float, SamplingCurve]], out: str, model: Any, card: Card) -> dict[str, Any]:
    """Fit, take the mean error on the same images away, and write the weights."""
    sizing = fitted(curves)
    bias = float(np.median([np.log(size_of(curve, sizing)[0] / size) for size, curve in curves]))
    save_weights(out, model, replace(card, sizing=replace(sizing, bias=round(bias, 4))), half=True)
    return {"images": len(curves), "bias": round(bias, 4)}


def judged(rows: list[tuple[float, float, float]], refused: int) -> dict[str, Any]:
    """Return how near estimates are: of (true size, estimate, error of its logarithm)."""
    if not rows:
        return {"told": 0, "refused": refused}
    truth, found, error = np.array(rows).T
    off = np.log(found / truth)
    return {
        "told": len(rows),
        "refused": refused,
        "within_15_percent": round(float(np.mean(np.abs(found / truth - 1) <= 0.15)), 3),
        "within_30_percent": round(float(np.mean(np.abs(found / truth - 1) <= 0.30)), 3),
        "rms_of_logarithm": round(float(np.sqrt(np.mean(off**2))), 3),
        "bias_of_logarithm": round(float(off.mean()), 3),
        "median_error_given": round(float(np.median(error)), 3),
        "within_one_error": round(float(np.mean(np.abs(off) <= error)), 3),
        "within_two_errors": round(float(np.mean(np.abs(off) <= 2 * error)), 3),
    }


def test(micrographs: Iterator[tuple[float, Micrograph]], model: Any, card: Card) -> dict[str, Any]:
    """Estimate hidden pixel sizes."""
    rows, refused = [], []
    for sampling, micrograph in micrographs:
        try:
            estimate = estimate_sampling(micrograph, model, card)
        except InputError as error:
            refused.append(str(error))
        else:
            rows.append((sampling, estimate.sampling, estimate.error))
    listed = [[round(value, 3) for value in row] for row in rows]
    return {**judged(rows, len(refused)), "true_estimated_error": listed, "messages": refused}


def sets(options: argparse.Namespace, model: Any, card: Card) -> dict[str, Any]:
    """Estimate hidden pixel sizes of several images together."""
    prior = SimulationRecipe.load(options.recipe).degradation.source_size
    rows, refused = [], 0
    with progress("simulate", options.num, "sets", options.quiet) as advance:
        for number in range(options.num):
            rng = np.random.default_rng([options.seed, number])
            sampling, field = (float(np.exp(rng.uniform(*np.log(ends)))) for ends in (RANGE, FIELD))
            source = prior.sample(rng) if options.probe == "one" else None
            side, estimates = 2 * round(field / sampling / 2), []
            for index in range(SET * number, SET * (number + 1)):
                image = recorded(options.recipe, options.seed, index, sampling, side, source).image[0]
                with suppress(InputError):
                    estimates.append(estimate_sampling(Micrograph(image), model, card))
            if estimates:
                found = common_estimate(estimates)
                rows.append((sampling, found.sampling, found.error))
            refused += not estimates
            advance(1)
    listed = [[round(value, 3) for value in row] for row in rows]
    return {**judged(rows, refused), "true_estimated_error": listed}


def real(model: Any, card: Card) -> dict[str, Any]:
    """Estimate the pixel sizes of the Pt/NC images, and one for all."""
    folder = Path(os.environ["STEMFORGE_DATA_DIR"], "pt-nc", "images")
    micrographs = [read_micrograph(path) for path in sorted(folder.glob("*.tif"))]
    common = common_estimate([estimate_sampling(micrograph, model, card) for micrograph in micrographs])
    alone = test(((0.293, micrograph) for micrograph in micrographs), model, card)
    return {**alone, "common": str(common), "common_over_true": round(common.sampling / 0.293, 3)}


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Do what was asked for."""
    model, card = load_weights(options.weights)
    if options.what == "coarse":
        return coarse(options, model, card)
    if options.what == "fit":
        return fit(options, model, card)
    if options.what == "sets":
        return sets(options, model, card)
    if options.what == "real":
        return real(model, card)
    return test(((size, Micrograph(found.image[0])) for size, found in images(options)), model, card)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["coarse", "fit", "test", "sets", "real"])
    parser.add_argument(
        "--probe", choices=["one", "own"], default="one", help="of sets: one source size, or own ones"
    )
    parser.add_argument("--weights", default="atom-net")
    parser.add_argument(
        "--out", default="atom-net-sized.safetensors", help="of fit: the weights with the curves"
    )
    parser.add_argument("--recipe", default="pt-nc")
    parser.add_argument("--num", type=int, default=16, help="images")
    parser.add_argument("--seed", type=int, default=5511)
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(json.dumps(main(options), indent=2))
