"""How well channels of ZSM-5 are told to be filled or empty, beside an ideal observer.

    python benchmarks/occupancy.py simulated [--thickness 1,2,4,8] [--doses 500,1000,3000,10000] [--images 24]
        [--kinds empty,columns,single] [--work FOLDER]
    STEMFORGE_DATA_DIR=... python benchmarks/occupancy.py published [--doses 500,1500,3000,6000,1e6]

`simulated`: films of the recipe zsm5-columns, a source of 0.9 Å, aberrations, tilt and turn drawn. `empty` has no
molecule, `columns` one in every unit cell along a filled channel, `single` one in a filled channel. `filled` and
`empty` are shares of the channels that are called so; `open` is the rest. `AUC` is that of the evidence over all
channels, and `ideal` that of an observer who knows the framework's image, the molecule's pose and the noise; `share` is
that of AUC − ½. `d` is the ideal observer's contrast, mean over the filled channels. `calibration` is the mean
difference between probability and truth over ten bins, weighed by their channels. `guest right` is the share of filled
channels whose more likely guest is the true one, `guest said` the mean probability of the more likely guest, and `guest
d` how far an observer who knows pose, framework and noise tells pyridine from thiophene, in standard deviations.

`published`: images of ZSM-5 with a pyridine in half of the channels (Yang et al. 2024), by dose; `d` is the contrast of
the molecule for an observer who knows it, over the noise that these images show, which was smoothed with them.
"""

import argparse
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from published import published_image
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.stats import norm

from stemforge import Micrograph
from stemforge.corpus.reader import Corpus
from stemforge.errors import InputError
from stemforge.infer import Lattice, find_lattice, measure_occupancy
from stemforge.infer.crystals.framework import Framework, projected_cell
from stemforge.infer.occupancy.crystal import ChannelCrystal, Crystal, Molecule, cell_image, finest_spacing
from stemforge.infer.occupancy.noise import Noise
from stemforge.infer.occupancy.registration import Registration
from stemforge.infer.occupancy.templates import HALF, Templates
from stemforge.infer.occupancy.transfer import Transfer, cell_coefficients, fit_transfer
from stemforge.simulate import Degradation, SimulationRecipe, degrade, idpc_image, simulate_corpus
from stemforge.structures import guests_from_cell, zeolite
from stemforge.structures.tags import Tag

SPECIMENS = 8
SOURCE = 0.9
NEAR = 2.5  # Å, of a molecule from the axis of its channel
FILM = {
    "empty": {"occupancy": 0.0, "variants": 1},
    "columns": {"occupancy": 0.5, "columns": True},
    "single": {"occupancy": 0.5, "columns": False},
}
CRYSTAL = ChannelCrystal.named("mfi")


def corpus_of(kind: str, thickness: int, folder: Path, *, without: bool = False) -> Corpus:
    """Simulate films; ``without`` the molecules, else alike."""
    recipe = SimulationRecipe.load("zsm5-columns")
    fields = {f"support.{name}": value for name, value in FILM[kind].items()} | {
        "support.thickness": thickness
    }
    if without:
        fields["support.occupancy"] = 0.0
    values = recipe.model_dump(mode="json")
    fixed = {"seed": 1700 + thickness, "num_samples": SPECIMENS, "store_structures": False}
    return simulate_corpus(SimulationRecipe.from_mapping(values, fields | fixed), folder, quiet=True)


def contrast(guests: np.ndarray, noise: Noise, points: np.ndarray, sampling: float) -> np.ndarray:
    """Return what an ideal observer sees of each molecule, in standard deviations of the noise."""
    y, x = np.indices(guests.shape)
    found = []
    for point in points:
        near = np.exp(-(((np.hypot(x - point[0], y - point[1]) * sampling) / 6) ** 8))
        power = np.abs(np.fft.fft2(guests * near)) ** 2 / guests.size
        radius = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n, sampling) for n in guests.shape), indexing="ij"))
        found.append(np.sqrt((power / (noise.at(radius) / sampling**2)).sum()))
    return np.array(found)


def transfer_of(image: np.ndarray, lattice: Lattice, crystal: Crystal) -> Transfer:
    """Return the transfer under which an image without noise shows a crystal."""
    hk = crystal.indices(finest_spacing(lattice.sampling))
    coefficients, variance = cell_coefficients(np.asarray(image, dtype=float), lattice, hk)
    return fit_transfer(
        coefficients, variance, hk / crystal.cell, crystal.coefficients(hk), crystal.powers(hk)
    )[0]


