"""How well channels of a zeolite are told to be filled or empty, beside an ideal observer.

    python benchmarks/occupancy.py simulated [--thickness 1,2,4,8] [--doses 500,1000,3000,10000] [--images 24]
        [--kinds empty,columns,single] [--framework mfi|fau|cha|mor|bea|FILE.cif] [--guest NAME]... [--seed 1700]
        [--films 8] [--work FOLDER]
    STEMFORGE_DATA_DIR=... python benchmarks/occupancy.py published-structures [--thickness 1,2,4] [--doses ...]
        [--numbers 1,2,3,4,5] [--seed 1700] [--work FOLDER]
    STEMFORGE_DATA_DIR=... python benchmarks/occupancy.py published [--doses 500,1500,3000,6000,1e6]
        [--numbers 1,2,3,4,5]
    python benchmarks/occupancy.py varying [--vary focus,tilt,thickness] [--kinds ...] [--doses ...] [--films 8]
    STEMFORGE_DATA_DIR=... python benchmarks/occupancy.py real [--turns 0,1,2,3]

`simulated`: films of the recipe zsm5-columns, a source of 0.9 Å, aberrations, tilt and turn drawn. `empty` has no
molecule, `columns` one in every unit cell along a filled channel, `single` one in a filled channel. `filled` and
`empty` are shares of the channels that are called so; `open` is the rest. `AUC` is that of the evidence over all
channels, and `ideal` that of an observer who knows the framework's image, the molecule's pose and the noise; `share` is
that of AUC − ½. `d` is the ideal observer's contrast, mean over the filled channels; `any pose` is the AUC of an
observer who knows all but the pose. In `columns` and `single` half of the channels are filled; in `columns of any
share` and `single of any share` a share that is drawn, as the prior takes it. `calibration` is the mean difference
between probability and truth over ten bins, weighed by their channels, and `calibration by chance` what it would be of
so many channels with these probabilities if they were right and no channel had to do with another; the last row is of
all channels together. `guest right` is the share of filled channels whose more likely guest is the true one, `guest
said` the mean probability of the more likely guest, and `guest d` how far an observer who knows pose, framework and
noise tells pyridine from thiophene, in standard deviations.
`--films` different specimens serve all images; another `--seed` draws others.

`published-structures`: own films, 5 × 5 cells, of five structures of ZSM-5 with a pyridine in half of the channels, by
Yang et al. (2024), with aberrations and tilt drawn; one image of each structure for a thickness and a dose.

`published`: the images published with these structures, one cell thin, by dose; `d` is the contrast of the molecule for
an observer who knows it, over the noise that these images show, which was smoothed with them.

`varying`: films of 160 × 160 Å, four cells, whose image of the framework is not the same everywhere: the defocus
goes from −60 to 60 Å, the tilt from 0 to 6 mrad, or the thickness from 3 to 5 cells, from left to right. `spread` is
the variance of the contrast of channels among copies over that of noise, and that of places between channels.

`real`: two real images: what each of the cell's channels holds in the mean; in how many channels the image turned by
90°, 180° and 270° has the same answer, and Cohen's κ.
"""

import argparse
import itertools
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from occupancy_films import NEAR, SOURCE, VARYING, Films, StructureFilm, noiseless_image
from occupancy_observer import (
    area_in_any_pose,
    guest_distance,
    ideal_of,
    published_contrast,
    transfer_of,
)
from published import published_image
from scipy.spatial import cKDTree
from scipy.stats import norm

from stemforge import Micrograph, read_micrograph
from stemforge.corpus.reader import Sample
from stemforge.errors import InputError
from stemforge.infer import Occupancy, average_occupancy, measure_occupancy
from stemforge.infer.occupancy.crystal import GUESTS, ChannelCrystal
from stemforge.simulate import Degradation, degrade, idpc_image

FOLDER = Path(os.environ.get("STEMFORGE_DATA_DIR", ".")) / "zsm5-idpc"
STATES = ("filled", "empty", "open")


