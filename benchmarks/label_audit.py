"""How often `stemforge audit` names what was done to labels: the 11 real Pt/NC images, simulated ones, and controls.

    STEMFORGE_DATA_DIR=... python benchmarks/label_audit.py --out result.json [--seeds 3]

Each corruption is done to every file of the set, with other random numbers in every round; a file counts as named right
where the audit reports this fault, no other, and what it would write lies within 2 px of the true labels. A verdict
depends on the labels of its own file and on the images alone, so that all files can be corrupted at once. Controls: the
labels as published; random points in place of labels; few labels.
"""

import argparse
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from stemforge.evaluate.audit import labels as audit_module
from stemforge.evaluate.audit.findings import Verdict
from stemforge.evaluate.audit.labels import audit_labels
from stemforge.evaluate.audit.placements import oriented
from stemforge.files import write_json
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.readers import read_micrograph
from stemforge.simulate import SimulationRecipe, simulate_corpus
from stemforge.simulate.recording.record import corpus_degradation, recording_rng
from stemforge.train import Visible
from stemforge.train.labelled import labelled_image

Points = NDArray[np.float64]
Set = dict[str, Points]
TOLERANCE = 2.0
"""Largest distance of a mended label from the true one [pixel]."""


def load(folder: Path) -> tuple[dict[str, Micrograph], Set]:
    """Return the real images and their labels."""
    images = {path.name[:3]: read_micrograph(path) for path in sorted((folder / "images").glob("*.tif"))}
    points = {
        name: Annotations.from_csv(folder / "labels" / f"{name}_Results.csv", micrograph.shape).points
        for name, micrograph in images.items()
    }
    return images, points


def shift(true: Set, rng: np.random.Generator, _: Mapping[str, Micrograph]) -> Set:
    angles = rng.uniform(0, 2 * np.pi, len(true))
    return {
        name: points + 8 * np.array([np.cos(angle), np.sin(angle)])
        for (name, points), angle in zip(true.items(), angles, strict=True)
    }


def transpose(true: Set, rng: np.random.Generator, _: Mapping[str, Micrograph]) -> Set:
    return {name: points[:, ::-1] for name, points in true.items()}


def flip(true: Set, rng: np.random.Generator, images: Mapping[str, Micrograph]) -> Set:
    return {
        name: oriented(points, images[name].shape, int(rng.integers(1, 4))) for name, points in true.items()
    }


def swap(true: Set, rng: np.random.Generator, _: Mapping[str, Micrograph]) -> Set:
    """Give every file the labels of another one; with an even number, pairs change places."""
    order = rng.permutation(list(true))
    return {name: true[other] for name, other in zip(order, np.roll(order, 1), strict=True)}


def rows(true: Set, rng: np.random.Generator, _: Mapping[str, Micrograph]) -> Set:
    """Write the last 5 to 60 % of the rows of each file to the beginning or the end of the next one."""
    names = list(true)
    cuts = {name: len(true[name]) - max(5, round(len(true[name]) * rng.uniform(0.05, 0.6))) for name in names}
    made = {}
    for before, name in zip([names[-1], *names[:-1]], names, strict=True):
        parts = [true[before][cuts[before] :], true[name][: cuts[name]]]
        made[name] = np.concatenate(parts if rng.random() < 0.5 else parts[::-1])
    return made


def halve(true: Set, rng: np.random.Generator, _: Mapping[str, Micrograph]) -> Set:
    return {name: points * 0.5 for name, points in true.items()}


def nanometres(true: Set, rng: np.random.Generator, images: Mapping[str, Micrograph]) -> Set:
    return {name: np.round(points * (images[name].sampling or 1) / 10, 3) for name, points in true.items()}


def repeat(true: Set, rng: np.random.Generator, _: Mapping[str, Micrograph]) -> Set:
    made = {}
    for name, points in true.items():
        chosen = rng.choice(len(points), round(0.3 * len(points)), replace=False)
        made[name] = np.concatenate([points, points[chosen]])
    return made


