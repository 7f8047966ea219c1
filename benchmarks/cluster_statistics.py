"""Whether shares of bonded atoms and numbers of clusters are right, and whether their intervals hold the truth.

    python benchmarks/cluster_statistics.py clusters [--patterns 200] [--only "few, recall 0.8"]
    python benchmarks/cluster_statistics.py shares [--patterns 40] [--only detected]

`clusters`: lone atoms with dimers and trimers in the masks of `spatial_statistics.py`, all detected and four of five:
bonded fractions and numbers of clusters against the truth. `shares`: what sets of 20 images say where none, 1 % or 5 %
of the atoms are in dimers; `--patterns` is the number of sets. Atoms at random places in masks, 0.23 per nm² (`all`);
as a detector shows them (`detected`): seven of ten atoms found, pairs nearer than 2 Å taken for one atom, three of
twenty atoms false; `unaware` does not know that near pairs look like one. Sites in films of 2 to 6 nm that keep 7.7 Å
from each other in space, as those of `detected_dimers.py` do (0.3 per nm², 15 × 15 nm): all atoms as they are (`film`),
and as the detector shows them there (`film, detected`): 0.93 found, nearer than 2.12 Å as one, 0.06 false. Threshold
is the estimate below which 95 of 100 sets with 1 % lie, and power the part of the sets with 5 % above it. `scatter` is
the standard deviation of the sets, `half` half the mean length of their intervals.
"""

import argparse
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from spatial_statistics import DENSITY, SAMPLING, TORUS, Points, irregular_mask, seen_in

from stemforge.evaluate import PointPattern, Window, bonded_fraction, clusters
from stemforge.evaluate.statistics.window import linked
from stemforge.structures.packing import random_packing

BOND = 11.0  # 3.2 Å
"""Length of links [pixel]."""
FILM, SITES, CORE = 150.0, 0.003, 5 + 2.72
"""Side of a film [Å], its sites [1/Å²], and how near they stand: 5 Å and a dimer."""
IMAGES = 20


def grouped(
    rng: np.random.Generator, shares: tuple[float, float, float], density: float = DENSITY
) -> tuple[Points, NDArray[np.int64]]:
    """Return lone atoms, dimers and trimers on a torus, with these shares of atoms, and each atom's cluster."""
    points, members, start = [], [], 0
    for size, share in enumerate(shares, 1):
        number = rng.poisson(share * density * TORUS**2 / size)
        centre = rng.uniform(0, TORUS, (number, 1, 2))
        # Bonds of 2.8 Å that lie anyhow in space.
        height = rng.uniform(-1, 1, (number, size))
        angle = rng.uniform(0, 2 * np.pi, (number, size))
        arm = (
            np.sqrt(1 - height**2)[..., None]
            * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
            * 2.8
            / SAMPLING
        )
        arm[:, 0] = 0
        points.append((centre + arm).reshape(-1, 2) % TORUS)
        members.append(start + np.repeat(np.arange(number), size))
        start += number
    return np.concatenate(points), np.concatenate(members)


def cluster_truth(shares: tuple[float, float, float], patterns: int, recall: float) -> dict[str, object]:
    """Return means of what is estimated of dimers and trimers beside the truth, and how often intervals hold it."""
    windows = [Window(irregular_mask(seed), SAMPLING) for seed in range(8)]
    rng = np.random.default_rng(13)
    true = shares[1] + shares[2]
    fractions, held, twos, threes, wanted = [], [], [], [], []
    for index in range(patterns):
        if index % 25 == 0:
            points, _ = grouped(rng, shares)
        window = windows[index % 8]
        pattern = seen_in(points[rng.random(len(points)) < recall], window, rng)
        one = bonded_fraction(pattern, BOND * SAMPLING, recall=recall, rng=rng)
        sizes = clusters(pattern, BOND * SAMPLING, recall=recall, simulations=60, rng=rng)
        fractions.append(one.fraction)
        held.append(one.low <= true <= one.high)
        twos.append(sizes.dimers)
        threes.append(sizes.trimers)
        wanted.append(DENSITY * window.pixels)
    atoms = float(np.mean(wanted))

    def compared(values: list[float], truth: float) -> dict[str, float]:
        mean, error = float(np.mean(values)), float(np.std(values)) / patterns**0.5
        return {"true": round(truth, 4), "mean": round(mean, 4), "error": round(error, 4)}

    return {
        "bonded": compared(fractions, true),
        "interval_holds": round(float(np.mean(held)), 3),
        "dimers": compared(twos, shares[1] * atoms / 2),
        "trimers": compared(threes, shares[2] * atoms / 3),
    }


class _Kept(Window):
    """A window that many patterns share and that forgets nothing."""

    def release(self) -> None:
        """Keep what was computed."""


