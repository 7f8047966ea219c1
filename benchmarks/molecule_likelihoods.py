"""Whether likelihoods of boxes mean what they say, and what they are worth as a threshold.

    python benchmarks/molecule_likelihoods.py [--doses 500,1000,1500,3000,6000] [--thickness 1,4] [--images 8]
        [--work FOLDER] [--store FILE]

Films of `zsm5-columns`, a source of 0.9 Å: half of the channels filled, and empty. Likelihoods are fitted to half of
the specimens and judged by the others, both ways. Hits, false boxes and misses (IoU from 0.5 on) of boxes from
a score of 0.5 on, less those that their channels deny (`score`); at one likelihood for all images (`fixed`); at
each image's own (`own`); `per 50 empty` are false boxes for 50 channels without a molecule. `guest` is the share of the
right candidates whose molecule is named rightly, and the mean probability given for that. `--store` writes the
calibration by all specimens into a copy of the weights.
"""

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from occupancy_films import NEAR, SOURCE, Films
from scipy.spatial import cKDTree

from stemforge.corpus.sample import Sample
from stemforge.evaluate.atoms.scores import AtomScore
from stemforge.evaluate.likelihoods.boxes import BoxFinder, BoxTrial, calibrated
from stemforge.infer import CANDIDATE, decide
from stemforge.simulate import Degradation
from stemforge.train import Card, find_weights, load_weights, save_weights
from stemforge.train.weights import stored_in_half

CHANNELS = 0.0074  # of a film of MFI [1/Å²]


def guests(trial: BoxTrial, sample: Sample) -> list[tuple[bool, float]]:
    """Say of right boxes whether their molecule is named rightly, and with what probability."""
    boxes = trial.boxes.where(trial.right & (trial.boxes["guest"] != ""))
    if not len(boxes) or sample.sampling is None:
        return []
    distance, nearest = cKDTree(sample.labels.points).query(boxes.points)
    names = [sample.metadata["molecules"][int(number)] for number in sample.labels["species"][nearest]]
    near = distance * sample.sampling < NEAR
    right = [name == guest for name, guest in zip(names, boxes["guest"], strict=True)]
    return [(r, p) for r, p, n in zip(right, boxes["guest_probability"], near, strict=True) if n]


def counted(scores: list[AtomScore], empty: float) -> dict[str, Any]:
    """Add up hits, false boxes and misses."""
    hits, false, missed = (
        sum(getattr(score, name) for score in scores)
        for name in ("true_positives", "false_positives", "false_negatives")
    )
    row: dict[str, Any] = {"hits, false, missed": [hits, false, missed]}
    if hits + missed:
        row["f1"] = round(2 * hits / (2 * hits + false + missed), 3)
    return row | {"per 50 empty": round(50 * false / empty, 1)}


def score_alone(trial: BoxTrial, card: Card) -> AtomScore:
    """Score a film at its own threshold."""
    likelihood = trial.likelihood(card)
    return trial.score(card, decide(likelihood[likelihood >= CANDIDATE], card).threshold)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--doses", default="500,1000,1500,3000,6000")
    parser.add_argument("--thickness", default="1,4")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--store", type=Path)
    given = parser.parse_args()
    path = find_weights("faster-rcnn")
    model, card = load_weights(path)
    card = replace(card, calibration=None, channel_calibration=None, min_expected_f1=None)
    finder = BoxFinder(model, card, path)
    trials: dict[tuple[str, int, float, int], BoxTrial] = {}
    named: dict[tuple[str, int, float, int], list[tuple[bool, float]]] = {}
    with TemporaryDirectory() as temporary:
        for kind in ("columns", "empty"):
            for cells in map(int, given.thickness.split(",")):
                corpus = Films(given.work or Path(temporary)).corpus(kind, cells)
                for dose in map(float, given.doses.split(",")):
                    for number in range(min(given.images, len(corpus))):
                        rng = np.random.default_rng([number, int(dose), cells, 5])
                        settings = Degradation(dose=dose, source_size=SOURCE)
                        key = kind, cells, dose, number
                        trials[key] = finder(corpus[number], settings, rng)
                        named[key] = guests(trials[key], corpus[number]) if kind == "columns" else []

    def fitted(half: set[int]) -> tuple[Card, Any]:
        chosen = {key: trial for key, trial in trials.items() if key[3] in half}
        with_guests, without = (
            [trial for key, trial in chosen.items() if key[0] == kind] for kind in ("columns", "empty")
        )
        return calibrated(card, with_guests, without)

    halves = {0, 1, 2, 3}, {4, 5, 6, 7}
    cards = [fitted(half)[0] for half in halves]
    for kind, cells, dose in dict.fromkeys(key[:3] for key in trials):
        chosen = {key: trial for key, trial in trials.items() if key[:3] == (kind, cells, dose)}
        pairs = [(trial, cards[int(key[3] in halves[0])]) for key, trial in chosen.items()]
        area = sum(trial.area for trial, _ in pairs)
        empty = 100 * CHANNELS * area * (0.5 if kind == "columns" else 1)
        row: dict[str, Any] = {"kind": kind, "cells": cells, "dose": dose, "films": len(pairs)}
        row["score"] = counted([trial.score(card, 0.5) for trial, _ in pairs], empty)
        row["fixed"] = counted([trial.score(by, by.threshold) for trial, by in pairs], empty)
        row["own"] = counted([score_alone(trial, by) for trial, by in pairs], empty)
        right = [each for key in chosen for each in named[key]]
        if right:
            row["guest"] = [round(float(np.mean(values)), 2) for values in zip(*right, strict=True)]
        print(json.dumps(row), flush=True)
    stored, found = fitted(halves[0] | halves[1])
    print(
        stored.calibration,
        stored.channel_calibration,
        stored.threshold,
        stored.min_expected_f1,
        stored.metrics,
    )
    if found.before is not None and found.after is not None:
        print(f"calibration error {found.before.error:.3f} before, {found.after.error:.3f} after")
    if given.store:
        shutil.copy(path, given.store)
        save_weights(given.store, model, stored, half=stored_in_half(path))


if __name__ == "__main__":
    main()