CORRUPTIONS: dict[str, tuple[Callable[..., Set], set[str]]] = {
    "shifted by 8 px": (shift, {"shift"}),
    "transposed": (transpose, {"transposed"}),
    "mirrored or turned by 180°": (flip, {"mirrored"}),
    "files swapped": (swap, {"image"}),
    "rows of one file in the next": (rows, {"rows"}),
    "half as large": (halve, {"scale"}),
    "nm for px": (nanometres, {"unit"}),
    "30 % of the rows twice": (repeat, {"duplicates"}),
}
"""What is done to the labels, and the kind of fault that must be named."""


def mended(verdicts: list[Verdict], true: Set) -> dict[str, tuple[int, int, int]]:
    """Return how many labels each image gets by the mend: right ones, wrong ones, and true ones that are missing."""
    counts = {}
    for name, points in true.items():
        given = [v.placed[[image == name for image in v.images]] for v in verdicts if v.certain]
        found = np.concatenate([np.empty((0, 2)), *given])
        near = cKDTree(points).query(found)[0] <= TOLERANCE if len(found) else np.zeros(0, bool)
        missing = cKDTree(found).query(points)[0] > TOLERANCE if len(found) else np.ones(len(points), bool)
        counts[name] = int(near.sum()), int((~near).sum()), int(missing.sum())
    return counts


def measure(images: Mapping[str, Micrograph], true: Set, seeds: int) -> dict[str, Any]:
    """Audit each corruption in every round."""
    result: dict[str, Any] = {}
    for name, (corrupt, kinds) in CORRUPTIONS.items():
        right, files, totals, misses = 0, 0, np.zeros(3, int), []
        for seed in range(seeds):
            given = corrupt(true, np.random.default_rng([seed, len(name)]), images)
            audit = audit_labels(images, {key: Annotations(points) for key, points in given.items()})
            for verdict in audit.verdicts:
                named = {fault.kind for fault in verdict.faults}
                files += 1
                right += named == kinds
                if named != kinds:
                    misses.append(
                        [seed, verdict.image, [fault.message for fault in verdict.faults], verdict.note]
                    )
            totals += np.sum(list(mended(list(audit.verdicts), true).values()), axis=0)
        result[name] = {"named right": right, "files": files, "misses": misses}
        result[name] |= dict(zip(("labels mended right", "wrong", "missing"), totals.tolist(), strict=True))
        print(name, json.dumps(result[name], ensure_ascii=False), flush=True)
    return result


def control(images: Mapping[str, Micrograph], points: Set) -> dict[str, Any]:
    """Return how many files are called sound, faulty and undecided, and how often each kind of fault was named."""
    audit = audit_labels(images, {name: Annotations(table) for name, table in points.items()})
    return {
        "files": len(audit.verdicts),
        "sound": sum(v.sound and not v.note for v in audit.verdicts),
        "undecided": sum(bool(v.note) for v in audit.verdicts),
        "faults": Counter(fault.kind for verdict in audit.verdicts for fault in verdict.faults),
    }


def controls(images: Mapping[str, Micrograph], true: Set, seeds: int) -> dict[str, Any]:
    """Return the controls: true labels, few of them, random points."""
    result = {"true labels": control(images, true)} if true else {}
    for number in (5, 8, 12) if true else ():
        chosen = np.random.default_rng(number)
        few = {name: points[chosen.permutation(len(points))[:number]] for name, points in true.items()}
        result[f"{number} of the labels"] = control(images, few)
    for number in (5, 20, 60):
        rounds = []
        for seed in range(seeds):
            rng = np.random.default_rng([seed, number])
            points = {
                name: rng.uniform(0, 1, (number, 2)) * (np.array(one.shape[::-1]) - 1)
                for name, one in images.items()
            }
            rounds.append(control(images, points))
        total = {key: sum(found[key] for found in rounds) for key in ("files", "sound", "undecided")}
        faults = sum((found["faults"] for found in rounds), Counter())
        result[f"{number} random points"] = total | {"faults": faults}
    for name, found in result.items():
        print(name, json.dumps(found, ensure_ascii=False), flush=True)
    return result


