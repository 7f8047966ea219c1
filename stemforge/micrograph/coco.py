"""Annotations in COCO's format: boxes and keypoints of many images in one JSON file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NoReturn

import numpy as np

from stemforge.errors import AnnotationsError
from stemforge.micrograph.annotations import Annotations
from stemforge.sandbox.child import ChildError, in_child

_OUTSIDE = (
    0.51  # by how much a box may stand out over its image [pixel]: rounding, and either convention of edges
)
_SAME = 1e-3  # places in annotations that are one [pixel]


@dataclass(frozen=True)
class CocoImage:
    """An image that a COCO file lists, and what is annotated on it.

    Parameters
    ----------
    file_name
        Its last part, as the file has it.
    shape
        Height and width [pixel].
    annotations
        In stemforge's coordinates, half a pixel less than COCO's; column ``species``, index into ``names``. Where every
        annotation of the file has one keypoint, as those of atoms, the keypoints alone.
    names
        Of all categories that the file uses, in order of their numbers.
    """

    file_name: str
    shape: tuple[int, int]
    annotations: Annotations
    names: tuple[str, ...]


def read_coco(path: str | Path) -> list[CocoImage]:
    """Read annotations in COCO's format: ``images``, ``annotations`` with ``bbox``, and ``categories``.

    The file is opened in a child process that is watched for time and memory.

    Parameters
    ----------
    path
        JSON file, as of ``stemforge export``, CVAT or Label Studio.

    Returns
    -------
    list of CocoImage
        In the file's order.

    Raises
    ------
    AnnotationsError
        No COCO file; ids or file names that occur twice, annotations of unknown images or categories, the same object
        annotated twice, boxes that are no numbers, have no area or leave their image, and crowds.

    Examples
    --------
    >>> import tempfile
    >>> image = {"id": 7, "file_name": "a.png", "width": 20, "height": 10}
    >>> box = {"id": 1, "image_id": 7, "category_id": 1, "bbox": [2, 3, 4, 5]}
    >>> content = {"images": [image], "annotations": [box], "categories": [{"id": 1, "name": "pyridine"}]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "coco.json")
    ...     _ = path.write_text(json.dumps(content))
    ...     read_coco(path)[0].annotations.boxes
    array([[1.5, 2.5, 5.5, 7.5]])
    """
    if not Path(path).is_file():
        raise AnnotationsError(f"{path}: no such file")
    try:
        tables = in_child("stemforge.micrograph.coco:coco_tables", Path(path))
    except ChildError as error:
        raise AnnotationsError(f"{path}: cannot be read as COCO ({error})") from error
    names = tuple(tables["names"])
    found = []
    for number, (file_name, height, width) in enumerate(tables["images"]):
        of_image = tables["image"] == number
        species = {"species": tables["category"][of_image].astype(np.uint8)}
        boxes, points = tables["boxes"][of_image] - 0.5, tables["points"][of_image] - 0.5
        annotations = Annotations(points, None if tables["keypoints"] else boxes, species)
        found.append(CocoImage(file_name, (height, width), annotations, names))
    return found


def coco_tables(path: str) -> dict[str, Any]:
    """Read and check a COCO file; plain values and arrays, in COCO's coordinates. Runs in the sandbox's child."""
    content = _content(path)
    images = _by_id(path, content, "images", ("file_name", "height", "width"))
    categories = _by_id(path, content, "categories", ("name",))
    sizes = [_size(path, number, image) for number, image in images.items()]
    _unique(path, "file name", [name for name, _, _ in sizes])
    rows = content["annotations"]
    ids = [_id(path, "annotation", row) for row in rows]
    _unique(path, "annotation id", ids)
    order = {number: index for index, number in enumerate(images)}
    used = sorted({_reference(path, row, "category_id", categories) for row in rows})
    if len(used) > 255:
        _refuse(path, f"has {len(used)} categories in use; at most 255 can be kept")
    image = np.array([order[_reference(path, row, "image_id", images)] for row in rows], dtype=int)
    category = np.array([used.index(row["category_id"]) for row in rows], dtype=int)
    boxes = np.array([_box(path, row) for row in rows], dtype=float).reshape(-1, 4)
    points, keypoints = _points(path, rows, boxes)
    for row, box, point, index in zip(rows, boxes, points, image, strict=True):
        name, height, width = sizes[index]
        if keypoints and not (0 <= point[0] <= width and 0 <= point[1] <= height):
            place = f"{point[0]:g}, {point[1]:g}"
            _refuse(
                path, f"annotation {row['id']}: keypoint {place} leaves '{name}' of {width} × {height} pixels"
            )
        if min(box[:2]) < -_OUTSIDE or box[2] > width + _OUTSIDE or box[3] > height + _OUTSIDE:
            shown = [round(float(value), 2) for value in row["bbox"]]
            _refuse(path, f"annotation {row['id']}: box {shown} leaves '{name}' of {width} × {height} pixels")
    _refuse_doubles(path, ids, np.column_stack([image, category, np.round(boxes / _SAME)]))
    return {
        "images": sizes,
        "names": [str(categories[number]["name"]) for number in used],
        "image": image,
        "category": category,
        "boxes": boxes,
        "points": points,
        "keypoints": keypoints,
    }


def _refuse(path: str, problem: str) -> NoReturn:
    raise AnnotationsError(f"{path}: {problem}")


def _content(path: str) -> Mapping[str, Any]:
    def no_number(word: str) -> NoReturn:
        _refuse(path, f"holds {word}, which is no number of JSON")

    try:
        content = json.loads(Path(path).read_bytes(), parse_constant=no_number)
    except AnnotationsError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        _refuse(path, f"cannot be read as JSON ({error})")
    for key in ("images", "annotations", "categories"):
        table = content.get(key) if isinstance(content, dict) else None
        if not isinstance(table, list) or not all(isinstance(row, dict) for row in table):
            _refuse(path, f"is no COCO file: '{key}' must be a list of objects")
    if not content["images"]:
        _refuse(path, "lists no images")
    return content


def _id(path: str, what: str, row: Mapping[str, Any]) -> int:
    number = row.get("id")
    if isinstance(number, bool) or not isinstance(number, int):
        _refuse(path, f"an {what} has the id {number!r}; it must be a whole number")
    return number


def _by_id(
    path: str, content: Mapping[str, Any], key: str, fields: tuple[str, ...]
) -> dict[int, Mapping[str, Any]]:
    what = {"images": "image", "categories": "entry of categories"}[key]
    ids = [_id(path, what, row) for row in content[key]]
    _unique(path, f"id among {key}", ids)
    for number, row in zip(ids, content[key], strict=True):
        missing = [name for name in fields if name not in row]
        if missing:
            _refuse(path, f"{what} {number}: lacks {', '.join(missing)}")
    return dict(zip(ids, content[key], strict=True))


def _unique(path: str, what: str, values: list[Any]) -> None:
    if len(set(values)) == len(values):
        return
    known: set[Any] = set()
    twice = next(value for value in values if value in known or known.add(value))  # type: ignore[func-returns-value]
    _refuse(path, f"{what} {twice!r} occurs twice")


def _size(path: str, number: int, image: Mapping[str, Any]) -> tuple[str, int, int]:
    name, height, width = image["file_name"], image["height"], image["width"]
    if not isinstance(name, str) or not name:
        _refuse(path, f"image {number}: file_name must be text, not {name!r}")
    for side in (height, width):
        if isinstance(side, bool) or not isinstance(side, int) or not 0 < side < 1 << 20:
            _refuse(path, f"image {number}: height and width must be numbers of pixels, not {side!r}")
    return PurePosixPath(PureWindowsPath(name).as_posix()).name, height, width


def _reference(path: str, row: Mapping[str, Any], key: str, known: Mapping[int, Any]) -> int:
    number = row.get(key)
    if isinstance(number, bool) or not isinstance(number, int) or number not in known:
        _refuse(path, f"annotation {row['id']}: {key} {number!r} is not in the file")
    return number


def _box(path: str, row: Mapping[str, Any]) -> list[float]:
    """Corners (x0, y0, x1, y1) of an annotation's box."""
    if row.get("iscrowd"):
        _refuse(path, f"annotation {row['id']}: is a crowd, not one object; annotate each object")
    x, y, width, height = _numbers(path, row, "bbox", 4)
    if width <= 0 or height <= 0:
        _refuse(path, f"annotation {row['id']}: its box has no area")
    return [x, y, x + width, y + height]


