"""Small sound files of every format that stemforge reads: what the fuzzer begins with."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import ase.build
import microscope_files
import numpy as np
import tifffile
from ase.io import write
from microscope_files import IMAGE
from PIL import Image

from stemforge import Annotations, CorpusWriter, Sample, Structure
from stemforge.simulate import SimulationRecipe
from stemforge.simulate.recipe import shipped_recipes


@dataclass(frozen=True)
class Seed:
    """Sound files that are read together: which is opened, and the bytes of all by name."""

    entry: str
    files: dict[str, bytes]


def _folder(folder: Path) -> Seed:
    """Return a folder as a seed that is opened as a folder."""
    return Seed(".", {p.name: p.read_bytes() for p in sorted(folder.iterdir())})


def _each(folder: Path, makers: dict[str, Callable[[Path], object]]) -> Iterator[Seed]:
    """Let each function write the file that it is named with, or return its bytes."""
    for name, make in makers.items():
        made = make(folder / name)
        if isinstance(made, bytes):
            (folder / name).write_bytes(made)
        yield Seed(name, {name: (folder / name).read_bytes()})


def tiff(folder):
    grey = IMAGE.astype(np.uint8)
    options = [
        {},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"compression": "zlib", "predictor": True},
        {"tile": (16, 16)},
        {"resolution": (100, 100), "resolutionunit": "CENTIMETER"},
        {"photometric": "minisblack", "data": np.stack([grey] * 3)},
        {"data": IMAGE.astype("f4")},
        {"data": np.stack([grey] * 3, -1), "photometric": "rgb"},
    ]
    return _each(
        folder,
        {
            f"{i}.tif": lambda p, o=o: tifffile.imwrite(p, **{"data": grey, **o})
            for i, o in enumerate(options)
        },
    )


def ome_tiff(folder):
    metadata = {"axes": "YX", "PhysicalSizeX": 0.02, "PhysicalSizeXUnit": "nm"}
    metadata |= {"UUID": "urn:uuid:00000000-0000-0000-0000-000000000000"}  # the same on every run
    metadata |= {"PhysicalSizeY": 0.02, "PhysicalSizeYUnit": "nm"}
    stack = np.stack([IMAGE] * 3)
    return _each(
        folder,
        {
            "a.ome.tif": lambda p: tifffile.imwrite(p, IMAGE, ome=True, metadata=metadata),
            "b.ome.tif": lambda p: tifffile.imwrite(p, stack, ome=True, metadata=metadata | {"axes": "ZYX"}),
        },
    )


def imagej_tiff(folder):
    options = {"imagej": True, "resolution": (50, 50), "metadata": {"unit": "nm"}}
    return _each(
        folder,
        {
            "a.tif": lambda p: tifffile.imwrite(p, IMAGE, **options),
            "b.tif": lambda p: tifffile.imwrite(p, np.stack([IMAGE] * 3), **options),
        },
    )


def dm3(folder):
    return _each(
        folder, {f"{n}.dm3": lambda _, n=n: microscope_files.digital_micrograph(3, n) for n in (1, 3)}
    )


def dm4(folder):
    return _each(
        folder, {f"{n}.dm4": lambda _, n=n: microscope_files.digital_micrograph(4, n) for n in (1, 3)}
    )


def emd_berkeley(folder):
    from rsciio.emd import file_writer

    def written(path):
        file_writer(str(path), _signal(IMAGE.astype("f4")))

    return _each(folder, {"a.emd": microscope_files.berkeley, "b.emd": written})


def emd_velox(folder):
    return _each(folder, {"a.emd": microscope_files.velox})


def ser(folder):
    versions = ((1, 0x210), (3, 0x210), (1, 0x220))
    return _each(
        folder, {f"{i}_1.ser": lambda _, o=o: microscope_files.tia(*o) for i, o in enumerate(versions)}
    )


def emi(folder):
    yield Seed("a.emi", {"a.emi": microscope_files.tia_information(), "a_1.ser": microscope_files.tia()})


def mrc(folder):
    import mrcfile

    def written(path):
        with mrcfile.new(path) as file:
            file.set_data(np.stack([IMAGE.astype("i2")] * 2))
            file.voxel_size = 0.25
            file.set_extended_header(np.zeros(64, "u1"))
            file.header.label[0] = b"made"  # no date: the same on every run

    return _each(folder, {"a.mrc": lambda _: microscope_files.mrc(), "b.mrc": written})


def _signal(image):
    names = ("frame", "y", "x")[-image.ndim :]
    axes = [
        {
            "_type": "UniformDataAxis",
            "name": name,
            "size": size,
            "index_in_array": i,
            "offset": 0.0,
            "scale": 1.0 if name == "frame" else 0.02,
            "units": "s" if name == "frame" else "nm",
            "navigate": name == "frame",
            "is_binned": False,
        }
        for i, (name, size) in enumerate(zip(names, image.shape, strict=True))
    ]
    metadata = {"General": {"title": "made"}, "Signal": {"signal_type": ""}, "_HyperSpy": {}}
    empty = {"tmp_parameters": {}, "models": {}, "learning_results": {}, "original_metadata": {}}
    package = {"package_info": {"package": "test", "package_version": "1"}}
    attributes = {"attributes": {"_lazy": False, "ragged": False}}
    return {"data": image, "axes": axes, "metadata": metadata} | empty | package | attributes


def hspy(folder):
    from rsciio.hspy import file_writer

    images = {"a.hspy": IMAGE, "b.hspy": np.stack([IMAGE.astype("f4")] * 3)}
    return _each(folder, {n: lambda p, i=i: file_writer(str(p), _signal(i)) for n, i in images.items()})


def png(folder):
    grey = Image.fromarray(IMAGE.astype(np.uint8))
    pictures = {
        "grey": grey,
        "deep": Image.fromarray(IMAGE),
        "alpha": grey.convert("LA"),
        "colour": grey.convert("RGB"),
        "palette": grey.convert("P"),
        "bits": grey.convert("1"),
    }
    return _each(folder, {f"{name}.png": picture.save for name, picture in pictures.items()})


def jpeg(folder):
    grey = Image.fromarray(IMAGE.astype(np.uint8))
    return _each(
        folder,
        {
            "a.jpg": grey.save,
            "b.jpeg": lambda p: grey.save(p, progressive=True, exif=Image.Exif().tobytes(), dpi=(300, 300)),
            "c.jpg": grey.convert("RGB").save,
        },
    )


def _atoms():
    atoms = ase.build.fcc100("Pt", (2, 2, 2), vacuum=4.0)
    atoms.pbc = True
    return atoms


def structure(suffix, ase_format, **options):
    """Return the seeds of one format of structures."""

    def seeds(folder):
        name = "POSCAR" if suffix == "POSCAR" else f"a.{suffix}"
        return _each(folder, {name: lambda p: write(str(p), _atoms(), format=ase_format, **options)})

    return seeds


def labels(folder):
    def table(path):
        rng = np.random.default_rng(0)
        points = rng.uniform(0, 500, (20, 2))
        columns = {"score": rng.random(20), "sigma_px": rng.random(20)}
        Annotations(points, columns=columns).to_csv(path, 0.3)

    def boxes(path):
        Annotations.of_boxes([[1, 2, 30, 40], [5, 5, 9, 9]]).to_csv(path)

    def imagej(path):
        rows = [f"{i},{10 * i},0,255,{1.5 * i},{2.25 * i}" for i in range(1, 12)]
        path.write_text("\n".join([" ,Area,Min,Max,X,Y", *rows]) + "\n", encoding="utf-8-sig")

    return _each(folder, {"a.csv": table, "b.csv": boxes, "c.csv": imagej})


def coco(folder):
    """Yield annotations as boxes, with keypoints, and of two images with more than readers ask for."""
    images = [{"id": i, "file_name": f"images/{i}.png", "width": 60, "height": 40} for i in (7, 9)]
    kinds = [{"id": i, "name": name} for i, name in enumerate(("pyridine", "thiophene"), start=1)]
    boxes = [
        {
            "id": i,
            "image_id": images[i % 2]["id"],
            "category_id": 1 + i % 2,
            "bbox": [2.5 * i, 3 * i, 8, 9.25],
        }
        for i in range(8)
    ]
    marked = [
        row | {"keypoints": [row["bbox"][0] + 4, row["bbox"][1] + 4.5, 2], "num_keypoints": 1}
        for row in boxes
    ]
    further = [
        row | {"area": 74.0, "iscrowd": 0, "segmentation": [], "attributes": {"by": "hand"}} for row in boxes
    ]

    def text(rows, **others):
        content = {"images": images, "annotations": rows, "categories": kinds} | others
        return lambda _: json.dumps(content, indent=1).encode()

    return _each(
        folder,
        {
            "a.json": text(boxes),
            "b.json": text(marked),
            "c.json": text(further, info={"year": 2026}, licenses=[]),
        },
    )


def recipes(folder):
    yield from _each(
        folder, {f"{n}.yaml": lambda _, p=p: p.read_bytes() for n, p in shipped_recipes().items()}
    )
    whole = SimulationRecipe.shipped("quickstart").to_yaml().encode()
    yield from _each(folder, {"whole.yaml": lambda _: whole})


def a_sample(index):
    """Return a sample of the seeds' corpus."""
    rng = np.random.default_rng(index)
    atoms = Structure(
        rng.integers(1, 90, 5).astype("u1"),
        rng.random((5, 3)).astype("f4"),
        np.ones(5, "u1"),
        np.diag([4.0, 5.0, 6.0]),
    )
    labels = Annotations(rng.uniform(0, 7, (3, 2)), columns={"score": rng.random(3)})
    return Sample(index, rng.random((1, 8, 8), "f4"), 0.3, ("HAADF",), labels, {"name": f"s{index}"}, atoms)


