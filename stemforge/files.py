"""Files that are there whole, or not at all."""

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path

from stemforge.errors import CorpusError

PARTIAL = ".partial"
"""Ending of a file that is being written."""


def write_whole(path: Path, *parts: bytes) -> None:
    """Write a file so that it is there whole, and survives a power cut, or is not there at all.

    Raises
    ------
    CorpusError
        The disk is full, or the file cannot be written for another reason of the system's.
    """
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
        raise CorpusError(
            f"{path}: cannot be written ({size:.1f} MB): {why}, then run the same command again; what was finished "
            "is kept"
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a rename in the folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
