"""iDPC against abTEM and against published images of ZSM-5 with pyridine (Yang et al. 2024).

    STEMFORGE_DATA_DIR=... python benchmarks/idpc.py [--out idpc.json] [--figure noise.png] [--no-reference]

1. The planned image of one unit cell against plain abTEM multislice (0.1 Å sampling, 1 Å slices, probes 0.33 Å
   apart): time and deviation.
2. Our noise-free images of five published structures against the authors' at 10⁶ e/Å²: periodic shift and scale
   fitted; as they are, blurred as the published ones are, and mirrored (control); and the blur that fits best.
3. Noise: correlation of noisy with noise-free images at the published doses, and noise power spectra. Ours as they are,
   and blurred after the noise was added.
"""

import argparse
import json
import os
import time
from pathlib import Path

import abtem
import numpy as np
from published import BLUR, published_image
from scipy import ndimage, optimize

from stemforge.simulate import (
    Auto,
    Degradation,
    Microscope,
    Scan,
    degrade,
    idpc_image,
    segmented_signal,
)
from stemforge.simulate.planning.deviation import Piece
from stemforge.structures import zeolite

DOSES = (500, 1000, 1500, 3000, 4500, 6000)
MICROSCOPE = Microscope(preset="low-dose-idpc")
FOCUS = 0.0


def raster(atoms, shape: tuple[int, int]) -> Scan:
    """Cover the structure's cell with so many pixels; they are square to 0.3 %."""
    width = float(atoms.cell[0, 0])
    return Scan.of_any_size(shape, width / shape[1])


def planned_against_plain(atoms) -> dict:
    """Time and deviation of one unit cell's image."""
    step = MICROSCOPE.nyquist_sampling
    shape = (int(atoms.cell[1, 1] / step), int(atoms.cell[0, 0] / step))
    scan = raster(atoms, shape)
    atoms = atoms.copy()
    atoms.set_array("thermal_sigma", np.zeros(len(atoms)))  # as plain abTEM: still atoms
    engine, tried = Piece.of_crystal(atoms, MICROSCOPE, FOCUS).cheapest(Auto(max_error=0.01))
    start = time.perf_counter()
    fast = engine.image(atoms, MICROSCOPE, scan, FOCUS)
    fast_s = time.perf_counter() - start
    start = time.perf_counter()
    with abtem.config.set({"diagnostics.progress_bar": False}):
        potential = abtem.Potential(atoms, sampling=0.1, slice_thickness=1.0).build(lazy=False)
        probe = MICROSCOPE.probe(FOCUS)
        probe.grid.match(potential)
        first = scan.positions((atoms.cell[0, 0], atoms.cell[1, 1]))[0, 0]
        places = abtem.GridScan(
            tuple(first), tuple(first + scan.field_of_view), gpts=shape[::-1], endpoint=False
        )
        detector = abtem.SegmentedDetector(1, 4, inner=4, outer=22, rotation=-np.pi / 4)
        slow = probe.scan(potential, scan=places, detectors=detector, lazy=False).array
    slow_s = time.perf_counter() - start
    slow = np.moveaxis(np.asarray(slow)[:, :, 0], (2, 1), (0, 1))
    a, b = (idpc_image(s, scan.sampling, periodic=True) for s in (fast, slow))
    return {
        "plan": {**engine.model_dump(include={"sampling", "slice_thickness"}), "error": tried[-1].error},
        "seconds": {"planned": fast_s, "plain": slow_s},
        "speed_ratio": slow_s / fast_s,
        "nrmse": float(np.sqrt(((a - b) ** 2).mean()) / np.std(b)),
    }


def best_correlation(image, published) -> tuple[float, np.ndarray]:
    """Highest correlation over periodic shifts, and the image so placed."""
    centred = image - image.mean()
    spectrum = np.fft.fft2(published - published.mean())
    product = np.fft.ifft2(spectrum * np.conj(np.fft.fft2(centred))).real
    shift = np.unravel_index(product.argmax(), product.shape)
    value = product.max() / (published.size * published.std() * centred.std())
    return float(value), np.roll(centred, shift, (0, 1))


def blurred(image, sampling: float, sigma: float = BLUR) -> np.ndarray:
    """Blur a periodic image by a Gaussian of a standard deviation [Å]."""
    return ndimage.gaussian_filter(image, sigma / sampling, mode="wrap")


