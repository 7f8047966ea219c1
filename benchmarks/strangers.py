"""How much of the way to a detector trained for a specimen `stemforge adapt` goes on specimens that nobody trained for.

    python benchmarks/strangers.py zero [--set second] [--weights any-atom]
    python benchmarks/strangers.py adapt --minutes 10 [--set second] [--domains sn-c3n4,zr-hbn]
        [--ways both,posterior,grafts,neither] [--weights any-atom] [--work FOLDER] [--figure FILE]

Two sets of eight simulated domains (strangers.yaml): support, element, energy, pixel size, dose and aberrations differ
from what `atom-net` and `any-atom` were trained on. Each has a hidden recipe, one session at a microscope: aberrations,
source and dose hardly change from image to image. `adapt` gets 16 images of it without labels, and the recipe that
`stemforge new` writes for what the user of such a microscope knows: support, element, energy, angles, pixel size. F1 is
that of all visible atoms of 24 other images of the domain; atoms that are doubtful count neither way:

- `zero`: of the weights as they come; `false/nm2` is what they find on 8 images of the support alone. The others are
  averaged over eight orientations, as `adapt` does where training helped;
- `true`: of weights trained by the hidden recipe, from the same start and for as long;
- the ways of adapting: posterior and grafts (`both`), one of them, or `neither`, which is to train on the recipe's wide
  priors.

`share` is that of the gap between `zero` and `true` that a way closes. `--work` keeps everything, and a run that was
stopped goes on. `zero` takes minutes, `adapt` about three times the minutes for each domain.
"""

import argparse
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from matplotlib.figure import Figure

from stemforge import Micrograph
from stemforge.adapt import AdaptOptions, adapt_detector
from stemforge.adapt.training.comparison import count_atoms
from stemforge.colours import ORANGE, SKY
from stemforge.corpus.reader import Corpus
from stemforge.files import write_figure
from stemforge.infer import detect_atoms
from stemforge.micrograph.drawing import draw_micrograph
from stemforge.simulate import RecipeRequest, SimulationRecipe, compose_recipe, record, simulate_corpus
from stemforge.simulate.recording.record import recording_rng
from stemforge.train import AtomNetRecipe, load_weights
from stemforge.train.labelled import labelled_image

UNLABELLED, OTHERS, CONTROLS = 16, 24, 8
SIDE = 320
WAYS = {
    "both": {},
    "posterior": {"grafts": False},
    "grafts": {"posterior": False},
    "neither": {"posterior": False, "grafts": False},
}


@dataclass(frozen=True)
class Domain:
    """What a user knows, and what stays hidden from `adapt`."""

    known: dict[str, Any]
    hidden: dict[str, Any] = field(default_factory=dict)

    def request(self) -> SimulationRecipe:
        """Return the recipe that `stemforge new` writes."""
        return compose_recipe(RecipeRequest(shape=(SIDE, SIDE), **self.known)).recipe

    def truth(self, seed: int) -> SimulationRecipe:
        """Return the hidden recipe."""
        values = self.request().model_dump(mode="json")
        fixed = {"seed": seed, "num_samples": UNLABELLED + OTHERS, "shard_size": 4, "store_structures": False}
        return SimulationRecipe.from_mapping(values, self.hidden | fixed)


def domains(which: str) -> dict[str, Domain]:
    """Return a set of domains by name."""
    sets = yaml.safe_load((Path(__file__).parent / "strangers.yaml").read_text(encoding="utf-8"))
    found = {}
    for name, entry in sets[which].items():
        about = {
            field: {"uniform": sorted((0.9 * value, 1.1 * value))} for field, value in entry["about"].items()
        }
        known = {
            key: tuple(value) if isinstance(value, list) else value for key, value in entry["known"].items()
        }
        found[name] = Domain(known, about | entry["hidden"])
    return found


def images_of(domain: Domain, folder: Path, seed: int) -> tuple[list[Micrograph], list[Any]]:
    """Simulate a domain; return images without labels, and others with what is visible on them."""
    recipe = domain.truth(seed)
    corpus: Corpus = simulate_corpus(recipe, folder, quiet=True)
    visible = AtomNetRecipe.shipped().visible
    unlabelled, others = [], []
    for sample in corpus:
        rng = recording_rng(corpus.recipe, sample.index, seed)
        if sample.index < UNLABELLED:
            image = record(sample, recipe.degradation, rng).image[0]
            unlabelled.append(Micrograph(image, recipe.scan.sampling, "HAADF", f"{sample.index:02d}"))
        else:
            others.append(labelled_image(sample, visible, recipe.degradation, rng))
    return unlabelled, others


def score(weights: str | Path, others: list[Any], sampling: float, *, augment: bool = False) -> float:
    """Return F1 of all visible atoms together."""
    model, card = load_weights(weights)
    hits, found, true = sum(count_atoms(image, sampling, model, card, augment=augment) for image in others)
    return float(2 * hits / max(found + true, 1))


