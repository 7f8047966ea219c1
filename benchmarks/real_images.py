"""F1 on the 11 real Pt/NC images of Mitchell et al. (2022).

    STEMFORGE_DATA_DIR=... python benchmarks/real_images.py [WEIGHTS ...]

Without weights, the published ones are taken from the reference data. Matched by the published criterion, at
the threshold stored with the weights.
"""

import json
import os
import sys
from pathlib import Path

from stemforge import Annotations, read_micrograph
from stemforge.evaluate import score_atoms, summarise
from stemforge.infer import detect_atoms
from stemforge.train import load_weights

if __name__ == "__main__":
    data = Path(os.environ["STEMFORGE_DATA_DIR"]) / "pt-nc"
    result = {}
    for weights in sys.argv[1:] or [str(data / "sac-cnn-reference.ckpt")]:
        model, card = load_weights(weights)
        scores = {}
        for image in sorted((data / "images").glob("*.tif")):
            number = image.stem.split("_")[0]
            micrograph = read_micrograph(image)
            truth = Annotations.from_csv(data / "labels" / f"{number}_Results.csv", micrograph.shape)
            scores[number] = score_atoms(detect_atoms(micrograph, model, card).atoms.points, truth.points)
        summary = summarise(list(scores.values()))
        result[weights] = {
            "threshold": card.threshold,
            "f1": {number: round(score.f1, 3) for number, score in scores.items()},
            "mean": {k: round(summary.mean[k], 3) for k in ("precision", "recall", "f1")},
            "sd_f1": round(summary.sd["f1"], 3),
        }
    print(json.dumps(result, indent=2))
