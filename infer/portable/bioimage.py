"""A package that bioimage.io's programs read: the ONNX model, its description, and an example with its answers."""

import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from stemforge.infer.portable.description import OPSET
from stemforge.train.card import Card

_FORMAT = "0.5.3"
_SPECIFICATION = {
    "likelihood": ("atom",),
    "peak": ("candidate",),
    "offset": ("x", "y"),
    "sigma": ("deviation",),
}
"""Channels of each output."""


def pack(
    model: bytes,
    facts: Mapping[str, Any],
    card: Card,
    name: str,
    run: Callable[[NDArray[np.float32]], Mapping[str, NDArray[np.float32]]],
) -> bytes:
    """Return a zip file with ``rdf.yaml``, the ONNX model, and an image with the answers to it.

    Parameters
    ----------
    model
        In ONNX.
    facts
        From :func:`stemforge.infer.portable.description.describe`.
    card
        Of the weights.
    name
        Of the package.
    run
        Runs the model; makes the answers.

    References
    ----------
    Specification: https://github.com/bioimage-io/spec-bioimage-io
    """
    image = _example(96, 120)[None, None]
    arrays = {"image": image, **run(image)}
    files = {f"{title}.npy": _npy(values) for title, values in arrays.items()}
    files |= {"model.onnx": model, "README.md": _readme(facts, card).encode()}
    files["rdf.yaml"] = yaml.safe_dump(_description(files, facts, name), sort_keys=False).encode()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for title, content in files.items():
            archive.writestr(title, content)
    return stream.getvalue()


def _example(height: int, width: int) -> NDArray[np.float32]:
    """Draw an image with three spots as wide as those of atoms, and noise."""
    rows, columns = np.mgrid[:height, :width]
    image = np.random.default_rng(0).normal(1000.0, 30.0, (height, width))
    for x, y in ((30.3, 20.0), (80.0, 40.6), (50.5, 70.0)):
        image += 250 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 3.7**2))
    return image.astype(np.float32)


def _npy(values: NDArray[np.float32]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def _description(files: Mapping[str, bytes], facts: Mapping[str, Any], name: str) -> dict[str, Any]:
    def file(title: str) -> dict[str, str]:
        return {"source": title, "sha256": hashlib.sha256(files[title]).hexdigest()}

    def axes(channels: tuple[str, ...], sizes: Mapping[str, Any]) -> list[dict[str, Any]]:
        scale = {"unit": "angstrom", "scale": float(facts["sampling"])}
        along = [{"type": "space", "id": axis, "size": size, **scale} for axis, size in sizes.items()]
        return [{"type": "batch", "size": 1}, {"type": "channel", "channel_names": list(channels)}, *along]

    taken = {axis: {"min": 16, "step": 1} for axis in "yx"}
    given = {axis: {"tensor_id": "image", "axis_id": axis} for axis in "yx"}
    return {
        "type": "model",
        "format_version": _FORMAT,
        "name": f"stemforge {name}".replace("_", "-"),
        "description": "Single atoms in annular (HAADF) STEM images: calibrated likelihood, peaks and offsets",
        "documentation": "README.md",
        "authors": [{"name": "The stemforge developers"}],
        "license": "GPL-3.0-or-later",
        "cite": [
            {"text": "Ronneberger et al. 2015, U-Net", "url": "https://arxiv.org/abs/1505.04597"},
            {"text": "Zhou et al. 2019, Objects as points", "url": "https://arxiv.org/abs/1904.07850"},
        ],
        "tags": ["electron-microscopy", "stem", "haadf", "single-atoms", "detection", "pytorch", "onnx"],
        "timestamp": datetime.now(UTC).isoformat(),
        "inputs": [
            {
                "id": "image",
                "description": "as recorded, any unit, at the pixel size of its axes",
                "axes": axes(("intensity",), taken),
                "data": {"type": "float32"},
                "test_tensor": file("image.npy"),
            }
        ],
        "outputs": [
            {
                "id": output,
                "description": facts["outputs"][output].rpartition(", (1,")[0],
                "axes": axes(channels, given),
                "data": {"type": "float32"},
                "test_tensor": file(f"{output}.npy"),
            }
            for output, channels in _SPECIFICATION.items()
        ],
        "weights": {"onnx": {**file("model.onnx"), "opset_version": OPSET}},
        "config": {"stemforge": dict(facts) | {"outside": list(facts["outside"])}},
    }


def _readme(facts: Mapping[str, Any], card: Card) -> str:
    outputs = "\n".join(f"- `{name}`: {text}" for name, text in facts["outputs"].items())
    outside = "\n".join(f"- {text}" for text in facts["outside"])
    measured = "\n".join(f"- {name}: {value}" for name, value in card.metrics.items())
    numbers = "\n".join(f"- `{name}`: {facts[name]}" for name in ("sampling", "threshold", "min_expected_f1"))
    return (
        f"# A detector of single atoms by stemforge\n\nNetwork {facts['architecture']}; sizes in Å:\n\n"
        f"{numbers}\n\nInput: {facts['input']}.\n\n{outputs}\n\n## What the model does not do\n\n{outside}\n\n"
        f"## Validation\n\nOn held-out data:\n\n{measured or '- not measured'}\n"
    )
