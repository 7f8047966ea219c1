"""Whether statistics of places in irregular masks are unbiased, and whether their envelopes hold what they say.

    python benchmarks/spatial_statistics.py bias [--patterns 200] [--only thomas]
    python benchmarks/spatial_statistics.py cells [--patterns 200] [--only thomas] [--holes 6]
    python benchmarks/spatial_statistics.py envelopes [--patterns 1000]

Masks are parts of 768 × 768 pixels with vacuum at an edge and holes, 0.293 Å a pixel, with 0.47 atoms per nm² (about
140 of them). `bias`: random places (Poisson), a hard core, Thomas' clusters and a square lattice with jitter are made
on tori of 36 times the area; a mask is put anywhere on one, and what it shows is compared with the same statistic of
the whole torus, which has no edge; Poisson's are drawn in the masks and compared with the law. In percent, with the
standard error of the mean over patterns. `raw` is the mean distance to neighbours in the mask, uncorrected, and
`raw_k` K without correction: what edges do. `cells`: Voronoi cells alone, in masks with many small holes or
(``--holes 6``) few large ones, also of wider clusters, with the scatter of the variation from pattern to pattern.
`envelopes`: share of random patterns within their own envelopes and intervals of 95 in 100.
"""

import argparse
import json
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import Voronoi, cKDTree

from stemforge.evaluate import (
    PointPattern,
    Window,
    clark_evans,
    nearest_neighbours,
    pair_correlation,
    ripley,
    voronoi_areas,
)
from stemforge.evaluate.statistics.cell_moments import cell_moments

SIDE, SAMPLING = 768, 0.293
TORUS = 6 * SIDE
DENSITY = 4e-4  # atoms per pixel
SPACING = DENSITY**-0.5
RADII = np.array([0.5, 1.0, 1.5, 2.0, 3.0]) * SPACING * SAMPLING
BANDWIDTH = 0.15 * SPACING * SAMPLING
Points = NDArray[np.float64]


def irregular_mask(seed: int, side: int = SIDE, holes: float = 30) -> NDArray[np.bool_]:
    """Return a specimen that ends in vacuum at one edge, with holes of 1/``holes`` of the side: over half the frame."""
    rng = np.random.default_rng(seed)
    rough, pores = (gaussian_filter(rng.normal(size=(side, side)), side / size) for size in (12, holes))
    ramp = np.linspace(-1.6, 2.4, side)[:, None] + 0.7 * rough / rough.std()
    mask = (ramp > -0.4) & (pores / pores.std() < 1.5)
    return np.rot90(mask, seed % 4).copy()


def poisson(rng: np.random.Generator) -> Points:
    return rng.uniform(0, TORUS, (rng.poisson(DENSITY * TORUS**2), 2))


def hard_core(rng: np.random.Generator, core: float = 0.6 * SPACING) -> Points:
    """Return points one after the other where none is nearer than the core (simple sequential inhibition)."""
    points, wanted = np.empty((0, 2)), int(DENSITY * TORUS**2)
    while len(points) < wanted:
        new = rng.uniform(0, TORUS, (2000, 2))
        if len(points):
            new = new[cKDTree(points, boxsize=TORUS).query(new)[0] >= core]
        tree, kept = cKDTree(new, boxsize=TORUS), np.ones(len(new), dtype=bool)
        for first, second in sorted(tree.query_pairs(core)):
            if kept[first]:
                kept[second] = False
        points = np.concatenate([points, new[kept]])[:wanted]
    return points


def thomas(rng: np.random.Generator, offspring: float = 2.0, spread: float = 8.0) -> Points:
    parents = rng.uniform(0, TORUS, (rng.poisson(DENSITY * TORUS**2 / offspring), 2))
    centres = np.repeat(parents, rng.poisson(offspring, len(parents)), axis=0)
    return (centres + rng.normal(0, spread, centres.shape)) % TORUS


def wide_clusters(rng: np.random.Generator) -> Points:
    """Return clusters of four on average that are as wide as atoms lie from each other."""
    return thomas(rng, 4.0, 0.5 * SPACING)


def lattice(rng: np.random.Generator, jitter: float = 0.15 * SPACING) -> Points:
    cells = round(TORUS / SPACING)
    corners = np.stack(np.meshgrid(*[np.arange(cells) * TORUS / cells] * 2), axis=-1).reshape(-1, 2)
    return (corners + rng.normal(0, jitter, corners.shape)) % TORUS


PROCESSES: dict[str, Callable[[np.random.Generator], Points]] = {
    "poisson": poisson,
    "hard-core": hard_core,
    "thomas": thomas,
    "lattice": lattice,
}


