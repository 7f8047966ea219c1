"""Films whose channels are asked for molecules: of a recipe, and of structures that were published."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from conformation import Conditions, bare, guest, sampling
from scipy import ndimage
from scipy.spatial import cKDTree

from stemforge import Micrograph
from stemforge.corpus.reader import Corpus, Sample
from stemforge.infer import Occupancy
from stemforge.infer.occupancy.crystal import GUESTS
from stemforge.simulate import Degradation, SimulationRecipe, degrade, idpc_image, simulate_corpus
from stemforge.structures import guests_from_cell, zeolite, zeolite_cell
from stemforge.structures.zeolites.frameworks import FRAMEWORKS
from stemforge.structures.zeolites.viewing import channel_axis

SOURCE = 0.9
NEAR = 2.5  # Å, of a molecule from the axis of its channel
_NEAR_RELAXED = 5.0  # the same where it was relaxed at an acid site; channels of MFI are 12 Å from each other
FILM = {
    "empty": {"occupancy": 0.0, "variants": 1},
    "columns": {"occupancy": 0.5, "columns": True},
    "single": {"occupancy": 0.5, "columns": False},
    "columns of any share": {"occupancy": {"uniform": [0, 1]}, "columns": True},
    "single of any share": {"occupancy": {"uniform": [0, 1]}, "columns": False},
}
# From one side of an image to the other, of films that are alike else.
VARYING = {
    "focus": ({"microscope.defocus": -60.0}, {"microscope.defocus": 60.0}),
    "tilt": ({"support.mistilt": 0.0}, {"support.mistilt": 6.0}),
    "thickness": (3, 5),
}


@dataclass(frozen=True)
class Films:
    """What films are made of.

    Parameters
    ----------
    work
        Where they are kept.
    framework, guests
        As `stemforge infer occupancy` takes them.
    seed, number
        Films with another seed are others; so many are made.
    """

    work: Path
    framework: str = "mfi"
    guests: tuple[str, ...] = GUESTS
    seed: int = 1700
    number: int = 8

    def varying(self, kind: str, what: str) -> list[tuple[np.ndarray, Sample]]:
        """Simulate films of 160 × 160 Å, four cells, whose image of the framework varies from left to right."""
        same = {"microscope.defocus": 0.0, "support.mistilt": 2.0, "scan.shape": [640, 640]}
        ends = []
        for end in VARYING[what]:
            thickness, fields = (end, {}) if isinstance(end, int) else (4, end)
            ends.append(self.corpus(kind, thickness, fields=same | fields, seed=self.seed))
        return [(_blended(one.signal, other.signal), one) for one, other in zip(*ends, strict=True)]

    def corpus(
        self,
        kind: str,
        thickness: int,
        *,
        without: bool = False,
        fields: dict[str, Any] | None = None,
        seed: int | None = None,
    ) -> Corpus:
        """Simulate films; ``without`` the molecules, else alike; with other ``fields`` of the recipe."""
        further = fields or {}
        fields = {f"support.{name}": value for name, value in FILM[kind].items()} | {
            "support.thickness": thickness,
            "support.guests": dict.fromkeys(self.guests, 1),
        }
        if self.framework != "mfi":
            fields["support.framework"] = self.framework
            known = self.framework in FRAMEWORKS
            axis = None if known else channel_axis(zeolite_cell(self.framework))
            fields["support.zone_axis"] = axis
        if without:
            fields["support.occupancy"] = 0.0
        values = SimulationRecipe.load("zsm5-columns").model_dump(mode="json")
        if fields.get("support.zone_axis", 0) is None:  # that of the framework
            del values["support"]["zone_axis"], fields["support.zone_axis"]
        fixed = further | {
            "seed": self.seed + thickness if seed is None else seed,
            "num_samples": self.number,
            "store_structures": False,
        }
        name = f"{Path(self.framework).stem}-{kind.replace(' ', '-')}-{thickness}-{self.seed}-{self.number}"
        name += "".join(
            f"-{field.split('.')[1]}-{value}" for field, value in further.items() if field != "scan.shape"
        )
        folder = self.work / (name + ("-bare" if without else ""))
        return simulate_corpus(SimulationRecipe.from_mapping(values, fields | fixed), folder, quiet=True)


@dataclass(frozen=True)
class StructureFilm:
    """A film of 5 × 5 cells of a published structure, with and without its molecules.

    Parameters
    ----------
    signal, empty
        The segments without noise, shape (4, rows, columns).
    step
        Pixel size [Å].
    molecules
        Middles of the molecules (x, y) [pixel], shape (n, 2).
    """

    signal: np.ndarray
    empty: np.ndarray
    step: float
    molecules: np.ndarray

    @classmethod
    def of(cls, path: Path, thickness: int, seed: int, work: Path) -> "StructureFilm":
        """Simulate one, with aberrations and tilt drawn, beginning anywhere in the cell."""
        rng = np.random.default_rng([seed, thickness, int(path.stem)])
        atoms = guests_from_cell(zeolite(path))
        conditions = Conditions.drawn(rng)
        conditions = Conditions(conditions.microscope, thickness, conditions.tilt, SOURCE, 0.0)
        kept = work / f"structure-{path.stem}-{thickness}-{seed}.npy"
        if not kept.exists():
            np.save(kept, [conditions.signal(film) for film in (atoms, bare(atoms))])
        both = np.load(kept)
        begin = rng.integers(0, both.shape[-2:])
        signal, empty = np.roll(both, begin, axis=(-2, -1))
        step = sampling(atoms)
        return cls(signal, empty, step, cls._molecules(atoms, signal.shape[1:], begin))

    @staticmethod
    def _molecules(atoms: Atoms, shape: tuple[int, ...], begin: np.ndarray) -> np.ndarray:
        step = sampling(atoms)
        cell = np.array(atoms.cell.lengths()[:2]) / step
        steps = np.stack(np.meshgrid(*[np.arange(-1, 12)] * 2), -1).reshape(-1, 2)
        points = guest(atoms).positions[:, :2].mean(0) / step + begin[::-1] + (steps - 5) * cell
        inside = (points > -20).all(1) & (points < np.array(shape[::-1]) + 20).all(1)
        return np.asarray(points[inside])

    def recorded(self, dose: float, rng: np.random.Generator) -> Micrograph:
        """Record an image."""
        counted = degrade(self.signal, Degradation(dose=dose, source_size=SOURCE), self.step, rng)
        return Micrograph(idpc_image(counted.image, self.step), name="film")

    def filled(self, found: Occupancy) -> np.ndarray:
        """Say which channels hold a molecule."""
        distance, _ = cKDTree(self.molecules).query(found.points)
        return np.asarray(distance * self.step < _NEAR_RELAXED)


def _blended(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Go from one signal to another across the image."""
    share = np.linspace(0, 1, left.shape[-1])
    return np.asarray((1 - share) * left + share * right)


def noiseless_image(signal: np.ndarray, sampling: float) -> np.ndarray:
    """Return the image of segments without noise, as the source blurs it."""
    blur = (0, *[SOURCE / np.sqrt(8 * np.log(2)) / sampling] * 2)
    return idpc_image(ndimage.gaussian_filter(signal, blur, mode="reflect"), sampling)