def false_atoms(weights: str | Path, domain: Domain, folder: Path, seed: int) -> float:
    """Return atoms found per nm² on images of the domain's support alone."""
    recipe = domain.truth(seed).replace(single_atoms=(), num_samples=CONTROLS)
    corpus = simulate_corpus(recipe, folder, quiet=True)
    model, card = load_weights(weights)
    sampling, found, area = recipe.scan.sampling, 0, 0.0
    for sample in corpus:
        image = record(sample, recipe.degradation, recording_rng(corpus.recipe, sample.index, seed)).image[0]
        found += len(detect_atoms(Micrograph(image, sampling, "HAADF", "control"), model, card).atoms)
        area += image.size * sampling**2 / 100
    return found / area


def adapted(
    domain: Domain, way: str, others: list[Any], unlabelled: list[Any], folder: Path, args: Any
) -> float:
    """Adapt by one way, or train by the hidden recipe; return F1."""
    recipe = domain.truth(args.seed) if way == "true" else domain.request()
    chosen = WAYS["neither" if way == "true" else way]
    options = AdaptOptions(
        minutes=args.minutes,
        start=args.weights,
        seed=args.adapt_seed,
        workers=args.cores,
        quiet=True,
        **chosen,
    )
    made = adapt_detector(unlabelled, recipe, folder / way, options)  # quick where it is finished
    return score(made.weights, others, recipe.scan.sampling, augment=made.averaged)


def draw(rows: dict[str, tuple[Any, dict[str, Path | str]]], samplings: dict[str, float], out: Path) -> None:
    """Draw an image of each domain: its visible atoms, and what detectors find, by name."""
    figure = Figure(figsize=(12, 4.2 * len(rows)), layout="constrained")
    for panels, (name, (labelled, detectors)) in zip(
        figure.subplots(len(rows), 3, squeeze=False), rows.items(), strict=True
    ):
        micrograph = Micrograph(labelled.image, samplings[name], "HAADF", name)
        points = {f"{name}: visible": labelled.atoms}
        for title, weights in detectors.items():
            points[title] = detect_atoms(micrograph, *load_weights(weights)).atoms.points
        for axes, (title, places) in zip(panels, points.items(), strict=True):
            draw_micrograph(axes, micrograph)
            colour = SKY if places is labelled.atoms else ORANGE
            axes.scatter(*places.T, s=60, facecolors="none", edgecolors=colour, linewidths=1.3)
            axes.set_title(f"{title}, {len(places)}", fontsize=10)
    write_figure(figure, out, dpi=80)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("what", choices=("zero", "adapt"))
    parser.add_argument("--set", default="second")
    parser.add_argument("--domains", help="some of the set's, divided by commas")
    parser.add_argument("--ways", default="both")
    parser.add_argument("--weights", default="any-atom")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1601, help="of the domains' images")
    parser.add_argument("--adapt-seed", type=int, default=0)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--figure", type=Path, help="draws an image of each domain, with --ways both")
    args = parser.parse_args()
    torch.set_num_threads(args.cores)
    results: dict[str, dict[str, float]] = {}
    drawn: dict[str, tuple[Any, dict[str, Path | str]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        of_set = domains(args.set)
        for name in args.domains.split(",") if args.domains else of_set:
            domain, folder = of_set[name], (args.work or Path(temporary)) / name
            unlabelled, others = images_of(domain, folder / f"images-{args.seed}", args.seed)
            sampling = domain.known["sampling"]
            row: dict[str, float] = {"atoms": sum(len(image.atoms) for image in others)}
            row["zero"] = score(args.weights, others, sampling)
            control = folder / f"control-{args.seed}"
            row["false/nm2"] = false_atoms(args.weights, domain, control, args.seed)
            runs = folder / f"{Path(args.weights).stem}-{args.minutes:g}-{args.adapt_seed}"
            for way in ["true", *args.ways.split(",")] if args.what == "adapt" else []:
                row[way] = adapted(domain, way, others, unlabelled, runs, args)
                if way != "true":
                    row[f"share {way}"] = (row[way] - row["zero"]) / (row["true"] - row["zero"] or np.nan)
            detectors = {args.weights: args.weights, "adapted": runs / "both" / "atom-net.safetensors"}
            drawn[name] = (max(others, key=lambda image: len(image.atoms)), detectors)
            results[name] = {key: round(value, 4) for key, value in row.items()}
            print(json.dumps({name: results[name]}), flush=True)
        if args.figure:
            draw(drawn, {name: of_set[name].known["sampling"] for name in drawn}, args.figure)
    for key in sorted({key for row in results.values() for key in row if key != "atoms"}):
        values = [row[key] for row in results.values() if key in row]
        print(f"{key}: mean {np.mean(values):.3f}, least {np.min(values):.3f} of {len(values)}")


if __name__ == "__main__":
    main()
