"""Files that are there whole, or not at all; and the plain values that JSON takes."""

import csv
import dataclasses
import errno
import hashlib
import io
import json
import os
import secrets
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from stemforge.errors import WriteError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

PARTIAL = ".partial"
"""Ending of a file that is being written."""

_MOST_VALUES = 1_000_000  # in a file, every alias written out; recipes have some hundred
# A third of the time of the usual 6; pictures of micrographs become smaller, as their noise does not compress.
_PNG_LEVEL = 2

_REASONS = {
    errno.ENOSPC: "the disk is full; make room",
    errno.EDQUOT: "the disk quota is used up; make room",
    errno.EFBIG: "the system allows no files of this size; raise the limit (ulimit -f)",
    errno.EROFS: "the file system is read-only; choose another place",
    errno.EACCES: "permission denied; choose another place, or allow writing",
    errno.EPERM: "the system does not permit it; choose another place",
    errno.ENAMETOOLONG: "the name is too long; shorten it",
    errno.ENOENT: "no folder can be made here; choose another place",
    errno.ENOTDIR: "a part of the path is a file, not a folder; choose another place",
}
KEPT = "run the same command again; what was finished is kept"


def reason(error: OSError) -> str:
    """Say why the system refused to write, and what mends it."""
    return _REASONS.get(error.errno or 0) or f"{error.strerror or error}; mend that"


@contextmanager
def writing(path: str | Path, size: int | None = None, then: str = KEPT) -> Iterator[None]:
    """Turn the system's errors while a file is written into one sentence.

    Parameters
    ----------
    path
        The file, or the folder that files are written to.
    size
        Number of bytes, where it is known.
    then
        What the user should do once the reason is mended.

    Raises
    ------
    WriteError
        The disk is full, or the file cannot be written for another reason of the system's.
    """
    try:
        yield
    except OSError as error:
        amount = "" if size is None or size < 1e5 else f" ({size / 1e6:.1f} MB)"
        raise WriteError(f"{path}: cannot be written{amount}: {reason(error)}, then {then}") from error
    except WriteError as error:  # of a part of it
        if then == KEPT or KEPT not in str(error):
            raise
        raise WriteError(str(error).replace(KEPT, then)) from error


def write_whole(path: str | Path, *parts: bytes | memoryview) -> None:
    """Write a file so that it is there whole, and survives a power cut, or is as it was before.

    Raises
    ------
    WriteError
        The disk is full, or the file cannot be written for another reason of the system's.
    """
    path = Path(path)
    # Another process may be writing the same file: the scheduler gave up a worker that was only slow. Of a long name
    # the beginning is enough: the ending must not make it longer than the system allows.
    partial = path.with_name(f"{path.stem[:50]}.{secrets.token_hex(4)}{PARTIAL}")
    try:
        with writing(path, sum(map(len, parts))):
            with partial.open("xb") as stream:
                for part in parts:
                    stream.write(part)
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(path)
            _sync_folder(path.parent)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def sha256_of_file(path: str | Path) -> str:
    """Return the SHA-256 of a file's content as hexadecimal digits.

    Raises
    ------
    OSError
        The system would not give it.
    """
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_text(path: str | Path, text: str) -> None:
    """Write text as UTF-8; whole or not at all, as :func:`write_whole`.

    Bytes of a file's name that are no UTF-8 are written as escapes, which JSON reads back.
    """
    write_whole(path, text.encode("utf-8", "backslashreplace"))


def write_figure(figure: "Figure", path: str | os.PathLike[str], dpi: float = 110) -> None:
    """Draw a figure into a file of the kind that its ending names; whole or not at all, as :func:`write_whole`.

    Parameters
    ----------
    figure
        The figure.
    path
        File, such as ``scores.png``.
    dpi
        Dots per inch.
    """
    with warnings.catch_warnings():
        # Of a name in a script that the font lacks; boxes stand in its place.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        if Path(path).suffix.lower() == ".png":
            write_png(_drawn(figure, dpi), path, dpi=(dpi, dpi))
            return
        stream = io.BytesIO()
        figure.savefig(stream, format=Path(path).suffix[1:].lower(), dpi=dpi)
    write_whole(Path(path), stream.getbuffer())


