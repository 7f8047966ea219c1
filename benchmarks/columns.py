"""How well atom columns of ZSM-5 are placed and told from each other, beside their Cramér–Rao bounds.

    python benchmarks/columns.py films [--thickness 1,4] [--doses 3000,10000,1000000] [--films 3] [--work FOLDER]
    python benchmarks/columns.py controls [--work FOLDER]
    STEMFORGE_DATA_DIR=... python benchmarks/columns.py guests [--doses 3000,10000,1000000] [--numbers 1,2,3,4,5]
        [--framework mfi|same] [--work FOLDER]
    STEMFORGE_DATA_DIR=... python benchmarks/columns.py guest-controls [--doses ...] [--numbers ...] [--work FOLDER]

`films`: those of the recipe zsm5-columns without guests; defocus, aberrations, tilt and turn are drawn by the
recipe, the source (0.7 to 1.1 Å) here. Their framework is relaxed: each of its columns is moved by 0.1 Å along each
axis, at random, alike in all cells; in every third film each copy is moved by 0.06 Å besides (`scatter`). All doses are
drawn from one signal, which is kept in FOLDER. `rms` and `stated` are errors of places on an axis [Å], measured and
by the table, common shift taken away; `bound` is the Cramér–Rao bound under the noise's known spectrum where each
column is to be placed by itself, `alike` where all copies of a column are known to be alike. `maximum` is the error
of the nearest maximum. `pulls` is the standard deviation of errors over those stated. `right` is the share of classes
that are right, `alone` by intensity without the lattice. A last row for each thickness and dose has all films
together.

`controls`, at 10⁴ e/Å²: noise; rings with the film's power at each radius, as of a glass; and a film of ZSM-5 that is
asked for the frameworks of other zeolites.

`guests`: films of 5 × 5 cells, one cell thick, of structures of ZSM-5 with a pyridine in half of the channels that were
published by Yang et al. (2024); aberrations and tilt drawn, source 0.9 Å. The columns of pyridine are looked for with
the framework that is built in, or (`same`) that of the structure. `columns` are those reported of the cell, `of` those
that it has; `rms` and `stated` are errors of their places on an axis [Å], beside the mean error of the framework's
columns; `bound` is the Cramér–Rao bound of the rigid molecule where framework, transfer and noise are known; `pulls`
the root mean square of errors over those stated; `elsewhere` columns that are more than 0.7 Å off; `elements right`
those whose elements are the true ones.

`guest-controls`: films without guests' columns: the framework alone; half of the copies of the channel filled, drawn at
random; and films of the recipe with columns of molecules in half of the channels, drawn at random.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import columns_guests
import numpy as np
from scipy import ndimage, sparse
from scipy.spatial import cKDTree

from stemforge import Micrograph
from stemforge.errors import InputError
from stemforge.infer import MeasuredColumns, find_columns, find_domains, find_lattice
from stemforge.infer.columns.analysis import _Search
from stemforge.infer.columns.classes import CLASSES, classify
from stemforge.infer.columns.files import doubts
from stemforge.infer.columns.fit import covariances, slopes
from stemforge.infer.crystals.framework import column_groups
from stemforge.infer.occupancy.crystal import Crystal
from stemforge.infer.occupancy.noise import Noise
from stemforge.simulate import Degradation, SimulationRecipe, degrade, idpc_image
from stemforge.simulate.stages import Stage
from stemforge.structures import mfi

FOLDER = Path(os.environ.get("STEMFORGE_DATA_DIR", ".")) / "zsm5-idpc" / "pyridine"
SEED = 2900
WAY, SCATTER, MERGE = 0.1, 0.06, 0.7  # Å
EVERY = 3  # films, of which one has copies that differ
NEAR = 0.7  # within which a column is the one that it should be [Å]
OTHERS = ("fau", "cha", "mor", "bea")


def film(thickness: int, index: int, work: Path) -> dict[str, Any]:
    """Simulate a film of a relaxed framework: signal, and places (x, y) [pixel] and kinds of its columns."""
    path = work / f"{thickness}-{index}.npz"
    if path.exists():
        return dict(np.load(path))
    fields = {
        "support.thickness": thickness,
        "support.occupancy": 0.0,
        "support.variants": 1,
        "seed": SEED + thickness,
    }
    values = SimulationRecipe.load("zsm5-columns").model_dump(mode="json")
    recipe = SimulationRecipe.from_mapping(values, fields).pinned()
    drawn, atoms = recipe.build(index)
    size = np.array(atoms.info["tile_size"])
    cell = mfi(thickness=thickness)
    group, _ = column_groups(cell.positions[:, :2] / size, size, MERGE)
    rng = np.random.default_rng([SEED, index, thickness])
    moves = rng.normal(0, WAY, (group.max() + 1, 2))
    scatter = SCATTER if index % EVERY == EVERY - 1 else 0.0
    places, kinds = [], []
    for tile in np.unique(atoms.arrays["tile"]):
        members = np.flatnonzero(atoms.arrays["tile"] == tile)
        atoms.positions[members, :2] += (moves + rng.normal(0, scatter, moves.shape))[group]
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
    made = {
        "signal": signal,
        "sampling": drawn.scan.sampling,
        "columns": drawn.scan.pixels(np.array(places), lengths),
        "kinds": np.array(kinds),
        "source": rng.uniform(0.7, 1.1),
        "scatter": scatter,
    }
    np.savez(path, **made)
    return made


def maximum(image: np.ndarray, point: np.ndarray, sampling: float) -> np.ndarray:
    """Return the highest point within 0.6 Å, on a grid of 0.02 Å."""
    steps = np.arange(-0.6, 0.61, 0.02) / sampling
    offsets = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    values = ndimage.map_coordinates(image, (point + offsets).T[::-1], order=3)
    return point + offsets[values.argmax()]


def recorded(sample: dict[str, Any], dose: float, seed: int) -> np.ndarray:
    """Return an image of a film at a dose [e/Å²]."""
    sampling = float(sample["sampling"])
    settings = Degradation(dose=dose, source_size=float(sample["source"]))
    counted = degrade(sample["signal"], settings, sampling, np.random.default_rng([seed, int(dose)]))
    return np.asarray(idpc_image(counted.image, sampling), dtype=float)


def bounds(search: _Search, image: np.ndarray, sample: dict[str, Any]) -> tuple[float, float]:
    """Return the Cramér–Rao bounds of places on an axis [Å]: of each column by itself, and of copies alike."""
    sampling = float(sample["sampling"])
    blur = (0, *[float(sample["source"]) / np.sqrt(8 * np.log(2)) / sampling] * 2)
    clean = idpc_image(ndimage.gaussian_filter(sample["signal"], blur, mode="reflect"), sampling)
    scale = (image * clean).sum() / (clean**2).sum()
    search.shown.noise = Noise.of(image - scale * clean, sampling)
    places, stamps, strength = search.stamps()
    cell = np.column_stack([search.shown.cell.strength, search.shown.cell.moved])[places.site]
    shown = slopes(stamps, cell[:, 0], cell[:, 1:], strength, int(np.prod(stamps.grid.shape)))
    information = (shown.T @ shown).tocsr()
    edge = np.minimum(places.points, np.array(image.shape[::-1]) - 1 - places.points).min(1) * sampling
    # At the border next to nothing is shown of some: a sliver of information, 3 Å, makes theirs finite.
    alone = covariances(information + sparse.identity(information.shape[0]) * 0.1, places.points)
    copies = 3 * places.site[:, None] + np.arange(3)
    put = sparse.coo_matrix((np.ones(copies.size), (np.arange(copies.size), copies.ravel()))).tocsr()
    together = np.linalg.inv((put.T @ information @ put).toarray())
    by_itself = alone[edge > 1.5][:, [1, 2], [1, 2]]
    return float(np.sqrt(by_itself.mean())), float(np.sqrt(np.diag(together).reshape(-1, 3)[:, 1:].mean()))


def errors(found: MeasuredColumns, sample: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return errors of places [Å], common shift taken away, and the column that each is; −1 where none is near."""
    distance, which = cKDTree(sample["columns"]).query(found.points)
    sampling = float(sample["sampling"])
    error = (found.points - sample["columns"][which]) * sampling
    near = distance * sampling < NEAR
    return error - error[near].mean(0), np.where(near, which, -1)


