"""How well depths of atoms are known from focal series whose truth is known, beside the Cramér–Rao bound.

    python benchmarks/focal_series.py depths [--doses 1e4 3e4 1e5] [--series 3] [--foci 11] [--source-size 1.0] [--flat]
    python benchmarks/focal_series.py controls [--series 3] [--dose 3e4]
    python benchmarks/focal_series.py multislice [--doses 1e4 3e4 1e5]
    python benchmarks/focal_series.py draw [--out focal-depths.png] [--dose 3e4] [--seed 1]

Films of carbon, 50 Å thick, with Pt atoms about 11 Å from each other at random depths in them (`kernels`, 60 kV, 32
mrad, 90–185 mrad, source 1 Å), 256 × 256 pixels of 0.25 Å, foci from 75 Å above the film's entrance to 75 Å below its
exit, drift of 0.5 Å a frame at random. Doses are those of one frame [e/Å²]. `depths`: rms errors of depth over the
Cramér–Rao bound, which is made from numerical derivatives of the simulated image of one atom, with counting noise on a
flat film (amplitude, place and the background of each frame not known). The film's texture and the drift are not in
that bound; `texture_bound` has the texture, as Gaussian noise whose power, of frame against frame at each spatial
frequency, is that of noiseless films without atoms, of other seeds. `holds` is the share of stated 95 % intervals with
the true depth in them, `pull` the standard deviation of errors over stated ones. Without --source-size the source is
fitted. `controls`: the same frames in shuffled orders, films without atoms, and noise alone: how many are refused, and
what is said of the others. `multislice`: a Pt atom at two depths of a thin film, imaged by abTEM's multislice with
frozen phonons, independently of the images that are fitted. `draw`: the sheet of one series of `depths`, the source
fitted.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse.linalg import LinearOperator, cg
from scipy.spatial import cKDTree

from stemforge.errors import InputError
from stemforge.evaluate import Depths, FocalOptics, FocalSeries, measure_depths
from stemforge.files import write_figure
from stemforge.simulate import Degradation, SimulationRecipe, degrade
from stemforge.simulate.detectors import Rings
from stemforge.simulate.engines.kernels import Kernels
from stemforge.simulate.engines.prism import Prism
from stemforge.simulate.microscope import FWHM, Microscope
from stemforge.simulate.scan import Scan

SIDE, SAMPLING, SPACING, THICKNESS, SOURCE, MARGIN = 256, 0.25, 11.0, 50.0, 1.0, 16
FOCI = (-75.0, 125.0)
PATCH = 61  # pixels of the image of one atom for the bounds

Images = NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """A series without noise, and what is in it: foci, places (x, y) and depths [Å], microscope."""

    frames: Images
    foci: NDArray[np.float64]
    places: NDArray[np.float64]
    depths: NDArray[np.float64]
    microscope: Microscope


def simulate(
    seed: int,
    foci: NDArray[np.float64],
    platinum: bool = True,
    drift: float = 0.5,
    astigmatism: float = 0.0,
    level: float | None = None,
) -> Truth:
    """Simulate a film with atoms on a grid, or the atoms on a flat level, and let it drift from frame to frame."""
    overrides = {
        "scan.shape": [SIDE + 2 * MARGIN] * 2, "scan.sampling": SAMPLING, "support.mean_thickness": THICKNESS,
        "support.vacuum_fraction": 0, "single_atoms": [], "microscope.A1": astigmatism,
        "microscope.A1_angle": 0, "seed": seed,
    }  # fmt: skip
    drawn, film = SimulationRecipe.load("quickstart", overrides).build(0)
    rng = np.random.default_rng(seed)
    low, high = np.percentile(film.positions[:, 2], [1, 99])
    grid = np.arange(8, SIDE * SAMPLING - 6, SPACING)
    places = np.array([[x, y] for x in grid for y in grid]) + rng.uniform(-1, 1, (len(grid) ** 2, 2))
    depths = rng.uniform(low, high, len(places))
    film = film if level is None else film[:0]
    if platinum:
        origin = np.array(drawn.scan.origin((film.cell[0, 0], film.cell[1, 1]))) + MARGIN * SAMPLING
        film = film + Atoms(f"Pt{len(places)}", positions=np.column_stack([places + origin, depths]))
    moved = np.cumsum(rng.normal(0, drift, (len(foci), 2)), 0)
    moved -= moved.mean(0)
    frames = []
    for focus, shift in zip(foci, moved, strict=True):
        image = drawn.engine.image(film, drawn.microscope, drawn.scan, float(focus))[0]
        image = image.astype(float) + (level or 0.0)
        image = ndimage.shift(image, shift[::-1] / SAMPLING, order=5, mode="nearest")
        frames.append(image[MARGIN:-MARGIN, MARGIN:-MARGIN])
    return Truth(np.array(frames), foci, places, depths, drawn.microscope)


def recorded(
    frames: Images, dose: float, rng: np.random.Generator, source: float = SOURCE
) -> NDArray[np.float32]:
    """Record every frame with counting noise."""
    settings = Degradation(dose=dose, source_size=source)
    return np.array(
        [degrade(one[None].astype(np.float32), settings, SAMPLING, rng).image[0] for one in frames]
    )


def images_of_atom(microscope: Microscope, foci: NDArray[np.float64], x: float, z: float) -> Images:
    """Return the images of one Pt atom at a depth [Å] and a displacement along x [Å], blurred by the source."""
    side = PATCH * SAMPLING
    atom = Atoms("Pt", positions=[[side / 2 + x, side / 2, z]], cell=[side, side, 1.0])
    scan = Scan.of_any_size((PATCH, PATCH), SAMPLING)
    engine = Kernels(broadening=False)
    images = np.array([engine.image(atom, microscope, scan, float(focus))[0] for focus in foci], dtype=float)
    sigma = SOURCE / FWHM / SAMPLING
    return ndimage.gaussian_filter(images, (0, sigma, sigma), mode="wrap")


def derivatives(microscope: Microscope, foci: NDArray[np.float64], z: float) -> tuple[Images, Images]:
    """Return the images of an atom, and their numerical derivatives by x, y and z."""
    made = images_of_atom(microscope, foci, 0.0, z)
    by_x = (images_of_atom(microscope, foci, 0.05, z) - images_of_atom(microscope, foci, -0.05, z)) / 0.1
    by_z = (images_of_atom(microscope, foci, 0.0, z + 2) - images_of_atom(microscope, foci, 0.0, z - 2)) / 4
    return made, np.stack([by_x, by_x.swapaxes(1, 2), by_z])


def texture_power(foci: NDArray[np.float64], seed: int, films: int = 4) -> NDArray[np.float64]:
    """Return the power of the film's texture, frame against frame, at the frequencies of the image of one atom.

    In images of one atom by one pixel: shape (PATCH, PATCH, frames, frames), the mean over films without atoms and over
    rings of spatial frequency, of images blurred by the source.
    """
    sigma, window = SOURCE / FWHM / SAMPLING, np.outer(np.hanning(SIDE), np.hanning(SIDE))
    ring = np.rint(np.hypot(*np.meshgrid(*[np.fft.fftfreq(SIDE, 1 / SIDE)] * 2))).astype(int)
    count, power = np.bincount(ring.ravel()), 0.0
    for film in range(films):
        frames = simulate(seed + 1000 + film, foci, platinum=False, drift=0.0).frames
        blurred = ndimage.gaussian_filter(frames, (0, sigma, sigma))
        waves = np.fft.fft2((blurred - blurred.mean((1, 2), keepdims=True)) * window)
        of_pairs = [[np.bincount(ring.ravel(), (a * b.conj()).real.ravel()) for a in waves] for b in waves]
        power = power + np.array(of_pairs) / count / (window**2).sum() / films
    wanted = np.hypot(*np.meshgrid(*[np.fft.fftfreq(PATCH)] * 2)) * SIDE
    return np.array(
        [[np.interp(wanted, np.arange(len(count)), one) for one in row] for row in power]
    ).transpose(2, 3, 0, 1)


def depth_bound(
    microscope: Microscope,
    foci: NDArray[np.float64],
    z: float,
    level: float,
    dose: float,
    power: NDArray[np.float64] | None = None,
) -> float:
    """Return the least standard deviation of a depth with counting noise, on a flat film or on a texture [Å].

    `power` is that of the texture (:func:`texture_power`), which is Gaussian noise to the bound.
    """
    made, slopes = derivatives(microscope, foci, z)
    electrons = dose * SAMPLING**2
    flat = [np.zeros_like(made) for _ in foci]
    for number, one in enumerate(flat):
        one[number] = 1
    columns = electrons * np.array([made, *slopes, *flat]).reshape(4 + len(foci), -1)
    expected = electrons * (made + level).ravel()
    weighted = columns / expected
    if power is not None:
        weighted = whitened(columns, expected, electrons**2 * power)
    return float(np.sqrt(np.linalg.inv(weighted @ columns.T)[3, 3]))


def whitened(columns: Images, counting: NDArray[np.float64], power: NDArray[np.float64]) -> Images:
    """Multiply by the inverse of the covariance: counting noise of every pixel plus texture of some power.

    By conjugate gradients, with the noise of the mean pixel for a preconditioner.
    """
    shape = (len(power[0, 0]), PATCH, PATCH)

    def filtered(matrices: NDArray[np.float64], image: NDArray[np.float64]) -> NDArray[np.float64]:
        waves = np.fft.fft2(image.reshape(shape)).transpose(1, 2, 0)[..., None]
        return np.asarray(np.fft.ifft2((matrices @ waves)[..., 0].transpose(2, 0, 1)).real.ravel())

    size = columns.shape[1]
    inverse = np.linalg.inv(power + np.median(counting) * np.eye(shape[0]))
    covariance = LinearOperator((size, size), lambda image: counting * image.ravel() + filtered(power, image))
    roughly = LinearOperator((size, size), lambda image: filtered(inverse, image))
    solved = [cg(covariance, one, rtol=1e-6, M=roughly) for one in columns]
    if any(failed for _, failed in solved):
        raise RuntimeError("the bound on a texture was not found")
    return np.array([one for one, _ in solved])


def root_mean_square(depths: NDArray[np.float64], nodes: NDArray[np.float64], bounds: list[float]) -> float:
    """Return the root mean square of bounds that are known at some depths, over the depths of atoms [Å]."""
    return float(np.sqrt((np.interp(depths, nodes, bounds) ** 2).mean()))


def compare(found: Depths, truth: Truth) -> dict[str, NDArray[np.float64]]:
    """Return error, stated error, whether the interval holds, and true depth, of atoms with a depth."""
    distance, atom = cKDTree(truth.places).query(found.points * SAMPLING)
    chosen = found.known & (distance < 1.5)
    depth = truth.depths[atom[chosen]]
    ends = np.array([one.profile.interval for one in found.atoms])[chosen]
    return {
        "error": found.depths[chosen] - depth,
        "stated": found.errors[chosen],
        "holds": ((ends[:, 0] <= depth) & (depth <= ends[:, 1])).astype(float),
        "depth": depth,
    }


def measured_depths(
    doses: list[float],
    series: int,
    frames: int,
    source: float | None,
    astigmatism: float,
    flat: bool,
    seed: int,
) -> Iterator[dict[str, Any]]:
    """Measure series at several doses; yields a row for each."""
    foci = np.linspace(*FOCI, frames)
    level = float(simulate(seed, foci, platinum=False, drift=0.0).frames.mean())
    truths = [
        simulate(seed + number, foci, astigmatism=astigmatism, level=level if flat else None)
        for number in range(series)
    ]
    microscope = truths[0].microscope.replace(A1=0.0)
    power = np.zeros([PATCH, PATCH, frames, frames]) if flat else texture_power(foci, seed)
    for dose in doses:
        results, states, sources = [], [], []
        for number, truth in enumerate(truths):
            images = recorded(truth.frames, dose, np.random.default_rng([seed + number, int(dose)]))
            found = measure_depths(FocalSeries(images, foci, SAMPLING), FocalOptics("Pt", microscope, source))
            results.append(compare(found, truth))
            states += list(found.states)
            sources.append(found.source_size)
        one = {name: np.concatenate([result[name] for result in results]) for name in results[0]}
        nodes = np.linspace(one["depth"].min(), one["depth"].max(), 5)
        bounds = [depth_bound(microscope, foci, z, level, dose) for z in nodes]
        textured = [depth_bound(microscope, foci, z, level, dose, power) for z in nodes]
        bound, texture = (root_mean_square(one["depth"], nodes, some) for some in (bounds, textured))
        rms = float(np.sqrt((one["error"] ** 2).mean()))
        row = {
            "dose": dose, "foci": frames, "atoms": len(one["error"]), "of": sum(len(t.depths) for t in truths),
            "states": {state: states.count(state) for state in sorted(set(states))},
            "source": np.round(sources, 2).tolist(),
            "rms": rms, "bias": float(one["error"].mean()), "stated": float(np.sqrt((one["stated"] ** 2).mean())),
            "pull": float((one["error"] / one["stated"]).std()), "holds": float(one["holds"].mean()),
        }  # fmt: skip
        row |= {"bound": bound, "over_bound": rms / bound}
        row |= {"texture_bound": texture, "over_texture_bound": rms / texture}
        yield {key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()}


def controls(series: int, dose: float, seed: int) -> dict[str, Any]:
    """Give frames that must have no depth."""
    foci = np.linspace(*FOCI, 11)
    messages: dict[str, list[str]] = {"shuffled": [], "without atoms": [], "noise": [], "as they are": []}
    for number in range(series):
        rng = np.random.default_rng([seed, number])
        truth, empty = simulate(seed + number, foci), simulate(seed + number, foci, platinum=False)
        order = rng.permutation(len(foci))
        kinds = {
            "as they are": recorded(truth.frames, dose, rng), "shuffled": recorded(truth.frames[order], dose, rng),
            "without atoms": recorded(empty.frames, dose, rng),
            "noise": recorded(np.full_like(truth.frames, truth.frames.mean()), dose, rng),
        }  # fmt: skip
        for kind, images in kinds.items():
            try:
                found = measure_depths(
                    FocalSeries(images, foci, SAMPLING), FocalOptics("Pt", truth.microscope)
                )
            except InputError as error:
                messages[kind].append(str(error)[:90])
            else:
                messages[kind].append(
                    f"{len(found)} atoms, {int(found.known.sum())} depths, order {found.order_chance:.3f}"
                )
    return messages


def multislice(doses: list[float], seed: int) -> dict[str, Any]:
    """Image a Pt atom at two depths of a thin film by abTEM, and measure it.

    By the scattering matrix without interpolation, which is multislice on a periodic cell. The cell is repeated, so
    that one simulation gives nine atoms with counting noise of their own and one texture.
    """
    side, foci = 14.0, np.linspace(-70, 90, 7)
    rng = np.random.default_rng(seed)
    microscope = Microscope(detectors=Rings(rings={"HAADF": (90.0, 185.0)}))
    points = round(side / SAMPLING)
    scan = Scan.of_any_size((points, points), SAMPLING)
    results = {}
    for depth in (5.0, 27.0):
        carbon = rng.uniform([0, 0, 8], [side, side, 24], (round(0.09 * side**2 * 16), 3))
        places = np.vstack([carbon, [[7.2, 6.9, depth]]])
        atoms = Atoms(f"C{len(carbon)}Pt", positions=places, cell=[side, side, 32.0])
        engine = Prism(frozen_phonons=2, slice_thickness=2.0)
        frames = np.array([
            engine.image(atoms, microscope, scan, float(focus), np.random.default_rng(seed))[0] for focus in foci
        ])  # fmt: skip
        frames = np.tile(frames, (1, 3, 3))
        for dose in doses:
            errors, stated = [], []
            for number in range(3):
                images = recorded(frames, dose, np.random.default_rng([seed, number]))
                found = measure_depths(FocalSeries(images, foci, SAMPLING), FocalOptics("Pt", microscope))
                errors += (found.depths[found.known] - depth).tolist()
                stated += found.errors[found.known].tolist()
            results[f"{depth:g} Å, {dose:g} e/Å²"] = {
                "number": len(errors), "mean_error": round(float(np.mean(errors)), 2),
                "spread": round(float(np.std(errors)), 2), "stated": round(float(np.mean(stated)), 2),
            }  # fmt: skip
    return results


def draw(path: Path, frames: int, dose: float, seed: int) -> list[str]:
    """Draw the sheet of one series; returns what was found, in words."""
    truth = simulate(seed, np.linspace(*FOCI, frames))
    images = recorded(truth.frames, dose, np.random.default_rng([seed, int(dose)]))
    series = FocalSeries(images, truth.foci, SAMPLING, "film")
    found = measure_depths(series, FocalOptics("Pt", truth.microscope))
    write_figure(found.figure(), path)
    return found.lines()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["depths", "controls", "multislice", "draw"])
    parser.add_argument("--doses", type=float, nargs="*", default=[1e4, 3e4, 1e5])
    parser.add_argument("--flat", action="store_true", help="atoms on a flat background, not on a film")
    parser.add_argument("--series", type=int, default=3)
    parser.add_argument("--foci", type=int, default=11)
    parser.add_argument("--source-size", type=float)
    parser.add_argument(
        "--astigmatism", type=float, default=0.0, help="of the images, not known to the fit [Å]"
    )
    parser.add_argument("--dose", type=float, default=3e4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("focal-depths.png"), help="picture of `draw`")
    given = parser.parse_args()
    if given.what == "depths":
        settings = (given.foci, given.source_size, given.astigmatism, given.flat, given.seed)
        for row in measured_depths(given.doses, given.series, *settings):
            print(json.dumps(row), flush=True)
    elif given.what == "controls":
        print(json.dumps(controls(given.series, given.dose, given.seed), indent=2))
    elif given.what == "draw":
        print("\n".join(draw(given.out, given.foci, given.dose, given.seed)))
    else:
        print(json.dumps(multislice(given.doses, given.seed), indent=2))
