"""Files that are there whole, or not at all; and the plain values that JSON takes."""

import csv
import dataclasses
import errno
import hashlib
import io
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from stemforge.errors import WriteError

PARTIAL = ".partial"
"""Ending of a file that is being written."""


def write_whole(path: str | Path, *parts: bytes) -> None:
    """Write a file so that it is there whole, and survives a power cut, or is as it was before.

    Raises
    ------
    WriteError
        The disk is full, or the file cannot be written for another reason of the system's.
    """
    path = Path(path)
    # Another process may be writing the same file: the scheduler gave up a worker that was only slow.
    partial = path.with_name(f"{path.stem}.{secrets.token_hex(4)}{PARTIAL}")
    try:
        with partial.open("xb") as stream:
            for part in parts:
                stream.write(part)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        why = {
            errno.ENOSPC: "the disk is full; make room",
            errno.EDQUOT: "the disk quota is used up; make room",
            errno.EFBIG: "the system allows no files of this size; raise the limit (ulimit -f)",
        }.get(error.errno or 0, f"{error.strerror or error}; mend that")
        size = sum(map(len, parts)) / 1e6
        raise WriteError(
            f"{path}: cannot be written ({size:.1f} MB): {why}, then run the same command again; what was finished "
            "is kept"
        ) from error
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
    """Write text as UTF-8; whole or not at all, as :func:`write_whole`."""
    write_whole(path, text.encode())


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


def _sync_folder(folder: Path) -> None:
    """Make a rename in the folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
