"""How well a framework's lattice is told from others and from noise, on which images, and how long that takes.

    python benchmarks/lattice.py frameworks [--thickness 1,4] [--doses 500,3000] [--names mfi,fau,cha,mor,bea]
    python benchmarks/lattice.py halves [--images 4]
    python benchmarks/lattice.py noise [--images 200] [--first 0]
    python benchmarks/lattice.py small
    python benchmarks/lattice.py bent
    python benchmarks/lattice.py time --before OLD_LATTICE.py

`frameworks`: films of each framework (one tile, periodic, a source of 0.9 Å, turned at random, 80 × 80 Å) are asked
for each: the score of the lattice that fits best. `halves`: films of MFI whose one half is displaced, at 1000 and
3000 e/Å². `noise`: white noise and noise with the radial power spectrum of a film, 256 × 256: the highest score of the
five frameworks, and how many are accepted. `small`: films of few cells: how many are found, and how far the pixel size
is off. `bent`: films bent by waves. `time`: seconds of one core at 600 × 600 pixels, and of that FILE, the module as it
was before, in the same run.
"""

import argparse
import importlib.util
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.signal import resample

from stemforge import InputError, Micrograph
from stemforge.infer import Framework, find_domains, find_lattice
from stemforge.infer.crystals.lattice import THRESHOLD, _Image
from stemforge.simulate import Degradation, Microscope, Scan, degrade, idpc_image, segmented_signal
from stemforge.structures import zeolite
from stemforge.structures.zeolites.frameworks import FRAMEWORKS

SAMPLING, RASTER, SOURCE = 0.25, 0.4, 0.9
Bend = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def film_signal(name: str, thickness: int, work: Path) -> np.ndarray:
    """Segments of a periodic film of one tile, shape (4, rows, columns)."""
    path = work / f"{name}-{thickness}.npy"
    if not path.exists():
        film = zeolite(name, thickness=thickness)
        width, height = film.cell[0, 0], film.cell[1, 1]
        raster = Scan.of_any_size(
            (round(height / RASTER), round(width / RASTER)), width / round(width / RASTER)
        )
        signal = segmented_signal(film, Microscope(preset="low-dose-idpc"), raster, 0.0)
        # Nothing that the probe shows is finer than twice the raster.
        for axis, length in ((1, height), (2, width)):
            signal = resample(signal, round(length / SAMPLING), axis=axis)
        np.save(path, signal)
    return np.asarray(np.load(path))


