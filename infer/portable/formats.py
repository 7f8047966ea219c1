"""Detectors of atoms written for other programs: ONNX, torch.export, bioimage.io; each is run and compared."""

import io
import json
import re
import warnings
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from stemforge.errors import InputError, WeightsError
from stemforge.files import write_whole
from stemforge.infer.atoms.maps import atom_finder
from stemforge.infer.decision import CANDIDATE
from stemforge.infer.portable.bioimage import pack
from stemforge.infer.portable.description import KEY, OPSET, describe
from stemforge.infer.portable.graph import OUTPUTS, DetectorGraph
from stemforge.infer.weights import load_finder
from stemforge.installation.requirements import install_command
from stemforge.outputs.places import check_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch.export import ExportedProgram

    from stemforge.train.card import Card

SMALLEST, LARGEST = 16, 2**15
"""Side of an image that the graph takes [pixel]."""
TOLERANCE = 1e-4
"""Largest difference between a likelihood of the written model and stemforge's."""
_SIZES = ((16, 57), (131, 90))  # on which a model is run when it has been written

Run = Callable[[NDArray[np.float32]], Mapping[str, NDArray[np.float32]]]
"""Runs a written model over an image, shape (1, 1, height, width)."""


@dataclass(frozen=True)
class Exported:
    """A detector that was written for other programs.

    Parameters
    ----------
    path
        The file.
    difference
        Largest difference between its likelihoods and stemforge's on two images of odd sizes.

    Examples
    --------
    >>> exported = Exported(Path("detector.pt2"), difference=3e-7)
    >>> exported.difference < TOLERANCE  # as good as stemforge itself
    True
    """

    path: Path
    difference: float


def export_detector(weights: str | Path, path: str | Path, *, overwrite: bool = False) -> Exported:
    """Write a detector of atoms for programs without stemforge, then run it and compare.

    Preparation, network, smoothing, calibration and search for peaks are in the file; images may have any size from
    16 × 16 pixels on. What is not in it stands in its metadata
    (:func:`~stemforge.infer.portable.description.describe`).

    Parameters
    ----------
    weights
        A file, or the name of weights that come with stemforge.
    path
        File to write: ``.onnx``; ``.pt2``, a program of ``torch.export``; or ``.zip``, a package for bioimage.io around
        the ONNX model.
    overwrite
        Replace the file.

    Raises
    ------
    InputError
        Weights that find no atoms, or a name for another kind of file; ONNX and its runtime are not installed.
    WeightsError
        The network's preparation has no form outside Python, or the written model disagrees with stemforge.

    Examples
    --------
    >>> export_detector("atom-net", "detector.h5")  # refused before weights are read
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: out detector.h5: must end in .onnx, .pt2, .zip, not '.h5'
    """
    path = Path(path)
    check_file(path, "out", (".onnx", ".pt2", ".zip"), overwrite=overwrite)
    ending = path.suffix.lower()
    if ending != ".pt2":
        _require_onnx()
    model, card = load_finder(weights, "atoms")
    facts = describe(card)
    program = trace(DetectorGraph(model, card))
    content = to_archive(program, facts) if ending == ".pt2" else to_onnx(program, facts)
    run = (run_program if ending == ".pt2" else run_onnx)(content)
    difference = _difference(run, model, card)
    if difference > TOLERANCE:
        raise WeightsError(
            f"{weights}: the written model's likelihoods differ from stemforge's by {difference:.1e}, at most "
            f"{TOLERANCE:g} is allowed; nothing was kept"
        )
    if ending == ".zip":
        content = pack(content, facts, card, path.stem, run)
    write_whole(path, content)
    return Exported(path, difference)


def trace(graph: DetectorGraph) -> "ExportedProgram":
    """Return a graph as a program whose images may have any size."""
    sides = {
        axis: torch.export.Dim(name, min=SMALLEST, max=LARGEST)
        for axis, name in ((2, "height"), (3, "width"))
    }
    with _quiet():
        return torch.export.export(
            graph.eval(),
            (torch.rand(1, 1, 48, 72),),
            dynamic_shapes={"image": sides},
            strict=False,
            prefer_deferred_runtime_asserts_over_guards=True,
        )


def to_onnx(program: "ExportedProgram", facts: Mapping[str, Any]) -> bytes:
    """Return a program as an ONNX model with what must be known of it in its metadata."""
    with _quiet():
        made = torch.onnx.export(
            program, (), dynamo=True, opset_version=OPSET, output_names=list(OUTPUTS), verbose=False
        )
    assert made is not None  # noqa: S101 - for the type checker: no file was named
    made.model.metadata_props[KEY] = json.dumps(facts)
    made.model.producer_name, made.model.producer_version = "stemforge", facts["version"]
    made.model.doc_string = "Single atoms in annular STEM images; how to use it stands in the metadata."
    model = made.model_proto
    sides = [axis.dim_param for axis in model.graph.input[0].type.tensor_type.shape.dim[2:]]
    named = dict(zip(sides, ("height", "width"), strict=True))
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:  # to set it would make a number a name
                axis.dim_param = re.sub(r"\w+", lambda word: named.get(word[0], word[0]), axis.dim_param)
    return bytes(model.SerializeToString())


def to_archive(program: "ExportedProgram", facts: Mapping[str, Any]) -> bytes:
    """Return a program as ``torch.export.load`` reads it."""
    stream = io.BytesIO()
    with _quiet():
        torch.export.save(program, stream, extra_files={f"{KEY}.json": json.dumps(facts)})
    return stream.getvalue()


def run_onnx(content: bytes) -> Run:
    """Return what runs an ONNX model on the processor."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return lambda image: dict(zip(OUTPUTS, session.run(None, {"image": image}), strict=True))


def run_program(content: bytes) -> Run:
    """Return what runs a program that ``torch.export`` stored."""
    with _quiet():
        module = torch.export.load(io.BytesIO(content)).module()

    def run(image: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        with torch.inference_mode():
            found = module(torch.from_numpy(image))
        return {name: values.numpy() for name, values in zip(OUTPUTS, found, strict=True)}

    return run


def _difference(run: Run, model: Any, card: "Card") -> float:
    """Return the largest difference from stemforge, of likelihoods and of candidates' number, on synthetic images."""
    largest = 0.0
    for seed, shape in enumerate(_SIZES):
        rng = np.random.default_rng(seed)
        image = rng.normal(1000.0, 30.0, shape).astype(np.float32)
        image[8, 20] += 1e4
        likelihood, find = atom_finder(model, card, image)
        found = run(image[None, None])
        if int(found["peak"].sum()) != len(find(CANDIDATE)):
            return float("inf")
        largest = max(largest, float(np.abs(found["likelihood"][0, 0] - likelihood).max()))
    return largest


def _require_onnx() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"ONNX needs onnx, onnxscript and onnxruntime; install them with: {install_command('onnx')}, "
            "or write a .pt2"
        ) from error


@contextmanager
def _quiet() -> "Iterator[None]":
    """Keep the exporters' warnings about themselves from users, who can do nothing about them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