def distance(potential: np.ndarray, templates: Templates, transfer: Transfer, noise: Noise) -> np.ndarray:
    """Return the contrast of differences of projected potential in standard deviations of the noise."""
    power = np.abs(potential * transfer.at(templates.k)) ** 2
    density = noise.at(np.hypot(templates.k[..., 0], templates.k[..., 1]))
    return np.sqrt((power / density).sum((-2, -1))) / (2 * HALF)


def frame(molecule: Molecule) -> tuple[np.ndarray, np.ndarray]:
    """Return the middle of a ring, and its axes: to the heteroatom, beside that, and across the ring."""
    ring = molecule.atoms[molecule.atoms.numbers > 1]
    middle = ring.positions.mean(0)
    ahead = ring.positions[ring.numbers.argmax()] - middle
    across = np.linalg.svd(ring.positions - middle)[2][2]
    axes = np.array([ahead / np.linalg.norm(ahead), np.cross(across, ahead / np.linalg.norm(ahead)), across])
    return middle, axes


def exchanged(molecule: Molecule, other: Molecule) -> Molecule:
    """Put another ring into the place of one, heteroatom on heteroatom's side."""
    middle, axes = frame(molecule)
    others_middle, others_axes = frame(other)
    atoms = other.atoms.copy()
    atoms.positions = (atoms.positions - others_middle) @ others_axes.T @ axes + middle
    return Molecule(other.name, atoms)


def guest_distance(lattice: Lattice, transfer: Transfer, noise: Noise, content: float) -> float:
    """Return by how many standard deviations thiophene differs from pyridine in the same pose, mean over poses."""
    templates = Templates.of(CRYSTAL.guests, finest_spacing(lattice.sampling))
    named = [[g for g in CRYSTAL.guests if g.name == name] for name in ("pyridine", "thiophene")]
    several = [(one, exchanged(one, named[1][0])) for one in named[0][::8]]
    both = [
        np.array([Templates.of([g], templates.resolution).potential[0] for g in pair]) for pair in several
    ]
    return float(np.mean([distance(content * (b[0] - b[1]), templates, transfer, noise) for b in both]))


def measured(kind: str, thickness: int, dose: float, images: int, work: Path) -> dict[str, Any]:
    """Measure films of one kind at one dose."""
    corpus = corpus_of(kind, thickness, work / f"{kind}-{thickness}")
    bare = (
        corpus_of(kind, thickness, work / f"{kind}-{thickness}-bare", without=True)
        if kind != "empty"
        else None
    )
    settings = Degradation(dose=dose, source_size=SOURCE)
    truth, probability, evidence, state, ideal = [], [], [], [], []
    right, certain, guest_d = [], [], []
    failed = 0
    for number in range(images):
        sample = corpus[number % len(corpus)]
        sampling = sample.sampling
        rng = np.random.default_rng([number, int(dose), thickness])
        image = idpc_image(degrade(sample.signal, settings, sampling, rng).image, sampling)
        try:
            found = measure_occupancy(Micrograph(image, name=f"{kind} {number}"), framework=CRYSTAL)
        except InputError:
            failed += 1
            continue
        filled = np.zeros(len(found.points), dtype=bool)
        if bare is not None and len(sample.labels):
            distance, which = cKDTree(sample.labels.points).query(found.points)
            filled = distance * sampling < NEAR
            molecules = sample.labels.columns["species"][which[filled]]
            names = np.array(sample.metadata["molecules"], dtype=object)[molecules]
            right += list(found.guest[filled] == names)
            certain += list(found.guest_probability[filled])
            if number < len(corpus):
                blur = (0, *[SOURCE / np.sqrt(8 * np.log(2)) / sampling] * 2)
                clean, empty = (
                    idpc_image(ndimage.gaussian_filter(s.signal, blur, mode="reflect"), sampling)
                    for s in (sample, bare[number])
                )
                # Images are fractions of electrons here, counts above.
                scale = (image * clean).sum() / (clean**2).sum()
                noise = Noise.of(np.asarray(image - scale * clean, dtype=float), sampling)
                points = sample.labels.points[which[filled]]
                ideal += list(contrast(scale * (clean - empty), noise, points, sampling))
                transfer = transfer_of(scale * empty, found.lattice, CRYSTAL)
                content = 1.0 if kind == "columns" else 1 / thickness
                guest_d.append(guest_distance(found.lattice, transfer, noise, content))
        truth += list(filled)
        probability += list(found.probability)
        evidence += list(found.evidence)
        state += list(found.state)
    y, p, e, s = (np.array(values) for values in (truth, probability, evidence, state))
    row: dict[str, Any] = {"kind": kind, "thickness": thickness, "dose": dose, "images": images - failed}
    for name, chosen in (("without", ~y), ("with", y)):
        if chosen.any():
            row[f"{name} a molecule"] = int(chosen.sum())
            row |= {f"{name}: {word}": float(np.mean(s[chosen] == word)) for word in ("filled", "empty")}
    if y.any() and not y.all():
        row["AUC"] = float(np.mean(e[~y][:, None] < e[y]) + 0.5 * np.mean(e[~y][:, None] == e[y]))
        row["ideal"] = float(norm.cdf(np.array(ideal) / np.sqrt(2)).mean())
        row["share"] = (row["AUC"] - 0.5) / (row["ideal"] - 0.5)
        row["d"] = float(np.mean(ideal))
        place = np.minimum((p * 10).astype(int), 9)
        row["calibration"] = float(
            sum(abs((p - y)[place == i].sum()) for i in range(10) if (place == i).any()) / len(p)
        )
        row["guest right"], row["guest said"] = float(np.mean(right)), float(np.mean(certain))
        row["guest d"] = float(np.mean(guest_d))
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}