def measured(sample: dict[str, Any], dose: float, number: int, crystal: Crystal) -> dict[str, Any]:
    """Measure one image; errors over those stated are given too."""
    sampling = float(sample["sampling"])
    image = recorded(sample, dose, number)
    micrograph = Micrograph(image.astype("float32"), name=f"film {number}")
    lattice = find_lattice(micrograph, framework=crystal.framework)
    search = _Search(micrograph, crystal, find_domains(micrograph, lattice, framework=crystal.framework))
    found = search.columns()
    error, which = errors(found, sample)
    paired = which >= 0
    stated = found.errors * sampling
    bound, alike = bounds(search, image, sample)
    some = np.random.default_rng(0).choice(np.flatnonzero(paired), 150, replace=False)
    # Searched about the places of the framework, not about those that were found.
    places = search._registered().points
    start = places[cKDTree(places).query(sample["columns"][which[some]])[1]]
    simple = np.array([maximum(image, point, sampling) for point in start]) - sample["columns"][which[some]]
    kinds = sample["kinds"][which]
    alone = classify(found.intensity, found.intensity_error, found.site, search.sites, lattice=False)
    by_intensity = np.array(CLASSES)[alone.probability.argmax(1)]
    return {
        "dose": dose,
        "scatter": float(sample["scatter"]),
        "source": float(sample["source"]),
        "columns": int(paired.sum()),
        "rms": float(error[paired].std()),
        "bound": bound,
        "alike": alike,
        "stated": float(np.sqrt((stated[paired] ** 2).mean())),
        "maximum": float(((simple - simple.mean(0)) * sampling).std()),
        "pulls": float((error / stated)[paired].std()),
        "spread": found.spread,
        "right": float(((found.kind == kinds) & paired).mean()),
        "alone": float(((by_intensity == kinds) & paired).mean()),
    }


