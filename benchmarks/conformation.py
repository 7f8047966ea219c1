"""How often an image of ZSM-5 is given the right structure among candidates, by likelihood, correlation and SSIM.

    STEMFORGE_DATA_DIR=... python benchmarks/conformation.py published [--doses 1000000,6000,...] [--cells 1,2,5]
        [--forward potential|multislice] [--numbers 1,2,3,4,5] [--no-removed]
    STEMFORGE_DATA_DIR=... python benchmarks/conformation.py frameworks [--doses 3000,1500,500]
        [--numbers 1,2,3,4,5]
    STEMFORGE_DATA_DIR=... python benchmarks/conformation.py simulated [--doses 6000,3000,1500,500] [--images 12]
        [--seed 17]
    STEMFORGE_DATA_DIR=... python benchmarks/conformation.py discrepancy [--doses 10000,3000,500] [--numbers 1,4,...]
        [--values 0.03,0.05,...]
    python benchmarks/conformation.py picture --out FILE

Candidates are the five published structures of ZSM-5 with pyridine (Yang et al. 2024) and ten conformers of our own:
two for each published framework, whose pyridine is taken out and put elsewhere into the same channel.

`published`: the published images of the five structures, 5 × 5 cells. For each dose: answers on single cells, on blocks
of n × n cells, and on the average of all; `none` is the share of answers "none of the candidates"; `calibration` is the
mean difference between the probability of an answer and how often it is right, over ten bins weighed by their answers,
and `calibration by chance` what it would be in the mean if all probabilities were true; the last rows are of all doses
together; `expected` is what the confusion among the candidates foretells. `removed`: the right structure is not among
the candidates. `--forward multislice` takes candidates' images by multislice in place of the projected potential and
its products.

`frameworks`: the published images once more, as a control of what identification rests on. `guest`: all fifteen guests
in one framework, that of the structure shown or that of the next one; `framework`: five frameworks, all with the guest
of the next one.

`simulated`: own images of 5 × 5 cells by multislice, one or two cells thick, with defocus, astigmatism, tilt, a source
of 0.3 to 0.9 Å and drift that the analysis does not know. `true`: one of the candidates; `empty`: the framework
alone; `other`: thiophene or benzene in the framework, which no candidate has; `featureless`: noise, fine or slow.

`discrepancy`: own images of the candidates (--numbers counts them from 1 on), as in `simulated`, with several errors
allowed for in the candidates' images: the mean logarithm of how likely a block is under the structure that it shows
(the highest is the best choice), how probable that structure is, right answers, and calibration.

`picture`: that of the documentation, of one simulated image at 1500 e/Å² and conformers in silicalite-1.
"""

import argparse
import copy
import json
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from ase import Atoms
from scipy import ndimage

from stemforge import Micrograph
from stemforge.errors import InputError
from stemforge.infer import draw_conformation, find_lattice
from stemforge.infer.conformation.analysis import Comparison
from stemforge.infer.conformation.candidates import NONE, Candidate
from stemforge.infer.conformation.result import Conformation, Prospects
from stemforge.infer.occupancy.crystal import Crystal
from stemforge.simulate import Degradation, Microscope, Scan, degrade, idpc_image, segmented_signal
from stemforge.structures import guests_from_cell, mfi, place_guest, zeolite
from stemforge.structures.tags import Tag

FOLDER = Path(os.environ.get("STEMFORGE_DATA_DIR", ".")) / "zsm5-idpc" / "pyridine"
CONFORMERS = 2  # of our own for each published framework
CELL = (54, 81)  # pixels, as published
REPEAT = 5


def bare(atoms: Atoms) -> Atoms:
    """Take the guests out."""
    left = atoms[atoms.get_tags() != Tag.GUEST]
    left.info["molecules"] = []
    return left


def guest(atoms: Atoms) -> Atoms:
    """Take the guests alone."""
    return atoms[atoms.get_tags() == Tag.GUEST]