def published_contrast(folder: Path, number: int, doses: tuple[int, ...]) -> list[float]:
    """Return what an ideal observer sees of the pyridine of a published structure, by dose."""
    film = guests_from_cell(zeolite(folder / f"{number}.cif"))
    cell = projected_cell(film)
    guest = cell.get_tags() == Tag.GUEST
    framework = Framework.from_atoms(cell[~guest], str(number))
    crystal = replace(CRYSTAL, framework=framework, atoms=cell)
    clean = published_image(folder / f"{number}_dose_1000000.tiff")
    lattice = find_lattice(Micrograph(clean), framework=framework)
    hk = crystal.indices(finest_spacing(lattice.sampling))
    templates = Templates.of([Molecule("pyridine", cell[guest])], finest_spacing(lattice.sampling))
    found = []
    for dose in doses:
        image = np.asarray(published_image(folder / f"{number}_dose_{dose}.tiff"), dtype=float)
        average = cell_image(cell_coefficients(image, lattice, hk)[0], hk, (134, 204))
        left = image - image.mean() - Registration.none(image.shape).drawn(average, lattice)
        # The average of 25 cells has taken its part of the noise with it.
        noise = Noise.of(left * np.sqrt(25 / 24), lattice.sampling)
        transfer = transfer_of(image, lattice, crystal)
        found.append(float(distance(templates.potential[0], templates, transfer, noise)))
    return found


def published(doses: tuple[int, ...]) -> None:
    """Measure published images: which half is filled is known from their structures."""
    folder = Path(os.environ["STEMFORGE_DATA_DIR"]) / "zsm5-idpc" / "pyridine"
    ideal = np.mean([published_contrast(folder, number, doses) for number in range(1, 6)], axis=0)
    for dose, contrast_known in zip(doses, ideal, strict=True):
        counts = np.zeros((2, 3), dtype=int)
        for number in range(1, 6):
            image = published_image(folder / f"{number}_dose_{dose}.tiff")
            found = measure_occupancy(Micrograph(image, name=str(number)), framework=CRYSTAL)
            middle = found.lattice.to_fractional(found.points)[:, 0] % 1
            classes = np.abs(middle - 0.5) < 0.25
            # Five by five cells shown from a corner: the filled class is the one of 25 whole channels.
            classes = classes if classes.sum() > (~classes).sum() else ~classes
            for row, chosen in enumerate((classes, ~classes)):
                counts[row] += [np.sum(found.state[chosen] == word) for word in ("filled", "empty", "open")]
        names = ("filled", "empty", "open")
        rows = zip(("with", "without"), counts, strict=True)
        line = {"dose": dose, "d": round(float(contrast_known), 2)}
        print(json.dumps(line | {n: dict(zip(names, c.tolist(), strict=True)) for n, c in rows}), flush=True)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("what", choices=("simulated", "published"))
    parser.add_argument("--thickness", default="1,2,4,8")
    parser.add_argument("--doses", default="500,1000,3000,10000")
    parser.add_argument("--kinds", default="empty,columns,single")
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--work", type=Path)
    args = parser.parse_args()
    if args.what == "published":
        published(tuple(int(float(value)) for value in args.doses.split(",")))
        return
    with tempfile.TemporaryDirectory() as temporary:
        for kind in args.kinds.split(","):
            for thickness in (int(value) for value in args.thickness.split(",")):
                for dose in (float(value) for value in args.doses.split(",")):
                    row = measured(kind, thickness, dose, args.images, args.work or Path(temporary))
                    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
