"""How visible one molecule in a zeolite channel can be, and how well its box can be known, over the dose.

    python benchmarks/molecule_detectability.py [--cells 1] [--out detectability.json]

An observer who knows the molecule, its place, its pose and everything around it, and decides from the counted
electrons of all four segments, separates "there" from "not there" by d' = √(Σ (ΔN)²/N) standard deviations, with N the
expected counts of a pixel and segment and ΔN what the molecule changes (Poisson noise, small changes). No detector
can do better; the area under its ROC curve is Φ(d'/√2). Thickness: --cells
unit cells of MFI along b (2 nm each), with a molecule in every one of them: an ordered column.

The box follows from the molecule's place and pose, which counting leaves uncertain. Their Fisher information is that of
the same counts, plus what is known beforehand of how molecules lie (van Trees' bound); places and poses drawn with the
covariance of its inverse give boxes, and these an average precision, `ap_bound`, for a detector that finds every
molecule, nothing else, and ranks its boxes by how right they are. Neither aberrations nor jitter and drift take part.

`pyridine or thiophene`: the same observer asked which of the two a column holds: pyridine as it is, or thiophene in
the pose that looks most like it, out of all places and turns. `known content` where as many cells along the beam are
known to be filled; `any content` with as much thiophene as looks most alike. The answer is right in Φ(d'/2) of the
cases.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation
from scipy.special import ndtr

from stemforge.infer.occupancy.crystal import potential_spectrum
from stemforge.simulate import Microscope, Scan, segmented_signal
from stemforge.simulate.labels.boxes import BoxDefinition
from stemforge.simulate.microscope import FWHM
from stemforge.structures import mfi, place_guest
from stemforge.structures.zeolites.molecules import named_molecule

DOSES = (500, 1000, 1500, 3000, 6000, 10_000, 30_000, 100_000, 1_000_000)
SAMPLING = 0.25
SHIFT, TURN = 0.05, 0.04
"""Steps of the derivatives [Å, rad]."""
PRIOR = (0.45, 0.45, np.radians(22), np.radians(22), 1.8)
"""Spread of guests in their channel, as `place_guest` draws them: place [Å], tilt and azimuth [rad]."""
DRAWS = 1000
STEPS = 2
"""Steps of least squares to the pose of one molecule that looks most like another's."""
LIMIT = 1.524
"""Beyond it a probe of 15 mrad at 300 kV shows nothing [1/Å]."""
OVERLAPS = np.arange(0.5, 0.96, 0.05)