def placed(film: Atoms, name: str, rng: np.random.Generator) -> Atoms:
    """Put a molecule into the channel that a published structure fills."""
    middle = guest(film).positions[:, :2].mean(0)
    filled = place_guest(bare(film), name, rng=rng)
    size = np.array(film.info["tile_size"])
    numbers = filled.arrays["molecule"]
    away = []
    for number in range(numbers.max() + 1):
        beside = filled.positions[numbers == number, :2].mean(0) - middle
        away.append(np.hypot(*(beside - size * np.round(beside / size))))
    return filled[(numbers < 0) | (numbers == int(np.argmin(away)))]


def films() -> dict[str, Atoms]:
    """Return the published structures and our own conformers."""
    found = {}
    for number in range(1, 6):
        film = guests_from_cell(zeolite(FOLDER / f"{number}.cif"))
        found[str(number)] = film
        for which in range(CONFORMERS):
            rng = np.random.default_rng([number, which])
            found[f"{number}{'abcdef'[which]}"] = placed(film, "pyridine", rng)
    return found


def moved(framework: Atoms, other: Atoms) -> Atoms:
    """Put another film's guests into a framework."""
    return bare(framework) + guest(other)


def published(number: int, dose: int) -> Micrograph:
    """Read a published image, rows along c."""
    image = tifffile.imread(FOLDER / f"{number}_dose_{dose}.tiff").astype("float32").T[::-1]
    return Micrograph(np.ascontiguousarray(image), name=str(number))


@dataclass(frozen=True)
class Multislice(Crystal):
    """A structure whose image is made by multislice, not from its potential."""

    def coefficients(self, hk: np.ndarray) -> np.ndarray:
        """Return the Fourier coefficients of the iDPC image of one cell."""
        plane = np.fft.fft2(idpc_image(segments(self.atoms), sampling(self.atoms), periodic=True))
        return plane[hk[:, 1] % CELL[0], hk[:, 0] % CELL[1]] / plane.size

    def powers(self, hk: np.ndarray) -> np.ndarray:
        """Return nothing: products of the potential are in the image."""
        return np.zeros((2, len(hk)), dtype=complex)


def sampling(atoms: Atoms) -> float:
    """Return the pixel size of an image of one cell [Å]."""
    return float(atoms.cell[0, 0]) / CELL[1]


def segments(atoms: Atoms, microscope: Microscope | None = None) -> np.ndarray:
    """Simulate the four segments' image of one cell, periodic."""
    one = atoms.copy()
    one.info = {"tiles": (1, 1)}
    microscope = microscope or Microscope(preset="low-dose-idpc")
    scan = Scan.of_any_size(CELL, sampling(atoms))
    # The raster is centred on the cell: bring its first pixel to the origin.
    corner = scan.positions((float(atoms.cell[0, 0]), float(atoms.cell[1, 1])))[0, 0]
    one.positions[:, :2] += corner
    return segmented_signal(one, microscope, scan, 0.0)


def candidate(name: str, atoms: Atoms, forward: str = "potential") -> Candidate:
    """Make a candidate, whose image is made as asked."""
    made = Candidate.from_atoms(name, atoms)
    if forward == "potential":
        return made
    crystal, left = (_Remembered(one.framework, one.atoms) for one in (made.crystal, made.bare))
    return replace(made, crystal=crystal, bare=left)


_KEPT: dict[tuple[bytes, int], np.ndarray] = {}


class _Remembered(Multislice):
    """Multislice images that are asked for again."""

    def coefficients(self, hk: np.ndarray) -> np.ndarray:
        key = (self.atoms.positions.tobytes(), len(hk))
        if key not in _KEPT:
            _KEPT[key] = super().coefficients(hk)
        return _KEPT[key]


def calibration(probability: np.ndarray, right: np.ndarray) -> float:
    """Return the mean difference between probability and truth over ten bins, weighed by their answers."""
    place = np.minimum((probability * 10).astype(int), 9)
    return float(sum(abs((probability - right)[place == i].sum()) for i in range(10)) / len(right))


