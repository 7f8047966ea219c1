"""How fast AtomNet trains: in 16 bits and compiled against neither, and two processes against one.

    python benchmarks/training.py steps [--crops 2] [--repeats 5] [--out steps.json]
    python benchmarks/training.py processes [--epochs 3] [--out processes.json]

`steps` times a training step (forward, backward, AdamW) of the network that ships, on random images of 256×256 with
spots, in one thread; ways take turns, so that other work on the machine slows all alike. `ratio` is the plain step's
processor time over a way's; `loss` is the mean of the last steps, from the same weights and images. `processes` trains
with `stemforge train` on a made corpus, once with one process and batches of four images, once with two that take two
each, as `--strategy ddp` does; both prepare their images themselves. Images a second of the wall are those of the
epochs after the first, `ratio` is two processes' over one's; `load` is the machine's, before and after.
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stemforge.corpus.sample import Sample
from stemforge.corpus.writer import CorpusWriter
from stemforge.micrograph.annotations import Annotations
from stemforge.train import AtomNetRecipe, network
from stemforge.train.arithmetic import computes_in_bfloat16
from stemforge.train.atom_net.data import HeatMaps, draw_heat
from stemforge.train.running.curves import LearningCurves

WAYS = ("plain", "bf16", "compiled", "compiled, bf16")


def image_with_spots(rng: np.random.Generator, side: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a noisy image with spots at random places, and the places (x, y) [pixel]."""
    points = rng.uniform(0, side - 1, (number, 2))
    y, x = np.mgrid[:side, :side]
    image = rng.normal(0, 0.3, (side, side))
    for px, py in points:
        image += np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 4.0**2))
    return image.astype(np.float32), points


def batches(number: int, crops: int, side: int = 256) -> list[HeatMaps]:
    """Make batches."""
    rng, made = np.random.default_rng(0), []
    for _ in range(number):
        parts = []
        for _ in range(crops):
            image, points = image_with_spots(rng, side, 20)
            parts.append((image[None], *draw_heat((side, side), points, np.empty((0, 2)))))
        made.append(HeatMaps(*(torch.from_numpy(np.stack(part)) for part in zip(*parts, strict=True))))
    return made


def stepper(way: str) -> Callable[[HeatMaps], float]:
    """Return what takes a training step from the same weights, in one of the ways."""
    torch.manual_seed(0)
    task: Any = network("atom-net").task(AtomNetRecipe.shipped())
    task.log_dict = lambda *_, **__: None
    optimiser = torch.optim.AdamW(task.parameters(), lr=2e-3)
    if "compiled" in way:
        task.model.compile()

    def step(batch: HeatMaps) -> float:
        mixed = torch.autocast("cpu", torch.bfloat16) if "bf16" in way else contextlib.nullcontext()
        with mixed:
            loss: Tensor = task.training_step(batch, 0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    return step


def steps(crops: int, repeats: int) -> dict[str, Any]:
    """Time training steps in each way."""
    torch.set_num_threads(1)
    ready = {way: stepper(way) for way in WAYS}
    warming, *timed = batches(repeats + 1, crops)
    first: dict[str, float] = {}
    for way, step in ready.items():
        began = time.perf_counter()
        step(warming)
        first[way] = time.perf_counter() - began
        print(way, f"{first[way]:.1f} s for the first step", file=sys.stderr, flush=True)
    spent: dict[str, list[float]] = {way: [] for way in WAYS}
    losses: dict[str, list[float]] = {way: [] for way in WAYS}
    for batch in timed:
        for way, step in ready.items():
            began = time.process_time()
            losses[way].append(step(batch))
            spent[way].append(time.process_time() - began)
    plain = float(np.median(spent["plain"]))
    return {
        way: {
            "seconds": round(float(np.median(spent[way])), 3),
            "ratio": round(plain / float(np.median(spent[way])), 3),
            "loss": round(float(np.mean(losses[way])), 4),
            "first_step_seconds": round(first[way], 1),
        }
        for way in WAYS
    }


def processes(epochs: int) -> dict[str, Any]:
    """Train with one process and with two."""
    with tempfile.TemporaryDirectory() as folder:
        writer = CorpusWriter(Path(folder) / "corpus", {"name": "spots"}, "0" * 64, kind="measured")
        rng = np.random.default_rng(0)
        for shard in range(10):
            image, points = image_with_spots(rng, 256, 20)
            writer.write(shard, [Sample(shard, image[None], 0.2, ("HAADF",), Annotations(points), {})])
        one, two = (trained(Path(folder), count, epochs) for count in (1, 2))
    ratio = round(two["images_a_second"] / one["images_a_second"], 2)
    return {"one": one, "two": two, "ratio": ratio}


def trained(folder: Path, count: int, epochs: int) -> dict[str, float]:
    """Train with so many processes; return images a second and the first epoch's training loss.

    Eight of the ten images train; an epoch ends with its validation on the other two.
    """
    run = folder / f"run-{count}"
    words = f"--epochs {epochs} --images_per_batch {4 // count} --per_image 1 --validation 0.2 --workers 0"
    words += f" --accelerator cpu --device {count} --strategy {'ddp' if count > 1 else 'auto'}"
    command = [sys.executable, "-m", "stemforge", "train", "atom-net", "--data", str(folder / "corpus")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command += ["--out", str(run), *words.split()]
    ended: list[float] = []
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr or ():
            if line.startswith("Epoch "):
                ended.append(time.perf_counter())
                print(count, line, end="", file=sys.stderr, flush=True)
    curves = LearningCurves.read(run)
    images = 8 * (len(ended) - 1)
    return {
        "images_a_second": round(images / (ended[-1] - ended[0]), 3),
        "first_training_loss": float(curves.values["train_loss"][0]),
    }


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("steps", "processes"))
    parser.add_argument("--crops", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    before = os.getloadavg()[0]
    rows = steps(args.crops, args.repeats) if args.what == "steps" else processes(args.epochs)
    found = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}",
        "bfloat16 in hardware": computes_in_bfloat16(),
        "load": [round(before, 1), round(os.getloadavg()[0], 1)],
        args.what: rows,
    }
    text = json.dumps(found, indent=2)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