def short_runs(images: Mapping[str, Micrograph], true: Set, seeds: int) -> dict[str, Any]:
    """Return how often few rows of another file, at the beginning or the end of each, are named."""
    result = {}
    names = list(true)
    for number in (4, 6, 8, 12):
        right, exact = 0, 0
        for seed in range(seeds):
            rng = np.random.default_rng([seed, number])
            given, wrong = {}, {}
            for name in names:
                other = rng.choice([one for one in names if one != name])
                start = rng.integers(0, len(true[other]) - number + 1)
                parts = [true[other][start : start + number], true[name]]
                first = rng.random() < 0.5
                given[name] = np.concatenate(parts if first else parts[::-1])
                rows = np.arange(number) + (1 if first else len(true[name]) + 1)
                wrong[name] = other, tuple(rows.tolist())
            audit = audit_labels(images, {name: Annotations(points) for name, points in given.items()})
            for verdict in audit.verdicts:
                found = [(fault.image, fault.rows) for fault in verdict.faults]
                right += [image for image, _ in found] == [wrong[verdict.image][0]]
                exact += found == [wrong[verdict.image]]
        result[f"{number} rows of another file"] = {
            "named right": right,
            "with all their rows": exact,
            "files": seeds * len(names),
        }
    for name, found in result.items():
        print(name, json.dumps(found), flush=True)
    return result


def simulated(recipe: str, num: int) -> tuple[dict[str, Micrograph], Set]:
    """Return simulated images of a recipe, recorded as it says, and the atoms on them that an expert would mark."""
    images, points = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        settings = SimulationRecipe.load(recipe, {"num_samples": num, "shard_size": 1, "seed": 4321})
        corpus = simulate_corpus(settings, Path(folder) / "corpus", workers=1, quiet=True)
        for sample in corpus:
            rng = recording_rng(corpus.recipe, sample.index)
            found = labelled_image(sample, Visible(), corpus_degradation(corpus), rng)
            name = f"{recipe}-{sample.index}"
            images[name] = Micrograph(found.image, sample.sampling, name=name)
            points[name] = found.atoms
    return images, points


def keep_maps() -> None:
    """Let the maps of an image be made once: they are the same in every round."""
    maps, loaded = audit_module.evidence_maps, audit_module.load_finder("atom-net", "atoms")
    kept: dict[int, Any] = {}

    def remembered(micrograph: Micrograph, *_: Any, **__: Any) -> Any:
        if id(micrograph) not in kept:
            # The micrograph is kept, too: no other may get its number.
            kept[id(micrograph)] = micrograph, maps(micrograph, loaded)
        return kept[id(micrograph)][1]

    audit_module.load_finder = lambda *_: loaded  # type: ignore[assignment]
    audit_module.evidence_maps = remembered  # type: ignore[assignment]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--simulated", type=int, default=3, help="images of each recipe")
    options = parser.parse_args()
    keep_maps()
    images, true = load(Path(os.environ["STEMFORGE_DATA_DIR"]) / "pt-nc")
    result = {"real": controls(images, true, options.seeds) | measure(images, true, options.seeds)}
    result["real"] |= short_runs(images, true, options.seeds)
    for recipe in ("pt-nc", "fe-c3n4"):
        made, atoms = simulated(recipe, options.simulated)
        print(recipe, {name: len(points) for name, points in atoms.items()})
        result[f"simulated {recipe}"] = controls(made, atoms, 1) | measure(made, atoms, 1)
    made, _ = simulated("metal-free", options.simulated)
    result["simulated metal-free"] = controls(made, {}, options.seeds)
    if options.out:
        write_json(options.out, result)


if __name__ == "__main__":
    main()
