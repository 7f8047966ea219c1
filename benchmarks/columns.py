"""How well atom columns of ZSM-5 are placed and told from each other, beside their Cramér–Rao bound.

    python benchmarks/columns.py [--thickness 2] [--doses 3000,10000,1000000] [--images 2]

Films of the recipe zsm5-columns whose framework is relaxed: each of its columns is moved by 0.1 Å along
each axis, at random, alike in all cells. Source of 0.9 Å. `rms`, `bound` and `stated` are errors of places on an axis
[Å], common shift taken away: measured, the bound of the same fit under the noise's known spectrum, and by the table;
`maximum` and `gaussian` are those of the nearest maximum and of a Gaussian fitted to each column by itself. `pulls` is
the standard deviation of errors over those stated. `right` is the share of classes that are right, `alone` by intensity
without the lattice.
"""

import argparse
import json
from typing import Any

import numpy as np
from scipy import ndimage, optimize
from scipy.spatial import cKDTree

from stemforge import Micrograph
from stemforge.infer import find_domains, find_lattice
from stemforge.infer.columns.analysis import _Search
from stemforge.infer.columns.classes import CLASSES, classify
from stemforge.infer.crystals.framework import column_groups
from stemforge.infer.occupancy.crystal import Crystal
from stemforge.infer.occupancy.noise import Noise
from stemforge.simulate import Degradation, SimulationRecipe, degrade, idpc_image
from stemforge.simulate.stages import Stage
from stemforge.structures import mfi

SOURCE, WAY, MERGE = 0.9, 0.1, 0.7  # Å


def film(thickness: int, index: int) -> dict[str, Any]:
    """Simulate a film of a relaxed framework: signal, and places (x, y) [pixel] and kinds of its columns."""
    fields = {
        "support.thickness": thickness,
        "support.occupancy": 0.0,
        "support.variants": 1,
        "seed": 1700 + thickness,
    }
    values = SimulationRecipe.load("zsm5-columns").model_dump(mode="json")
    recipe = SimulationRecipe.from_mapping(values, fields).pinned()
    drawn, atoms = recipe.build(index)
    size = np.array(atoms.info["tile_size"])
    cell = mfi(thickness=thickness)
    group, _ = column_groups(cell.positions[:, :2] / size, size, MERGE)
    moves = np.random.default_rng([index, thickness]).normal(0, WAY, (group.max() + 1, 2))
    places, kinds = [], []
    for tile in np.unique(atoms.arrays["tile"]):
        members = np.flatnonzero(atoms.arrays["tile"] == tile)
        atoms.positions[members, :2] += moves[group]
        for label in np.unique(group):
            column = members[group == label]
            beside = atoms.positions[column, :2] - atoms.positions[column[0], :2]
            beside -= size * np.round(beside / size)
            weight = atoms.numbers[column] / atoms.numbers[column].sum()
            places.append(atoms.positions[column[0], :2] + weight @ beside)
            kinds.append("T" if np.any(atoms.numbers[column] != 8) else "O")
    signal = drawn.engine.image(
        atoms, drawn.microscope, drawn.scan, drawn.focus_depth(atoms), recipe.rng(index, Stage.SIMULATION)
    )
    lengths = (float(atoms.cell[0, 0]), float(atoms.cell[1, 1]))
    return {
        "signal": signal,
        "sampling": drawn.scan.sampling,
        "columns": drawn.scan.pixels(np.array(places), lengths),
        "kinds": np.array(kinds),
    }


def maximum(image: np.ndarray, point: np.ndarray, sampling: float) -> np.ndarray:
    """Return the highest point within 0.6 Å, on a grid of 0.02 Å."""
    steps = np.arange(-0.6, 0.61, 0.02) / sampling
    offsets = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    values = ndimage.map_coordinates(image, (point + offsets).T[::-1], order=3)
    return point + offsets[values.argmax()]


