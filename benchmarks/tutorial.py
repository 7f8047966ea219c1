"""An image of thick Pt/NC by `kernels` against abTEM as its tutorials do it, extrapolated from a part.

    python benchmarks/tutorial.py [--waves 2] [--slices 6] [--out tutorial.json]

abTEM: PRISM with interpolation 2 and a scan at the probe's Nyquist distance, one frozen-phonon configuration. Its
scattering matrix of this field would take hundreds of gigabytes, so a few of its plane waves are run through a few
slices of the very structure, and their time is multiplied by the number of waves and slices. What the matrix is then
used for, a sum over all its waves at every probe position, is left out: the ratio is a lower bound.
"""

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import argparse
import json
import time
from pathlib import Path

import abtem
import numpy as np

from stemforge.simulate import SimulationRecipe, simulate_sample
from stemforge.simulate.engines.common import reproducible

THICK = {"support.mean_thickness": 500, "support.vacuum_fraction": 0}
SLICE_THICKNESS = 2.0  # Å


def waves_through_slices(recipe: SimulationRecipe, waves: int, slices: int) -> dict[str, float]:
    """Time plane waves through the first slices of the structure; extrapolate to the whole matrix."""
    drawn, atoms = recipe.build(0)
    microscope, thickness = drawn.microscope, SLICE_THICKNESS
    side = float(atoms.cell[0, 0])
    depth = float(atoms.cell[2, 2])
    part = atoms[(atoms.positions[:, 2] < slices * thickness + 2)]
    part.cell[2, 2] = slices * thickness + 2
    gpts = int(np.ceil(side / microscope.potential_sampling))
    with reproducible():
        potential = abtem.Potential(part, gpts=gpts, slice_thickness=thickness, projection="infinite").build(
            lazy=False
        )
        plane = abtem.PlaneWave(energy=microscope.energy)
        plane.multislice(potential, lazy=False)  # plans the transforms
        start = time.perf_counter()
        for _ in range(waves):
            plane.multislice(potential, lazy=False)
        one = (time.perf_counter() - start) / waves / len(potential)
    beams = np.pi * (microscope.semiangle_cutoff * 1e-3 / microscope.wavelength * side) ** 2 / 4
    return {
        "seconds_a_wave_and_slice": round(one, 4),
        "grid": gpts,
        "waves": round(float(beams)),
        "slices": round(depth / thickness),
        "matrix_gigabytes": round(8 * float(beams) * gpts**2 / 1e9),
        "seconds": round(float(one * beams * depth / thickness)),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--waves", type=int, default=2)
    parser.add_argument("--slices", type=int, default=6)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    recipe = SimulationRecipe.load("pt-nc", THICK)
    simulate_sample(recipe, 0)
    start = time.perf_counter()
    simulate_sample(recipe, 0)
    simulated = time.perf_counter() - start
    published = waves_through_slices(recipe, options.waves, options.slices)
    figures = {
        "kernels_seconds": round(simulated, 2),
        "abtem": published,
        "ratio": round(published["seconds"] / simulated),
    }
    text = json.dumps(figures, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text)