def simulated(atoms, shape: tuple[int, int]) -> tuple[np.ndarray, Scan]:
    """Return the noise-free segments of five by five unit cells, and their raster."""
    height, width = shape
    film = atoms.repeat((5, 5, 1))
    film.info = {"tiles": (1, 1)}
    one = segmented_signal(atoms, MICROSCOPE, raster(atoms, (height // 5, width // 5)), FOCUS)
    zoom = (1, height / one.shape[1] / 5, width / one.shape[2] / 5)
    segments = ndimage.zoom(np.tile(one, (1, 5, 5)), zoom, order=3, mode="grid-wrap", grid_mode=True)
    return segments, raster(film, shape)


def clean_correlations(image, published, sampling: float) -> dict[str, float]:
    """Correlate a noise-free image with a published one, and find the blur [Å] with which it fits best."""

    def correlation(sigma: float) -> float:
        return best_correlation(blurred(image, sampling, sigma), published)[0]

    best = optimize.minimize_scalar(lambda s: -correlation(s), bounds=(0.05, 0.8), method="bounded")
    mirrored = blurred(image[::-1], sampling)
    found = {
        "as it is": best_correlation(image, published)[0],
        "blurred": correlation(BLUR),
        "mirrored along c": best_correlation(mirrored, published)[0],
        "mirrored along a": best_correlation(blurred(image[:, ::-1], sampling), published)[0],
        "best blur": float(best.x),
        "best": -float(best.fun),
    }
    return {name: round(value, 4) for name, value in found.items()}


def noise_table(folder: Path, figure: Path | None, numbers=range(1, 6)) -> tuple[dict, dict]:
    """Compare clean and noisy images of the five structures with the published ones."""
    kinds = ("simulated", "blurred", "published")
    clean, noise, spectra = {}, *({d: {kind: [] for kind in kinds} for d in DOSES} for _ in range(2))
    for number in numbers:
        published = published_image(folder / f"{number}_dose_1000000.tiff")
        segments, scan = simulated(zeolite(folder / f"{number}.cif"), published.shape)
        image = idpc_image(segments, scan.sampling, periodic=True)
        clean[number] = clean_correlations(image, published, scan.sampling)
        smooth = blurred(image, scan.sampling)
        for dose in DOSES:
            rng = np.random.default_rng([number, dose])
            settings = Degradation(dose=dose, source_size=0.0)
            counted = degrade(segments.astype("float32"), settings, scan.sampling, rng).image
            noisy = idpc_image(counted, scan.sampling, periodic=True)
            pairs = {
                "simulated": (noisy, image),
                "blurred": (blurred(noisy, scan.sampling), smooth),
                "published": (published_image(folder / f"{number}_dose_{dose}.tiff"), published),
            }
            for kind, (grainy, still) in pairs.items():
                # Ours lie on one another, and published ones need not.
                placed = best_correlation(still, grainy)[0]
                noise[dose][kind].append(placed)
                spectra[dose][kind].append(_noise_power(grainy, still))
    if figure:
        _draw(spectra, figure)
    ranges = {
        dose: {who: [round(min(v), 3), round(max(v), 3)] for who, v in values.items()}
        for dose, values in noise.items()
    }
    return clean, ranges


def _noise_power(noisy, clean):
    """Radial power spectrum of what the clean image does not explain, relative to the clean image's variance."""
    noisy, clean = noisy - noisy.mean(), clean - clean.mean()
    _, placed = best_correlation(clean, noisy)
    scale = (noisy * placed).sum() / (placed**2).sum()
    power = np.abs(np.fft.fft2(noisy / scale - placed)) ** 2 / placed.size**2 / placed.var()
    q = np.hypot(
        np.fft.fftfreq(noisy.shape[0], 0.2505)[:, None], np.fft.fftfreq(noisy.shape[1], 0.2505)[None]
    )
    rings = np.digitize(q, np.linspace(0, 1.5, 61))
    return np.array([power[rings == r].mean() for r in range(1, 61)])


def _draw(spectra: dict, figure: Path) -> None:
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(10, 3.2), layout="constrained")
    axes = drawing.subplots(1, 3, sharey=True)
    q = np.linspace(0, 1.5, 61)[:-1] + 0.0125
    for axis, dose in zip(axes, (500, 1500, 6000), strict=True):
        for who, colour, name in (
            ("published", "k", "published"),
            ("simulated", "tab:red", "ours"),
            ("blurred", "tab:blue", f"ours, blurred by {BLUR:.2f} Å"),
        ):
            axis.loglog(q, np.mean(spectra[dose][who], axis=0), color=colour, label=name)
        axis.set(title=f"{dose} e/Å²", xlabel="spatial frequency [1/Å]")
    axes[0].set_ylabel("noise power / image variance")
    axes[0].legend()
    drawing.savefig(figure, dpi=130)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument("--figure", type=Path)
    parser.add_argument(
        "--no-reference", action="store_true", help="leave out the slow comparison with abTEM"
    )
    given = parser.parse_args()
    data = Path(os.environ["STEMFORGE_DATA_DIR"]) / "zsm5-idpc" / "pyridine"
    figures: dict = {}
    if not given.no_reference:
        figures["planned_against_plain"] = planned_against_plain(zeolite(data / "1.cif"))
    figures["clean_correlation"], figures["noise_correlation"] = noise_table(data, given.figure)
    print(json.dumps(figures, indent=2))
    if given.out:
        given.out.write_text(json.dumps(figures, indent=2))