def gaussian(image: np.ndarray, point: np.ndarray, sampling: float) -> np.ndarray:
    """Fit a Gaussian with a background within 0.9 Å; the place it started from where that fails."""
    reach = int(np.ceil(0.9 / sampling))
    x0, y0 = np.rint(point).astype(int)
    y, x = np.mgrid[y0 - reach : y0 + reach + 1, x0 - reach : x0 + reach + 1]
    near = np.hypot(x - point[0], y - point[1]) * sampling < 0.9
    x, y = x[near], y[near]
    values = image[y, x]

    def left(p: np.ndarray) -> np.ndarray:
        return p[4] + p[0] * np.exp(-((x - p[1]) ** 2 + (y - p[2]) ** 2) / (2 * p[3] ** 2)) - values

    start = [np.ptp(values), *point, 0.5 / sampling, values.min()]
    found = optimize.least_squares(left, start, max_nfev=60).x[1:3]
    return found if np.hypot(*(found - point)) * sampling < 0.9 else point


def measured(sample: dict[str, Any], dose: float, number: int, crystal: Crystal) -> dict[str, Any]:
    """Measure one image."""
    sampling = float(sample["sampling"])
    rng = np.random.default_rng([number, int(dose)])
    settings = Degradation(dose=dose, source_size=SOURCE)
    image = idpc_image(degrade(sample["signal"], settings, sampling, rng).image, sampling).astype(float)
    micrograph = Micrograph(image.astype("float32"), name=f"film {number}")
    lattice = find_lattice(micrograph, framework=crystal.framework)
    search = _Search(micrograph, crystal, find_domains(micrograph, lattice, framework=crystal.framework))
    found = search.columns()
    distance, which = cKDTree(sample["columns"]).query(found.points)
    paired = distance * sampling < 0.7
    error = ((found.points - sample["columns"][which]) * sampling)[paired]
    error -= error.mean(0)
    stated = found.errors[paired] * sampling
    blur = (0, *[SOURCE / np.sqrt(8 * np.log(2)) / sampling] * 2)
    clean = idpc_image(ndimage.gaussian_filter(sample["signal"], blur, mode="reflect"), sampling)
    scale = (image * clean).sum() / (clean**2).sum()
    search.shown.noise = Noise.of(image - scale * clean, sampling)
    places, fit = search._fit()
    inside = (
        np.minimum(places.points, np.array(image.shape[::-1]) - 1 - places.points).min(1) * sampling > 1.5
    )
    doubt = search.shown.cell.doubt[places.site]
    bound = np.einsum("nii->ni", fit.covariance)[inside, 1:] - doubt[inside, 1:]
    some = rng.choice(np.flatnonzero(paired), 150, replace=False)
    start = places.points[cKDTree(places.points).query(found.points[some])[1]]
    simple = {}
    for name, method in (("maximum", maximum), ("gaussian", gaussian)):
        off = np.array([method(image, point, sampling) for point in start]) - sample["columns"][which[some]]
        simple[name] = float(((off - off.mean(0)) * sampling).std())
    kinds = sample["kinds"][which]
    alone = classify(
        found.intensity,
        found.intensity_error,
        found.site,
        search.sites,
        lattice=False,
    )
    by_intensity = np.array(CLASSES)[alone.probability.argmax(1)]
    row = {
        "dose": dose,
        "columns": int(paired.sum()),
        "rms": float(error.std()),
        "bound": float(np.sqrt(bound.mean())),
        "stated": float(np.sqrt((stated**2).mean())),
        **simple,
        "pulls": float((error / stated).std()),
        "way": found.way,
        "right": float((found.kind == kinds).mean()),
        "alone": float((by_intensity == kinds).mean()),
    }
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--thickness", type=int, default=2)
    parser.add_argument("--doses", default="3000,10000,1000000")
    parser.add_argument("--images", type=int, default=2)
    args = parser.parse_args()
    doses = [float(value) for value in args.doses.split(",")]
    crystal = Crystal.named("mfi")
    for number in range(args.images):
        sample = film(args.thickness, number)
        for dose in doses:
            print(json.dumps(measured(sample, dose, number, crystal)), flush=True)


if __name__ == "__main__":
    main()