def _numbers(path: str, row: Mapping[str, Any], key: str, count: int) -> list[float]:
    values = row.get(key)
    if not isinstance(values, list) or len(values) != count or not all(map(_is_place, values)):
        _refuse(path, f"annotation {row['id']}: {key} must be {count} numbers, not {str(values)[:60]}")
    return [float(value) for value in values]


def _is_place(value: Any) -> bool:
    """Whether a value is a number that may be a coordinate; neither true nor infinite."""
    return type(value) in (int, float) and abs(value) < 1e9


def _points(path: str, rows: list[Mapping[str, Any]], boxes: np.ndarray) -> tuple[np.ndarray, bool]:
    """Keypoints where every annotation has one, else the middles of boxes; and which of both."""
    if not rows or any(
        # The third number is 0 where the point is not marked.
        not isinstance(k, list) or len(k) != 3 or k[2] == 0
        for k in (row.get("keypoints") for row in rows)
    ):
        return (boxes[:, :2] + boxes[:, 2:]) / 2, False
    return np.array([_numbers(path, row, "keypoints", 3)[:2] for row in rows]), True


def _refuse_doubles(path: str, ids: list[int], keys: np.ndarray) -> None:
    """Refuse two annotations of one category with the same box on the same image."""
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    second = np.flatnonzero(first[inverse.ravel()] != np.arange(len(keys)))
    if len(second):
        one, other = ids[first[inverse.ravel()[second[0]]]], ids[second[0]]
        _refuse(
            path,
            f"annotations {one} and {other} are the same object, and so are {len(second)} in all; leave one of each",
        )
