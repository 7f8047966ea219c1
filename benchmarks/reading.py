"""What it costs to open files in a child process: time through the child over time in this process.

    python benchmarks/reading.py

TIFF images of 512² and 4096² pixels, and a shard of four images of 512² that is read for the first time on a machine
and then again. Each figure is the median of some repetitions in one run; the child is started before.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import tifffile

from stemforge import Annotations, Corpus, CorpusWriter, Sample, read_micrograph
from stemforge.corpus import foreign, shard
from stemforge.micrograph.reading.formats import read_images


def seconds(work: Callable[[], object], times: int = 9) -> float:
    """Return the median time of a call [s]."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def images(folder: Path) -> dict[str, dict[str, float]]:
    """Compare reading through the child and here."""
    found = {}
    for side in (512, 4096):
        path = folder / f"{side}.tif"
        values = np.random.default_rng(0).integers(0, 60000, (side, side), np.uint16)
        tifffile.imwrite(path, values)
        read_micrograph(path)
        child, here = seconds(partial(read_micrograph, path)), seconds(partial(read_images, str(path)))
        found[f"{side}²"] = {"child_ms": 1e3 * child, "here_ms": 1e3 * here, "ratio": child / here}
    return found


def corpus(folder: Path) -> dict[str, float]:
    """Compare the first reading of a shard on a machine with later ones."""
    writer = CorpusWriter(folder / "corpus", {"name": "demo", "num_samples": 4}, "0" * 64)
    rng = np.random.default_rng(0)
    labels = Annotations([[2, 3]])
    writer.write(0, [Sample(i, rng.random((1, 512, 512), "f4"), 0.3, ("HAADF",), labels) for i in range(4)])
    samples = Corpus(writer.folder)

    def read(first: bool) -> None:
        shard._check.cache_clear()
        if first:
            foreign._remembered().clear()
        list(samples)

    first, later = seconds(lambda: read(True)), seconds(lambda: read(False))
    return {"first_ms": 1e3 * first, "later_ms": 1e3 * later, "ratio": first / later}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        result = {"images": images(Path(name)), "shard": corpus(Path(name))}
    print(json.dumps(result, indent=2))
