"""Exported detectors against stemforge: the difference on images of odd sizes, and the time beside PyTorch's.

    python benchmarks/portable.py [--weights atom-net] [--model FILE.onnx] [--side 512] [--repeat 7]

Eleven real images (parts of odd sizes) and nine synthetic ones; the control is the same model beside other weights.
Times are the best of some runs on one thread of the processor, from an image as recorded to candidates:
stemforge's prepares with numpy and scipy, the graph in itself.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from stemforge import read_micrograph
from stemforge.infer import DetectorGraph, atom_finder, export_detector
from stemforge.infer.decision import CANDIDATE
from stemforge.train import load_weights

CONTROL = {"atom-net": "any-atom", "any-atom": "atom-net"}


def images():
    rng = np.random.default_rng(0)
    for path in sorted(Path(os.environ["STEMFORGE_DATA_DIR"], "pt-nc", "images").glob("*.tif")):
        height, width = rng.integers(31, 420, 2)
        yield read_micrograph(path).image[17 : 17 + height, 5 : 5 + width]
    for shape in (
        (16, 16),
        (17, 203),
        (151, 23),
        (64, 64),
        (101, 99),
        (255, 131),
        (33, 257),
        (97, 96),
        (500, 41),
    ):
        yield rng.normal(1000, 30, shape).astype(np.float32)


def best(work, repeat):
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default="atom-net", choices=CONTROL)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--repeat", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.model is None:
        options.model = export_detector(options.weights, Path(tempfile.mkdtemp()) / "model.onnx").path
    threads = onnxruntime.SessionOptions()
    threads.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(options.model, threads, providers=["CPUExecutionProvider"])

    differences = {}
    for name in (options.weights, CONTROL[options.weights]):
        model, card = load_weights(name)
        differences[name] = []
        for image in images():
            likelihood, find = atom_finder(model, card, image)
            found, peak, *_ = session.run(None, {"image": np.array(image)[None, None]})
            differences[name].append(float(np.abs(found[0, 0] - likelihood).max()))
            if name == options.weights and int(peak.sum()) != len(find(CANDIDATE)):
                raise SystemExit(f"other candidates on an image of {image.shape}")

    model, card = load_weights(options.weights)
    image = np.random.default_rng(1).normal(1e4, 300, (options.side, options.side)).astype(np.float32)
    graph, tensor = DetectorGraph(model, card).eval(), torch.from_numpy(image)[None, None]

    def eager():
        with torch.inference_mode():
            graph(tensor)

    present = best(lambda: atom_finder(model, card, image)[1](CANDIDATE), options.repeat)
    onnx = best(lambda: session.run(None, {"image": image[None, None]}), options.repeat)
    figures = {
        "weights": options.weights,
        "images": len(differences[options.weights]),
        "largest difference": {name: max(values) for name, values in differences.items()},
        "side": options.side,
        "stemforge [s]": present,
        "graph in PyTorch, of that": best(eager, options.repeat) / present,
        "graph in onnxruntime, of that": onnx / present,
        "load": os.getloadavg()[0],
        "cores": os.cpu_count(),
    }
    print(json.dumps(figures, indent=2))