class Channels:
    """Channels of several images, and what is true of them."""

    def __init__(self) -> None:
        self.truth: list[bool] = []
        self.probability: list[float] = []
        self.evidence: list[float] = []
        self.state: list[str] = []
        self.ideal: list[float] = []
        self.ordered: list[float] = []
        self.right: list[bool] = []
        self.certain: list[float] = []
        self.guest_d: list[float] = []
        self.any_pose: list[float] = []

    def join(self, others: "Channels") -> None:
        """Count the channels of others, too, without what an observer would know of them."""
        for name in ("truth", "probability", "evidence", "state"):
            getattr(self, name).extend(getattr(others, name))

    def add(self, found: Occupancy, filled: np.ndarray) -> None:
        """Count the channels of an image."""
        self.truth += list(filled)
        self.probability += list(found.probability)
        self.evidence += list(found.evidence)
        self.state += list(found.state)
        if found.ordered is not None:
            self.ordered.append(found.ordered)

    def row(self) -> dict[str, Any]:
        """Return shares of all channels."""
        y, p, e, s = (np.array(v) for v in (self.truth, self.probability, self.evidence, self.state))
        row: dict[str, Any] = {}
        for name, chosen in (("without", ~y), ("with", y)):
            if chosen.any():
                row[f"{name} a molecule"] = int(chosen.sum())
                row |= {f"{name}: {word}": float(np.mean(s[chosen] == word)) for word in STATES[:2]}
        if y.any() and not y.all():
            row["AUC"] = float(np.mean(e[~y][:, None] < e[y]) + 0.5 * np.mean(e[~y][:, None] == e[y]))
        if self.ideal and "AUC" in row:
            row["ideal"] = float(norm.cdf(np.array(self.ideal) / np.sqrt(2)).mean())
            row["share"] = (row["AUC"] - 0.5) / (row["ideal"] - 0.5)
            row["d"] = float(np.mean(self.ideal))
        if self.any_pose and "AUC" in row:
            row["any pose"] = float(np.mean(self.any_pose))
            row["share, any pose"] = (row["AUC"] - 0.5) / (row["any pose"] - 0.5)
        row["calibration"] = calibration_error(p, y)
        rng = np.random.default_rng(0)
        row["calibration by chance"] = float(
            np.mean([calibration_error(p, rng.random(len(p)) < p) for _ in range(100)])
        )
        if self.ordered:
            row["ordered"] = float(np.mean(self.ordered))
        if self.right:
            row["guest right"], row["guest said"] = float(np.mean(self.right)), float(np.mean(self.certain))
        if self.guest_d:
            row["guest d"] = float(np.mean(self.guest_d))
        return {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}


