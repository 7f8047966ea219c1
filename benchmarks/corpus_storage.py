"""A corpus of 10,000 samples of 128×128, written and read in random order: time, memory, and what the hash costs.

    python benchmarks/corpus_storage.py [--samples 10000] [--out storage.json] [--folder DIR]

Signals are smooth fields with noise in the last bits, as simulated ones have, with 20 labels each and no structures.
Writing and reading run in a process each, whose peak of resident memory is taken. Cold: the files are not in the
page cache, and the process has not yet found them sound. Warm: both hold.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from stemforge import Annotations, Corpus, CorpusWriter, Sample, verify_corpus
from stemforge.corpus.shard import check_shard, open_shard

SHARD = 16
SHAPE = (1, 128, 128)


def sample(index: int) -> Sample:
    rng = np.random.default_rng(index)
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]] / SHAPE[1]
    signal = 0.02 * (1 + 0.3 * np.sin(6 * x + rng.random()) * np.cos(5 * y)) + rng.normal(0, 1e-4, SHAPE)
    labels = Annotations(rng.uniform(0, 127, (20, 2)), columns={"cnr": rng.random(20)})
    return Sample(index, signal.astype(np.float32), 0.3, ("HAADF",), labels, {"name": f"s{index:06d}"})


def write(folder: Path, samples: int) -> dict:
    writer = CorpusWriter(folder, {"name": "storage", "num_samples": samples, "shard_size": SHARD}, "0" * 64)
    others, seconds = set(), 0.0
    for first in range(0, samples, SHARD):
        made = [sample(i) for i in range(first, min(first + SHARD, samples))]
        start = time.perf_counter()
        writer.write(first // SHARD, made)
        seconds += time.perf_counter() - start
        if first % (100 * SHARD) == 0:
            others.add(tuple((p.name, p.stat().st_size) for p in folder.iterdir() if p.suffix != ".h5"))
    return {
        "write_ms_per_sample": 1e3 * seconds / samples,
        "shards": len(list(folder.glob("shard-*.h5"))),
        "mb": sum(p.stat().st_size for p in folder.iterdir()) / 1e6,
        "files_other_than_shards": sorted(others),  # one entry: none came, none grew
    }


def forget(folder: Path) -> None:
    """Take the shards out of the page cache."""
    for path in folder.glob("*.h5"):
        with path.open("rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def timed(function, items) -> float:
    start = time.perf_counter()
    for item in items:
        function(item)
    return time.perf_counter() - start


def read(folder: Path, samples: int) -> dict:
    forget(folder)
    start = time.perf_counter()
    corpus = Corpus(folder)
    opened = time.perf_counter() - start
    order = np.random.default_rng(0).permutation(samples).tolist()
    shards = sorted(folder.glob("shard-*.h5"))
    forget(folder)
    first = timed(corpus.__getitem__, order)
    second = timed(corpus.__getitem__, order)
    warm_checks = timed(lambda i: check_shard(shards[i // SHARD]), order)
    hashing = timed(lambda path: check_shard(path, anew=True), shards)
    forget(folder)
    hashing_cold = timed(lambda path: check_shard(path, anew=True), shards)
    forget(folder)
    for path in shards:  # in the page cache, and known
        with open_shard(path):
            pass
    start = time.perf_counter()
    labels = sum(len(s.labels) for s in corpus.labels_only())
    counted = time.perf_counter() - start
    start = time.perf_counter()
    total = sum(float(s.signal[0, 0, 0]) for s in corpus)
    in_order = time.perf_counter() - start
    start = time.perf_counter()
    faults = verify_corpus(folder)
    verified = time.perf_counter() - start
    return {
        "open_s": opened,
        "read_ms_first_pass_cold": 1e3 * first / samples,
        "read_ms_second_pass_warm": 1e3 * second / samples,
        "read_ms_in_order_warm": 1e3 * in_order / samples,
        "labels_only_ms": 1e3 * counted / samples,
        "check_ms_once_known": 1e3 * warm_checks / samples,
        "hash_ms_per_shard": 1e3 * hashing / len(shards),
        "hash_ms_per_shard_cold": 1e3 * hashing_cold / len(shards),
        "hash_share_of_first_pass": hashing / first,
        "check_share_of_second_pass": warm_checks / second,
        "verify_s": verified,
        "faults": len(faults),
        "labels": labels,
        "finite": bool(np.isfinite(total)),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--folder", type=Path, help="where the corpus goes for the time being")
    parser.add_argument("--part", choices=("write", "read"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        figures = {"write": write, "read": read}[given.part](given.folder, given.samples)
        figures["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        print(json.dumps(figures))
    else:
        with tempfile.TemporaryDirectory(dir=given.folder) as temporary:
            figures = {"samples": given.samples}
            for part in ("write", "read"):
                command = [sys.executable, __file__, "--part", part, "--samples", str(given.samples)]
                command += ["--folder", str(Path(temporary) / "corpus")]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                figures[part] = json.loads(done.stdout)
        print(json.dumps(figures, indent=2))
        if given.out:
            given.out.write_text(json.dumps(figures, indent=2) + "\n")