def seen_in(points: Points, window: Window, rng: np.random.Generator) -> PointPattern:
    """Return what a mask shows of a torus where it is put at random."""
    moved = (points - rng.uniform(0, TORUS, 2)) % TORUS
    return PointPattern.inside(moved, window)


def measured(pattern: PointPattern) -> dict[str, float]:
    """Return the statistics of a pattern in a mask, and what they were without correction for the edge."""
    near = nearest_neighbours(pattern, simulations=0)
    k, l_curve = ripley(pattern, RADII, simulations=0)
    g = pair_correlation(pattern, RADII, bandwidth=BANDWIDTH, simulations=0)
    cells = voronoi_areas(pattern, simulations=0)
    tree = cKDTree(pattern.points)
    pairs = tree.count_neighbors(tree, RADII[1] / SAMPLING) - len(pattern)
    raw = pattern.window.pixels * pairs / (len(pattern) * (len(pattern) - 1)) * SAMPLING**2
    found = {
        "nn_mean": near.mean,
        "clark_evans": clark_evans(near).index,
        "raw": float(near.distances.mean()),
    }
    for name, curve in (("K", k), ("L", l_curve), ("g", g)):
        found |= {
            f"{name}({r / SPACING / SAMPLING:g})": float(v) for r, v in zip(RADII, curve.values, strict=True)
        }
    return found | {"voronoi_mean": cells.mean, "voronoi_cv": cells.variation, "raw_k": float(raw)}


def whole(points: Points) -> dict[str, float]:
    """Return the same statistics of a torus: no edge, nothing to correct."""
    tree = cKDTree(points % TORUS, boxsize=TORUS)
    near = tree.query(points, k=2)[0][:, 1] * SAMPLING
    pairs = tree.query_pairs((RADII[-1] + BANDWIDTH) / SAMPLING, output_type="ndarray")
    shift = np.abs(points[pairs[:, 0]] - points[pairs[:, 1]])
    distance = np.hypot(*np.minimum(shift, TORUS - shift).T) * SAMPLING
    area, number = TORUS**2 * SAMPLING**2, len(points)
    factor = area / (number * (number - 1))
    k = np.array([2 * np.count_nonzero(distance <= r) * factor for r in RADII])
    kernel = [0.75 / BANDWIDTH * np.clip(1 - ((r - distance) / BANDWIDTH) ** 2, 0, None) for r in RADII]
    g = np.array([2 * np.sum(one / (2 * np.pi * distance)) * factor for one in kernel])
    margin = 6 * SPACING
    tiles = [points + np.array([x, y]) for x in (0, -TORUS, TORUS) for y in (0, -TORUS, TORUS)]
    around = np.concatenate(tiles)
    around = around[np.all((around > -margin) & (around < TORUS + margin), axis=1)]
    diagram = Voronoi(around)
    cells = np.array([polygon(diagram.vertices[diagram.regions[r]]) for r in diagram.point_region[:number]])
    mean = float(near.mean())
    found = {"nn_mean": mean, "clark_evans": mean * 2 * np.sqrt(number / area), "raw": mean}
    for name, values in (("K", k), ("L", np.sqrt(k / np.pi)), ("g", g)):
        found |= {f"{name}({r / SPACING / SAMPLING:g})": float(v) for r, v in zip(RADII, values, strict=True)}
    areas = {
        "voronoi_mean": float(cells.mean()) * SAMPLING**2 / 100,
        "voronoi_cv": float(cells.std() / cells.mean()),
    }
    return found | areas | {"raw_k": float(k[1])}


