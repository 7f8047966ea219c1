"""Images a minute on a GPU and on the processor, and how far the two images are from each other.

    python benchmarks/gpu.py [--device cuda] [--repeats 3] [--only faster-rcnn] [--out gpu.json]

Engines image structures that were built before, `degrade` records signals that were simulated before, and networks
look at recorded images in memory: of each the best of several runs. `ratio` is the processor's time over the GPU's in
the same run, with the processor's cores used as torch and NumPy use them; `deviation` is the greatest difference over
the mean of the processor's image, for `degrade` without counting noise, of which each device draws its own.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stemforge import Micrograph
from stemforge.infer import detect_atoms, detect_molecules, restore_micrograph
from stemforge.simulate import SimulationRecipe, degrade, simulate_sample
from stemforge.train import load_weights

Work = Callable[[str], Any]


def seconds(work: Work, device: str, repeats: int) -> tuple[float, Any]:
    """Return the least wall time of several runs after one for warming up, and what came out."""
    made = work(device)
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        made = work(device)
        times.append(time.perf_counter() - began)
    return min(times), made


def engine(name: str, **settings: Any) -> Work:
    """Return the imaging of a recipe's first structure, on a device."""
    recipe, atoms = SimulationRecipe.load(name, settings).build(0)
    focus = recipe.focus_depth(atoms)

    def work(device: str) -> Any:
        chosen = recipe.engine.replace(device="cpu" if device == "cpu" else "gpu")
        return chosen.image(atoms, recipe.microscope, recipe.scan, focus, np.random.default_rng(0))

    return work


def recording(name: str) -> Work:
    """Return the recording of a recipe's first image, on a device; without counting noise, so as to be compared."""
    recipe = SimulationRecipe.load(name)
    signal = simulate_sample(recipe, 0).signal
    settings, sampling = recipe.degradation.replace(counting=False), recipe.scan.sampling

    def work(device: str) -> Any:
        return degrade(signal, settings, sampling, np.random.default_rng(0), device=device).image

    return work


def noisy(side: int, sampling: float, modality: str) -> Micrograph:
    """Return an image of noise: networks take as long for it as for any other."""
    counts = np.random.default_rng(0).poisson(60, (side, side)).astype(np.float32)
    return Micrograph(counts, sampling, modality, "noise")


def works() -> dict[str, Work]:
    """Return what is timed, by name."""
    finder, restorer, detector = (load_weights(name) for name in ("any-atom", "divaesr", "faster-rcnn"))
    small, large = (noisy(side, 0.25, "HAADF") for side in (512, 2048))
    small_multislice: dict[str, Any] = {
        "engine": {"name": "multislice", "frozen_phonons": 1},
        "scan.shape": [16, 16],
        "scan.margin": 4,
    }
    crystal = noisy(512, 0.25, "iDPC")
    return {
        "kernels, pt-nc, 512²": engine("pt-nc"),
        "multislice, si-graphene, 16²": engine("si-graphene", **small_multislice),
        "prism, zsm5-columns, 256²": engine("zsm5-columns"),
        "degrade, pt-nc, 512²": recording("pt-nc"),
        "degrade, zsm5-columns, 4 segments of 256²": recording("zsm5-columns"),
        "any-atom, 512²": lambda device: detect_atoms(small, *finder, device=device),
        "any-atom, 2048²": lambda device: detect_atoms(large, *finder, device=device),
        "divaesr, 512²": lambda device: restore_micrograph(crystal, *restorer, device=device).image,
        "faster-rcnn and divaesr, 512²": lambda device: detect_molecules(
            crystal, *detector, restorer=restorer, device=device
        ),
    }


def measured(work: Work, device: str, repeats: int) -> dict[str, float]:
    """Time a work on both devices."""
    processor, expected = seconds(work, "cpu", repeats)
    gpu, found = seconds(work, device, repeats)
    row = {"cpu": 60 / processor, device: 60 / gpu, "ratio": processor / gpu}
    if isinstance(expected, np.ndarray):
        row["deviation"] = float(np.abs(expected - found).max() / np.abs(expected).mean())
    return row


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="", help="rows whose name holds this")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    names = {"processor": f"{platform.machine()}, {os.cpu_count()} cores", "torch": torch.__version__}
    if torch.cuda.is_available():
        names["gpu"] = torch.cuda.get_device_name()
    rows: dict[str, Any] = {}
    chosen = {name: work for name, work in works().items() if args.only in name}
    for name, work in chosen.items():
        rows[name] = {
            key: float(f"{value:.3g}") for key, value in measured(work, args.device, args.repeats).items()
        }
        print(json.dumps({name: rows[name]}, ensure_ascii=False), flush=True)
    if args.out:
        args.out.write_text(
            json.dumps({"machine": names, "images_a_minute": rows}, indent=2, ensure_ascii=False)
        )


if __name__ == "__main__":
    main()
