"""Whether images tell 1 % of atoms in dimers from 5 %, from simulated specimen to the interval, with detection.

    python benchmarks/detected_dimers.py --work FOLDER [--images 20] [--shares 0,0.01,0.05] [--sets 1] [--grafted 8]

Thin carbon films with single Pt atoms and dimers (0.3 sites per nm², 15 × 15 nm), recorded as the recipe `quickstart`
records them and searched with the weights that come with stemforge. What was found is kept in the folder, so that
statistics can be made again in seconds. Grafts on the first films of each share, without their truth
(:func:`stemforge.infer.measure_completeness`), say from which distance on two atoms are found as two (`resolved`), how
many atoms as bright as those found are found (`recall`), and how many of those found are atoms (`purity`); all films
are then analysed as `stemforge analyse --bond 2.99 --recall --purity --closest` does: bonds are 2.72 Å long, up to 1.1
times of that counts, and of bonds at any inclination √(1 − (resolved/2.72)²) look long enough to be resolved.

`truth` is the share of labelled atoms in dimers; `fraction` its estimate of all images of a set together, with an
interval of 95 in 100; `images held` in how many single images the interval holds the image's own share; `labels` the
estimate from the labels, where all atoms are resolved. Sites keep 5 Å and more from each other in space, so that fewer
atoms stand side by side by chance than at random places.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemforge import Micrograph
from stemforge.evaluate import PointPattern, Window, bond_length, bonded_fraction
from stemforge.evaluate.statistics.window import linked
from stemforge.infer import detect_atoms, find_specimen, measure_completeness
from stemforge.infer.completeness.pairs import PairRecall
from stemforge.simulate import SimulationRecipe, record, simulate_corpus
from stemforge.train import load_weights

BOND, LENGTH = bond_length("Pt", 1.0), bond_length("Pt", 1.1)
DIMER = 2  # tag of atoms of clusters
GRAFTS = 200
"""Of which a fifth stand beside atoms found."""
Points = NDArray[np.float64]


def recipe(share: float, images: int, seed: int) -> SimulationRecipe:
    """Return films in which this share of the atoms is in dimers."""
    sites = share / (2 - share)  # of which so many hold two atoms
    platinum = {"element": "Pt", "areal_density": 0.3, "placement": "volume", "cluster_fraction": sites}
    fields = {
        "scan.shape": [512, 512],
        "support.mean_thickness": {"uniform": [20, 60]},
        "support.vacuum_fraction": {"choice": [0, 0.2]},
        "single_atoms": [platinum | {"cluster_size": [2, 2]}],
        "degradation.source_size": {"uniform": [1.0, 2.0]},
        "num_samples": images,
        "seed": seed,
    }
    return SimulationRecipe.from_mapping(SimulationRecipe.load("quickstart").model_dump(mode="json"), fields)


def detected(
    share: float, images: int, seed: int, work: Path, grafted: int
) -> tuple[list[Any], dict[str, Any]]:
    """Return mask, atoms found, labels and their tags of each film, and what grafts say; kept in the folder."""
    model, card = load_weights("any-atom")
    films, folder = recipe(share, images, seed), work / f"found-{share:g}-{seed}"
    corpus = simulate_corpus(films, work / f"{share:g}-{seed}", workers=1, quiet=True)
    folder.mkdir(exist_ok=True)
    result, grafts = [], []
    for number in range(images):
        kept = folder / f"{number}.npz"
        if not kept.exists():
            sample = corpus[number]
            recording = record(sample, films.degradation, np.random.default_rng([seed, number]))
            micrograph = Micrograph(recording.image[0], sampling=sample.sampling, name=str(number))
            detection = detect_atoms(micrograph, model, card)
            extra: dict[str, Any] = {}
            if number < grafted:
                extra = by_grafts(micrograph, model, card, number, detection)
            np.savez(
                kept, mask=find_specimen(micrograph).mask, sampling=sample.sampling, found=detection.atoms.points,
                labels=recording.labels.points, cnr=recording.labels["cnr"], tag=recording.labels["tag"], **extra,
            )  # fmt: skip
        row = dict(np.load(kept))
        result.append(row)
        grafts += [row] if "distance" in row else []
    return result, measured(grafts) if grafts else {}


def by_grafts(micrograph: Micrograph, model: Any, card: Any, number: int, detection: Any) -> dict[str, Any]:
    """Return what grafts on a film say of it."""
    rng = np.random.default_rng(number)
    complete = measure_completeness(micrograph, model, card, rng, detection=detection, number=GRAFTS)
    distance, both, free = complete.pairs()
    return {
        "distance": distance, "both": both, "free": free, "recall": complete.curve(complete.measured),
        "false": complete.false.expected()[0], "of": len(complete.false.scores),
    }  # fmt: skip


def measured(grafts: list[Any]) -> dict[str, Any]:
    """Return from where two atoms are found as two [Å], recall of an atom like those found, and purity."""
    pairs = PairRecall.fit(
        *(np.concatenate([row[key] for row in grafts]) for key in ("distance", "both", "free"))
    )
    assert pairs is not None
    return {
        "resolved": [round(one, 2) for one in (pairs.resolved, pairs.low, pairs.high)],
        "recall": float(np.concatenate([row["recall"] for row in grafts]).mean()),
        "purity": 1 - float(sum(row["false"] for row in grafts) / sum(row["of"] for row in grafts)),
    }


def resolved_only(points: Points, radius: float) -> Points:
    """Return points without those that stand within a radius of an earlier one."""
    return np.asarray(points[np.unique(linked(points, radius), return_index=True)[1]])


def analysed(films: list[Any], known: dict[str, Any]) -> dict[str, Any]:
    """Return the share of atoms in dimers that is found on films, and the true one."""
    closest, truths, patterns, labels, held = known["resolved"][0], [], [], [], 0
    # Of bonds at any inclination so many are longer than that in projection.
    recall = known["recall"] * float(np.sqrt(1 - (closest / BOND) ** 2))
    options = {"recall": recall, "purity": known["purity"]}
    for number, film in enumerate(films):
        sampling = float(film["sampling"])
        window = Window(film["mask"], sampling, closest)
        patterns.append(
            PointPattern.inside(resolved_only(film["found"], closest / sampling), window, str(number))
        )
        labels.append(PointPattern.inside(film["labels"], Window(film["mask"], sampling), str(number)))
        truths.append((np.sum(film["tag"] == DIMER), len(film["tag"])))
        one = bonded_fraction(patterns[-1], LENGTH, **options)
        held += one.low <= truths[-1][0] / truths[-1][1] <= one.high
    paired, atoms = np.sum(truths, axis=0)
    bonded, plain = bonded_fraction(patterns, LENGTH, **options), bonded_fraction(labels, LENGTH)
    row = {
        "truth": paired / atoms, "fraction": bonded.fraction, "low": bonded.low, "high": bonded.high,
        "observed": bonded.observed, "by chance": bonded.by_chance, "labels": plain.fraction,
        "labels by chance": plain.by_chance, "atoms": float(bonded.number), "images held": held / len(films),
    }  # fmt: skip
    return {key: round(float(value), 4) for key, value in row.items()}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--shares", default="0,0.01,0.05")
    parser.add_argument("--sets", type=int, default=1)
    parser.add_argument("--grafted", type=int, default=8)
    parser.add_argument("--seed", type=int, default=60)
    parser.add_argument("--work", type=Path, required=True)
    args = parser.parse_args()
    known: dict[str, Any] = {}
    for index, share in enumerate(map(float, args.shares.split(","))):
        for number in range(args.sets):
            # Grafts on the first films of all tell of all of them: they are recorded alike.
            grafted = 0 if known else args.grafted
            films, grafts = detected(share, args.images, args.seed + index + 10 * number, args.work, grafted)
            if grafts:
                known = grafts
                print(json.dumps(known), flush=True)
            print(json.dumps({"share": share, "set": number} | analysed(films, known)), flush=True)


if __name__ == "__main__":
    main()