def polygon(corners: Points) -> float:
    x, y = corners.T
    return float(np.abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def poisson_law() -> dict[str, float]:
    density = DENSITY / SAMPLING**2
    law = {"nn_mean": 0.5 / np.sqrt(density), "clark_evans": 1.0, "raw": 0.5 / np.sqrt(density)}
    for name, values in (("K", np.pi * RADII**2), ("L", RADII), ("g", np.ones(len(RADII)))):
        law |= {f"{name}({r / SPACING / SAMPLING:g})": float(v) for r, v in zip(RADII, values, strict=True)}
    # Gilbert 1962: the second moment of the area of a Voronoi cell of random places is 1.280176.
    return law | {
        "voronoi_mean": 0.01 / density,
        "voronoi_cv": 0.280176**0.5,
        "raw_k": float(np.pi * RADII[1] ** 2),
    }


def deviation(values: NDArray[np.float64], truth: float) -> list[float]:
    """Return percent of deviation and its standard error; the mean and the truth where that is next to nothing."""
    values = values[np.isfinite(values)]
    if truth < 0.02:
        return [float(values.mean()), truth]
    error = values.std() / len(values) ** 0.5
    return [round(100 * float(values.mean() / truth - 1), 2), round(100 * float(error) / truth, 2)]


def bias(patterns: int, only: str | None) -> dict[str, dict[str, list[float]]]:
    """Return percent of deviation and its standard error, by process and statistic."""
    windows = [Window(irregular_mask(seed), SAMPLING) for seed in range(8)]
    result = {}
    for name, process in PROCESSES.items():
        if only not in (None, name):
            continue
        rng = np.random.default_rng(11)
        truth, tori = poisson_law(), []
        if name != "poisson":
            tori = [process(rng) for _ in range(6)]
            known = [whole(points) for points in tori]
            truth = {key: float(np.mean([one[key] for one in known])) for key in known[0]}
        rows = []
        for i in range(patterns):
            window = windows[i % 8]
            if name == "poisson":
                points = window.draw(rng.poisson(DENSITY * window.pixels), rng)
                rows.append(measured(PointPattern(points, window)))
            else:
                rows.append(measured(seen_in(tori[i % 6], window, rng)))
        result[name] = {
            key: deviation(np.array([row[key] for row in rows]), value) for key, value in truth.items()
        }
        result[name]["whole_cells"] = [float(np.mean([np.isfinite(row["voronoi_cv"]) for row in rows]))]
    return result


def cell_bias(patterns: int, only: str | None, holes: float) -> dict[str, dict[str, list[float]]]:
    """Return the same as :func:`bias` of Voronoi cells, and by how much the variation scatters."""
    windows = [Window(irregular_mask(seed, holes=holes), SAMPLING) for seed in range(8)]
    result = {}
    for name, process in (PROCESSES | {"wide-clusters": wide_clusters}).items():
        if only not in (None, name):
            continue
        made, placed = np.random.default_rng(14), np.random.default_rng(5)
        truth, tori = poisson_law(), []
        if name != "poisson":
            tori = [process(made) for _ in range(3)]
            known = [whole(points) for points in tori]
            truth = {key: float(np.mean([one[key] for one in known])) for key in known[0]}
        rows = []
        for i in range(patterns):
            window = windows[i % 8]
            if tori:
                points = seen_in(tori[i % 3], window, placed).points
            else:
                points = window.draw(placed.poisson(DENSITY * window.pixels), placed)
            mean, variation = cell_moments(points, window)
            rows.append((mean * window.area_scale, variation))
        means, variations = np.array(rows).T
        result[name] = {
            "mean": deviation(means, truth["voronoi_mean"]),
            "variation": deviation(variations, truth["voronoi_cv"]),
            "scatter": [round(100 * float(np.nanstd(variations)) / truth["voronoi_cv"], 1)],
            "known": [float(np.mean(np.isfinite(variations)))],
        }
    return result


def envelopes(patterns: int, simulations: int = 39) -> dict[str, float]:
    """Return the share of random patterns within their envelopes, percent."""
    windows = [Window(irregular_mask(seed, 512), SAMPLING) for seed in range(8)]
    rng = np.random.default_rng(12)
    held: dict[str, list[float]] = {}

    def note(key: str, value: float) -> None:
        held.setdefault(key, []).append(100 * value)

    for index in range(patterns):
        window = windows[index % 8]
        pattern = PointPattern(window.draw(60, rng), window)
        options = {"simulations": simulations, "rng": rng}
        near = nearest_neighbours(pattern, **options)
        k, l_curve = ripley(pattern, **options)
        for curve in (near.distribution, k, l_curve, pair_correlation(pattern, **options)):
            one = curve.envelope
            inside = (curve.values >= one.low) & (curve.values <= one.high)
            note(f"{curve.name} at each distance", float(inside.mean()))
            both = (curve.values >= one.global_low) & (curve.values <= one.global_high)
            note(f"{curve.name} at all distances", float(both.all()))
            note(f"{curve.name} p above 5 %", float(one.p > 0.05 + 1e-9))
        note("mean distance, Clark-Evans", float(near.low <= near.mean <= near.high))
    return {key: round(float(np.mean(values)), 2) for key, values in held.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["bias", "cells", "envelopes"])
    parser.add_argument("--patterns", type=int)
    parser.add_argument("--only")
    parser.add_argument("--holes", type=float, default=30, help="of 1/HOLES of the side, for cells")
    options = parser.parse_args()
    if options.what == "bias":
        found: object = bias(options.patterns or 200, options.only)
    elif options.what == "cells":
        found = cell_bias(options.patterns or 200, options.only, options.holes)
    else:
        found = envelopes(options.patterns or 1000)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