def _drawn(figure: "Figure", dpi: float) -> "Image":
    """Return a figure's pixels; ``savefig`` would draw it twice, the first time for the layout alone."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    before = figure.canvas, figure.dpi
    try:
        figure.dpi = dpi
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    finally:
        figure.dpi = before[1]
        figure.set_canvas(before[0])


def write_png(picture: "Image", path: str | os.PathLike[str], **options: Any) -> None:
    """Write a Pillow image as PNG; whole or not at all, as :func:`write_whole`; with Pillow's further options."""
    stream = io.BytesIO()
    picture.save(stream, format="PNG", compress_level=_PNG_LEVEL, **options)
    write_whole(Path(path), stream.getbuffer())


def write_json(path: str | Path, content: Any) -> None:
    """Write a JSON file of anything that :func:`plain` takes; whole or not at all, as :func:`write_whole`.

    Strict JSON: what is not known, NaN or infinite, is null.
    """
    write_text(path, json.dumps(plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: str | Path, header: Iterable[object], rows: Iterable[Iterable[object]]) -> None:
    """Write a table as CSV, None as an empty cell; whole or not at all, as :func:`write_whole`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def plain(value: Any) -> Any:
    """Return a value as JSON has it: numbers, text, lists, mappings; None for what is not finite.

    Parameters
    ----------
    value
        Arrays and numbers of NumPy, data classes, settings, paths, and mappings and sequences of those.

    Examples
    --------
    >>> plain({"f1": np.float32(0.5), "sd": float("nan"), "points": np.eye(2)})
    {'f1': 0.5, 'sd': None, 'points': [[1.0, 0.0], [0.0, 1.0]]}
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    return str(value) if isinstance(value, Path) else value


def plain_yaml(text: str) -> Any:
    """Return what a YAML text says, as values that JSON can hold.

    Raises
    ------
    ValueError
        It is not YAML, says what JSON cannot, or is built to fill the memory.

    Examples
    --------
    >>> plain_yaml("{a: &x [1, 2], b: *x}")
    {'a': [1, 2], 'b': [1, 2]}
    """
    try:
        values = yaml.safe_load(text)
        _count(values, {})
        return json.loads(json.dumps(values, default=str))
    except ValueError:
        raise
    # PyYAML's constructors raise whatever the values in a text make them trip over.
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError) as error:
        raise ValueError(str(error)) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _count(values: Any, known: dict[int, int]) -> int:
    """Return how many values there are with every alias written out; refuse too many, and circles."""
    if not isinstance(values, dict | list | tuple | set):
        return 1
    if id(values) not in known:
        known[id(values)] = _MOST_VALUES + 1  # until it is known: who comes back here walks in a circle
        parts = values.values() if isinstance(values, dict) else values
        known[id(values)] = 1 + sum(_count(part, known) for part in parts)
    if known[id(values)] > _MOST_VALUES:
        raise ValueError("its aliases make it endless or much too large")
    return known[id(values)]


def make_folder(folder: str | Path) -> None:
    """Make a folder, and those above it that are missing, so that they survive a power cut.

    Raises
    ------
    OSError
        It cannot be made.
    """
    folder = Path(folder)
    missing = [above for above in folder.parents if not above.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    # The folder itself in any case: who made it may have been killed before this line.
    for made in (folder, *missing):
        _sync_folder(made.parent)


def _sync_folder(folder: Path) -> None:
    """Make new names in the folder survive a power cut, where the system can do that."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:  # a folder that may be written to and not listed; Windows opens none
        return
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network and user-space file systems sync no folders; that is no reason to write nothing there.
        if error.errno not in (errno.EBADF, errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
            raise
    finally:
        os.close(handle)
