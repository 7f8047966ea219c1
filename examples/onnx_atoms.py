"""Find atoms with an exported detector: numpy, onnxruntime and tifffile alone, no stemforge, no PyTorch.

    stemforge export-model any-atom --out any-atom.onnx
    python examples/onnx_atoms.py any-atom.onnx my-image.tif --sampling 0.293 --out atoms.csv

The places are the network's; `stemforge infer atoms` also fits each atom's image.
"""

import argparse
import json

import numpy as np
import onnxruntime
import tifffile


def cosines(n):
    """Return the matrix of the orthonormal cosine transform."""
    i = np.arange(n)
    matrix = np.sqrt(2 / n) * np.cos(np.pi * (i + 0.5) * i[:, None] / n)
    matrix[0] /= np.sqrt(2)
    return matrix


def resampled(image, factor):
    """Cut the cosine transform off for coarser pixels, continue it with noise of its density for finer ones."""
    shape = [max(1, round(n * factor)) for n in image.shape]
    mean = image.mean(dtype=float)
    rows, columns = (cosines(n) for n in image.shape)
    spectrum = rows @ (image - mean) @ columns.T
    out = np.zeros(shape)
    if factor > 1:
        fine = spectrum[tuple(slice(int(n * 0.7), None) for n in image.shape)]
        level = np.sqrt(np.median(fine**2) / 0.4549)  # the median of x² for a normal variable
        out = level * np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    kept = tuple(slice(min(n, m)) for n, m in zip(image.shape, shape, strict=True))
    out[kept] = spectrum[kept]
    rows, columns = (cosines(n) for n in shape)
    return rows.T @ out @ columns * np.sqrt(out.size / image.size) + mean


def find_atoms(session, image, sampling):
    """Return x, y [pixel] and likelihood of each atom, shape (n, 3), the most likely first."""
    facts = json.loads(session.get_modelmeta().custom_metadata_map["stemforge"])
    factor = sampling / facts["sampling"]
    view = image if abs(factor - 1) <= 0.02 else resampled(image, factor)
    maps = session.run(None, {"image": view.astype(np.float32)[None, None]})
    likelihood, peak, offset, _ = (one[0] for one in maps)
    y, x = np.nonzero(peak[0])
    order = np.argsort(-likelihood[0, y, x], kind="stable")
    y, x = y[order], x[order]
    p = likelihood[0, y, x]
    # F1 to be expected of the best k candidates; where it is low, the threshold is that of the weights.
    f1 = 2 * np.cumsum(p) / (np.arange(1, len(p) + 1) + p.sum())
    threshold = facts["threshold"]
    if len(p) and facts["min_expected_f1"] is not None and f1.max() >= facts["min_expected_f1"]:
        threshold = min(f1.max() / 2, p[f1.argmax()])  # half of it: arXiv:1402.1892
    scale = np.divide(image.shape, view.shape)[::-1]
    points = (np.column_stack([x, y]) + offset[:, y, x].T + 0.5) * scale - 0.5
    return np.column_stack([points, p])[p >= threshold]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("image")
    parser.add_argument("--sampling", type=float, required=True, help="side of a pixel in Å")
    parser.add_argument("--out", default="atoms.csv")
    options = parser.parse_args()
    recorded = tifffile.imread(options.image).astype(np.float32)
    detector = onnxruntime.InferenceSession(options.model, providers=["CPUExecutionProvider"])
    atoms = find_atoms(detector, recorded, options.sampling)
    np.savetxt(options.out, atoms, "%.4f", ",", header="x_px,y_px,score", comments="")
    print(f"{len(atoms)} atoms: {options.out}")