def show(row: dict[str, Any]) -> None:
    """Print a row."""
    print(json.dumps({key: round(v, 4) if isinstance(v, float) else v for key, v in row.items()}), flush=True)


def films(thicknesses: list[int], doses: list[float], number: int, work: Path) -> None:
    """Measure films."""
    crystal = Crystal.named("mfi")
    for thickness in thicknesses:
        rows: dict[float, list[dict[str, Any]]] = {dose: [] for dose in doses}
        for index in range(number):
            sample = film(thickness, index, work)
            for dose in doses:
                rows[dose].append(measured(sample, dose, index, crystal))
                show({"thickness": thickness, "film": index} | rows[dose][-1])
        for dose, each in rows.items():
            square = {
                k: np.sqrt(np.mean([r[k] ** 2 for r in each]))
                for k in each[0]
                if k not in ("dose", "scatter")
            }
            right = {k: np.mean([r[k] for r in each]) for k in ("right", "alone")}
            show({"thickness": thickness, "films": len(each), "dose": dose} | square | right)


def controls(work: Path) -> None:
    """Ask for columns where there are none."""
    rng = np.random.default_rng(0)
    sample = film(1, 0, work)
    sampling = float(sample["sampling"])
    image = recorded(sample, 1e4, 0)
    size = image.shape
    radius = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in size), indexing="ij"))
    ring = (radius * 200).astype(int)
    power = ndimage.mean(np.abs(np.fft.fft2(image - image.mean())) ** 2, ring, np.arange(ring.max() + 1))
    glass = np.fft.ifft2(np.fft.fft2(rng.normal(size=size)) * np.sqrt(power[ring])).real
    for name, picture in (("noise", rng.normal(size=size)), ("glass", glass)):
        asked(name, picture, "mfi", sampling)
    for framework in OTHERS:
        asked("film of mfi", image, framework, sampling)


def guests(numbers: list[int], doses: list[float], framework: str, work: Path) -> None:
    """Measure the columns of guests of published structures."""
    for dose in doses:
        rows, pulls = [], []
        for number in numbers:
            row, pull = columns_guests.measured(FOLDER / f"{number}.cif", dose, work, framework)
            show(row)
            rows.append(row)
            pulls.append(pull)
        found = [row for row in rows if "rms" in row]
        every = {"dose": dose, "films": len(rows), "determined": len(found)}
        for name in ("rms", "stated", "bound") if found else ():
            every[name] = float(np.sqrt(np.mean([row[name] ** 2 for row in found])))
        every["columns"] = sum(row["columns"] for row in rows)
        every["of"] = sum(row["of"] for row in rows)
        every["pulls"] = float(np.sqrt((np.concatenate(pulls) ** 2).mean())) if found else None
        show(every)


def asked(name: str, image: np.ndarray, framework: str, sampling: float) -> None:
    """Print what is found on an image of something else."""
    try:
        found = find_columns(Micrograph(image.astype("float32"), sampling, name=name), framework=framework)
    except InputError as error:
        show({"image": name, "asked for": framework, "refused": str(error)[:100]})
    else:
        show({"image": name, "asked for": framework, "columns": len(found.points), "remarks": doubts(found)})


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("what", choices=("films", "controls", "guests", "guest-controls"))
    parser.add_argument("--thickness", default="1,4")
    parser.add_argument("--doses", default="3000,10000,1000000")
    parser.add_argument("--films", type=int, default=3)
    parser.add_argument("--numbers", default="1,2,3,4,5")
    parser.add_argument("--framework", choices=("mfi", "same"), default="mfi")
    parser.add_argument("--work", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = args.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        doses = [float(value) for value in args.doses.split(",")]
        numbers = [int(value) for value in args.numbers.split(",")]
        if args.what == "controls":
            controls(work)
        elif args.what == "guests":
            guests(numbers, doses, args.framework, work)
        elif args.what == "guest-controls":
            for row in columns_guests.controls(FOLDER, numbers, doses, work):
                show(row)
        else:
            films([int(value) for value in args.thickness.split(",")], doses, args.films, work)


if __name__ == "__main__":
    main()