@dataclass(frozen=True)
class Detector:
    """What a detector makes of atoms: each found with a chance, near ones as one [Å], so many false ones."""

    recall: float = 1.0
    closest: float = 0.0
    purity: float = 1.0

    def known(self, bond: float) -> dict[str, float]:
        """Return what the statistics are given; of bonds at any inclination so many look long enough."""
        resolved = (1 - (self.closest / bond) ** 2) ** 0.5
        return {"recall": self.recall * resolved, "purity": self.purity}

    def blended(self, points: Points) -> Points:
        """Return one point of each group that looks like one atom."""
        groups = linked(points, self.closest / SAMPLING)
        return np.asarray(points[np.unique(groups, return_index=True)[1]])

    def shows(self, points: Points, window: Window, rng: np.random.Generator) -> PointPattern:
        """Return what is found of points [pixel] in a mask."""
        if self.closest == 0:
            return PointPattern.inside(points, window)
        shown = self.blended(points)
        found = shown[rng.random(len(shown)) < self.recall]
        found = found[window.contains(found)]
        false = window.draw(rng.poisson(len(found) * (1 / self.purity - 1)), rng)
        return PointPattern(self.blended(np.concatenate([found, false])), window)


IDEAL, BLURRED, USUAL = Detector(), Detector(0.7, 2.0, 0.85), Detector(0.93, 2.12, 0.94)


def on_torus(
    share: float, windows: list[Window], detector: Detector, rng: np.random.Generator
) -> list[PointPattern]:
    """Return images of atoms at random places, this share of them in dimers."""
    points, _ = grouped(rng, (1 - share, share, 0.0), density=DENSITY / 2)
    images = []
    for index in range(IMAGES):
        moved = (points - rng.uniform(0, TORUS, 2)) % TORUS
        near = moved[np.all(moved < max(windows[0].mask.shape) + 20, axis=1)]
        images.append(detector.shows(near, windows[index % len(windows)], rng))
    return images


def in_films(
    share: float, windows: list[Window], detector: Detector, rng: np.random.Generator
) -> list[PointPattern]:
    """Return films whose sites keep a distance from each other, of which as many hold two as make this share."""
    images = []
    for _ in range(IMAGES):
        thickness, number = rng.uniform(20, 60), round(SITES * FILM**2)

        def draw(count: int, thickness: float = thickness) -> Points:
            return rng.uniform(0, [FILM, FILM, thickness], (count, 3))

        sites = random_packing(draw, number, box=(FILM, FILM, thickness), min_distance=CORE)
        half = rng.normal(size=(len(sites), 3))
        half *= 2.72 / 2 / np.linalg.norm(half, axis=1, keepdims=True)
        two = rng.random(len(sites)) < share / (2 - share)
        centre = sites[two]
        atoms = np.concatenate([sites[~two], centre - half[two], centre + half[two]])[:, :2]
        images.append(detector.shows(atoms / SAMPLING, windows[0], rng))
    return images


def shares(sets: int, only: str | None) -> dict[str, object]:
    """Return estimates of none, 1 % and 5 % of atoms in dimers from 20 images each, and how well they differ."""
    result: dict[str, object] = {}
    for name, (make, detector, closest, bond, length) in {
        "all": (on_torus, IDEAL, 0.0, 2.8, BOND * SAMPLING),
        "detected": (on_torus, BLURRED, BLURRED.closest, 2.8, BOND * SAMPLING),
        "unaware": (on_torus, BLURRED, 0.0, 2.8, BOND * SAMPLING),
        "film": (in_films, IDEAL, 0.0, 2.72, 2.99),
        "film, detected": (in_films, USUAL, USUAL.closest, 2.72, 2.99),
    }.items():
        if only not in (None, name):
            continue
        masks = [np.ones((512, 512), dtype=bool)] if make is in_films else map(irregular_mask, range(8))
        windows: list[Window] = [_Kept(mask, SAMPLING, closest) for mask in masks]
        rng, found = np.random.default_rng(15), {}
        for share in (0.0, 0.01, 0.05):
            rows = []
            for _ in range(sets):
                one = bonded_fraction(
                    make(share, windows, detector, rng), length, **detector.known(bond), rng=rng
                )
                rows.append((one.fraction, one.low, one.high))
            found[share] = np.array(rows)
        threshold = float(np.quantile(found[0.01][:, 0], 0.95))
        result[name] = {f"{100 * share:g} %": summary(rows, share) for share, rows in found.items()} | {
            "threshold": round(threshold, 4),
            "power": round(float(np.mean(found[0.05][:, 0] > threshold)), 3),
        }
    return result


def summary(rows: NDArray[np.float64], share: float) -> dict[str, float]:
    """Return mean and scatter of estimates, and what their intervals hold."""
    fraction, low, high = rows.T
    numbers = {
        "mean": fraction.mean(),
        "error": fraction.std(ddof=1) / len(rows) ** 0.5,
        "scatter": fraction.std(ddof=1),
        "half": (high - low).mean() / 2,
        "interval holds": np.mean((low <= share) & (share <= high)),
    }
    return {key: round(float(value), 4) for key, value in numbers.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["clusters", "shares"])
    parser.add_argument("--patterns", type=int)
    parser.add_argument("--only")
    options = parser.parse_args()
    if options.what == "shares":
        found: object = shares(options.patterns or 40, options.only)
    else:
        cases = {"none": (1.0, 0.0, 0.0), "few": (0.9, 0.1, 0.0), "many": (0.6, 0.25, 0.15)}
        number = options.patterns or 200
        names = {
            f"{name}, recall {recall:g}": (shares, recall)
            for name, shares in cases.items()
            for recall in (1.0, 0.8)
        }
        chosen = {name: case for name, case in names.items() if options.only in (None, name)}
        found = {name: cluster_truth(shares, number, recall) for name, (shares, recall) in chosen.items()}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