class Tally:
    """Answers and whether they were right."""

    def __init__(self) -> None:
        self.answers: dict[str, list[np.ndarray]] = defaultdict(list)

    def add(self, found: Conformation, truth: str) -> None:
        """Count an image's blocks."""
        names = np.array([*found.names, NONE])
        best = found.probability.argmax(1)
        measures = {
            "likelihood": found.log_likelihood,
            "correlation": found.likeness.correlation,
            "ssim": found.likeness.similarity,
        }
        for name, values in measures.items():
            self.answers[name].append(names[values.argmax(1)] == truth)
        self.answers["right"].append(names[best] == truth)
        self.answers["none"].append(names[best] == NONE)
        self.answers["probability"].append(found.probability.max(1))
        self.answers["expected"].append(np.full(len(best), found.prospects.right))
        self.answers["factor"].append(np.full(len(best), found.prospects.factor))

    def row(self) -> dict[str, float]:
        """Return shares of all blocks."""
        all_of = {name: np.concatenate(values).astype(float) for name, values in self.answers.items()}
        right, probability = all_of["right"], all_of["probability"]
        means = {name: float(values.mean()) for name, values in all_of.items()}
        means["factor"] = float(np.median(all_of["factor"]))
        means["calibration"] = calibration(probability, right)
        draws = np.random.default_rng(0).random((200, len(right))) < probability
        means["calibration by chance"] = float(np.mean([calibration(probability, one) for one in draws]))
        return {"answers": len(right)} | {name: round(value, 4) for name, value in means.items()}


def report(**row: Any) -> None:
    """Print a row."""
    print(json.dumps(row), flush=True)


def on_published(
    doses: Sequence[int], sizes: Sequence[int], forward: str, numbers: Sequence[int], removed: bool
) -> None:
    """Measure published images."""
    together = {size: Tally() for size in sizes}
    structures = films()
    known = [candidate(name, film, forward) for name, film in structures.items()]
    framework = known[0].bare.framework
    for dose in doses:
        tallies = {size: Tally() for size in sizes}
        without: dict[int, list[bool]] = {size: [] for size in sizes}
        for number in numbers:
            image = published(number, dose)
            lattice = find_lattice(image, framework=framework)
            rest = [one for one in known if one.name != str(number)]
            asked = Comparison(image, tuple(known), lattice)
            other = Comparison(image, tuple(rest), lattice) if removed else None
            for size, tally in tallies.items():
                block = None if size == REPEAT else size
                found = asked.result(block)
                tally.add(found, str(number))
                together[size].add(found, str(number))
                if other is not None:
                    without[size] += [name == NONE for name in other.result(block).best]
        for size, tally in tallies.items():
            share = {"removed: none": round(float(np.mean(without[size])), 4)} if removed else {}
            report(dose=dose, cells=size**2, forward=forward, **tally.row(), **share)
    for size, tally in together.items():
        report(dose="all", cells=size**2, forward=forward, **tally.row())


def on_frameworks(doses: Sequence[int], numbers: Sequence[int]) -> None:
    """Measure what identification rests on."""
    structures = films()
    published_names = [str(number) for number in range(1, 6)]
    for dose in doses:
        tallies = {
            kind: (Tally(), Tally()) for kind in ("guest, its framework", "guest, another's", "framework")
        }
        for number in map(str, numbers):
            image = published(int(number), dose)
            lattice = None
            following = str(int(number) % 5 + 1)
            for other in (number, following):
                guests = [candidate(n, moved(structures[other], film)) for n, film in structures.items()]
                asked = {"guest, its framework" if other == number else "guest, another's": guests}
                if other == following:
                    asked["framework"] = [
                        candidate(n, moved(structures[n], structures[other])) for n in published_names
                    ]
                lattice = lattice or find_lattice(image, framework=guests[0].bare.framework)
                for differs, known in asked.items():
                    compared = Comparison(image, tuple(known), lattice)
                    for tally, size in zip(tallies[differs], (1, None), strict=True):
                        tally.add(compared.result(size), number)
        for kind, pair in tallies.items():
            for tally, size in zip(pair, (1, REPEAT), strict=True):
                report(dose=dose, differs=kind, cells=size**2, **tally.row())


