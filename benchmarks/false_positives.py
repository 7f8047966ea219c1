"""What a detector finds where there is nothing, and what it misses: on images simulated here, from a seed of their own.

    python benchmarks/false_positives.py WEIGHTS [WEIGHTS ...] [--num 24]
    python benchmarks/false_positives.py WEIGHTS --recipe pt-nc --without Pt [--num 24]
    python benchmarks/false_positives.py WEIGHTS --recipe pt-nc fe-c3n4 [--num 12]

Each network is run at the threshold stored with its weights. By default the images are of `metal-free`, and every atom
found is a false one: false atoms a nm² of image and of support, with the 95 % interval of a Poisson count. `pt-nc`
without Pt is a harder control: its zinc stays.

Recipes with atoms also say on how many images the 95 % interval of the density holds the true one. They give F1 of the
atoms that count as visible for these weights (`visible` of their card), pooled. Fainter atoms are background in
`f1`, as where the threshold is chosen; in all other figures one that is found is neither right nor wrong. By
contrast-to-noise recall is known, precision is not, since a false atom has none. So `f1` of a bin is what the detector
would score were all atoms of that bin, at the first recipe's number of visible atoms a nm² and its own false ones:
2R / (R + 1 + false / visible). `f1_at_equal_cnr` is the same with the recalls weighted by the first recipe's shares of
the bins, so that recipes can be compared.
"""

import argparse
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import chi2

from stemforge import Micrograph
from stemforge.console import progress
from stemforge.evaluate import match_boxes
from stemforge.infer import detect_atoms
from stemforge.simulate import SimulationRecipe, simulate_sample
from stemforge.simulate.recording.record import Recording, record, recording_rng
from stemforge.train import Card, load_weights
from stemforge.train.labelled import visible_atoms

EDGES = (4.0, 6.0, 8.0, 12.0, np.inf)
FEW = 10  # atoms; with fewer in a recipe's bin it is left out of comparisons
VACUUM = 0.2  # of the bright parts' signal; what is darker is no support


@dataclass
class Count:
    """What one network found on the images of one recipe, added up."""

    edges: NDArray[np.float64]
    area: float = 0.0
    support: float = 0.0
    false: list[int] = field(default_factory=list)
    excused: int = 0
    intervals: list[bool] = field(default_factory=list)
    visible: NDArray[np.int64] = field(init=False)
    found: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.visible, self.found = (np.zeros(len(self.edges) - 1, int) for _ in range(2))

    @property
    def wrong(self) -> int:
        """False atoms; faint ones that were found are not among them."""
        return sum(self.false)


def support_share(signal: NDArray[np.float32], sampling: float) -> float:
    """Return the share of a noise-free image that is not vacuum."""
    smooth = ndimage.gaussian_filter(signal, 3 / sampling)
    return float((smooth > VACUUM * np.percentile(smooth, 95)).mean())


def add(count: Count, recording: Recording, sampling: float, share: float, model: Any, card: Card) -> None:
    """Run a network over one image and add what it found to the count."""
    image = recording.image[0]
    detection = detect_atoms(Micrograph(image, sampling), model, card)
    found = detection.atoms.points
    labels = recording.labels
    visible, doubtful = visible_atoms(labels, card.visible)
    match = match_boxes(found, labels.points[visible])
    cnr = labels["cnr"][visible]
    count.visible += np.histogram(cnr, count.edges)[0]
    count.found += np.histogram(cnr[match.pairs[:, 1]], count.edges)[0]
    left = np.delete(found, match.pairs[:, 0], axis=0)
    excused = match_boxes(left, labels.points[doubtful]).true_positives
    count.excused += excused
    count.false.append(match.false_positives - excused)
    area = image.size * sampling**2 / 100
    if detection.density is not None:
        _, low, high = detection.density
        count.intervals.append(bool(low <= visible.sum() / area <= high))
    count.area += area
    count.support += share * area


