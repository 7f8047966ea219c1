"""How well injection predicts recall, how well false atoms are predicted, and whether intervals hold the true density.

    python benchmarks/completeness.py [--weights atom-net] [--images 8] [--seed 777]

Simulated images of four domains, and the control without metal, whose truth is known. Truth and prediction are
compared on one scale, the contrast-to-noise of the graft that the image's ideal observer sees as it sees the atom: an
atom's image, spread by the support above it, is no Gaussian. `recall` holds, in bins of it, the recall of true single
atoms that stand free, no other of contrast-to-noise 3 within 3 Å, what grafts predict of these same atoms, and the
error of their difference: binomial and of the grafts, or by how the images differ, atoms of one image not being
independent, whichever is larger. Where that is large, the bin cannot judge. `beside` is the same
of atoms that do not stand free, and grafts beside atoms found; `false` the true number of false atoms and its
estimates; `density_interval_holds` how often the interval of 95 in 100 holds the number of atoms, those of clusters
included, from the stated contrast-to-noise on, and `density_interval_over_truth` its median width. An atom found is
false where no atom of contrast-to-noise 1.5 is within 1.5 Å. About seven seconds of a processor for an image of
512 × 512 pixels.
"""

import argparse
import functools
import json
import time
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols
from scipy.optimize import isotonic_regression
from scipy.spatial import cKDTree

from stemforge import Micrograph
from stemforge.console import progress
from stemforge.corpus.sample import Sample
from stemforge.infer import Completeness, measure_completeness
from stemforge.infer.completeness.brightness import IdealObserver
from stemforge.infer.completeness.injection import CLEARANCE, TOLERANCE, nearest_pairs
from stemforge.simulate import SimulationRecipe, record, simulate_sample
from stemforge.simulate.engines.kernels import atom_image, elastic_scattering
from stemforge.simulate.microscope import FWHM, Microscope
from stemforge.simulate.recording.record import Recording, recording_rng
from stemforge.structures import Tag
from stemforge.train import load_weights

PLATINUM = {"element": "Pt", "areal_density": {"loguniform": [0.3, 1.0]}, "placement": "volume"}
DOMAINS: dict[str, tuple[str, dict[str, Any]]] = {
    "pt-nc": ("pt-nc", {}),
    "fe-c3n4": ("fe-c3n4", {"scan.shape": [384, 384]}),
    "pt-clusters": ("pt-clusters", {}),
    "thin-film": (
        "quickstart",
        {
            "name": "thin",
            "scan.shape": [448, 448],
            "scan.sampling": 0.2,
            "support.mean_thickness": {"uniform": [20, 60]},
            "support.vacuum_fraction": {"choice": [0, 0.2]},
            "single_atoms": [PLATINUM],
            "degradation.source_size": {"uniform": [1.0, 2.0]},
        },
    ),
    "metal-free": ("metal-free", {}),
}
DRAWS = 100  # of the curves that grafts leave as likely
NEIGHBOUR = 3.0  # contrast-to-noise of an atom beside which another is not free
SMOOTHING = 3.0  # of the image that is the background beside an atom [Å]
BINS = (2.0, 3.0, 4.0, 5.0, 6.5, 8.0, 10.0)


