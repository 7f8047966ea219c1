"""How well domains displaced by half a cell are found, and what that gives the framework's score.

    python benchmarks/domains.py [--doses 500,1500,6000] [--thickness 1,4] [--images 8] [--work FOLDER]

Films of MFI with pyridine in half of the channels, a source of 0.9 Å, turned at random, whose one part is displaced by
(a/2, c/2) behind a straight or a wavy boundary or within a circle, and films that end in material without a lattice; a
film of one domain is the control. `right` is the share of tiles of 5 Å, those on boundaries too, that are given the
domain that their middle shows. `F1` is the framework's on the image as recorded, each at its best threshold: with one
lattice for the whole image, with the domains found, and on the same film without domains.
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy import ndimage

from stemforge import Micrograph
from stemforge.evaluate import score_framework
from stemforge.infer import Framework, find_domains, find_lattice
from stemforge.simulate import Degradation, Microscope, Scan, degrade, idpc_image, segmented_signal
from stemforge.structures import mfi, place_guest

SAMPLING, SOURCE, SHAPE = 0.25, 0.9, (640, 640)
REPEAT = (2, 3)
TILE = 20  # pixels
KINDS = ("one", "straight", "wavy", "circle", "ending")


def cell_signal(thickness: int, work: Path) -> np.ndarray:
    """Segments of a periodic film, shape (4, rows, columns)."""
    path = work / f"film-{thickness}.npy"
    if not path.exists():
        rng = np.random.default_rng(thickness)
        film = mfi(repeat=REPEAT, thickness=thickness)
        film = place_guest(film, "pyridine", occupancy=0.5, columns=True, rng=rng)
        width, height = film.cell[0, 0], film.cell[1, 1]
        shape = round(height / SAMPLING), round(width / SAMPLING)
        raster = Scan.of_any_size(shape, width / shape[1])
        np.save(path, segmented_signal(film, Microscope(preset="low-dose-idpc"), raster, 0.0))
    return np.load(path)


def labels_of(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Domain of every pixel: 0, 1, or −1 where there is no lattice."""
    y, x = np.indices(SHAPE) - np.array(SHAPE)[:, None, None] / 2
    angle = rng.uniform(0, 2 * np.pi)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    if kind == "straight":
        return (along > rng.uniform(-100, 100)).astype(int)
    if kind == "wavy":
        return (along + 60 * np.sin(across / 70 + rng.uniform(0, 6)) > 0).astype(int)
    if kind == "circle":
        middle = rng.uniform(-120, 120, 2)
        return (np.hypot(x - middle[0], y - middle[1]) < rng.uniform(120, 180)).astype(int)
    if kind == "ending":
        return np.where(along > rng.uniform(60, 160), -1, 0)
    return np.zeros(SHAPE, dtype=int)


def image_of(signal: np.ndarray, labels: np.ndarray, dose: float, seed: list[int]) -> Micrograph:
    """Draw the film with its domains, turned, and record it."""
    rng = np.random.default_rng(seed)
    turn = rng.uniform(-np.pi / 4, 3 * np.pi / 4)
    cosine, sine = np.cos(turn), np.sin(turn)
    rows, columns = signal.shape[1:]
    cell = np.array([columns / REPEAT[0], rows / REPEAT[1]])  # pixels
    y, x = np.indices(SHAPE, dtype=float)
    origin = rng.uniform(0, 60, 2)
    points = np.stack([x.ravel(), y.ravel()], -1) - origin
    inside = points @ np.array([[cosine, -sine], [sine, cosine]])
    where = inside + np.where(labels.ravel()[:, None] == 1, 0.5, 0.0) * cell
    turned = np.array(
        [
            ndimage.map_coordinates(one, where.T[::-1], order=3, mode="grid-wrap").reshape(SHAPE)
            for one in signal
        ]
    )
    turned[:, labels < 0] = signal.mean((1, 2))[:, None]
    # The film is turned, not the detector: so are the deflections.
    right, down = turned[0] - turned[2], turned[1] - turned[3]
    right, down = cosine * right - sine * down, sine * right + cosine * down
    mean = turned.mean(0)
    segments = np.stack([mean + right / 2, mean + down / 2, mean - right / 2, mean - down / 2])
    counted = degrade(segments.astype("float32"), Degradation(dose=dose, source_size=SOURCE), SAMPLING, rng)
    return Micrograph(idpc_image(counted.image, SAMPLING), name="film")


def measured(signal: np.ndarray, kind: str, dose: float, images: int) -> dict[str, Any]:
    """Measure films of one kind."""
    framework = Framework.named("mfi")
    fractional = framework.columns().fractional
    right, found, scores = [], [], []
    for number in range(images):
        seed = [number, int(dose), KINDS.index(kind)]
        labels = labels_of(kind, np.random.default_rng(seed))
        image = image_of(signal, labels, dose, seed)
        lattice = find_lattice(image, framework=framework)
        domains = find_domains(image, lattice, framework=framework)
        tiles = (slice(TILE // 2, None, TILE),) * 2
        truth, given = labels[tiles], domains.map(SHAPE)[tiles]
        # Which domain is the first is open.
        right.append(max(np.mean(np.where(truth < 0, -1, abs(truth - first)) == given) for first in (0, 1)))
        found.append(len(domains.displacements) == 1 + (labels == 1).any())
        alone = image_of(signal, np.zeros_like(labels), dose, seed)
        one = find_lattice(alone, framework=framework)
        scores.append(
            [
                score_framework(image, lattice).score.f1,
                score_framework(image, lattice, columns=domains.sites(fractional, SHAPE)).score.f1,
                score_framework(
                    alone, one, columns=find_domains(alone, one).sites(fractional, SHAPE)
                ).score.f1,
            ]
        )
    f1 = np.mean(scores, 0)
    return {
        "images": images,
        "number of domains right": float(np.mean(found)),
        "right": float(np.mean(right)),
        "right, worst": float(np.min(right)),
        "F1, one lattice": float(f1[0]),
        "F1, domains": float(f1[1]),
        "F1, film of one domain": float(f1[2]),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--doses", default="500,1500,6000")
    parser.add_argument("--thickness", default="1,4")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--work", type=Path)
    given = parser.parse_args()
    with TemporaryDirectory() as temporary:
        work = given.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        for thickness in map(int, given.thickness.split(",")):
            signal = cell_signal(thickness, work)
            for dose in map(float, given.doses.split(",")):
                for kind in KINDS:
                    row = measured(signal, kind, dose, given.images)
                    row = {key: round(value, 3) for key, value in row.items()}
                    print(json.dumps({"thickness": thickness, "dose": dose, "kind": kind, **row}), flush=True)