def corpus(folder):
    for name, number in (("one", 1), ("three", 3)):
        recipe = {"name": "demo", "num_samples": 2 * number, "shard_size": 2, "value": 1.5}
        writer = CorpusWriter(folder / name, recipe, "a" * 64)
        for shard in range(number):
            writer.write(shard, [a_sample(2 * shard), a_sample(2 * shard + 1)])
        yield _folder(folder / name)


def weights(folder):
    """Yield the smallest networks: safetensors with their card, and a checkpoint."""
    import torch

    from stemforge.train import Card, save_weights
    from stemforge.train.card import CARD_KEY
    from stemforge.train.networks import network

    card = Card("atom-net", 0.293, settings={"width": 4, "levels": 2}, data=("made",))
    torch.manual_seed(0)
    model = network("atom-net").build(card.settings)

    def checkpoint(path):
        state = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
        torch.save({"state_dict": state, CARD_KEY: card.to_json()}, path)

    def bare(path):
        header = json.dumps({"__metadata__": {CARD_KEY: card.to_json()}}).encode()
        path.write_bytes(len(header).to_bytes(8, "little") + header)

    yield from _each(
        folder,
        {
            "a.safetensors": lambda p: save_weights(p, model, card),
            "b.safetensors": bare,
            "a.ckpt": checkpoint,
        },
    )
