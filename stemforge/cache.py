"""What is kept between runs: tables that take seconds to measure, loops that take seconds to compile."""

import functools
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing import parent_process
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from stemforge.console import say

P = ParamSpec("P")
R = TypeVar("R")


def cache_folder() -> Path | None:
    """Return the folder for things that can be made again, or None where nothing can be kept.

    It is the first that can be written to: the one that the environment variable ``STEMFORGE_CACHE_DIR`` names, the
    user's cache, a folder of the user's among the system's temporary files.
    """
    return _first_usable(os.environ.get("STEMFORGE_CACHE_DIR"), os.environ.get("HOME"))


@functools.cache
def _first_usable(chosen: str | None, home: str | None) -> Path | None:
    """Try the folders; once, unless the environment changes (``home`` is part of where the user's cache is)."""
    found = next((folder for folder in _candidates(chosen) if _usable(folder)), None)
    if chosen and found != Path(chosen).absolute() and parent_process() is None:
        say(f"STEMFORGE_CACHE_DIR {chosen}: cannot be written to; {found or 'nothing'} is used instead")
    return found


def _candidates(chosen: str | None) -> Iterator[Path]:
    import pooch

    if chosen:
        yield Path(chosen).absolute()
    cache = Path(pooch.os_cache("stemforge"))
    if cache.is_absolute():  # a user without a home is given "~", which would be a folder here
        yield cache
    with suppress(OSError):
        yield _temporary()


def _usable(folder: Path) -> bool:
    """Make the folder, and try to write there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        return False
    return _is_private(folder) or folder != _temporary()


def _temporary() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else "cache"
    return Path(tempfile.gettempdir()) / f"stemforge-{user}"


def _is_private(folder: Path) -> bool:
    """Say whether the folder is this user's alone: machine code is loaded from it, and anybody could have made it."""
    found = folder.lstat()
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    return stat.S_ISDIR(found.st_mode) and mine and not found.st_mode & 0o077


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a loop with numba, and keep the machine code in the cache folder, where there is one.

    numba would put it beside the module. pip does not know of it there and leaves it behind when it removes the
    package; the folder that is left then hides an editable install.

    Parameters
    ----------
    function
        In the part of Python that :func:`numba.njit` compiles. It runs without the interpreter's lock.

    Returns
    -------
    callable
        The compiled function; compiled on its first call with new types.

    Examples
    --------
    >>> @compiled
    ... def double(x):
    ...     return 2 * x
    >>> double(4)
    8
    """
    import numba

    folder = cache_folder()
    # Without a source file (a notebook cell, a doctest) there is nothing to key a cache by.
    if folder is None or not Path(function.__code__.co_filename).is_file():
        return numba.njit(nogil=True)(function)
    # A module whose attributes are made when it is imported; type checkers see none of them.
    settings: Any = numba.config
    before = settings.CACHE_DIR
    # Where to cache is settled when the decorator runs; other users of numba are not affected.
    settings.CACHE_DIR = str(folder / "numba")
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except (RuntimeError, OSError):  # the folder was taken away since it was tried
        return numba.njit(nogil=True)(function)
    finally:
        settings.CACHE_DIR = before


def set_font_cache() -> None:
    """Keep matplotlib's list of fonts in the cache folder where the user's home cannot be written to.

    Without a place for it matplotlib prints a warning and looks through all fonts at each start.
    """
    if "MPLCONFIGDIR" in os.environ:
        return
    with suppress(OSError, RuntimeError):  # RuntimeError: the user has no home
        fonts = Path(os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()) / "matplotlib"
        fonts.mkdir(parents=True, exist_ok=True)
        if os.access(fonts, os.W_OK):
            return
    folder = cache_folder()
    if folder is not None:
        os.environ["MPLCONFIGDIR"] = str(folder / "matplotlib")
