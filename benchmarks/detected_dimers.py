"""Whether images tell 1 % of atoms in dimers from 5 %, from simulated specimen to the interval, with detection.

    python benchmarks/detected_dimers.py [--images 20] [--shares 0.01,0.05] [--seed 60] [--work FOLDER]

Thin carbon films with single Pt atoms and dimers (0.3 sites per nm², 15 × 15 nm), recorded as the recipe `quickstart`
records them, searched with the weights that come with stemforge, and analysed as `stemforge analyse --element Pt
--recall --purity --closest` does: recall of a neighbour and purity are what `stemforge evaluate completeness` measures
on the same images, without their truth, and atoms nearer than 1.5 Å are taken to look like one. `truth` is the share of
atoms that are in dimers; `fraction` is its estimate of all images together, with an interval of 95 in 100; `found` and
`true` are the recall and the purity that the images really have, atoms of contrast-to-noise 3 and more within 1.5 Å.
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from stemforge import Micrograph
from stemforge.evaluate import PointPattern, Window, bond_length, bonded_fraction
from stemforge.infer import detect_atoms, find_specimen, measure_completeness
from stemforge.simulate import SimulationRecipe, record, simulate_corpus
from stemforge.train import load_weights

CLOSEST, NEAR, VISIBLE = 1.5, 1.5, 3.0  # Å, Å, contrast-to-noise
GRAFTS = 200


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


def analysed(share: float, images: int, seed: int, work: Path) -> dict[str, Any]:
    """Return the share of atoms in dimers that is found on films, and the true one."""
    model, card = load_weights("any-atom")
    films = recipe(share, images, seed)
    corpus = simulate_corpus(films, work / f"{share:g}-{seed}", workers=1, quiet=True)
    patterns, grafted, atoms, paired = [], [], 0, 0
    found, visible, false, beside = 0, 0, 0, []
    for number in range(images):
        sample = corpus[number]
        recording = record(sample, films.degradation, np.random.default_rng([seed, number]))
        micrograph = Micrograph(recording.image[0], sampling=sample.sampling, name=str(number))
        detection = detect_atoms(micrograph, model, card)
        window = Window(find_specimen(micrograph).mask, sample.sampling, CLOSEST)
        patterns.append(PointPattern.inside(detection.atoms.points, window, str(number)))
        complete = measure_completeness(
            micrograph, model, card, np.random.default_rng(number), detection=detection, number=GRAFTS
        )
        grafted.append((complete.false.expected()[0], len(complete.false.scores)))
        if complete.beside is not None:
            beside.append(complete.beside.found)
        labels, cnr = recording.labels.points, recording.labels["cnr"]
        atoms += len(labels)
        paired += int(np.sum(sample.labels["tag"] == 2)) if "tag" in sample.labels.columns else 0
        known = cKDTree(labels[cnr >= 1.5]).query(detection.atoms.points)[0] * sample.sampling < NEAR
        false += int(np.sum(~known))
        found += int(
            np.sum(cKDTree(detection.atoms.points).query(labels[cnr >= VISIBLE])[0] * sample.sampling < NEAR)
        )
        visible += int(np.sum(cnr >= VISIBLE))
    number = sum(len(one) for one in patterns)
    recall = float(np.concatenate(beside).mean())
    purity = 1 - sum(one for one, _ in grafted) / sum(total for _, total in grafted)
    bonded = bonded_fraction(
        patterns, bond_length("Pt"), recall=recall, purity=float(np.clip(purity, 0.05, 1))
    )
    row = {
        "share": share,
        "truth": paired / atoms,
        "fraction": bonded.fraction,
        "low": bonded.low,
        "high": bonded.high,
        "by chance": bonded.by_chance,
        "atoms found": number,
        "recall beside": recall,
        "purity": purity,
        "found": found / max(visible, 1),
        "true": 1 - false / max(number, 1),
    }
    return {key: round(value, 4) for key, value in row.items()}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--shares", default="0.01,0.05")
    parser.add_argument("--seed", type=int, default=60)
    parser.add_argument("--work", type=Path)
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        for share in map(float, args.shares.split(",")):
            row = analysed(share, args.images, args.seed, args.work or Path(folder))
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