@dataclass(frozen=True)
class Conditions:
    """A microscope and specimen as the analysis does not know them."""

    microscope: Microscope
    thickness: int
    tilt: np.ndarray
    source: float
    drift: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Conditions":
        """Draw them."""
        optics = {
            "defocus": rng.uniform(-60, 60),
            "A1": rng.uniform(0, 20),
            "A1_angle": rng.uniform(0, np.pi),
        }
        microscope = Microscope.model_validate({"preset": "low-dose-idpc", **optics})
        source, drift = rng.uniform(0.3, 0.9), rng.uniform(0, 3)
        return cls(microscope, int(rng.integers(1, 3)), rng.normal(0, 3e-3, 2), source, drift)

    def signal(self, atoms: Atoms) -> np.ndarray:
        """Simulate 5 × 5 cells."""
        margin = atoms.info["vacuum"]
        period = atoms.cell[2, 2] - 2 * margin
        film = Atoms()
        for layer in range(self.thickness):
            one = atoms.copy()
            one.positions[:, 2] += layer * period
            film += one
        film.set_cell([*atoms.cell.lengths()[:2], 2 * margin + self.thickness * period])
        film.positions[:, :2] += np.outer(film.positions[:, 2], self.tilt)
        film.info = {"vacuum": margin}
        return np.tile(segments(film, self.microscope), (1, REPEAT, REPEAT)).astype("float32")

    def recorded(self, signal: np.ndarray, dose: float, step: float, rng: np.random.Generator) -> Micrograph:
        """Record an image."""
        settings = Degradation(
            dose=dose, source_size=self.source, drift=self.drift, drift_angle=rng.uniform(0, 6)
        )
        image = idpc_image(degrade(signal, settings, step, rng).image, step)
        return Micrograph(image, name="film")


def on_simulated(doses: Sequence[int], images: int, seed: int) -> None:
    """Measure own images, and controls."""
    structures = films()
    known = [candidate(name, film) for name, film in structures.items()]
    names = list(structures)
    tallies: dict[tuple[str, int, int], Tally] = defaultdict(Tally)
    refused: dict[tuple[str, int], int] = defaultdict(int)
    for number in range(images):
        rng = np.random.default_rng([seed, number])
        conditions = Conditions.drawn(rng)
        truth = names[number % len(names)]
        other = placed(structures[truth[0]], ("thiophene", "benzene")[number % 2], rng)
        shown = {"true": structures[truth], "empty": bare(structures[truth]), "other": other}
        step = sampling(structures[truth])
        for kind, film in shown.items():
            signal = conditions.signal(film)
            for dose in doses:
                image = conditions.recorded(signal, dose, step, rng)
                try:
                    lattice = find_lattice(image, framework=known[0].bare.framework)
                    asked = Comparison(image, tuple(known), lattice)
                    for size in (1, None):
                        tallies[kind, dose, size or REPEAT].add(
                            asked.result(size), truth if kind == "true" else NONE
                        )
                except InputError:
                    refused[kind, dose] += 1
        noise = ndimage.gaussian_filter(rng.normal(size=(270, 405)), (1, 12)[number % 2]).astype("float32")
        try:
            find_lattice(Micrograph(noise, name="featureless"), framework=known[0].bare.framework)
        except InputError:
            refused["featureless", 0] += 1
    for (kind, dose, size), tally in sorted(tallies.items()):
        report(shown=kind, dose=dose, cells=size**2, refused=refused[kind, dose], **tally.row())
    report(shown="featureless", images=images, refused=refused["featureless", 0])


class Quick(Comparison):
    """A comparison that foretells nothing, for rows that do not need it."""

    def _prospects(self, noise: np.ndarray, averaged: int) -> Prospects:
        return Prospects(np.eye(len(self.candidates)), np.inf, None)


def altered(
    asked: Comparison,
    *,
    discrepancy: float | None = None,
    kept: Sequence[int] | None = None,
    displacement: float | None = None,
) -> Comparison:
    """Ask the same cells with another discrepancy, of some of the candidates, or of guests that may be displaced."""
    other = copy.copy(asked)
    vars(other).pop("models", None)
    if discrepancy is not None:
        vars(other).pop("fits", None)
        other.discrepancy = discrepancy
    if kept is not None:
        vars(other)["fits"] = [asked.fits[i] for i in kept]
        other.candidates = tuple(asked.candidates[i] for i in kept)
    if displacement is not None:
        other.candidates = tuple(replace(one, displacement=displacement) for one in other.candidates)
    return other