def calibration_error(probability: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean difference between probability and share of the truth in tenths of probability."""
    place = np.minimum((probability * 10).astype(int), 9)
    off = np.bincount(place, probability - truth, minlength=10)
    return float(np.abs(off).sum() / max(len(probability), 1))


def simulated(
    films: Films, kind: str, thickness: int, dose: float, images: int
) -> tuple[dict[str, Any], Channels]:
    """Measure films of one kind at one dose."""
    crystal = ChannelCrystal.named(films.framework, films.guests)
    corpus = films.corpus(kind, thickness)
    # A share that is drawn moves all that is drawn after it: no film is the same without its molecules.
    bare = films.corpus(kind, thickness, without=True) if kind in ("columns", "single") else None
    channels, failed = Channels(), 0
    for number in range(images):
        sample = corpus[number % len(corpus)]
        rng = np.random.default_rng([number, int(dose), thickness, films.seed])
        settings = Degradation(dose=dose, source_size=0.9)
        image = idpc_image(degrade(sample.signal, settings, sample.sampling, rng).image, sample.sampling)
        try:
            found = measure_occupancy(Micrograph(image, name=f"{kind} {number}"), framework=crystal)
        except InputError as error:
            print(json.dumps({"refused": str(error)}), flush=True)
            failed += 1
            continue
        if not len(sample.labels):
            channels.add(found, np.zeros(len(found.points), dtype=bool))
            continue
        distance, which = cKDTree(sample.labels.points).query(found.points)
        filled = distance * sample.sampling < NEAR
        channels.add(found, filled)
        names = np.array(sample.metadata["molecules"], dtype=object)
        truth = names[sample.labels.columns["species"][which[filled]]]
        channels.right += list(found.guest[filled] == truth)
        channels.certain += list(found.guest_probability[filled])
        if bare is not None and number < len(corpus):
            points = sample.labels.points[which[filled]]
            content = 1.0 if kind.startswith("columns") else 1 / thickness
            against_ideal(channels, image, (sample, bare[number]), points, (crystal, found, content))
    return {"images": images - failed} | channels.row(), channels


def varying(films: Films, kind: str, what: str, dose: float) -> dict[str, Any]:
    """Measure films whose image of the framework varies from left to right."""
    crystal, channels, spread = ChannelCrystal.named(films.framework, films.guests), Channels(), []
    for number, (signal, sample) in enumerate(films.varying(kind, what)):
        rng = np.random.default_rng([number, int(dose), films.seed])
        recorded = degrade(signal, Degradation(dose=dose, source_size=SOURCE), sample.sampling, rng)
        found = measure_occupancy(Micrograph(idpc_image(recorded.image, sample.sampling)), framework=crystal)
        filled = np.zeros(len(found.points), dtype=bool)
        if len(sample.labels):
            filled = cKDTree(sample.labels.points).query(found.points)[0] * sample.sampling < NEAR
        channels.add(found, filled)
        spread.append([round(value, 2) for value in found.spread])
    return {"images": films.number} | channels.row() | {"spread": spread}


def against_ideal(
    channels: Channels,
    image: np.ndarray,
    samples: tuple[Sample, Sample],
    points: np.ndarray,
    asked: tuple[ChannelCrystal, Occupancy, float],
) -> None:
    """Count what an ideal observer sees of molecules on a film."""
    crystal, found, content = asked
    step = samples[0].sampling
    clean, empty = (noiseless_image(sample.signal, step) for sample in samples)
    ideal, noise, scale = ideal_of(image, clean, empty, points, step)
    channels.ideal += ideal
    transfer = transfer_of(scale * empty, found.lattice, crystal)
    channels.any_pose.append(area_in_any_pose(crystal, found.lattice, transfer, noise, content))
    if {guest.name for guest in crystal.guests} == set(GUESTS):
        channels.guest_d.append(guest_distance(crystal, found.lattice, transfer, noise, content))


def structures(numbers: Sequence[int], thickness: int, dose: float, seed: int, work: Path) -> dict[str, Any]:
    """Measure films of published structures."""
    crystal, channels = ChannelCrystal.named("mfi"), Channels()
    for number in numbers:
        film = StructureFilm.of(FOLDER / "pyridine" / f"{number}.cif", thickness, seed, work)
        rng = np.random.default_rng([number, int(dose), thickness, seed])
        micrograph = film.recorded(dose, rng)
        found = measure_occupancy(micrograph, framework=crystal)
        filled = film.filled(found)
        channels.add(found, filled)
        channels.right += list(found.guest[filled] == "pyridine")
        channels.certain += list(found.guest_probability[filled])
        clean, empty = (noiseless_image(one, film.step) for one in (film.signal, film.empty))
        image = np.asarray(micrograph.image, dtype=float)
        channels.ideal += ideal_of(image, clean, empty, found.points[filled], film.step)[0]
    return {"images": len(numbers)} | channels.row()


def published(doses: Sequence[int], numbers: Sequence[int]) -> None:
    """Measure published images: which half is filled is known from their structures."""
    folder = FOLDER / "pyridine"
    crystal = ChannelCrystal.named("mfi")
    ideal = np.mean([published_contrast(folder, number, tuple(doses)) for number in numbers], axis=0)
    for dose, contrast_known in zip(doses, ideal, strict=True):
        counts, ordered, right = np.zeros((2, 3), dtype=int), [], []
        for number in numbers:
            image = published_image(folder / f"{number}_dose_{dose}.tiff")
            found = measure_occupancy(Micrograph(image, name=str(number)), framework=crystal)
            middle = found.lattice.to_fractional(found.points)[:, 0] % 1
            classes = np.abs(middle - 0.5) < 0.25
            # Five by five cells shown from a corner: the filled class is the one of 25 whole channels.
            classes = classes if classes.sum() > (~classes).sum() else ~classes
            for row, chosen in enumerate((classes, ~classes)):
                counts[row] += [np.sum(found.state[chosen] == word) for word in STATES]
            ordered.append(found.ordered)
            right.append(float(np.mean(found.guest[classes] == "pyridine")))
        line = {"dose": dose, "d": round(float(contrast_known), 2), "ordered": ordered, "pyridine": right}
        for name, row in zip(("with", "without"), counts.tolist(), strict=True):
            line[name] = dict(zip(STATES, row, strict=True))
        print(json.dumps(line), flush=True)


def real(turned_by: Sequence[int]) -> None:
    """Measure two real images, each turned by so many right angles."""
    crystal = ChannelCrystal.named("mfi")
    for path in sorted((FOLDER / "real").glob("*.png")):
        image = np.asarray(read_micrograph(path).image)
        first, reference = None, None
        for turns in turned_by:
            turned = np.ascontiguousarray(np.rot90(image, turns))
            found = measure_occupancy(Micrograph(turned, name=path.stem), framework=crystal)
            row: dict[str, Any] = {"image": path.stem, "turned": 90 * turns}
            row |= {word: found.count(word) for word in STATES}
            row |= {"detectability": round(found.detectability, 2), "ordered": found.ordered}
            row |= {"alike": found.alike, "framework error": found.framework_error}
            row["spread"] = [round(value, 2) for value in found.spread]
            blocks = average_occupancy(found, crystal, 2)
            row["content by channel"] = [
                round(float(blocks.content[blocks.channel == i].mean()), 3) for i in (0, 1)
            ]
            points = found.points
            for number in range(turns, 0, -1):  # back again
                width = np.rot90(image, number - 1).shape[1]
                points = np.column_stack([width - 1 - points[:, 1], points[:, 0]])
            if first is None or reference is None:
                first, reference = found, cKDTree(points)
            else:
                distance, which = reference.query(points)
                same = distance * found.lattice.sampling < NEAR
                pair = first.state[which[same]], found.state[same]
                row |= {"channels": int(same.sum()), **agreement(*pair)}
            print(json.dumps(row), flush=True)


def agreement(one: np.ndarray, other: np.ndarray) -> dict[str, float | None]:
    """Return the share of equal answers, and Cohen's κ; None where all answers are one."""
    share = float(np.mean(one == other))
    chance = sum(float(np.mean(one == word) * np.mean(other == word)) for word in STATES)
    return {
        "same": round(share, 4),
        "kappa": None if chance == 1 else round((share - chance) / (1 - chance), 4),
    }


def cases(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield a row for each kind, thickness and dose."""
    guests = tuple(args.guest or GUESTS)
    with tempfile.TemporaryDirectory() as temporary:
        work = args.work or Path(temporary)
        films = Films(work, args.framework, guests, args.seed, min(args.films, args.images))
        kinds = ["structures"] if args.what == "published-structures" else args.kinds.split(",")
        every = Channels()
        if args.what == "varying":
            for kind, what, dose in itertools.product(kinds, args.vary.split(","), args.doses.split(",")):
                yield {"kind": kind, "varies": what, "dose": float(dose)} | varying(
                    films, kind, what, float(dose)
                )
            return
        for kind in kinds:
            for thickness in map(int, args.thickness.split(",")):
                if (
                    thickness == 1
                    and kind.startswith("single")
                    and kind.replace("single", "columns") in kinds
                ):
                    continue  # one molecule in one cell is a column: these films are the same
                for dose in map(float, args.doses.split(",")):
                    fixed = {"kind": kind, "framework": args.framework, "thickness": thickness, "dose": dose}
                    if kind == "structures":
                        yield fixed | structures(numbers(args), thickness, dose, args.seed, work)
                    else:
                        row, channels = simulated(films, kind, thickness, dose, args.images)
                        yield fixed | row
                        every.join(channels)
        if every.truth:
            yield {"kind": "all together"} | every.row()


def numbers(args: argparse.Namespace) -> list[int]:
    """Return which published structures are asked."""
    return [int(value) for value in args.numbers.split(",")]


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("what", choices=("simulated", "published-structures", "published", "varying", "real"))
    parser.add_argument("--thickness", help="1,2,4,8 by default; of published structures 1,2,4")
    parser.add_argument("--doses", help="500,1000,3000,10000 by default; of published images theirs")
    parser.add_argument("--kinds", default="empty,columns,single")
    parser.add_argument("--vary", default=",".join(VARYING))
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--films", type=int, default=8)
    parser.add_argument("--numbers", default="1,2,3,4,5")
    parser.add_argument("--turns", default="0,1,2,3")
    parser.add_argument("--framework", default="mfi")
    parser.add_argument("--guest", action="append")
    parser.add_argument("--seed", type=int, default=1700)
    parser.add_argument("--work", type=Path)
    args = parser.parse_args()
    args.thickness = args.thickness or ("1,2,4" if args.what == "published-structures" else "1,2,4,8")
    args.doses = args.doses or (
        "500,1500,3000,6000,1e6" if args.what == "published" else "500,1000,3000,10000"
    )
    if args.what == "published":
        published([int(float(value)) for value in args.doses.split(",")], numbers(args))
    elif args.what == "real":
        real([int(value) for value in args.turns.split(",")])
    else:
        for row in cases(args):
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
