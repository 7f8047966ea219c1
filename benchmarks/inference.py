"""Seconds that the default detection of atoms takes on a 512 × 512 image, in memory and as a command.

    python benchmarks/inference.py [--repeats 5]

From pixels in memory to atoms with their density: standardising, AtomNet, peaks. Wall and processor time, the best of
several, and their ratio to one pass of the network alone. And from the shell's prompt to the prompt: `stemforge infer
atoms` without completeness, the median of several, and its ratio to a program that imports PyTorch and ends.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch

from stemforge import Micrograph
from stemforge.infer import detect_atoms
from stemforge.micrograph.writers import write_tiff
from stemforge.train import load_weights


def best(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Return the least wall and processor time of several runs, after one for warming up."""
    work()
    rows = []
    for _ in range(repeats):
        wall, single = time.perf_counter(), time.process_time()
        work()
        rows.append((time.perf_counter() - wall, time.process_time() - single))
    return min(row[0] for row in rows), min(row[1] for row in rows)


def whole_programs(programs: dict[str, list[str]], repeats: int) -> dict[str, float]:
    """Return the median wall time of each program, one after the other in turn, after one of each for warming up."""
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for number in range(repeats + 1):
        for name, words in programs.items():
            wall = time.perf_counter()
            subprocess.run([sys.executable, *words], check=True, capture_output=True)
            if number:
                seconds[name].append(time.perf_counter() - wall)
    return {name: statistics.median(values) for name, values in seconds.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    model, card = load_weights("atom-net")
    counts = np.random.default_rng(0).poisson(60, (512, 512)).astype(np.float32)
    micrograph = Micrograph(counts, card.sampling, "HAADF", "noise")
    values = torch.from_numpy(counts)[None, None].contiguous(memory_format=torch.channels_last)

    def network() -> object:
        with torch.inference_mode():
            return model(values)

    whole, alone = (
        best(lambda: detect_atoms(micrograph, model, card), options.repeats),
        best(network, options.repeats),
    )
    figures = {
        "seconds": round(whole[0], 3),
        "processor_seconds": round(whole[1], 3),
        "over_network_alone": round(whole[0] / alone[0], 2),
        "threads": torch.get_num_threads(),
    }
    with tempfile.TemporaryDirectory() as folder:
        write_tiff(f"{folder}/noise.tif", counts, card.sampling)
        words = ["-m", "stemforge", "infer", "atoms", f"{folder}/noise.tif", "--out", f"{folder}/atoms"]
        programs = {
            "command": [*words, "--no-completeness", "--overwrite", "--quiet"],
            "torch": ["-c", "import torch"],
        }
        medians = whole_programs(programs, options.repeats)
    figures["command_seconds"] = round(medians["command"], 2)
    figures["command_over_importing_torch"] = round(medians["command"] / medians["torch"], 2)
    print(json.dumps(figures, indent=2))
