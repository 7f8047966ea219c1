"""The files that a corpus is exported to: one writer a format."""

import json
import mmap
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from stemforge.corpus.sample import Sample
from stemforge.errors import CorpusError
from stemforge.files import plain, write_png, write_whole
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.writers import write_tiff
from stemforge.simulate.recording.record import Recording

# What lies beyond these percentiles is clipped on an 8-bit picture: a few bright pixels would darken the rest.
_CLIPPED = (0.1, 99.9)
# COCO's kinds of categories.
_MOLECULE = {"supercategory": "molecule"}
_ATOM = {"supercategory": "atom", "keypoints": ["centre"], "skeleton": []}


@dataclass(frozen=True)
class Exported:
    """A sample as it is exported, under a name that is fit for a file."""

    name: str
    sample: Sample
    recording: Recording

    @property
    def labels(self) -> Annotations:
        """Labels with the objects' names as a column ``label``."""
        names = label_names(self.sample, self.recording.labels)
        labels = self.recording.labels
        return Annotations(labels.points, labels.boxes, {"label": names, **labels.columns})

    @property
    def facts(self) -> dict[str, Any]:
        """Where the image comes from, as plain values."""
        settings = self.recording.settings
        return {
            "sample": self.sample.index,
            "sampling_angstrom": self.sample.sampling,
            "dose": self.recording.dose,
            "degradation": None if settings is None else settings.model_dump(mode="json"),
            **{key: value for key, value in self.sample.metadata.items() if key != "drawn"},
        }


@dataclass
class Writer:
    """Writes exported samples to the folder ``out``, one after the other."""

    out: Path

    def add(self, item: Exported) -> None:
        """Write one sample."""
        raise NotImplementedError

    def close(self) -> None:
        """Finish the files that hold many samples."""


def label_names(sample: Sample, labels: Annotations) -> NDArray[np.object_]:
    """Return the name of each labelled object: its species, its element's symbol, or ``atom``."""
    names = sample.metadata.get("molecules")
    if isinstance(names, list) and "species" in labels.columns:
        found = [str(names[int(s)]) for s in labels["species"]]
    elif "element" in labels.columns:
        found = [chemical_symbols[int(z)] for z in labels["element"]]
    else:
        found = ["atom"] * len(labels)
    return np.array(found, dtype=object)


class TiffWriter(Writer):
    """NAME.tif, 32 bit with pixel size, and NAME.csv, labels in the columns of ``stemforge infer``."""

    def add(self, item: Exported) -> None:
        """Write one image and its table."""
        recording, sampling = item.recording, item.sample.sampling
        info = json.dumps(item.facts, ensure_ascii=True)
        path = self.out / f"{item.name}.tif"
        write_tiff(path, recording.image, sampling, channels=recording.channels, info=info)
        item.labels.to_csv(self.out / f"{item.name}.csv", sampling)


class HyperSpyWriter(Writer):
    """NAME.hspy with axes in nm, labels and settings in its metadata."""

    def add(self, item: Exported) -> None:
        """Write one signal."""
        from rsciio.hspy import file_writer

        image, sampling = item.recording.image, item.sample.sampling
        data = image[0] if len(image) == 1 else image
        scale, unit = (1.0, "px") if sampling is None else (sampling / 10, "nm")
        axes = [
            {"name": name, "units": unit, "size": size, "scale": scale, "offset": 0.0, "navigate": False}
            for name, size in zip("yx", image.shape[1:], strict=True)
        ]
        if data.ndim == 3:
            channel = {"name": "channel", "units": "", "size": len(data), "scale": 1.0, "offset": 0.0}
            axes.insert(0, {**channel, "navigate": True})
        labels = item.labels
        table = {"x_px": labels.points[:, 0], "y_px": labels.points[:, 1]}
        if labels.boxes is not None:
            table |= dict(zip(("x0_px", "y0_px", "x1_px", "y1_px"), labels.boxes.T, strict=True))
        table |= {name: values for name, values in labels.columns.items() if values.dtype.kind in "biuf"}
        microscope = item.sample.metadata.get("drawn", {}).get("microscope", {})
        beam = {"beam_energy": microscope["energy"] / 1e3} if "energy" in microscope else {}
        metadata = {
            "General": {"title": item.name},
            "Signal": {"signal_type": "", "quantity": "Intensity"},
            "Acquisition_instrument": {"TEM": {"acquisition_mode": "STEM", **beam}},
            # HDF5 attributes hold no nested lists of strings: text is the safe way.
            "Stemforge": {
                "channels": json.dumps(item.recording.channels),
                "facts": json.dumps(item.facts),
                "label_names": json.dumps(labels["label"].tolist()),
                "labels": table,
            },
        }
        signal = {
            "data": data,
            "axes": axes,
            "metadata": metadata,
            "original_metadata": {},
            "tmp_parameters": {},
            "attributes": {"_lazy": False},
            "learning_results": {},
            "models": {},
            "package_info": {"package": "stemforge", "package_version": version("stemforge")},
        }
        with _system_errors():
            file_writer(str(self.out / f"{item.name}.hspy"), signal, show_progressbar=False)


