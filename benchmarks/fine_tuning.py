"""AtomNet fine-tuned on few real images, scored on others: leave-images-out cross-validation on the 11 of Pt/NC.

    STEMFORGE_DATA_DIR=... python benchmarks/fine_tuning.py --init WEIGHTS --out result.json [--images 3]
    STEMFORGE_DATA_DIR=... python benchmarks/fine_tuning.py --scratch --out scratch.json

For each seed the images are dealt into folds; a network is trained on the other folds' images and scored on the fold's
by the published match criterion. --images trains on so many of them, drawn by the seed. --scratch starts from random
weights: what real labels alone are worth. Settings are those of the recipe atom-net-fine-tuning, or of atom-net from
scratch, but for what is given here. --replay mixes as many showings of simulated images in, against forgetting;
--forgetting scores the network before and after on the last images of a simulated corpus, on which it must not have
been trained.

No held-out image is looked at before it is scored. Every image of the training folds is learnt from; the loss that
chooses the best epoch is that of one of them, so in effect the last epoch is taken. F1 is given at two thresholds: the
best one on the training images, `by_training`, and the initial card's, `by_card`; which of them is the result must
be said beforehand. `threshold_only` is what the initial weights gain from the first choice, without any training.
A network knows the images it was trained on, so that they suit the choice badly: `by_other_folds` is at the threshold
that is best for the images of the other folds, each as found by the network that was not trained on it. That network
was trained on the fold's images, whose labels thereby touch one number. `by_image` is at the threshold that each
image's likelihoods choose, calibrated as those of the initial weights, as in inference; `augmented` is the same
averaged over eight orientations. `best` is at the best threshold on the held-out labels themselves: no result, but what
a better choice could gain.

The file is rewritten after every fold; the same command goes on where it stopped.
"""

import argparse
import json
import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from real_images import Labelled, images

from stemforge import Annotations, Corpus, Micrograph
from stemforge.console import console, progress
from stemforge.corpus.ingest import ingest_images
from stemforge.evaluate import score_atoms
from stemforge.evaluate.likelihoods.calibration import held_out_images
from stemforge.evaluate.likelihoods.choosing import THRESHOLDS
from stemforge.files import write_whole
from stemforge.infer import CANDIDATE, decide, detect_atoms
from stemforge.train import AtomNetRecipe, Card, RunOptions, fit, load_weights

LOWEST = 0.01
GRID = np.array([0.02, *THRESHOLDS])
REPEATS = 4
"""Times an image is in an epoch: longer epochs, fewer checkpoints."""
FORGETTING = 12
"""Simulated images that are scored before and after."""
Found = dict[str, Annotations]


def training_recipe(options: argparse.Namespace, card: Card | None, seed: int) -> AtomNetRecipe:
    """Return the settings of a run: those that ship, but for what was asked for."""
    asked = {name: getattr(options, name) for name in ("epochs", "learning_rate") if getattr(options, name)}
    network = {} if card is None else {"network": dict(card.settings)}
    recipe = AtomNetRecipe.load("atom-net" if options.scratch else "atom-net-fine-tuning", asked | network)
    # One sample of each corpus validates, however small the share.
    return recipe.replace(validation=1e-6, patience=recipe.epochs, seed=seed)


def training_corpora(real: Corpus, places: NDArray[np.int64], options: argparse.Namespace) -> list[Corpus]:
    """Return the training images, several times over, and simulated ones."""
    # One of the structures validates: no sample of it is learnt from.
    corpora = [real[np.tile(places, REPEATS)]]
    if options.replay:
        corpora.append(Corpus(options.replay)[: options.replay_images + 1])
    return corpora


def train_quietly(
    corpora: Sequence[Corpus | Path],
    folder: str | Path,
    recipe: AtomNetRecipe,
    options: argparse.Namespace,
    init: str | Path | None = None,
) -> Path:
    """Train AtomNet on one device, with the accelerator and the precision that were asked for."""
    trainer = {"accelerator": options.accelerator, "devices": 1, "precision": options.precision}
    run = RunOptions(init=init, num_workers=0, quiet=True, trainer_options=trainer)
    return fit(recipe, corpora, Path(folder) / "run", run)


def find_all(model: torch.nn.Module, card: Card, labelled: Labelled, augment: bool = False) -> Found:
    """Return all candidates on each image, with their likelihood."""
    return {
        n: detect_atoms(image, model, card, threshold=LOWEST, augment=augment).atoms
        for n, image, _ in labelled
    }


