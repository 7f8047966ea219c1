"""Kill a simulation with SIGKILL at random moments, go on, and compare with a corpus made in one go.

    python benchmarks/crash.py [--kills 30] [--workers 2] [--num 400] [--seed 0] [--out crash.json]

Each run is a process group of its own, `stemforge simulate` with local workers; SIGKILL goes to the whole group. A
shard that was finished before a kill must be the same file afterwards (never made again), a shard in the making may
be lost: at most one a worker and kill. At the end every byte must be that of the uninterrupted corpus, and no
temporary file may be left. Kills come within the first seconds of each run, start-up included; where the corpus is
finished before all kills are done, the next kill begins a new one.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RECIPE = {
    "name": "crash",
    "seed": 3,
    "shard_size": 2,
    "support": {"kind": "amorphous_carbon", "thickness": {"uniform": [8, 14]}},
    "microscope": {"preset": "nion-ultrastem-100", "detectors": {"rings": {"HAADF": [90, 185]}}},
    "scan": {"shape": [24, 32], "sampling": 0.4, "margin": 3},
    "degradation": {"dose": 1e4},
}


def start(recipe: Path, out: Path, num: int, workers: int) -> subprocess.Popen:
    """Start a simulation in a process group of its own."""
    words = [
        "simulate",
        str(recipe),
        "--out",
        str(out),
        "--num",
        str(num),
        "--workers",
        str(workers),
        "--quiet",
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "stemforge", *words], start_new_session=True, stderr=subprocess.PIPE
    )


def state(out: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of each finished shard: both change when it is made again."""
    return {p.name: ((s := p.stat()).st_ino, s.st_mtime_ns) for p in out.glob("shard-*.h5")}


def contents(out: Path) -> dict[str, bytes]:
    """Return the bytes of every file."""
    return {path.name: path.read_bytes() for path in out.iterdir()}


def finish(recipe: Path, out: Path, num: int, workers: int) -> None:
    """Run to the end."""
    run = start(recipe, out, num, workers)
    _, message = run.communicate()
    if run.returncode:
        raise SystemExit(f"resuming failed with {run.returncode}: {message.decode()}")


def crash(kills: int, workers: int, num: int, seed: int, folder: Path) -> dict:
    """Kill and go on; return what was counted."""
    rng = random.Random(seed)
    recipe = folder / "recipe.yaml"
    recipe.write_text(json.dumps(RECIPE))
    finish(recipe, folder / "whole", num, 1)
    whole = contents(folder / "whole")
    began = time.monotonic()
    shards = -(-num // RECIPE["shard_size"])
    counts = {"kills": 0, "before_the_first_shard": 0, "temporary_files_seen": 0, "remade": 0, "corpora": 0}
    out = folder / "corpus-0"
    kept: dict[str, tuple[int, int]] = {}
    alike = True

    def close() -> None:
        nonlocal alike, kept
        finish(recipe, out, num, workers)
        counts["remade"] += sum(state(out)[name] != was for name, was in kept.items())
        alike &= contents(out) == whole
        kept = {}

    while counts["kills"] < kills:
        run = start(recipe, out, num, workers)
        # Half of the kills fall anywhere, start-up included; half while shards are written.
        if rng.random() < 0.5:
            while run.poll() is None and len(state(out)) <= len(kept):
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.5))
        else:
            time.sleep(rng.uniform(0, 10))
        finished = run.poll() is not None
        if not finished:
            os.killpg(run.pid, signal.SIGKILL)
            counts["kills"] += 1
        run.communicate()
        now = state(out) if out.exists() else {}
        counts["remade"] += sum(now.get(name) != was for name, was in kept.items())
        counts["before_the_first_shard"] += len(now) == len(kept)
        counts["temporary_files_seen"] += bool(out.exists() and list(out.glob("*.partial")))
        kept = now
        if finished or len(kept) == shards:
            close()
            counts["corpora"] += 1
            out = folder / f"corpus-{counts['corpora']}"
    close()
    counts["corpora"] += 1
    left = [path.name for path in folder.glob("corpus-*/*") if path.suffix not in (".h5", ".yaml")]
    return counts | {
        "shards": shards,
        "workers": workers,
        "same_bytes": alike,
        "files_left": left,
        "seconds": round(time.monotonic() - began, 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--num", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = crash(options.kills, options.workers, options.num, options.seed, Path(folder))
    text = json.dumps(figures, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text)
    good = figures["same_bytes"] and not figures["remade"] and not figures["files_left"]
    sys.exit(0 if good else 1)
