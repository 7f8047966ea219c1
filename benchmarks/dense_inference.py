"""The dense likelihood map against a plain sliding window, on one 512 × 512 image.

    python benchmarks/dense_inference.py [IMAGE]

Both include preprocessing: the window's uses SciPy's median filter. The sliding window is timed on every
eighth row and scaled up; that its values are the same is checked on those rows.
"""

import json
import sys
import time

import numpy as np
import torch
from scipy import ndimage

from stemforge import Micrograph, read_micrograph
from stemforge.infer import map_image
from stemforge.train import SACCNN, network, subtract_background

STEP = 8


def plain_preprocessing(image):
    """Return the published preprocessing, by SciPy."""
    foreground = np.clip(image - ndimage.median_filter(image, 40), 0, None)
    return foreground / foreground.max()


def sliding_window(model, prepared):
    """Return the likelihood on every eighth row, one batch of windows a row."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(prepared, 10), (21, 21))[::STEP]
    with torch.inference_mode():
        rows = [model(torch.from_numpy(row.copy())[:, None]).softmax(1)[:, 1] for row in windows]
    return torch.stack(rows).numpy()


def timed(function, *arguments):
    """Return a result and the seconds it took."""
    start = time.perf_counter()
    return function(*arguments), time.perf_counter() - start


def dense_map(model, prepared):
    """Return the likelihood at every pixel in one pass."""
    return map_image(network("sac-cnn"), model, prepared)[0]


if __name__ == "__main__":
    torch.manual_seed(0)
    model = SACCNN().eval()
    if len(sys.argv) > 1:
        micrograph = read_micrograph(sys.argv[1])
    else:
        micrograph = Micrograph(np.random.default_rng(0).poisson(50, (512, 512)))
    subtract_background(micrograph.image)  # compiles once
    dense_map(model, np.zeros((64, 64)))
    runs = []
    for _ in range(3):
        prepared, prepare_s = timed(subtract_background, micrograph.image)
        dense, dense_s = timed(dense_map, model, prepared)
        runs.append((prepare_s + dense_s, prepare_s, dense_s))
    total, prepare_s, dense_s = sorted(runs)[1]
    plain, median_s = timed(plain_preprocessing, micrograph.image)
    rows, window_s = timed(sliding_window, model, prepared)
    window_s *= STEP
    figures = {
        "preprocessing_seconds": prepare_s,
        "dense_seconds": dense_s,
        "total_seconds": total,
        "sliding_window_seconds": window_s,
        "scipy_median_seconds": median_s,
        "ratio": (window_s + median_s) / total,
        "largest_difference": float(np.abs(rows - dense[::STEP]).max()),
        "preprocessing_difference": float(np.abs(plain - prepared).max()),
    }
    print(json.dumps({k: round(v, 9) for k, v in figures.items()}, indent=2))