def f1_at(found: Found, labelled: Labelled, threshold: float) -> dict[str, float]:
    """Return F1 of each image at a threshold."""
    return {
        n: score_atoms(found[n].points[found[n]["score"] >= threshold], truth.points).f1
        for n, _, truth in labelled
    }


def f1_by_image(found: Found, labelled: Labelled, card: Card) -> dict[str, float]:
    """Return F1 of each image at the threshold that its likelihoods choose."""
    f1 = {}
    for n, _, truth in labelled:
        score = found[n]["score"]
        chosen = decide(score[score >= CANDIDATE], card).threshold
        f1[n] = score_atoms(found[n].points[score >= chosen], truth.points).f1
    return f1


def best_threshold(found: Found, labelled: Labelled) -> float:
    """Return the threshold with the highest mean F1; the middle one where several share it."""
    means = np.array([np.mean(list(f1_at(found, labelled, value).values())) for value in GRID])
    return float(np.median(GRID[np.flatnonzero(means >= means.max() - 1e-9)]))


def remembered(model: torch.nn.Module, card: Card, folder: str, threshold: float) -> float:
    """Return mean F1 on the last images of a simulated corpus."""
    corpus = Corpus(folder)
    share = min(FORGETTING, len(corpus) - 1) / len(corpus)
    scores = []
    for known in held_out_images([corpus], card.visible, share):
        found = detect_atoms(Micrograph(known.image, corpus[0].sampling), model, card, threshold=threshold)
        scores.append(score_atoms(found.atoms.points, known.atoms).f1)
    return float(np.mean(scores))


def deal(number: int, folds: int, seed: int) -> list[NDArray[np.int64]]:
    """Deal images into folds."""
    return np.array_split(np.random.default_rng(seed).permutation(number), folds)