def shown_to(observer: IdealObserver, recording: Recording, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Return what the observer measures on average of each atom, times √background, and what of it is background.

    Atoms are imaged as the engine does it, spread and weakened by what they lie under.
    """
    drawn, settings, structure = sample.metadata["drawn"], recording.settings, sample.structure
    microscope = Microscope.model_validate(drawn["microscope"])
    atoms = Atoms(structure.numbers, structure.positions, cell=structure.cell)
    path, angle = elastic_scattering(atoms, microscope)
    blur = float(np.hypot(settings.source_size / FWHM, drawn["engine"].get("thermal_sigma", 0.08)))
    entrance, q, labels = float(atoms.positions[:, 2].min()), observer.frequency, recording.labels

    @functools.cache
    def transform(number: int, defocus: float) -> np.ndarray:
        image = atom_image(
            chemical_symbols[number], microscope, microscope.channels[0], defocus, sample.sampling, blur
        )
        away = (np.arange(len(image)) - len(image) // 2) * sample.sampling
        return np.cos(2 * np.pi * np.outer(q, away)) @ (image.sum(0) + image.sum(1)) / 2

    spectra = np.zeros((len(labels), len(q)))
    for row, (number, z, defocus) in enumerate(
        zip(labels["element"], labels["z_angstrom"], labels["defocus_angstrom"], strict=True)
    ):
        depth = z - entrance
        sharp = np.exp(-depth / path)
        wide = np.exp(-2 * np.pi**2 * (angle * depth) ** 2 / 3 * q**2)
        near = 50 * np.sinh(np.rint(np.arcsinh(defocus / 50) * 10) / 10)
        spectra[row] = transform(int(number), float(near)) * (sharp + (1 - sharp) * wide)
    spectra *= recording.dose * sample.sampling**2
    smooth = np.exp(-2 * np.pi**2 * SMOOTHING**2 * q**2) * 2 * np.pi * q * sample.sampling**2
    return observer.response_to(spectra), np.trapezoid(spectra * smooth, q, axis=1)


def true_cnr(recording: Recording, sample: Sample, result: Completeness) -> np.ndarray:
    """Return the contrast-to-noise of the graft that the image's ideal observer sees as it sees each labelled atom."""
    host, grafts = result.host, result.grafts.atoms
    observer = IdealObserver(host, result.atom.width)
    shown, light = shown_to(observer, recording, sample)
    background = host.background_at(recording.labels.points)
    shown = shown / np.sqrt(np.maximum(background - light, 0.2 * background))
    of_grafts = observer.response(grafts["noise_width_angstrom"]) * grafts["electrons"]
    of_grafts /= np.sqrt(grafts["background"])
    order = np.argsort(of_grafts)
    scale = isotonic_regression(grafts["cnr"][order]).x
    # Brighter than any graft: from there on in proportion.
    top = np.maximum(shown / of_grafts[order][-1], 1)
    return np.interp(shown, of_grafts[order], scale) * top


def against_truth(recording: Recording, sample: Sample, result: Completeness) -> dict[str, Any]:
    """Compare an image's completeness with its labels."""
    labels, host, atoms = recording.labels, result.host, result.detection.atoms
    cnr = true_cnr(recording, sample, result)
    inside, reach = host.covers(labels.points), TOLERANCE / sample.sampling
    shown = np.flatnonzero(cnr >= 1.5)
    partner = nearest_pairs(labels.points[shown], atoms.points, reach)
    hit = np.zeros(len(labels), dtype=bool)
    hit[shown] = partner >= 0
    false = host.covers(atoms.points)
    false[partner[partner >= 0]] = False
    free = np.ones(len(labels), dtype=bool)
    pairs = cKDTree(labels.points).query_pairs(CLEARANCE / sample.sampling, output_type="ndarray")
    for one, other in (pairs.T, pairs.T[::-1]):
        free[one[cnr[other] >= NEIGHBOUR]] = False
    predicted = result.curve(cnr)
    single = inside & free & (labels["tag"] == Tag.SINGLE_ATOM)
    near = inside & ~free & (cnr >= NEIGHBOUR)
    return {
        "cnr": cnr[single],
        "hit": hit[single],
        "predicted": predicted[single],
        "as_likely": np.array([result.curve.drawn(number)(cnr[single]) for number in range(DRAWS)]),
        "beside_hit": hit[near],
        "beside_free": predicted[near],
        "beside_predicted": predicted[near] * np.nan_to_num(result.share_beside, nan=1.0),
        "false": int(false.sum()),
        "expected": result.false.expected(),
        "likelihoods": result.false.likelihood,
        "surrogates": result.false.surrogate,
        "negative": len(result.false.negative),
        "number": int((cnr[inside] >= result.density.cnr).sum()),
        "density": (result.density.number, result.density.low, result.density.high),
    }


def recall_against_truth(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return recall in bins: true, predicted, and the error of their difference."""
    cnr, hit, predicted = (
        np.concatenate([row[name] for row in rows]) for name in ("cnr", "hit", "predicted")
    )
    bins = []
    for low, high in pairwise(BINS):
        inside = (cnr >= low) & (cnr < high)
        number = int(inside.sum())
        if number >= 5:
            recall = {"true": hit[inside].mean(), "predicted": predicted[inside].mean()}
            chance = (predicted[inside] * (1 - predicted[inside])).sum()
            within = chance + sum(_variance(row, low, high) for row in rows)
            error = np.sqrt(max(within, _variance_between(rows, low, high))) / number
            recall |= {"deviation": recall["predicted"] - recall["true"], "error": error}
            bins.append({"cnr": [low, high], "atoms": number, **_rounded(recall)})
    return bins


def _variance(row: dict[str, Any], low: float, high: float) -> float:
    """Return the variance of the number of atoms in a bin that an image's grafts predict."""
    inside = (row["cnr"] >= low) & (row["cnr"] < high)
    return float(row["as_likely"][:, inside].sum(1).var())


def _variance_between(rows: list[dict[str, Any]], low: float, high: float) -> float:
    """Return the variance of what grafts predict too much in a bin, as it differs from image to image."""
    excess, number = [], []
    for row in rows:
        inside = (row["cnr"] >= low) & (row["cnr"] < high)
        excess.append(float((row["predicted"] - row["hit"])[inside].sum()))
        number.append(float(inside.sum()))
    left = np.array(excess) - np.array(number) * sum(excess) / sum(number)
    return float((left**2).sum() * len(rows) / max(len(rows) - 1, 1))


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of a domain."""
    false = {
        name: float(sum(row[name] or 0 for row in rows)) for name in ("likelihoods", "surrogates", "negative")
    }
    false |= {"true": sum(row["false"] for row in rows), "expected": sum(row["expected"][0] for row in rows)}
    holds = [row["density"][1] <= row["number"] <= row["density"][2] for row in rows]
    false_holds = [row["expected"][1] <= row["false"] <= row["expected"][2] for row in rows]
    names = {"true": "beside_hit", "predicted": "beside_predicted", "free": "beside_free"}
    beside = {name: np.concatenate([row[column] for row in rows]) for name, column in names.items()}
    filled = [row for row in rows if row["number"]]
    ratio = [row["density"][0] / row["number"] for row in filled]
    width = [(row["density"][2] - row["density"][1]) / row["number"] for row in filled]
    return {
        "images": len(rows),
        "recall": recall_against_truth(rows),
        "beside": {"atoms": len(beside["true"]), **_rounded({k: v.mean() for k, v in beside.items()})}
        if len(beside["true"])
        else None,
        "false": _rounded(false),
        "false_interval_holds": sum(false_holds),
        "density_interval_holds": sum(holds),
        "density_over_truth": round(float(np.median(ratio)), 3) if filled else None,
        "density_interval_over_truth": round(float(np.median(width)), 3) if filled else None,
        "densities": [[row["number"], *(round(float(v), 1) for v in row["density"])] for row in rows],
    }


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(float(value), 3) for name, value in values.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--weights", default="atom-net")
    parser.add_argument("--images", type=int, default=8, help="of each domain")
    parser.add_argument("--domains", default=",".join(DOMAINS))
    parser.add_argument("--seed", type=int, default=777)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, card = load_weights(options.weights)
    results, spent = {}, []
    chosen = options.domains.split(",")
    with progress("completeness", options.images * len(chosen), "images") as advance:
        for name in chosen:
            base, overrides = DOMAINS[name]
            fixed = {"seed": options.seed, "num_samples": options.images, "store_structures": True}
            recipe = SimulationRecipe.load(base, overrides | fixed)
            rows = []
            for index in range(options.images):
                sample = simulate_sample(recipe, index)
                recording = record(sample, recipe.degradation, recording_rng({}, index, options.seed))
                micrograph = Micrograph(recording.image[0], sample.sampling, name=f"{name}-{index}")
                start = time.process_time()
                result = measure_completeness(micrograph, model.eval(), card, np.random.default_rng(5))
                spent.append(time.process_time() - start)
                rows.append(against_truth(recording, sample, result))
                advance(1)
            results[name] = summary(rows)
    print(json.dumps({**results, "processor_seconds_an_image": round(float(np.mean(spent)), 2)}, indent=2))
