"""Files and folders for results: whether they can be written is found out by trying, before any work."""

import os
import stat
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from stemforge.errors import InputError, WriteError
from stemforge.files import PARTIAL, reason

PICTURES = (".png", ".pdf", ".svg", ".jpg")
"""Endings of the files into which a figure can be drawn."""

# A full disk may have room for an empty file.
_TRIAL = bytes(65536)


def check_folder(folder: Path, option: str) -> None:
    """Refuse, before any work, a folder for results that cannot be written to; nothing is left of the trial.

    Parameters
    ----------
    folder
        The folder; it need not exist, nor need those that it lies in.
    option
        Names it in messages, such as ``--out``.

    Raises
    ------
    InputError
        It is a file.
    WriteError
        The system lets no folder or file be made here: permission, a read-only file system, a full disk.
    """
    if _exists(folder, option) and not folder.is_dir():
        raise InputError(f"{option} {folder}: is a file, expected a folder")
    attempts = 3
    for attempt in range(attempts):
        made: list[Path] = []
        try:
            _make(folder.absolute(), made)
            with tempfile.NamedTemporaryFile(dir=folder, suffix=PARTIAL) as stream:
                stream.write(_TRIAL)
                stream.flush()
            return
        except OSError as error:
            # Another run may have made the folder for its own trial, and removed it.
            if isinstance(error, FileNotFoundError) and attempt < attempts - 1:
                continue
            raise WriteError(f"{option} {folder}: cannot be written to: {reason(error)}") from error
        finally:
            for path in reversed(made):
                with suppress(OSError):  # another run has begun to write here
                    path.rmdir()


def _make(folder: Path, made: list[Path]) -> None:
    """Make a folder and those it lies in; note which did not exist before."""
    for path in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        with suppress(FileExistsError):
            path.mkdir()
            made.append(path)


def _exists(path: Path, option: str) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise WriteError(f"{option} {path}: cannot be written to: {reason(error)}") from error


def check_file(
    path: Path,
    option: str,
    endings: Sequence[str] = (),
    *,
    overwrite: bool = True,
    inputs: Iterable[Path] = (),
) -> None:
    """Refuse, before any work, a file for results that cannot be written, or would replace what it must not.

    Parameters
    ----------
    path
        The file.
    option
        Names it in messages, such as ``--figure``.
    endings
        Those that its name may have; any by default.
    overwrite
        Whether it may replace a file.
    inputs
        Files that are read and must not be replaced.

    Raises
    ------
    InputError
        The name is none for such a file, or a file that must stay has it.
    WriteError
        The system lets no file be made in the folder.
    """
    exists = _exists(path, option)
    if path.is_dir():
        raise InputError(f"{option} {path}: is a folder, expected a file name")
    if endings and path.suffix.lower() not in endings:
        raise InputError(f"{option} {path}: must end in {', '.join(endings)}, not '{path.suffix}'")
    if not path.absolute().parent.is_dir():
        raise InputError(f"{option} {path}: the folder {path.parent} does not exist; make it first")
    if exists and not stat.S_ISREG(path.stat().st_mode):
        raise InputError(f"{option} {path}: is a device or a pipe, expected a file name")
    if path.resolve() in {file.resolve() for file in inputs} or (exists and same_file(path, inputs)):
        raise InputError(f"{option} {path}: is a file that is read; choose another one")
    if exists and not overwrite:
        raise InputError(f"{option} {path}: exists already; choose another file or say --overwrite")
    if exists and not os.access(path, os.W_OK):
        raise WriteError(f"{option} {path}: is write-protected; choose another file")
    check_folder(path.absolute().parent, f"{option} {path}: the folder")


def same_file(path: Path, others: Iterable[Path]) -> Path | None:
    """Return which of the other files is this one, under whatever name, or None."""
    for other in others:
        with suppress(OSError):
            if path.samefile(other):
                return other
    return None


def ignores_case(folder: Path) -> bool:
    """Say whether files whose names differ in case only are the same here; the nearest folder that exists is tried."""
    while not folder.is_dir():
        folder = folder.absolute().parent
    with suppress(OSError), tempfile.NamedTemporaryFile(dir=folder, prefix="case-", suffix=PARTIAL) as stream:
        return Path(stream.name).with_name(Path(stream.name).name.upper()).exists()
    return False
