"""What each ingredient of realism is worth: AtomNet trained without it, scored on the 11 real Pt/NC images.

    STEMFORGE_DATA_DIR=... python benchmarks/ablation.py --out result.json [--num 80] [--epochs 14]

For each variant of the recipe `pt-nc` a corpus of small fields is simulated, AtomNet is trained on it from the same
random weights, and its threshold is chosen on the corpus's own validation part. `f1` is at that threshold; `best_f1`
at the best one on the real labels, which tells a detector that is worse from a threshold that is off. All variants get
the same number of images and steps, far fewer than the weights that ship: differences count, not values. --seeds
repeats corpus and training with other random numbers.

The file is rewritten after every training; the same command goes on where it stopped.
"""

import argparse
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from fine_tuning import train_quietly
from real_images import GRIDS, Labelled, best, images, summary

from stemforge.console import console, progress
from stemforge.evaluate.likelihoods.calibration import calibrate_threshold
from stemforge.files import write_whole
from stemforge.infer import detect_atoms
from stemforge.simulate import SimulationRecipe, simulate_corpus
from stemforge.train import AtomNetRecipe, load_weights

# A distribution is replaced by a narrow one: a constant would not be drawn, and all draws after it would be others.
NOTHING = {"uniform": [0, 1e-6]}
INSTRUMENT = (
    "flicker",
    "read_noise",
    "decay_time",
    "pulse_spread",
    "line_jitter",
    "line_jitter_across",
    "drift",
)
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "everything": ({}, {}),
    "no micropores": ({"support.porosity": NOTHING}, {}),
    "no zinc": ({"single_atoms": "without zinc"}, {}),
    "thin support": ({"support.mean_thickness": {"uniform": [40, 40.001]}}, {}),
    "no residual aberrations": (
        {f"microscope.{name}": NOTHING for name in ("A1", "B2", "C3")} | {"microscope.focal_spread": 0},
        {},
    ),
    "point source": ({"degradation.source_size": NOTHING}, {}),
    "counting noise alone": (
        {f"degradation.{name}": NOTHING for name in INSTRUMENT},
        {},
    ),
    "all atoms labelled": ({}, {"visible": {"min_cnr": 0.0, "ignore_cnr": 0.0}}),
}
"""Changes of the simulation's settings, and of the training's."""


def recipe_of(name: str, seed: int, options: argparse.Namespace) -> SimulationRecipe:
    """Return a variant of `pt-nc`; images of one seed and number differ in nothing else that is drawn for them."""
    overrides = dict(VARIANTS[name][0])
    sparse = overrides.pop("single_atoms", None)
    size = {"num_samples": options.num, "scan.shape": [options.side, options.side], "seed": 77 + seed}
    recipe = SimulationRecipe.load("pt-nc", size | overrides)
    if sparse:
        kept = [each.model_dump(mode="json") for each in recipe.single_atoms]
        for each in kept:
            if each["impurity"]:
                each["areal_density"] = NOTHING
        recipe = SimulationRecipe.load("pt-nc", size | overrides | {"single_atoms": kept})
    return recipe


def run(
    name: str, seed: int, corpus: Path, labelled: Labelled, options: argparse.Namespace
) -> dict[str, Any]:
    """Train on a variant's corpus and score on the real images."""
    settings = {
        "epochs": options.epochs,
        "patience": options.epochs,
        "per_image": 1,
        "seed": seed,
        **VARIANTS[name][1],
    }
    with tempfile.TemporaryDirectory() as folder:
        weights = train_quietly([corpus], folder, AtomNetRecipe.load(None, settings), options)
        calibrate_threshold(weights, [corpus], quiet=True)
        model, card = load_weights(weights)
    found = summary(lambda image: detect_atoms(image, model, card).atoms, labelled)
    lowest = float(GRIDS["network"][0])
    ideal = best(
        lambda image: detect_atoms(image, model, card, threshold=lowest).atoms, labelled, GRIDS["network"]
    )
    return {"threshold": card.threshold, "f1": found["mean"]["f1"], **found["mean"], **ideal}


def main(options: argparse.Namespace) -> None:
    """Simulate, train and score what is missing."""
    labelled = images(Path(os.environ["STEMFORGE_DATA_DIR"]) / "pt-nc")
    distance = ("out", "seeds", "variants", "accelerator", "workers")
    settings = {k: v for k, v in vars(options).items() if k not in distance}
    result: dict[str, Any] = {"settings": settings, "summary": {}, "runs": {}}
    if options.out.exists():
        result = json.loads(options.out.read_text(encoding="utf-8"))
        if result["settings"] != settings:
            raise SystemExit(f"{options.out}: was made with other settings; choose another --out")
    logging.getLogger("lightning").setLevel(logging.ERROR)
    todo = [(seed, name) for seed in range(options.seeds) for name in options.variants]
    with progress("ablation", len(todo), "trainings") as advance:
        for seed, name in todo:
            if f"{name}/{seed}" not in result["runs"]:
                with tempfile.TemporaryDirectory() as folder:
                    corpus = Path(folder) / "corpus"
                    recipe = recipe_of(name, seed, options)
                    simulate_corpus(recipe, corpus, workers=options.workers, quiet=True)
                    result["runs"][f"{name}/{seed}"] = run(name, seed, corpus, labelled, options)
                values = [v for k, v in result["runs"].items() if k.split("/")[0] == name]
                figures = {
                    key: [value[key] for value in values] for key in ("f1", "best_f1", "precision", "recall")
                }
                result["summary"][name] = {k: round(float(np.mean(v)), 3) for k, v in figures.items()}
                if len(values) > 1:
                    result["summary"][name]["sd_f1"] = round(float(np.std(figures["f1"], ddof=1)), 3)
                write_whole(options.out, (json.dumps(result, indent=2) + "\n").encode())
            advance(1)
    console.print(f"wrote {options.out}", highlight=False)
    print(json.dumps(result["summary"], indent=2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1, help="corpora and trainings of each variant")
    parser.add_argument("--num", type=int, default=80, help="images of each corpus")
    parser.add_argument("--side", type=int, default=320, help="of an image [pixel]")
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--workers", type=int, default=1, help="processes that simulate")
    parser.add_argument("--precision", default="32-true", help="such as bf16-mixed")
    parser.add_argument("--accelerator", default="cpu")
    main(parser.parse_args())
