"""How well injection predicts recall, how well false atoms are predicted, and whether intervals hold the true density.

    python benchmarks/completeness.py [--weights atom-net] [--images 8] [--seed 777]

Simulated images of four domains, and the control without metal, whose truth is known. Truth and prediction are
compared on one scale, the contrast-to-noise on the noise that is measured on each image. `recall` holds, in bins of it,
the recall of true single atoms and what grafts predict of these same atoms; `false` the true number of false atoms and
its estimates; `density_interval_holds` how often the interval of 95 in 100 holds the number of atoms, those of clusters
included, from the stated contrast-to-noise on. An atom found is false where no atom of contrast-to-noise 1.5 is within
1.5 Å. About four seconds of a processor for an image of 512 × 512 pixels.
"""

import argparse
import json
import time
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from stemforge import Micrograph
from stemforge.console import progress
from stemforge.infer import Completeness, measure_completeness
from stemforge.infer.completeness.injection import TOLERANCE, nearest_pairs
from stemforge.simulate import SimulationRecipe, record, simulate_sample
from stemforge.simulate.microscope import FWHM
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
BINS = (2.0, 3.0, 4.0, 5.0, 6.5, 8.0, 10.0)


def against_truth(recording: Recording, sampling: float, result: Completeness) -> dict[str, Any]:
    """Compare an image's completeness with its labels."""
    labels, host, atoms = recording.labels, result.host, result.detection.atoms
    source = recording.settings.source_size / FWHM
    widths = (np.hypot(labels[f"{kind}_width_angstrom"], source) for kind in ("peak", "noise"))
    true = host.visibility(labels.points, labels["scattering"] * recording.dose, *widths)
    on_specimen, reach = host.covers(true.points), TOLERANCE / sampling
    hit = nearest_pairs(true.points, atoms.points, reach) >= 0
    partner = nearest_pairs(true.points[true["cnr"] >= 1.5], atoms.points, reach)
    false = host.covers(atoms.points)
    false[partner[partner >= 0]] = False
    single = on_specimen & (labels["tag"] == Tag.SINGLE_ATOM)
    number = int((true["cnr"][on_specimen] >= result.density.cnr).sum())
    return {
        "cnr": true["cnr"][single],
        "hit": hit[single],
        "predicted": result.curve(true["cnr"][single]),
        "cluster_hit": hit[on_specimen & ~single],
        "cluster_predicted": result.curve(true["cnr"][on_specimen & ~single]),
        "false": int(false.sum()),
        "expected": result.false.expected(),
        "likelihoods": result.false.likelihood,
        "surrogates": result.false.surrogate,
        "negative": len(result.false.negative),
        "number": number,
        "density": (result.density.number, result.density.low, result.density.high),
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of a domain."""
    cnr, hit, predicted = (
        np.concatenate([row[name] for row in rows]) for name in ("cnr", "hit", "predicted")
    )
    bins = []
    for low, high in pairwise(BINS):
        inside = (cnr >= low) & (cnr < high)
        if inside.sum() >= 5:
            recall = {"true": float(hit[inside].mean()), "predicted": float(predicted[inside].mean())}
            bins.append({"cnr": [low, high], "atoms": int(inside.sum()), **_rounded(recall)})
    false = {
        name: float(sum(row[name] or 0 for row in rows)) for name in ("likelihoods", "surrogates", "negative")
    }
    false |= {"true": sum(row["false"] for row in rows), "expected": sum(row["expected"][0] for row in rows)}
    holds = [row["density"][1] <= row["number"] <= row["density"][2] for row in rows]
    false_holds = [row["expected"][1] <= row["false"] <= row["expected"][2] for row in rows]
    clusters = [np.concatenate([row[name] for row in rows]) for name in ("cluster_hit", "cluster_predicted")]
    return {
        "images": len(rows),
        "recall": bins,
        "recall_in_clusters": [round(float(one.mean()), 3) for one in clusters] if len(clusters[0]) else None,
        "false": _rounded(false),
        "false_interval_holds": sum(false_holds),
        "density_interval_holds": sum(holds),
        "density_over_truth": round(
            float(
                np.median([row["density"][0] / row["number"] for row in rows if row["number"]] or [np.nan])
            ),
            3,
        ),
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
            fixed = {"seed": options.seed, "num_samples": options.images, "store_structures": False}
            recipe = SimulationRecipe.load(base, overrides | fixed)
            rows = []
            for index in range(options.images):
                sample = simulate_sample(recipe, index)
                recording = record(sample, recipe.degradation, recording_rng({}, index, options.seed))
                micrograph = Micrograph(recording.image[0], sample.sampling, name=f"{name}-{index}")
                start = time.process_time()
                result = measure_completeness(micrograph, model.eval(), card, np.random.default_rng(5))
                spent.append(time.process_time() - start)
                rows.append(against_truth(recording, sample.sampling, result))
                advance(1)
            results[name] = summary(rows)
    print(json.dumps({**results, "processor_seconds_an_image": round(float(np.mean(spent)), 2)}, indent=2))