def on_discrepancy(doses: Sequence[int], numbers: Sequence[int], values: Sequence[float], seed: int) -> None:
    """Measure which error of candidates' images is the right one to allow for."""
    structures = films()
    known = [candidate(name, film) for name, film in structures.items()]
    tallies: dict[tuple[int, float, int], Tally] = defaultdict(Tally)
    likely: dict[tuple[int, float, int], list[np.ndarray]] = defaultdict(list)
    true: dict[tuple[int, float, int], list[np.ndarray]] = defaultdict(list)
    for number in numbers:
        rng = np.random.default_rng([seed, 1, number])
        conditions, shown = Conditions.drawn(rng), known[number - 1]
        signal = conditions.signal(shown.crystal.atoms)
        for dose in doses:
            image = conditions.recorded(signal, dose, sampling(shown.crystal.atoms), rng)
            lattice = find_lattice(image, framework=known[0].bare.framework)
            asked = Quick(image, tuple(known), lattice)
            for value in values:
                other = altered(asked, discrepancy=value)
                for size in (1, None):
                    found, place = other.result(size), (dose, value, size or REPEAT)
                    tallies[place].add(found, shown.name)
                    likely[place].append(found.log_likelihood[:, number - 1])
                    true[place].append(found.probability[:, number - 1])
    for place, tally in sorted(tallies.items()):
        dose, value, size = place
        means = {
            "log_likelihood": round(float(np.concatenate(likely[place]).mean()), 3),
            "probability of the truth": round(float(np.concatenate(true[place]).mean()), 4),
        }
        shares = {name: value for name, value in tally.row().items() if name not in ("expected", "factor")}
        report(dose=dose, discrepancy=value, cells=size**2, **means, **shares)


def picture(path: Path) -> None:
    """Draw an image of one of five conformers in silicalite-1, single cells asked."""
    known = []
    for seed, name in enumerate("ABCDE"):
        film = place_guest(mfi(), "pyridine", rng=np.random.default_rng(seed))
        numbers = film.arrays["molecule"]
        beside = [film.positions[numbers == n, :2].mean(0)[0] - film.cell[0, 0] / 2 for n in (0, 1)]
        known.append(candidate(name, film[(numbers < 0) | (numbers == int(np.argmin(np.abs(beside))))]))
    rng = np.random.default_rng(1)
    conditions = Conditions(Microscope(preset="low-dose-idpc", defocus=20.0), 1, np.zeros(2), 0.6, 0.0)
    atoms = known[1].crystal.atoms
    image = conditions.recorded(conditions.signal(atoms), 1500, sampling(atoms), rng)
    lattice = find_lattice(image, framework=known[0].bare.framework)
    draw_conformation(Comparison(image, tuple(known), lattice).result(1), path)


def numbers_of(text: str) -> list[int]:
    return [int(float(value)) for value in text.split(",")]


def _values(text: str) -> list[float]:
    return [float(value) for value in text.split(",")]


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("what", choices=("published", "frameworks", "simulated", "discrepancy", "picture"))
    parser.add_argument("--doses", type=numbers_of)
    parser.add_argument("--cells", type=numbers_of, default=[1, REPEAT])
    parser.add_argument("--forward", choices=("potential", "multislice"), default="potential")
    parser.add_argument("--numbers", type=numbers_of)
    parser.add_argument("--values", type=_values, default=[0.03, 0.05, 0.08, 0.12])
    parser.add_argument("--no-removed", dest="removed", action="store_false")
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.what == "published":
        doses = args.doses or [1_000_000, 6000, 4500, 3000, 1500, 1000, 500]
        on_published(doses, args.cells, args.forward, args.numbers or range(1, 6), args.removed)
    elif args.what == "frameworks":
        on_frameworks(args.doses or [3000, 1500, 500], args.numbers or range(1, 6))
    elif args.what == "discrepancy":
        on_discrepancy(
            args.doses or [10_000, 3000, 500], args.numbers or range(1, 16), args.values, args.seed
        )
    elif args.what == "picture":
        picture(args.out)
    else:
        on_simulated(args.doses or [6000, 3000, 1500, 500], args.images, args.seed)


if __name__ == "__main__":
    main()
