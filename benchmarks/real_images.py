"""F1 on the 11 real Pt/NC images of Mitchell et al. (2022), by the published match criterion.

    STEMFORGE_DATA_DIR=... python benchmarks/real_images.py [WEIGHTS ...] [--classical] [--curve]

Without weights, the published ones are taken from the reference data. Networks are scored at the threshold stored with
their weights, which was chosen without these labels. --classical adds template, Laplacian of Gaussian and top-hat, each
at its best threshold on these very labels, so a little too good. --curve adds every AtomNet's F1 at its best threshold,
for comparison with those; it is no result.
"""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stemforge import Annotations, Micrograph, read_micrograph
from stemforge.evaluate import score_atoms, summarise
from stemforge.infer import detect_atoms
from stemforge.infer.atoms.classical import CLASSICAL
from stemforge.train import load_weights

GRIDS = {
    "template": np.linspace(0.2, 0.8, 31),
    "laplacian": np.linspace(0.3, 3.0, 28),
    "tophat": np.linspace(0.6, 4.0, 35),
    "network": np.array(
        [0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99]
    ),
}

Labelled = list[tuple[str, Micrograph, Annotations]]


def images(data: Path) -> Labelled:
    """Return number, image and labels of each."""
    read = []
    for path in sorted((data / "images").glob("*.tif")):
        number = path.stem.split("_")[0]
        micrograph = read_micrograph(path)
        labels = Annotations.from_csv(data / "labels" / f"{number}_Results.csv", micrograph.shape)
        read.append((number, micrograph, labels))
    return read


def summary(find: Callable[[Micrograph], Annotations], labelled: Labelled) -> dict:
    """Score a detector on all images."""
    scores = {n: score_atoms(find(image).points, truth.points) for n, image, truth in labelled}
    whole = summarise(list(scores.values()))
    return {
        "f1": {number: round(score.f1, 3) for number, score in scores.items()},
        "mean": {k: round(whole.mean[k], 3) for k in ("precision", "recall", "f1")},
        "sd_f1": round(whole.sd["f1"], 3),
    }


def best(find: Callable[[Micrograph], Annotations], labelled: Labelled, grid: np.ndarray) -> dict:
    """Score a detector at the best of several thresholds; ``find`` gives scored points down to the lowest."""
    found = {n: find(image) for n, image, _ in labelled}

    def mean(threshold: float) -> float:
        rows = [
            score_atoms(found[n].points[found[n]["score"] >= threshold], truth.points).f1
            for n, _, truth in labelled
        ]
        return float(np.mean(rows))

    values = [mean(threshold) for threshold in grid]
    return {
        "best_threshold": round(float(grid[int(np.argmax(values))]), 3),
        "best_f1": round(max(values), 3),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", nargs="*")
    parser.add_argument("--classical", action="store_true")
    parser.add_argument("--curve", action="store_true")
    parser.add_argument("--augment", action="store_true", help="average over eight orientations")
    options = parser.parse_args()
    data = Path(os.environ["STEMFORGE_DATA_DIR"]) / "pt-nc"
    labelled = images(data)
    result: dict = {}
    for weights in options.weights or [str(data / "sac-cnn-reference.ckpt")]:
        model, card = load_weights(weights)
        result[weights] = {
            "threshold": card.threshold,
            **summary(
                lambda image, m=model, c=card: detect_atoms(image, m, c, augment=options.augment).atoms,
                labelled,
            ),
        }
        if options.curve and card.architecture == "atom-net":  # SAC-CNN's regions change with the threshold
            result[weights] |= best(
                lambda image, m=model, c=card: detect_atoms(image, m, c, threshold=0.01).atoms,
                labelled,
                GRIDS["network"],
            )
    if options.classical:
        for name, find in CLASSICAL.items():
            grid = GRIDS[name]
            result[name] = best(lambda image, f=find, g=grid: f(image.image, g[0]), labelled, grid)
    print(json.dumps(result, indent=2))
