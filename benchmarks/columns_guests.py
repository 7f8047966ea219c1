"""Films of published structures whose guests' columns are looked for: truth, errors and the rigid body's bound."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from conformation import bare, guest
from occupancy_films import Films, StructureFilm, noiseless_image
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from stemforge import Micrograph
from stemforge.infer import MeasuredColumns, find_columns, find_domains, find_lattice
from stemforge.infer.columns.analysis import _Search
from stemforge.infer.columns.guests.columns import column_atoms
from stemforge.infer.columns.guests.rigid import RigidGuest
from stemforge.infer.columns.sites import column_sites
from stemforge.infer.occupancy.crystal import ChannelCrystal
from stemforge.infer.occupancy.noise import Noise
from stemforge.simulate import Degradation, degrade, idpc_image
from stemforge.structures import guests_from_cell, zeolite

NEAR = 0.7  # within which a column is the one that it should be [Å]
SEED = 4100


@dataclass(frozen=True)
class Truth:
    """Columns of a published structure on an image.

    Parameters
    ----------
    guest
        The molecule, in the cell [Å].
    columns
        Its columns (x, y) [Å], their elements beside.
    framework
        Columns of the framework (x, y) [Å].
    origin
        Where the cell begins on the image (x, y) [Å].
    cell
        Its axes [Å].
    """

    guest: RigidGuest
    columns: np.ndarray
    elements: list[str]
    framework: np.ndarray
    origin: np.ndarray
    cell: np.ndarray

    @classmethod
    def of(cls, path: Path, film: StructureFilm) -> "Truth":
        """Read a structure, and where a film shows it."""
        atoms = guests_from_cell(zeolite(path))
        cell = np.array(atoms.cell.lengths()[:2])
        molecule = guest(atoms)
        origin = film.molecules[0] * film.step - molecule.positions[:, :2].mean(0)
        rigid = RigidGuest("pyridine", molecule)
        heavy = molecule[rigid.heavy]
        groups = column_atoms(rigid)
        places = [
            np.average(heavy.positions[group, :2], axis=0, weights=heavy.numbers[group]) for group in groups
        ]
        elements = ["".join(sorted(heavy[group].get_chemical_symbols())) for group in groups]
        framework = np.array([site.place for site in column_sites(bare(atoms))])
        return cls(rigid, np.array(places), elements, framework, origin, cell)

    def beside(self, points: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the way from the nearest of some places of the cell to points of the image [Å], and which it is."""
        tree = cKDTree((places + self.origin) % self.cell, boxsize=self.cell)
        _, which = tree.query(points % self.cell)
        way = points - self.origin - places[which]
        return way - self.cell * np.round(way / self.cell), which


def bound_of(search: _Search, image: np.ndarray, clean: np.ndarray, truth: Truth) -> float:
    """Return the Cramér–Rao bound of a column's place on an axis [Å], mean over the molecule's columns.

    Place, orientation and content of the rigid molecule are unknown; framework, transfer and noise are known, and all
    cells of the image are alike.
    """
    sampling = search.lattice.sampling
    scale = (image * clean).sum() / (clean**2).sum()
    noise = Noise.of(image - scale * clean, sampling)
    k = search.shown.k
    transfer = search.shown.cell.appearance.transfer.at(k) / search.crystal.cell.prod()
    slopes = truth.guest.slopes(k, truth.guest.waves(k)) * transfer
    variance = noise.at(np.hypot(*k.T)) / (image.size * sampling**2)
    information = 2 * (slopes / variance @ slopes.conj().T).real
    pose = np.linalg.inv(information + 1e-6 * np.eye(6))[:5, :5]
    places = truth.guest.place_slopes()[:, truth.guest.heavy]
    return float(np.sqrt(np.mean(np.einsum("pai,pq,qai->ai", places, pose, places))))


def measured(path: Path, dose: float, work: Path, framework: str) -> tuple[dict[str, Any], np.ndarray]:
    """Measure the columns of guests on one image; return errors over those stated, too."""
    film = StructureFilm.of(path, 1, SEED, work)
    truth = Truth.of(path, film)
    micrograph = film.recorded(dose, np.random.default_rng([int(path.stem), int(dose)]))
    crystal = ChannelCrystal.named(str(path) if framework == "same" else framework, ("pyridine",))
    lattice = find_lattice(micrograph, framework=crystal.framework)
    found = find_columns(micrograph, framework=crystal, lattice=lattice, guests=("pyridine",))
    row: dict[str, Any] = {"structure": path.stem, "dose": dose} | _asked(found)
    search = _Search(micrograph, crystal, find_domains(micrograph, lattice, framework=crystal.framework))
    search.shown.improve()
    image = np.asarray(micrograph.image, dtype=float)
    row["bound"] = bound_of(search, image, noiseless_image(film.signal, film.step), truth)
    row["of"] = len(truth.columns)
    if found.guests is None or not len(found.guests.points):
        return row, np.zeros((0, 2))
    error, stated, elements = _errors(found, film.step, truth)
    row["rms"] = float(np.sqrt((error**2).mean()))
    row["stated"] = float(np.sqrt((stated**2).mean()))
    row["elsewhere"] = int((np.hypot(*error.T) > NEAR).sum())
    row["pulls"] = float(np.sqrt(((error / stated) ** 2).mean()))
    row["elements right"] = elements
    return row, error / stated


