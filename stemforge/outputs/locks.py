"""Folders that one process holds; a lock is the process's, nothing is left of it after ``kill -9``."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

try:
    import fcntl as _fcntl
except ImportError:  # Windows
    _fcntl = None  # type: ignore[assignment]
fcntl: Any = _fcntl


def hold_folder(folder: Path, *, wait: bool = False) -> Callable[[], None]:
    """Hold a folder against other runs until the function that is returned, and is to be kept, is called.

    Some network file systems lock no folders: then nothing is held. Files are written whole all the same.

    Raises
    ------
    BlockingIOError
        Another run holds it, and this one is not to wait.
    OSError
        The folder cannot be opened.
    """
    return _hold_file_of(folder, wait) if fcntl is None else _hold_folder(folder, wait)


def _hold_folder(folder: Path, wait: bool) -> Callable[[], None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(handle)
        raise
    except OSError:
        pass
    return lambda: os.close(handle)


def _hold_file_of(folder: Path, wait: bool) -> Callable[[], None]:
    """Hold a file that stands for the folder: Windows opens no folders, and a file inside would be in the way."""
    from filelock import FileLock, Timeout

    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}")
    name = hashlib.sha256(os.path.normcase(folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()
    # A lock for each call, also of one process.
    lock = FileLock(Path(tempfile.gettempdir()) / f"stemforge-{name[:32]}.lock", thread_local=False)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout as error:
        raise BlockingIOError(f"{folder} is held by another run") from error
    return lock.release