def run_fold(
    real: Corpus,
    labelled: Labelled,
    initial: Found | None,
    held_out: NDArray[np.int64],
    seed: int,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Train on the other folds' images, score on this fold's."""
    rng = np.random.default_rng([seed, *held_out])
    others = np.setdiff1d(np.arange(len(labelled)), held_out)
    used = rng.permutation(others)[: options.images or len(others)]
    card = None if options.scratch else load_weights(options.init)[1]
    with tempfile.TemporaryDirectory() as folder:
        corpora, recipe = training_corpora(real, used, options), training_recipe(options, card, seed)
        init = None if options.scratch else options.init
        weights = train_quietly(corpora, folder, recipe, options, init)
        model, alone = load_weights(weights)
    training, test = ([labelled[i] for i in sorted(chosen)] for chosen in (used, held_out))
    chosen = best_threshold(find_all(model, alone, training), training)
    found = find_all(model, alone, test)
    fold: dict[str, Any] = {
        "trained_on": [n for n, _, _ in training],
        "threshold": chosen,
        "by_training": f1_at(found, test, chosen),
        "best": f1_at(found, test, best_threshold(found, test)),
        "curves": {n: [f1_at(found, [each], t)[n] for t in GRID] for each in test for n in each[:1]},
    }
    if card is not None:
        fold["by_card"] = f1_at(found, test, card.threshold)
        fold["by_image"] = f1_by_image(found, test, alone)
        fold["augmented"] = f1_by_image(find_all(model, alone, test, augment=True), test, alone)
    if initial is not None:
        fold["threshold_only"] = f1_at(initial, test, best_threshold(initial, training))
    if options.forgetting:
        fold["simulated_f1"] = remembered(
            model, alone if card is None else card, options.forgetting, card.threshold if card else chosen
        )
    return fold


def add_other_folds(folds: dict[str, dict[str, Any]]) -> None:
    """Add to each fold F1 at the threshold that is best on the other folds of its seed, once all are there."""
    for seed in {key.split("/")[0] for key in folds}:
        same = {key: fold["curves"] for key, fold in folds.items() if key.split("/")[0] == seed}
        for key, curves in same.items():
            others = [curve for k, each in same.items() if k != key for curve in each.values()]
            if others:
                chosen = int(np.argmax(np.mean(others, axis=0)))
                folds[key]["by_other_folds"] = {n: curve[chosen] for n, curve in curves.items()}


def summary(folds: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return mean and deviations of F1, over images and over seeds, of what has been measured so far."""
    result: dict[str, Any] = {}
    for name in (
        "by_training",
        "by_other_folds",
        "by_card",
        "by_image",
        "augmented",
        "threshold_only",
        "best",
    ):
        values: dict[str, dict[str, float]] = {}
        for key, fold in folds.items():
            for image, f1 in fold.get(name, {}).items():
                values.setdefault(image, {})[key.split("/")[0]] = f1
        if not values:
            continue
        seeds = sorted({seed for each in values.values() for seed in each})
        by_image = {image: float(np.mean(list(each.values()))) for image, each in sorted(values.items())}
        by_seed = [float(np.mean([v[seed] for v in values.values() if seed in v])) for seed in seeds]
        spread = list(by_image.values())
        result[name] = {
            "mean_f1": round(float(np.mean(spread)), 4),
            "sd_over_images": round(float(np.std(spread, ddof=1)), 4) if len(spread) > 1 else None,
            "by_seed": [round(f1, 4) for f1 in by_seed],
            "sd_over_seeds": round(float(np.std(by_seed, ddof=1)), 4) if len(by_seed) > 1 else None,
            "images": {image: round(f1, 3) for image, f1 in by_image.items()},
        }
    simulated = [fold["simulated_f1"] for fold in folds.values() if "simulated_f1" in fold]
    if simulated:
        result["simulated_f1"] = round(float(np.mean(simulated)), 4)
    return result


def before(options: argparse.Namespace, labelled: Labelled, initial: Found) -> dict[str, Any]:
    """Return what the initial weights score, from what they found."""
    model, card = load_weights(options.init)
    scores = f1_at(initial, labelled, card.threshold)
    result: dict[str, Any] = {
        "threshold": card.threshold,
        "mean_f1": round(float(np.mean(list(scores.values()))), 4),
        "by_image": {n: round(f1, 3) for n, f1 in f1_by_image(initial, labelled, card).items()},
        "images": {n: round(f1, 3) for n, f1 in scores.items()},
    }
    if options.forgetting:
        result["simulated_f1"] = round(remembered(model, card, options.forgetting, card.threshold), 4)
    return result


def main(options: argparse.Namespace) -> None:
    """Run what is missing of the cross-validation."""
    data = Path(os.environ["STEMFORGE_DATA_DIR"]) / "pt-nc"
    labelled = images(data)
    settings = {k: v for k, v in vars(options).items() if k not in ("out", "seeds", "accelerator")}
    result: dict[str, Any] = {"settings": settings, "summary": {}, "folds": {}}
    if options.out.exists():
        earlier = json.loads(options.out.read_text(encoding="utf-8"))
        if earlier["settings"] != settings:
            raise SystemExit(f"{options.out}: was made with other settings; choose another --out")
        result = earlier
    logging.getLogger("lightning").setLevel(logging.ERROR)
    initial = None if options.scratch else find_all(*load_weights(options.init), labelled)
    if initial is not None and "before" not in result:
        result["before"] = before(options, labelled, initial)
    todo = [
        (f"{seed}/{number}", seed, held_out)
        for seed in range(options.seeds)
        for number, held_out in enumerate(deal(len(labelled), options.folds, seed))
        if f"{seed}/{number}" not in result["folds"]
    ]
    with tempfile.TemporaryDirectory() as folder:
        real = ingest_images([data / "images"], [data / "labels"], Path(folder) / "real")
        names = [sample.metadata["name"].split("_")[0] for sample in real.labels_only()]
        if names != [n for n, _, _ in labelled]:
            raise SystemExit(f"images were ingested in another order: {names}")
        with progress("fine-tune", len(todo), "folds") as advance:
            for key, seed, held_out in todo:
                result["folds"][key] = run_fold(real, labelled, initial, held_out, seed, options)
                add_other_folds(result["folds"])
                result["summary"] = summary(result["folds"])
                write_whole(options.out, (json.dumps(result, indent=2) + "\n").encode())
                advance(1)
    console.print(f"wrote {options.out}", highlight=False)
    print(json.dumps({k: v for k, v in result.items() if k != "folds"}, indent=2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    start = parser.add_mutually_exclusive_group(required=True)
    start.add_argument("--init", help="weights of an AtomNet to start from")
    start.add_argument("--scratch", action="store_true", help="start from random weights")
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    parser.add_argument("--seeds", type=int, default=3, help="how many; a finished file can be given more")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--images", type=int, help="train on so many of a fold's images; all by default")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--replay", help="simulated corpus to mix in")
    parser.add_argument("--replay-images", type=int, default=64, help="of it, its first")
    parser.add_argument("--forgetting", help="simulated corpus whose last images are scored before and after")
    parser.add_argument("--precision", default="32-true", help="such as bf16-mixed")
    parser.add_argument("--accelerator", default="cpu")
    options = parser.parse_args()
    main(options)
