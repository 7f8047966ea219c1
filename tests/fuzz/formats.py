"""What is fuzzed: every format, the public function that reads it, and what that function may raise."""

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import hostile
import numpy as np
import seeds
from PIL import Image
from seeds import Seed

from stemforge import Annotations, Corpus, read_micrograph, read_stack, verify_corpus
from stemforge.errors import InputError
from stemforge.micrograph.coco import read_coco
from stemforge.simulate import SimulationRecipe
from stemforge.structures import structure_from_file
from stemforge.train import load_weights


@dataclass(frozen=True)
class Format:
    """A format: its sound files, how they are read, what the reader may raise, and its share of the cases."""

    seeds: Callable[[Path], Iterable[Seed]]
    read: Callable[[Path], None]
    refuses: tuple[type[Exception], ...] = (InputError,)
    text: bool = False
    share: float = 1.0
    # Some files know their own sum, and are looked at no further when it differs.
    forge: Callable[[str, bytes], bytes] | None = None


class WrongError(Exception):
    """A damaged file was taken for sound, and what was read makes no sense."""


def _sane(condition, what):
    if not condition:
        raise WrongError(what)


def _micrograph(path):
    try:
        frames = [read_micrograph(path)]
    except InputError as error:
        if "(frame)" not in str(error):
            raise
        frames = read_stack(path)
    for frame in frames:
        _sane(frame.image.ndim == 2 and np.isfinite(frame.image).all(), "the image")
        _sane(
            frame.sampling is None or (np.isfinite(frame.sampling) and frame.sampling > 0), "the pixel size"
        )


def warm_up(folder):
    """Read an image: the process in which images are opened takes its time to start."""
    Image.fromarray(np.eye(8, dtype="u1")).save(folder / "a.png")
    read_micrograph(folder / "a.png")


def _structure(path):
    atoms = structure_from_file(path, single_atoms=["Pt"])
    _sane(len(atoms) and np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell).all(), "the atoms")
    _sane((atoms.cell.lengths() > 0).all(), "the cell")


def _labels(path):
    table = Annotations.from_csv(path, (600, 600))
    _sane(np.isfinite(table.points).all() and table.inside((600, 600)).all(), "the points")


def _coco(path):
    for image in read_coco(path):
        height, width = image.shape
        found = image.annotations
        _sane(np.isfinite(found.points).all() and found.inside(image.shape).all(), "the points")
        _sane((found["species"] < max(len(image.names), 1)).all(), "the names")
        if found.boxes is not None:
            low, high = found.boxes[:, :2], found.boxes[:, 2:]
            _sane((low < high).all(), "the boxes")
            # Half a pixel for where a pixel's edge is, half for rounding.
            _sane((low > -1.1).all() and (high < [width + 0.1, height + 0.1]).all(), "where the boxes are")


def _recipe(path):
    recipe = SimulationRecipe.from_file(path)
    _sane(recipe.from_mapping(json.loads(recipe.model_dump_json())).hash == recipe.hash, "the recipe")


def _corpus(path, forged=False):
    faults = verify_corpus(path)
    for sample in Corpus(path):
        sound = seeds.a_sample(sample.index)
        same = np.array_equal(sample.signal, sound.signal)
        same = same and np.array_equal(sample.labels.points, sound.labels.points)
        _sane(forged or same, "a sample")
    _sane(forged or not any(fault.kind in ("damaged", "duplicate") for fault in faults), "a damaged shard")


def forge_shard(name: str, content: bytes) -> bytes:
    """Give a damaged shard a header that fits it, as one who means harm can."""
    end = content.find(b"\n") + 1
    try:
        head = json.loads(content[:end])
    except ValueError:
        return content
    if not name.endswith(".h5") or not isinstance(head, dict):
        return content
    body = content[end:]
    head |= {"length": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    head.pop("crc32", None)
    text = json.dumps(head, separators=(",", ":")).encode()
    return (text[:-1] + b',"crc32":"%08x"}' % zlib.crc32(text)).ljust(end - 1) + b"\n" + body


def _weights(path):
    model, card = load_weights(path)
    _sane(not model.training and card.architecture, "the network")


_STRUCTURES = (InputError, FileNotFoundError, ValueError)


def _structures(suffix, ase_format, **options):
    made = seeds.structure(suffix, ase_format, **options)
    return Format(made, _structure, _STRUCTURES, text=True)


FORMATS = {
    "tiff": Format(seeds.tiff, _micrograph, share=1.5),
    "ome-tiff": Format(seeds.ome_tiff, _micrograph),
    "imagej-tiff": Format(seeds.imagej_tiff, _micrograph),
    "dm3": Format(seeds.dm3, _micrograph, share=1.5),
    "dm4": Format(seeds.dm4, _micrograph, share=1.5),
    "emd-berkeley": Format(seeds.emd_berkeley, _micrograph, share=1.5),
    "emd-velox": Format(seeds.emd_velox, _micrograph, share=1.5),
    "ser": Format(seeds.ser, _micrograph),
    "emi": Format(seeds.emi, _micrograph),
    "mrc": Format(seeds.mrc, _micrograph),
    "hspy": Format(seeds.hspy, _micrograph, share=1.5),
    "png": Format(seeds.png, _micrograph),
    "jpeg": Format(seeds.jpeg, _micrograph),
    "cif": _structures("cif", "cif"),
    "xyz": _structures("xyz", "xyz"),
    "extxyz": _structures("extxyz", "extxyz"),
    "pdb": _structures("pdb", "proteindatabank"),
    "lammps": _structures("lammps-data", "lammps-data", masses=True),
    "poscar": _structures("POSCAR", "vasp"),
    "labels": Format(seeds.labels, _labels, text=True),
    "coco": Format(seeds.coco, _coco, text=True),
    "recipe": Format(seeds.recipes, _recipe, text=True),
    "corpus": Format(seeds.corpus, _corpus),
    "forged-corpus": Format(seeds.corpus, partial(_corpus, forged=True), forge=forge_shard),
    "weights": Format(seeds.weights, _weights),
}
"""Every format, by name."""

# Read as they are: each has to be refused, within the limits of time and memory, or read right.
HOSTILE = {
    "hostile-micrographs": Format(hostile.micrographs, _micrograph),
    "hostile-structures": Format(hostile.structures, _structure, _STRUCTURES),
    "hostile-recipes": Format(hostile.recipes, _recipe),
    "hostile-corpora": Format(hostile.corpora, _corpus),
    "hostile-weights": Format(hostile.weights, _weights),
}
"""Files made to do harm, by kind."""