def image_of(
    signal: np.ndarray,
    dose: float,
    seed: int,
    side: int,
    *,
    displacement: tuple[float, float] | None = None,
    bend: Bend | None = None,
) -> Micrograph:
    """Tile a film over an image, turned; its right half displaced by shares of the tile, or bent [pixel]."""
    rng = np.random.default_rng(seed)
    turn = rng.uniform(-np.pi / 4, 3 * np.pi / 4)
    cosine, sine = np.cos(turn), np.sin(turn)
    y, x = np.indices((side, side), dtype=float)
    right = (x >= side // 2).ravel()[:, None]
    if bend is not None:
        dx, dy = bend(x / side, y / side)
        x, y = x + dx, y + dy
    points = np.stack([x.ravel(), y.ravel()], -1) - rng.uniform(0, 60, 2)
    where = points @ np.array([[cosine, -sine], [sine, cosine]])
    if displacement is not None:
        where = where + np.where(right, np.array(displacement) * signal.shape[:0:-1], 0.0)
    turned = np.array(
        [
            ndimage.map_coordinates(one, where.T[::-1], order=3, mode="grid-wrap").reshape(side, side)
            for one in signal
        ]
    )
    # The film is turned, not the detector: so are the deflections.
    right, down = turned[0] - turned[2], turned[1] - turned[3]
    right, down = cosine * right - sine * down, sine * right + cosine * down
    mean = turned.mean(0)
    segments = np.stack([mean + right / 2, mean + down / 2, mean - right / 2, mean - down / 2])
    counted = degrade(segments.astype("float32"), Degradation(dose=dose, source_size=SOURCE), SAMPLING, rng)
    return Micrograph(idpc_image(counted.image, SAMPLING), name="film")


def texture(seed: int, side: int, work: Path) -> Micrograph:
    """White noise, and for odd seeds noise with the radial power spectrum of a film at 3000 e/Å²."""
    noise = np.random.default_rng(seed).normal(size=(side, side))
    if seed % 2:
        film = image_of(film_signal("mfi", 1, work), 3000, seed, side).image
        frequency = np.fft.fftfreq(side)
        ring = np.rint(np.hypot(frequency[:, None], frequency) * side).astype(int)
        power = np.bincount(ring.ravel(), (np.abs(np.fft.fft2(film - film.mean())) ** 2).ravel())
        power /= np.bincount(ring.ravel())
        noise = np.fft.ifft2(np.fft.fft2(noise) * np.sqrt(power[ring])).real
    return Micrograph(noise.astype("float32"), name="noise")


def frameworks(args: argparse.Namespace) -> None:
    """Ask films of each framework for each."""
    known = {name: Framework.named(name) for name in FRAMEWORKS}
    for name in args.names.split(","):
        for thickness in map(int, args.thickness.split(",")):
            for dose in map(float, args.doses.split(",")):
                film = image_of(film_signal(name, thickness, args.work), dose, 0, 320)
                image = _Image.of(film)
                row: dict[str, Any] = {"shown": name, "cells": thickness, "dose": dose}
                for wanted, framework in known.items():
                    best = image.lattice(framework, 0.1)
                    row[wanted] = None if best is None else round(best.score, 2)
                print(json.dumps(row), flush=True)


def halves(args: argparse.Namespace) -> None:
    """Displace one half of a film."""
    signal = film_signal("mfi", 1, args.work)
    for displacement in ((0.0, 0.5), (0.5, 0.0), (0.5, 0.5), (0.25, 0.3)):
        for number in range(args.images):
            dose = (1000, 3000)[number % 2]
            film = image_of(signal, dose, number, 400, displacement=displacement)
            row: dict[str, Any] = {"displacement": displacement, "dose": dose}
            try:
                domains = find_domains(film, find_lattice(film))
            except InputError as error:
                row["refused"] = str(error)
            else:
                row["score"] = round(domains.lattice.score, 3)
                row["shares"] = domains.shares.round(2).tolist()
                row["found"] = domains.displacements.round(3).tolist()
            print(json.dumps(row), flush=True)


def noise(args: argparse.Namespace) -> None:
    """Ask noise for every framework."""
    known = {name: Framework.named(name) for name in FRAMEWORKS}
    scores = []
    for seed in range(args.first, args.first + args.images):
        image = _Image.of(texture(seed, 256, args.work))
        found = [image.lattice(framework, 0.1) for framework in known.values()]
        scores.append(max((lattice.score for lattice in found if lattice is not None), default=0.0))
    accepted = int(np.sum(np.array(scores) >= THRESHOLD))
    print(json.dumps({"images": len(scores), "highest": round(max(scores), 3), "accepted": accepted}))


def small(args: argparse.Namespace) -> None:
    """Show few cells."""
    for name in args.names.split(","):
        signal = film_signal(name, 4, args.work)
        longest = max(Framework.named(name).cell) / SAMPLING
        for cells in (1.5, 2.0, 2.5, 3.0, 4.0):
            found, off, words = 0, [], ""
            for number in range(args.images):
                film = image_of(signal, 3000, number, max(48, round(cells * longest)))
                try:
                    lattice = find_lattice(film, framework=name)
                except InputError as error:
                    words = str(error)
                else:
                    found += 1
                    off.append(abs(lattice.sampling / SAMPLING - 1))
            row = {"shown": name, "cells along the longer axis": cells, "images": args.images, "found": found}
            worst = round(float(max(off)), 4) if off else None
            print(json.dumps(row | {"pixel size off": worst, "refused": words}), flush=True)


def bent(args: argparse.Namespace) -> None:
    """Bend a film by waves along both axes."""
    signal = film_signal("mfi", 1, args.work)
    for height in (0.5, 1.0, 2.0, 4.0):

        def wave(x: np.ndarray, y: np.ndarray, height: float = height) -> tuple[np.ndarray, np.ndarray]:
            pixels = height / SAMPLING
            return pixels * np.sin(1.5 * np.pi * y), pixels * np.cos(np.pi * x)

        film = image_of(signal, 1500, 3, 480, bend=wave)
        row: dict[str, Any] = {"bent by [Å]": height, "image [Å]": 480 * SAMPLING}
        try:
            domains = find_domains(film, find_lattice(film))
        except InputError as error:
            row["refused"] = str(error)
        else:
            row["score"] = round(domains.lattice.score, 3)
            row |= domains.to_dict()
        print(json.dumps(row), flush=True)


def times(args: argparse.Namespace) -> None:
    """Time the search as it is and as it was."""
    spec = importlib.util.spec_from_file_location("lattice_before", args.before)
    assert spec is not None, args.before
    assert spec.loader is not None, args.before
    before = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(before)
    signal = film_signal("mfi", 1, args.work)
    images = {
        "film": image_of(signal, 3000, 1, 600),
        "halves displaced by (0, 0.5)": image_of(signal, 3000, 1, 600, displacement=(0, 0.5)),
        "noise": texture(0, 600, args.work),
    }
    mfi = Framework.named("mfi")
    for name, image in images.items():
        row: dict[str, Any] = {"image": name}
        for when, search in (("before", before.find_lattice), ("now", find_lattice)):
            start = time.process_time()
            try:
                lattice = search(image, framework=mfi)
                result = f"{lattice.sampling:.5f} Å, {lattice.rotation:.2f}°, score {lattice.score:.3f}"
            except InputError:
                result = "refused"
            row |= {f"{when} [s]": round(time.process_time() - start, 2), f"{when}": result}
        row["ratio"] = round(row["before [s]"] / row["now [s]"], 1)
        print(json.dumps(row, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    kinds = {
        "frameworks": frameworks,
        "halves": halves,
        "noise": noise,
        "small": small,
        "bent": bent,
        "time": times,
    }
    parser.add_argument("what", choices=kinds)
    parser.add_argument("--thickness", default="1,4")
    parser.add_argument("--doses", default="500,3000")
    parser.add_argument("--names", default="mfi,fau,cha,mor,bea")
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--work", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        given.work = given.work or Path(temporary)
        given.work.mkdir(parents=True, exist_ok=True)
        kinds[given.what](given)
