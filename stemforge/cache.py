"""What is kept between runs: tables that take seconds to measure, loops that take seconds to compile."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba
import pooch

# A module whose attributes are made when it is imported; type checkers see none of them.
settings: Any = numba.config
P = ParamSpec("P")
R = TypeVar("R")


def cache_folder() -> Path:
    """Return the folder for things that can be made again: ``STEMFORGE_CACHE_DIR``, or the user's cache."""
    return Path(os.environ.get("STEMFORGE_CACHE_DIR") or pooch.os_cache("stemforge"))


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a loop with numba, and keep the machine code in the cache folder.

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
    before = settings.CACHE_DIR
    # Where to cache is settled when the decorator runs; other users of numba are not affected.
    settings.CACHE_DIR = str(cache_folder() / "numba")
    try:
        # Without a source file (a notebook cell, a doctest) there is nothing to key a cache by.
        cache = Path(function.__code__.co_filename).is_file()
        return numba.njit(cache=cache, nogil=True)(function)
    finally:
        settings.CACHE_DIR = before
