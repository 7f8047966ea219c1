"""Seconds that the default detection of atoms takes on a 512 × 512 image, after the program has started.

    python benchmarks/inference.py [--repeats 5]

From pixels in memory to atoms with their density: standardising, AtomNet, peaks. Wall and processor time, the best of
several, and their ratio to one pass of the network alone.
"""

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
import torch

from stemforge import Micrograph
from stemforge.infer import detect_atoms
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
    print(json.dumps(figures, indent=2))
