"""Molecules found where there are none, before and after the image as recorded is asked of their channels.

    python benchmarks/molecule_controls.py [--doses 1000,3000,10000] [--thickness 1,4] [--images 8] [--work FOLDER]

Featureless fields (20 each): `vacuum` is counting noise integrated as iDPC is; `amorphous` a film of carbon of
2 to 5 nm, by its projected potential; `contamination` the same with patches. Then films of `zsm5-columns`, a source of
0.9 Å: `empty` without molecules, `columns` with one in every cell along half of the channels. For each: `boxes` of the
detector that ships, on restored images, from a score of 0.5 on; `kept` those that `check_channels` leaves of its
candidates; for 50 channels of a film or a whole field; of the films' boxes, how many lie in filled channels.
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from occupancy_films import NEAR, SOURCE, Films
from scipy import ndimage
from scipy.spatial import cKDTree

from stemforge import Micrograph
from stemforge.infer import check_channels, detect_molecules
from stemforge.infer.occupancy.crystal import ChannelCrystal
from stemforge.simulate import Degradation, degrade, idpc_image
from stemforge.train import load_weights
from stemforge.train.weights import find_weights

FIELDS, SHAPE, SAMPLING = 20, (384, 384), 0.25
SCORE = 0.5  # from which boxes counted before they were calibrated
FRACTION = 0.15  # of the electrons that the four segments count


def field(kind: str, dose: float, number: int) -> Micrograph:
    """Draw a field without a lattice."""
    rng = np.random.default_rng([number, int(dose)])
    potential = np.zeros(SHAPE)
    if kind != "vacuum":
        atoms = rng.poisson(rng.uniform(0.11, 0.28) * 20 * SAMPLING**2, SHAPE).astype(float)  # 20 to 50 Å
        potential = ndimage.gaussian_filter(atoms, 0.5 / SAMPLING)
    if kind == "contamination":
        patches = ndimage.gaussian_filter(rng.normal(size=SHAPE), 12 / SAMPLING)
        potential *= 1 + 3 * np.clip(patches / patches.std(), 0, None)
    # Deflection in proportion to the potential's slope: ten times a single carbon atom's peak is 1 % of the electrons.
    slope_y, slope_x = (0.02 * FRACTION * np.asarray(one) for one in np.gradient(potential, SAMPLING))
    mean = np.full(SHAPE, FRACTION / 4)
    segments = np.stack([mean + slope_x, mean + slope_y, mean - slope_x, mean - slope_y]).clip(1e-4)
    counted = degrade(segments.astype("float32"), Degradation(dose=dose, source_size=SOURCE), SAMPLING, rng)
    return Micrograph(idpc_image(counted.image, SAMPLING, high_pass=0.02), SAMPLING, name=f"{kind} {number}")


class Finder:
    """The detector that ships, and the crystal that its boxes are held against."""

    def __init__(self) -> None:
        self.detector = load_weights(find_weights("faster-rcnn"))
        self.restorer = load_weights(find_weights("divaesr"))
        self.crystal = ChannelCrystal.named("mfi")

    def __call__(self, micrograph: Micrograph) -> tuple[Any, Any]:
        """Return boxes before and after."""
        found = detect_molecules(micrograph, *self.detector, restorer=self.restorer)
        candidates = found.candidates
        if candidates is None:
            raise RuntimeError("the detector gave no candidates")
        before = candidates.where(candidates["score"] >= SCORE)
        return before, check_channels(found, self.crystal, card=self.detector[1])


def featureless(finder: Finder, dose: float) -> None:
    """Fields without a lattice."""
    for kind in ("vacuum", "amorphous", "contamination"):
        both = [finder(field(kind, dose, number)) for number in range(FIELDS)]
        row = {
            "boxes": sum(len(before) for before, _ in both) / FIELDS,
            "kept": sum(len(after.detection.molecules) for _, after in both) / FIELDS,
            "fields with a lattice": sum(after.occupancy is not None for _, after in both),
        }
        print(json.dumps({"kind": kind, "dose": dose, **row}), flush=True)


def films(finder: Finder, kind: str, thickness: int, dose: float, images: int, work: Path) -> None:
    """Films of MFI."""
    corpus = Films(work).corpus(kind, thickness)
    channels = filled = 0
    counts = np.zeros((2, 2), dtype=int)  # before and after; in filled channels, elsewhere
    for number in range(images):
        sample = corpus[number % len(corpus)]
        rng = np.random.default_rng([number, int(dose), thickness, 5])
        settings = Degradation(dose=dose, source_size=SOURCE)
        image = idpc_image(degrade(sample.signal, settings, sample.sampling, rng).image, sample.sampling)
        before, after = finder(Micrograph(image, sample.sampling, name=f"{kind} {number}"))
        tree = cKDTree(sample.labels.points) if len(sample.labels) else None
        for row, boxes in enumerate((before, after.detection.molecules)):
            near = (
                tree.query(boxes.points.reshape(-1, 2))[0] * sample.sampling < NEAR
                if tree
                else np.zeros(len(boxes), bool)
            )
            counts[row] += int(near.sum()), int((~near).sum())
        if after.occupancy is not None:
            points = after.occupancy.points
            channels += len(points)
            filled += int((tree.query(points)[0] * sample.sampling < NEAR).sum()) if tree else 0
    empty = max(channels - filled, 1)
    row = {
        "channels": channels,
        "boxes for 50 empty channels": 50 * counts[0, 1] / empty,
        "kept for 50 empty channels": 50 * counts[1, 1] / empty,
    }
    if filled:
        row |= {
            "boxes for 50 filled": 50 * counts[0, 0] / filled,
            "kept for 50 filled": 50 * counts[1, 0] / filled,
        }
    values = {key: round(value, 2) for key, value in row.items()}
    print(json.dumps({"kind": kind, "thickness": thickness, "dose": dose, **values}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--doses", default="1000,3000,10000")
    parser.add_argument("--thickness", default="1,4")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--work", type=Path)
    given = parser.parse_args()
    with TemporaryDirectory() as temporary:
        work = given.work or Path(temporary)
        finder = Finder()
        for dose in map(float, given.doses.split(",")):
            featureless(finder, dose)
            for thickness in map(int, given.thickness.split(",")):
                for kind in ("empty", "columns"):
                    films(finder, kind, thickness, dose, given.images, work)