def poisson_interval(number: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact (Garwood) interval of a Poisson mean."""
    tail = (1 - level) / 2
    low = chi2.ppf(tail, 2 * number) / 2 if number else 0.0
    return float(low), float(chi2.ppf(1 - tail, 2 * number + 2) / 2)


def false_rates(count: Count) -> dict[str, Any]:
    """Return false atoms a nm²."""
    rates: dict[str, Any] = {"false_atoms": count.wrong, "false_on_images": count.false}
    if len(count.false) > 1 and sum(count.false):
        # 1 for a Poisson count; above it images differ, and the intervals are too narrow.
        rates["variance_over_mean"] = round(float(np.var(count.false, ddof=1) / np.mean(count.false)), 2)
    for name, area in (("image", count.area), ("support", count.support)):
        low, high = (value / area for value in poisson_interval(count.wrong))
        rates[f"false_per_nm2_of_{name}"] = round(count.wrong / area, 5)
        rates[f"interval_95_of_{name}"] = [round(low, 5), round(high, 5)]
    return rates


def scores(count: Count, first: Count, known: NDArray[np.bool_]) -> dict[str, Any]:
    """Return F1 overall, by contrast-to-noise, and at the first recipe's contrast-to-noise in the bins known to all."""
    truth, right = int(count.visible.sum()), int(count.found.sum())
    burden = (count.wrong / count.support) / (first.visible.sum() / first.support)

    def f1(recall: float) -> float:
        return round(float(2 * recall / (recall + 1 + burden)), 3)

    bins = {}
    for low, high, number, found in zip(
        count.edges, count.edges[1:], count.visible.tolist(), count.found.tolist(), strict=False
    ):
        name = f"{low:g} to {high:g}" if np.isfinite(high) else f"over {low:g}"
        recall = found / number if number else None
        bins[name] = {
            "atoms": number,
            "recall": None if recall is None else round(recall, 3),
            "f1": None if recall is None else f1(recall),
        }
    shares = np.where(known, first.visible, 0) / max(first.visible[known].sum(), 1)
    recall = float(np.sum(shares * count.found / np.maximum(count.visible, 1)))
    return {
        "visible_atoms": truth,
        "density_intervals_that_hold_it": [sum(count.intervals), len(count.intervals)],
        "visible_per_nm2_of_support": round(truth / count.support, 4),
        "precision": round(right / max(right + count.wrong, 1), 3),
        "recall": round(right / max(truth, 1), 3),
        "f1": round(2 * right / max(truth + right + count.wrong + count.excused, 1), 3),
        "f1_faint_excused": round(2 * right / max(truth + right + count.wrong, 1), 3),
        "f1_at_equal_cnr": f1(recall) if known.any() else None,
        "share_of_atoms_in_bins_compared": round(
            float(first.visible[known].sum() / max(first.visible.sum(), 1)), 3
        ),
        "by_cnr": bins,
    }


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Simulate, detect, count."""
    networks = {path: load_weights(path) for path in options.weights}
    lowest = {path: card.visible.min_cnr for path, (_, card) in networks.items()}
    edges = {path: np.array(sorted({min(low, EDGES[0]), *EDGES})) for path, low in lowest.items()}
    counts = {path: {name: Count(edges[path]) for name in options.recipe} for path in networks}
    overrides = {"seed": options.seed, "scan.shape": [options.side, options.side]}
    total = options.num * len(options.recipe)
    with progress("simulate and detect", total, "images", options.quiet) as advance:
        for name in options.recipe:
            recipe = SimulationRecipe.load(name, overrides)
            kept = tuple(s for s in recipe.single_atoms if s.element not in options.without)
            recipe = recipe.replace(single_atoms=kept)
            for index in range(options.num):
                sample = simulate_sample(recipe, index)
                rng = recording_rng({"seed": recipe.seed}, index)
                recording = record(sample, recipe.degradation, rng)
                share = support_share(sample.signal[0], recipe.scan.sampling)
                for path, (model, card) in networks.items():
                    add(counts[path][name], recording, recipe.scan.sampling, share, model, card)
                advance(1)
    result: dict[str, Any] = {
        "images": options.num,
        "side": options.side,
        "seed": options.seed,
        "weights": {},
    }
    for path, by_recipe in counts.items():
        with_atoms = [count for count in by_recipe.values() if count.visible.sum()]
        # Of bins in which a recipe has few atoms nothing can be said.
        known = np.all([count.visible >= FEW for count in with_atoms], axis=0)
        result["weights"][path] = {
            "threshold": networks[path][1].threshold,
            "min_cnr": lowest[path],
            **{
                name: {
                    "area_nm2": round(count.area, 1),
                    "support_nm2": round(count.support, 1),
                    **false_rates(count),
                    **(scores(count, with_atoms[0], known) if count.visible.sum() else {}),
                }
                for name, count in by_recipe.items()
            },
        }
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", nargs="+")
    parser.add_argument("--recipe", nargs="+", default=["metal-free"], help="shipped recipes, or YAML files")
    parser.add_argument("--without", nargs="+", default=[], help="elements left out of single_atoms")
    parser.add_argument("--num", type=int, default=12, help="images of each recipe")
    parser.add_argument("--side", type=int, default=512, help="of an image [pixel]")
    parser.add_argument("--seed", type=int, default=90001, help="not the one the network was trained on")
    parser.add_argument("--threads", type=int, default=None, help="of torch")
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    print(json.dumps(main(options), indent=2))
