"""Processes that are started anew, from scripts that protect their top level and from those that do not."""

import multiprocessing
import multiprocessing.spawn
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stemforge.errors import InputError

_MAIN = ("init_main_from_name", "init_main_from_path")
_lock = threading.Lock()
_depth = 0
_prepare = multiprocessing.spawn.get_preparation_data


@contextmanager
def main_not_imported() -> Iterator[None]:
    """Start processes that do not run the user's script once more.

    A new process imports the script that is running, for objects defined in it. A script without ``if __name__ ==
    "__main__":`` would begin its work anew in each of them. stemforge's tasks are in modules, and dask sends what is
    defined in a script by value: nothing of it is needed. joblib's loky leaves it out in the same way.

    Raises
    ------
    InputError
        This process is itself being started, or may start none.
    """
    global _depth
    _check_process()
    with _lock:
        _depth += 1
        multiprocessing.spawn.get_preparation_data = _prepare_without_main
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if not _depth:
                multiprocessing.spawn.get_preparation_data = _prepare


def _prepare_without_main(name: str) -> dict[str, Any]:
    return {key: value for key, value in _prepare(name).items() if key not in _MAIN}


def _check_process() -> None:
    process = multiprocessing.current_process()
    if getattr(process, "_inheriting", False):
        raise InputError(
            "processes cannot be started while a script is imported by a process that it started; put the call under "
            "if __name__ == '__main__':, or use one process (workers=1)"
        )
    if process.daemon:
        raise InputError(
            "processes cannot be started by a daemonic process, such as one of multiprocessing.Pool; use one process "
            "here (workers=1)"
        )
