"""How fast a data loader degrades and crops images.

    python benchmarks/data_loader.py [--corpus FOLDER] [--size 128] [--per-sample 16] [--workers 2] [--out loader.json]

Crops of a corpus of 512×512 images, degraded anew as the recipe says (source, drift, jitter, flicker, counting),
through `CorpusStream` and a PyTorch data loader. Against the naive way: read a sample and degrade the whole image for
each crop. Without --corpus, one of made images stands in: what it shows does not matter to the time. The CPU time
of a crop in one process, reading included, tells what an idle machine would reach.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.corpus.writer import CorpusWriter
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate import SimulationRecipe
from stemforge.simulate.recording.record import corpus_degradation
from stemforge.train import CorpusStream, RecordedImages, collate


def made_corpus(folder: Path, samples: int, side: int = 512) -> Corpus:
    """Write a corpus of smooth random images, with the degradation of the recipe pt-nc."""
    recipe = SimulationRecipe.load("pt-nc")
    writer = CorpusWriter(folder, recipe.model_dump(mode="json"), recipe.content_hash)
    for shard in range(samples // 4):
        made = []
        for index in range(4 * shard, 4 * shard + 4):
            rng = np.random.default_rng(index)
            coarse = torch.from_numpy(rng.uniform(0.02, 0.06, (1, 1, side // 8, side // 8)))
            image = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic")[0].numpy()
            columns = {name: np.full(120, 0.05) for name in ("scattering", "background")}
            columns |= {name: np.ones(120) for name in ("peak_width_angstrom", "noise_width_angstrom")}
            labels = Annotations(rng.uniform(0, side - 1, (120, 2)), columns=columns)
            made.append(Sample(index, image.astype("float32"), recipe.scan.sampling, ("HAADF",), labels))
        writer.write(shard, made)
    return Corpus(folder)


def crops_a_second(corpus: Corpus, size: int, per_sample: int, workers: int, seconds: float) -> float:
    """Run a loader for some seconds after it is warm."""
    crops = RecordedImages(corpus_degradation(corpus), size=size, per_sample=per_sample)
    data = CorpusStream(corpus, crops, buffer=8 * per_sample)
    loader = DataLoader(
        data, batch_size=32, num_workers=workers, collate_fn=collate, persistent_workers=workers > 0
    )
    number, start, stop = 0, 0.0, False
    while not stop:
        for images, _ in loader:
            if not start and data.epoch:  # the first epoch fills caches
                start = time.perf_counter()
                continue
            if start:
                number += len(images)
                stop = time.perf_counter() - start > seconds
                if stop:
                    break
        data.epoch += 1
    return number / (time.perf_counter() - start)


def cpu_a_crop(corpus: Corpus, size: int, per_sample: int, samples: int) -> float:
    """CPU milliseconds a crop in one process, reading included."""
    crops = RecordedImages(corpus_degradation(corpus), size=size, per_sample=per_sample)
    stream = CorpusStream(corpus, crops, buffer=0)
    iterator = iter(stream)
    for _ in range(per_sample):
        next(iterator)
    start = time.process_time()
    for _ in range(samples * per_sample):
        next(iterator)
    return (time.process_time() - start) / (samples * per_sample) * 1e3


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--per-sample", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        corpus = Corpus(options.corpus) if options.corpus else made_corpus(Path(folder) / "c", 192)
        simulated, naive = (
            crops_a_second(corpus, options.size, n, options.workers, options.seconds)
            for n in (options.per_sample, 1)
        )
        cpu, cpu_naive = (
            cpu_a_crop(corpus, options.size, n, min(12, len(corpus) - 2)) for n in (options.per_sample, 1)
        )
    figures = {
        "workers": options.workers,
        "crops_per_image": options.per_sample,
        "crops_a_second": round(simulated, 1),
        "naive_crops_a_second": round(naive, 1),
        "ratio": round(simulated / naive, 1),
        "cpu_ms_a_crop": round(cpu, 2),
        "naive_cpu_ms_a_crop": round(cpu_naive, 2),
        "load_average": [round(value, 2) for value in os.getloadavg()],
    }
    print(json.dumps(figures, indent=2))
    if options.out:
        options.out.write_text(json.dumps(figures, indent=2))