def _errors(found: MeasuredColumns, step: float, truth: Truth) -> tuple[np.ndarray, np.ndarray, int]:
    """Return errors [Å] of the columns of the cell, those stated, and how many have the right elements.

    Errors are beside the mean error of the framework's columns: a shift of all alike is the microscope's.
    """
    assert found.guests is not None
    framework, _ = truth.beside(found.points * step, truth.framework)
    near = np.hypot(*framework.T) < NEAR
    shift = framework[near].mean(0)
    guests = found.guests
    numbers = np.unique(guests.which)
    # Copies are alike: of each column the mean of them.
    ways = [truth.beside(guests.points[guests.which == n] * step, np.zeros((1, 2)))[0] for n in numbers]
    places = np.array([_mean(way, truth.cell) for way in ways]) - shift
    # A column has as many of the molecule's atoms as it was found to hold: those that make the least of all errors.
    holds = [re.findall("[A-Z][a-z]?", guests.columns[n].elements) for n in numbers]
    slot = np.repeat(np.arange(len(numbers)), [len(one) for one in holds])
    heavy = truth.guest.atoms[truth.guest.heavy]
    between = places[slot][:, None] - heavy.positions[:, :2]
    between -= truth.cell * np.round(between / truth.cell)
    slots, atoms = linear_sum_assignment((between**2).sum(2))
    error = np.array([_weighed(between, heavy.numbers, slots, atoms, slot == n) for n in range(len(numbers))])
    stated = np.array([guests.errors[guests.which == n][0] for n in numbers]) * step
    symbols = np.array(heavy.get_chemical_symbols())
    right = sum(
        holds[n] == sorted(symbols[atoms[np.isin(slots, np.flatnonzero(slot == n))]].tolist())
        for n in range(len(numbers))
    )
    return error, stated, right


def _weighed(
    between: np.ndarray, numbers: np.ndarray, slots: np.ndarray, atoms: np.ndarray, chosen: np.ndarray
) -> np.ndarray:
    """Return how far a column is from the middle of the atoms that were taken for its own (x, y) [Å]."""
    taken = np.isin(slots, np.flatnonzero(chosen))
    return np.average(between[slots[taken], atoms[taken]], axis=0, weights=numbers[atoms[taken]])


def _mean(points: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Return the mean of points that are near each other but for steps of the cell."""
    beside = points - points[0]
    return points[0] + (beside - cell * np.round(beside / cell)).mean(0)


def _asked(found: MeasuredColumns) -> dict[str, Any]:
    guests = found.guests
    assert guests is not None
    return {
        "columns": len(guests.columns),
        "lying alike": [round(one.probability, 3) for one in guests.search.guests],
        "content": [round(one.content, 2) for one in guests.search.guests],
        "remarks": [line[:120] for line in guests.search.remarks],
    }


def controls(folder: Path, numbers: list[int], doses: list[float], work: Path) -> Iterator[dict[str, Any]]:
    """Ask films for guests' columns that have none: empty, half of a channel's copies filled, filled in no order."""
    crystal = ChannelCrystal.named("mfi", ("pyridine",))
    for dose in doses:
        for number in numbers:
            film = StructureFilm.of(folder / f"{number}.cif", 1, SEED, work)
            rng = np.random.default_rng([number, int(dose), 1])
            for name, signal in (("empty", film.empty), ("half of the copies", half_filled(film, rng))):
                image = replace(film, signal=signal).recorded(dose, rng)
                found = find_columns(image, framework=crystal, guests=("pyridine",))
                yield {"film": f"{name} {number}", "dose": dose} | _asked(found)
        corpus = Films(work).corpus("columns", 1)
        for index in numbers:
            sample = corpus[index]
            settings = Degradation(dose=dose, source_size=0.9)
            counted = degrade(
                sample.signal, settings, sample.sampling, np.random.default_rng([index, int(dose)])
            )
            image = Micrograph(idpc_image(counted.image, sample.sampling), name="film")
            found = find_columns(image, framework=crystal, guests=("pyridine",))
            yield {"film": f"any channels {index}", "dose": dose} | _asked(found)


def half_filled(film: StructureFilm, rng: np.random.Generator) -> np.ndarray:
    """Return the signal of a film in which half of the copies of the filled channel are filled, drawn at random."""
    height, width = film.signal.shape[1:]
    y, x = np.indices((height, width))
    taken = rng.random(len(film.molecules)) < 0.5
    _, nearest = cKDTree(film.molecules).query(np.column_stack([x.ravel(), y.ravel()]))
    mask = taken[nearest].reshape(height, width)
    return np.asarray(np.where(mask, film.signal, film.empty))
