"""Compare the engines on a 4 nm cube of nitrogen-doped carbon with Pt and Fe.

    python benchmarks/engines.py [--side 40] [--probes 36] [--phonons 8] [--slice-thickness 2] [--out engines.json]

`kernels` and `prism` (interpolation 2) against `multislice`: correlation, mean, peak heights, time. The
raster is sparse (the same probe positions for every engine); the scattered atoms' peaks are scanned apart.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from stemforge.simulate import Kernels, Microscope, Multislice, Prism, Scan
from stemforge.structures import Tag, amorphous_carbon, scatter_single_atoms


def cube(side: float, seed: int = 1):
    """Build the specimen."""
    rng = np.random.default_rng(seed)
    atoms = amorphous_carbon((side, side, side), density=2.0, nitrogen_fraction=0.05, rng=rng)
    for element in ("Pt", "Fe"):
        atoms = scatter_single_atoms(atoms, element, areal_density=5 / 16, placement="surface", rng=rng)
    return atoms


def timed(engine, *where):
    """Return an engine's image and the seconds it took."""
    start = time.perf_counter()
    return engine.image(*where, np.random.default_rng(3)), time.perf_counter() - start


def compare(side: float, probes: int, phonons: int, thickness: float) -> dict:
    """Run the engines and return the figures."""
    atoms = cube(side)
    microscope = Microscope(preset="nion-ultrastem-100")
    focus = float(atoms.positions[:, 2].max()) - 2
    raster = Scan.of_any_size((probes, probes), side / probes)
    common = {"frozen_phonons": phonons, "slice_thickness": thickness}
    where = (atoms, microscope, raster, focus)
    timed(Kernels(), *where)  # object functions are cached from here on
    fast, fast_s = timed(Kernels(), *where)
    slow, slow_s = timed(Multislice(**common), *where)
    prism, prism_s = timed(Prism(interpolation=2, **common), *where)
    result = {"atoms": len(atoms), "probes": probes**2, "seconds": {"kernels": fast_s, "multislice": slow_s}}
    result["seconds"]["prism_2"] = prism_s
    result["speed_ratio_kernels"] = slow_s / fast_s
    for channel, name in enumerate(microscope.channels):
        a, b, p = fast[channel], slow[channel], prism[channel]
        result[name] = {
            "kernels_correlation": float(np.corrcoef(a.ravel(), b.ravel())[0, 1]),
            "kernels_mean_ratio": float(a.mean() / b.mean()),
            "prism_2_mean_deviation": float(np.abs(p - b).mean() / b.mean()),
        }
    for element in ("Pt", "Fe"):
        result[f"{element}_peak_ratios"] = peaks(atoms, element, microscope, focus, slow[0], common)
    return result


def peaks(atoms, element: str, microscope: Microscope, focus: float, image, common: dict) -> list[float]:
    """Peak over mean level, kernels divided by multislice, of each atom of an element."""
    spot = Scan.of_any_size((3, 3), 0.3)
    chosen = (atoms.get_tags() == Tag.SINGLE_ATOM) & (atoms.symbols == element)
    ratios = []
    for position in atoms.positions[chosen]:
        moved = atoms.copy()
        middle = np.diag(atoms.cell)[:2] / 2 - 0.15  # pixel (1, 1) of the 3 × 3 raster
        moved.positions[:, :2] += middle - position[:2]
        moved.wrap(pbc=(True, True, False))
        high = Kernels().image(moved, microscope, spot, focus)[0].max()
        true = timed(Multislice(**common), moved, microscope, spot, focus)[0][0].max()
        ratios.append(round(float((high - image.mean()) / (true - image.mean())), 3))
    return ratios


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=float, default=40.0)
    parser.add_argument("--probes", type=int, default=36)
    parser.add_argument("--phonons", type=int, default=8)
    parser.add_argument("--slice-thickness", type=float, default=2.0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    figures = compare(options.side, options.probes, options.phonons, options.slice_thickness)
    print(json.dumps(figures, indent=2))
    if options.out:
        options.out.write_text(json.dumps(figures, indent=2))
