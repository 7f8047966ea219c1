"""Images a minute of a stored corpus, with one and with more processes.

    python benchmarks/generation.py [--num 40] [--workers 2] [--size 512] [--thick] [--out generation.json]

512 × 512 HAADF images of the recipe `pt-nc` by `kernels`, structures built, images written and labelled; with
`--thick` its supports are 30–60 nm thick instead of 15–45. `processor_seconds` are those of one image, by stage.
Object functions are measured and loops compiled beforehand.
Each run starts its processes anew; their start-up is reported apart and left out of the rate, as a corpus takes hours.
"""

import os

# One thread a process in both runs, as dask sets it for its workers.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import argparse
import json
import tempfile
import time
from pathlib import Path

from stemforge.simulate import SimulationRecipe, label_atoms, simulate_corpus, simulate_sample

THICK = {"support.mean_thickness": {"uniform": [300, 600]}}


def rate(recipe: SimulationRecipe, workers: int) -> dict[str, float]:
    """Make a corpus; return its pace between the first shards and the last."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.time()
        simulate_corpus(recipe, Path(folder) / "corpus", workers=workers, quiet=True)
        took = time.time() - began
        written = sorted(path.stat().st_mtime for path in Path(folder, "corpus").glob("*.h5"))
        size = sum(path.stat().st_size for path in Path(folder, "corpus").glob("*.h5"))
    # The first image of each process also warms it up.
    steady = written[-1] - written[workers - 1]
    return {
        "seconds": round(took, 1),
        "first_image_after_seconds": round(written[0] - began, 1),
        "images_per_minute": round(60 * (len(written) - workers) / steady, 2),
        "megabytes_per_image": round(size / len(written) / 1e6, 2),
    }


def stages(recipe: SimulationRecipe, number: int = 8) -> dict[str, float]:
    """Return processor seconds of an image: structure, signal, labels."""
    spent = dict.fromkeys(("structure", "signal", "labels"), 0.0)
    for index in range(number):
        clock = [time.process_time()]
        drawn, atoms = recipe.build(index)
        clock.append(time.process_time())
        focus = drawn.focus_depth(atoms)
        signal = drawn.engine.image(atoms, drawn.microscope, drawn.scan, focus)
        clock.append(time.process_time())
        label_atoms(atoms, signal, drawn.microscope, drawn.scan, focus, reference_dose=drawn.reference_dose)
        clock.append(time.process_time())
        for name, begin, end in zip(spent, clock, clock[1:], strict=False):
            spent[name] += (end - begin) / number
    return {name: round(seconds, 4) for name, seconds in spent.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--num", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--thick", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    recipe = SimulationRecipe.load(
        "pt-nc",
        (THICK if options.thick else {})
        | {"shard_size": 1, "num_samples": options.num, "scan.shape": [options.size, options.size]},
    )
    simulate_sample(recipe, 0)
    one, many = rate(recipe, 1), rate(recipe, options.workers)
    figures = {
        "images": options.num,
        "size": options.size,
        "workers": options.workers,
        "thick": options.thick,
        "processor_seconds": stages(recipe),
        "one_process": one,
        f"{options.workers}_processes": many,
        "throughput_ratio": round(many["images_per_minute"] / one["images_per_minute"], 2),
        "load_average": os.getloadavg()[0],
    }
    text = json.dumps(figures, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text)
