"""How visible one molecule in a zeolite channel can be: the ideal observer's detectability over the dose.

    python benchmarks/molecule_detectability.py [--cells 1] [--out detectability.json]

An observer who knows the molecule, its place, its pose and everything around it, and decides from the counted
electrons of all four segments, separates "there" from "not there" by d' = √(Σ (ΔN)²/N) standard deviations, with N the
expected counts of a pixel and segment and ΔN what the molecule changes (Poisson noise, small changes). No detector
can do better; the area under its ROC curve is Φ(d'/√2). Thickness: --cells
unit cells of MFI along b (2 nm each), with a molecule in every one of them: an ordered column.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import ndtr

from stemforge.simulate import Microscope, Scan, segmented_signal
from stemforge.structures import mfi, place_guest

DOSES = (500, 1000, 1500, 3000, 6000, 10_000, 30_000, 100_000)
SAMPLING = 0.25


def detectability(molecule: str, source_size: float, seed: int, cells: int) -> dict[int, float]:
    """Return d' of one column, drawn with a seed, at each dose [e/Å²]; source size as FWHM [Å]."""
    film = place_guest(mfi(thickness=cells), molecule, columns=True, rng=np.random.default_rng(seed))
    number = film.arrays["molecule"]
    shape = tuple(int(side / SAMPLING) for side in film.cell.lengths()[1::-1])
    scan = Scan.model_construct(shape=shape, sampling=SAMPLING, margin=0.0, rotation=0.0, shift=(0.0, 0.0))
    microscope = Microscope(preset="low-dose-idpc")
    middle = float(film.positions[:, 2].mean())
    sigma = source_size / (2 * np.sqrt(2 * np.log(2))) / SAMPLING
    there, empty = (
        gaussian_filter(
            segmented_signal(atoms, microscope, scan, middle, sampling=0.24, slice_thickness=4.0),
            (0, sigma, sigma),
            mode="wrap",
        )
        for atoms in (film[number <= 0], film[number < 0])
    )
    per_dose = float(((there - empty) ** 2 / empty).sum() * SAMPLING**2)
    return {dose: round(float(np.sqrt(dose * per_dose)), 2) for dose in DOSES}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, default=1)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    figures: dict = {}
    for molecule in ("pyridine", "thiophene"):
        for source in (0.0, 0.9):
            several = [detectability(molecule, source, seed, given.cells) for seed in range(6)]
            mean = {dose: float(np.mean([one[dose] for one in several])) for dose in DOSES}
            figures[f"{molecule}, source {source} Å"] = {
                "d_prime": {dose: round(value, 2) for dose, value in mean.items()},
                "area_under_roc": {dose: round(float(ndtr(v / np.sqrt(2))), 3) for dose, v in mean.items()},
            }
    print(json.dumps(figures, indent=2))
    if given.out:
        given.out.write_text(json.dumps(figures, indent=2))