class Column:
    """An ordered column of one molecule in the middle of a film, seen from its end."""

    def __init__(self, molecule: str, seed: int, cells: int, source_size: float) -> None:
        film = place_guest(mfi(thickness=cells), molecule, columns=True, rng=np.random.default_rng(seed))
        number = film.arrays["molecule"]
        self.empty, self.film = film[number < 0], film[number <= 0]
        self.guest = self.film.arrays["molecule"] == 0
        self.molecules = self.film.positions[self.guest].reshape(cells, -1, 3)
        self.numbers = self.film.numbers[self.guest]
        self.sigma = source_size / FWHM / SAMPLING

    def image(self, film: Atoms) -> NDArray[np.float64]:
        """Return the four segments' signals, blurred by the source."""
        height, width = (int(side / SAMPLING) for side in film.cell.lengths()[1::-1])
        scan = Scan.of_any_size((height, width), SAMPLING)
        signal = segmented_signal(
            film,
            Microscope(preset="low-dose-idpc"),
            scan,
            float(self.film.positions[:, 2].mean()),
            sampling=0.24,
            slice_thickness=4.0,
        )
        return gaussian_filter(signal, (0, self.sigma, self.sigma), mode="wrap")

    def moved(self, change: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the guests' positions, shifted along x and y [Å] and each turned about its centre [rad]."""
        centres = self.molecules.mean(1, keepdims=True)
        turned = (self.molecules - centres) @ Rotation.from_rotvec(change[2:]).as_matrix().T
        return (turned + centres + [*change[:2], 0]).reshape(-1, 3)

    def box(self, change: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the box that labels would have [Å]."""
        return BoxDefinition().box(self.numbers, self.moved(change)[:, :2])

    def with_guest(self, change: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the image with the guests moved."""
        film = self.film.copy()
        film.positions[self.guest] = self.moved(change)
        return self.image(film)


def detectability(column: Column) -> float:
    """Return d' of one column at 1 e/Å²; it grows with the root of the dose."""
    labelled, empty = column.image(column.film), column.image(column.empty)
    return float(np.sqrt(((labelled - empty) ** 2 / empty).sum()) * SAMPLING)


def information(column: Column) -> NDArray[np.float64]:
    """Return the Fisher information of place and pose at 1 e/Å², shape (5, 5)."""
    steps = np.diag([SHIFT, SHIFT, TURN, TURN, TURN])
    slopes = np.array(
        [(column.with_guest(step) - column.with_guest(-step)) / (2 * step.sum()) for step in steps]
    )
    return np.einsum("iabc,jabc->ij", slopes, slopes / column.image(column.film)) * SAMPLING**2


def overlaps(one: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return IoU of a box with others."""
    sides = np.minimum(one[2:], others[:, 2:]) - np.maximum(one[:2], others[:, :2])
    shared = np.prod(np.clip(sides, 0, None), axis=1)
    area, areas = np.prod(one[2:] - one[:2]), np.prod(others[:, 2:] - others[:, :2], axis=1)
    return shared / (area + areas - shared)


def precision_bound(column: Column, per_dose: NDArray[np.float64], dose: float) -> float:
    """Return the average precision that the uncertainty of place and pose leaves."""
    spread = np.linalg.inv(dose * per_dose + np.diag(np.asarray(PRIOR) ** -2.0))
    changes = np.random.default_rng(0).multivariate_normal(np.zeros(5), spread, DRAWS)
    right = overlaps(column.box(np.zeros(5)), np.array([column.box(change) for change in changes]))
    return float((right[:, None] >= OVERLAPS).mean())


class Rival(Column):
    """Another molecule in the place of a column's, in the pose that looks most like it."""

    def __init__(self, column: Column, name: str) -> None:
        self.column, self.empty, self.sigma = column, column.empty, column.sigma
        kind = named_molecule(name)
        self.numbers = kind.numbers
        first = column.molecules[0]
        heavy = column.numbers[: len(first)] > 1
        middle = first[heavy].mean(0)
        poses = [
            self._like(first - middle, kind.positions, start) for start in _starts(first[heavy] - middle)
        ]
        place = middle + min(poses, key=lambda pose: pose[0])[1]
        self.molecules = place + (column.molecules - first)[:, :1]
        places = self.molecules.reshape(-1, 3)
        guests = Atoms(np.tile(self.numbers, len(self.molecules)), places)
        for name, values in column.film.arrays.items():
            if name not in guests.arrays:
                guests.set_array(name, np.repeat(values[column.guest][:1], len(guests), axis=0))
        self.film = column.empty + guests
        self.film.info = column.empty.info
        self.guest = np.arange(len(self.film)) >= len(self.empty)

    def _like(
        self, wanted: NDArray[np.float64], positions: NDArray[np.float64], start: NDArray[np.float64]
    ) -> tuple[float, NDArray[np.float64]]:
        """Move and turn a molecule until its projected potential, as the segments count it, is most like another's."""
        numbers, sigma = self.numbers, self.sigma * SAMPLING
        frequency = np.fft.fftfreq(64, 0.4)
        k = np.stack(np.meshgrid(frequency, frequency), -1)
        radius = np.hypot(k[..., 0], k[..., 1])
        reach = np.minimum(radius / LIMIT, 1)
        aperture = 2 / np.pi * (np.arccos(reach) - reach * np.sqrt(1 - reach**2))
        weight = radius * aperture * np.exp(-2 * (np.pi * sigma * radius) ** 2)
        other = potential_spectrum(Atoms(self.column.numbers[: len(wanted)], wanted), k)

        def placed(change: NDArray[np.float64]) -> NDArray[np.float64]:
            turned = (
                positions @ (Rotation.from_rotvec(change[2:]) * Rotation.from_matrix(start)).as_matrix().T
            )
            return np.asarray(turned + np.append(change[:2], 0))

        def unlike(change: NDArray[np.float64]) -> float:
            return float(
                (np.abs(weight * (potential_spectrum(Atoms(numbers, placed(change)), k) - other)) ** 2).sum()
            )

        found = minimize(unlike, np.zeros(5), method="BFGS", options={"maxiter": 40})
        return float(found.fun), placed(found.x)


def _starts(heavy: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return turns that lay a flat molecule into the plane of another: twelve about its normal."""
    across, along, _ = np.linalg.svd(heavy)[2]
    frame = np.column_stack([across, along, np.cross(across, along)])
    return [frame @ Rotation.from_rotvec([0, 0, turn]).as_matrix() for turn in np.arange(12) * np.pi / 6]


def contrast_of_kinds(column: Column, name: str) -> tuple[float, float]:
    """Return d' between a column and one of another molecule at 1 e/Å²: as much of it, and as much as looks alike.

    From the pose whose potential is most alike by steps of least squares in the counts.
    """
    rival = Rival(column, name)
    labelled, empty = column.image(column.film), column.image(column.empty)
    change, steps = np.zeros(5), np.diag([SHIFT, SHIFT, TURN, TURN, TURN])
    other = rival.with_guest(change)
    weight = SAMPLING / np.sqrt(labelled)
    slopes = np.array([((rival.with_guest(step) - other) / step.sum() * weight).ravel() for step in steps])
    best = np.inf, np.inf
    for _ in range(STEPS + 1):
        left, content = (((image * weight).ravel()) for image in (labelled - other, other - empty))
        free = left - content * (left @ content) / (content @ content)
        if np.linalg.norm(left) < best[0]:
            best = float(np.linalg.norm(left)), float(np.linalg.norm(free))
        change = change + np.linalg.lstsq(slopes.T, left, rcond=None)[0]
        other = rival.with_guest(change)
    return best


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--kinds", action="store_true", help="pyridine or thiophene alone")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    figures: dict = {}
    for molecule in () if given.kinds else ("pyridine", "thiophene"):
        for source in (0.0, 0.9):
            columns = [Column(molecule, seed, given.cells, source) for seed in range(given.seeds)]
            at_one = np.mean([detectability(column) for column in columns])
            d_prime = {dose: float(at_one * np.sqrt(dose)) for dose in DOSES}
            known = [(column, information(column)) for column in columns]
            bound = {dose: np.mean([precision_bound(*each, dose) for each in known]) for dose in DOSES}
            figures[f"{molecule}, source {source} Å"] = {
                "d_prime": {dose: round(value, 2) for dose, value in d_prime.items()},
                "area_under_roc": {
                    dose: round(float(ndtr(v / np.sqrt(2))), 3) for dose, v in d_prime.items()
                },
                "ap_bound": {dose: round(float(value), 3) for dose, value in bound.items()},
            }
    columns = [Column("pyridine", seed, given.cells, 0.9) for seed in range(given.seeds)]
    both = np.array([contrast_of_kinds(column, "thiophene") for column in columns])
    figures["pyridine or thiophene, source 0.9 Å"] = {
        name: {dose: round(float(value * np.sqrt(dose)), 2) for dose in DOSES}
        for name, value in zip(("known content", "any content"), both.mean(0), strict=True)
    } | {"at 1 e/Å², each column": both.round(4).tolist()}
    print(json.dumps(figures, indent=2))
    if given.out:
        given.out.write_text(json.dumps(figures, indent=2))
