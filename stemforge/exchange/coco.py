"""COCO's format: boxes and keypoints of many images in one JSON file, and the images as PNG."""

import json
import mmap
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from stemforge.errors import CorpusError
from stemforge.exchange.exported import LABEL, VACANCY, Exported, Writer, WriterOptions
from stemforge.files import plain, write_png, write_whole
from stemforge.micrograph.annotations import Annotations

# What lies beyond these percentiles is clipped on an 8-bit picture: a few bright pixels would darken the rest.
_CLIPPED = (0.1, 99.9)
# COCO's kinds of categories.
_MOLECULE = {"supercategory": "molecule"}
_ATOM = {"supercategory": "atom", "keypoints": ["centre"], "skeleton": []}


class CocoWriter(Writer):
    """``annotations.json`` in COCO's format beside ``images/NAME.png``.

    COCO's coordinates are 0 at the outer corner of the first pixel: half a pixel more than stemforge's. Atoms have a
    keypoint, ``centre``, and a box of a given size around it; their categories are numbered by atomic number, those of
    vacancies by 1000 more.
    ``intensity`` of each image gives the values of 0 and of the brightest grey.
    """

    def __init__(self, out: Path, options: WriterOptions) -> None:
        super().__init__(out, options)
        self.images: list[dict[str, Any]] = []
        self.categories = {name: number for number, name in enumerate(options.species, start=1)}
        self.kinds: dict[str, dict[str, Any]] = dict.fromkeys(options.species, _MOLECULE)
        self.annotations = 0
        (self.out / "images").mkdir(exist_ok=True)
        # Annotations go to the file as they come: a large corpus has millions.
        self.stream: IO[bytes] = tempfile.TemporaryFile(dir=self.out)  # noqa: SIM115 - until close()
        self.stream.write(b'{"annotations": [')

    def add(self, item: Exported) -> None:
        """Write one picture and its annotations."""
        from PIL import Image

        bits, values = self.options.bits, item.pixels[self.options.channel]
        low, high = (values.min(), values.max()) if bits == 16 else np.percentile(values, _CLIPPED)
        most = 2**bits - 1
        grey = np.rint(np.clip((values - low) / max(high - low, 1e-30), 0, 1) * most)
        picture = Image.fromarray(grey.astype(np.uint16 if bits == 16 else np.uint8))
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
                "channel": item.channels[self.options.channel],
                **item.facts,
            }
        )
        for annotation in self._annotations(item, number, (width, height)):
            self.annotations += 1
            text = json.dumps({"id": self.annotations, **annotation}, allow_nan=False)
            self.stream.write(f"{',' if self.annotations > 1 else ''}\n{text}".encode())

    def _annotations(self, item: Exported, number: int, size: tuple[int, int]) -> Iterator[dict[str, Any]]:
        places, side = item.places, self.options.box
        points = places.points + 0.5
        if places.boxes is not None:
            boxes = places.boxes + 0.5
        elif item.sampling is None:
            raise CorpusError(
                f"{item.name}: has no pixel size, so a box of {side:g} Å cannot be drawn; ingest the images with their "
                "pixel size (sampling)"
            )
        else:
            half = side / item.sampling / 2
            boxes = np.hstack([points - half, points + half])
        boxes = np.clip(boxes, 0, [*size, *size])
        for i, ((x0, y0, x1, y1), (x, y)) in enumerate(zip(boxes, points, strict=True)):
            annotation: dict[str, Any] = {
                "image_id": number,
                "category_id": self._category(places, i),
                "bbox": [_short(v) for v in (x0, y0, x1 - x0, y1 - y0)],
                "area": _short((x1 - x0) * (y1 - y0)),
                "iscrowd": 0,
            }
            if places.boxes is None:
                annotation |= {"keypoints": [_short(x), _short(y), 2], "num_keypoints": 1}
            annotation["attributes"] = plain({name: column[i] for name, column in item.attributes().items()})
            yield annotation

    def _category(self, places: Annotations, i: int) -> int:
        name = str(places[LABEL][i])
        if name not in self.categories:
            atom, number = places.boxes is None, len(self.categories) + 1
            if atom and "element" in places.columns:
                number = int(places["element"][i]) + 1000 * name.endswith(VACANCY)
            self.categories[name] = number
            self.kinds[name] = _ATOM if atom else _MOLECULE
        return self.categories[name]

    def close(self) -> None:
        """Write what the annotations refer to."""
        categories = [
            {"id": number, "name": name, **self.kinds[name]} for name, number in self.categories.items()
        ]
        info = dict(self.options.info)
        rest = {"categories": categories, "images": self.images, "info": info, "licenses": []}
        self.stream.write(f"\n],{json.dumps(plain(rest), allow_nan=False)[1:]}\n".encode())
        self.stream.flush()
        with self.stream, mmap.mmap(self.stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            write_whole(self.out / "annotations.json", content)  # type: ignore[arg-type]


def _short(value: float) -> float:
    return round(float(value), 6)