class XYZWriter(Writer):
    """``structures.extxyz``: every structure [Å] with its tags, and the number and name of its sample."""

    def add(self, item: Exported) -> None:
        """Append one structure."""
        from ase.io import write

        structure = item.sample.structure
        if structure is None:
            raise CorpusError(f"sample {item.sample.index}: carries no structure")
        atoms = Atoms(**vars(structure), pbc=(True, True, False))
        depths = ("focus_angstrom", "thickness_angstrom")
        known = {key: item.sample.metadata[key] for key in depths if key in item.sample.metadata}
        atoms.info = {"sample": item.sample.index, "name": item.name, **known}
        columns = ["symbols", "positions", "tags"]
        write(self.out / "structures.extxyz", atoms, format="extxyz", append=True, columns=columns)


@dataclass
class CocoWriter(Writer):
    """``annotations.json`` in COCO's format beside ``images/NAME.png``.

    COCO's coordinates are 0 at the outer corner of the first pixel: half a pixel more than stemforge's. Atoms have a
    keypoint, ``centre``, and a box of a given size around it; their categories are numbered by atomic number.

    Parameters
    ----------
    out
        Folder.
    bits
        Of the pictures: 8, scaled between percentiles, or 16, scaled between the extremes. ``intensity`` of each
        image gives the values of 0 and of the brightest grey.
    box
        Side of an atom's box [Å].
    channel
        Which channel is drawn.
    species
        Molecules, in the order of their categories.
    info
        What the export is made of.
    """

    bits: int = 8
    box: float = 3.0
    channel: int = 0
    species: tuple[str, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.images: list[dict[str, Any]] = []
        self.categories = {name: number for number, name in enumerate(self.species, start=1)}
        self.kinds: dict[str, dict[str, Any]] = dict.fromkeys(self.species, _MOLECULE)
        self.annotations = 0
        (self.out / "images").mkdir(exist_ok=True)
        # Annotations go to the file as they come: a large corpus has millions.
        self.stream: IO[bytes] = tempfile.TemporaryFile(dir=self.out)  # noqa: SIM115 - until close()
        self.stream.write(b'{"annotations": [')

    def add(self, item: Exported) -> None:
        """Write one picture and its annotations."""
        from PIL import Image

        values = item.recording.image[self.channel]
        low, high = (values.min(), values.max()) if self.bits == 16 else np.percentile(values, _CLIPPED)
        most = 2**self.bits - 1
        grey = np.rint(np.clip((values - low) / max(high - low, 1e-30), 0, 1) * most)
        picture = Image.fromarray(grey.astype(np.uint16 if self.bits == 16 else np.uint8))
        write_png(picture, self.out / "images" / f"{item.name}.png")
        height, width = values.shape
        number = len(self.images) + 1
        self.images.append(
            {
                "id": number,
                "file_name": f"{item.name}.png",
                "width": width,
                "height": height,
                "intensity": [float(low), float(high)],
                "channel": item.recording.channels[self.channel],
                **item.facts,
            }
        )
        for annotation in self._annotations(item, number, (width, height)):
            self.annotations += 1
            text = json.dumps({"id": self.annotations, **annotation}, allow_nan=False)
            self.stream.write(f"{',' if self.annotations > 1 else ''}\n{text}".encode())

    def _annotations(self, item: Exported, number: int, size: tuple[int, int]) -> Iterator[dict[str, Any]]:
        labels = item.labels
        points = labels.points + 0.5
        if labels.boxes is not None:
            boxes = labels.boxes + 0.5
        elif item.sample.sampling is None:
            raise CorpusError(
                f"sample {item.sample.index}: has no pixel size, so a box of {self.box:g} Å cannot be drawn; ingest "
                "the images with their pixel size (sampling)"
            )
        else:
            half = self.box / item.sample.sampling / 2
            boxes = np.hstack([points - half, points + half])
        boxes = np.clip(boxes, 0, [*size, *size])
        for i, ((x0, y0, x1, y1), (x, y)) in enumerate(zip(boxes, points, strict=True)):
            annotation: dict[str, Any] = {
                "image_id": number,
                "category_id": self._category(labels, i),
                "bbox": [_short(v) for v in (x0, y0, x1 - x0, y1 - y0)],
                "area": _short((x1 - x0) * (y1 - y0)),
                "iscrowd": 0,
            }
            if labels.boxes is None:
                annotation |= {"keypoints": [_short(x), _short(y), 2], "num_keypoints": 1}
            values = {name: column[i] for name, column in labels.columns.items() if name != "label"}
            annotation["attributes"] = plain(values)
            yield annotation

    def _category(self, labels: Annotations, i: int) -> int:
        name = str(labels["label"][i])
        if name not in self.categories:
            atom = labels.boxes is None
            element = atom and "element" in labels.columns
            self.categories[name] = int(labels["element"][i]) if element else len(self.categories) + 1
            self.kinds[name] = _ATOM if atom else _MOLECULE
        return self.categories[name]

    def close(self) -> None:
        """Write what the annotations refer to."""
        categories = [
            {"id": number, "name": name, **self.kinds[name]} for name, number in self.categories.items()
        ]
        rest = {"categories": categories, "images": self.images, "info": dict(self.info), "licenses": []}
        self.stream.write(f"\n],{json.dumps(plain(rest), allow_nan=False)[1:]}\n".encode())
        self.stream.flush()
        with self.stream, mmap.mmap(self.stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            write_whole(self.out / "annotations.json", content)  # type: ignore[arg-type]


@contextmanager
def _system_errors() -> Iterator[None]:
    """Turn what HDF5 makes of a full disk, a RuntimeError with the number in its text, into the system's error."""
    try:
        yield
    except RuntimeError as error:
        number = re.search(r"errno = (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def _short(value: float) -> float:
    return round(float(value), 3)
