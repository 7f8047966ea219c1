"""Pictures that another process draws while the work goes on."""

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from importlib import import_module
from typing import Any, Self

from stemforge.errors import InputError
from stemforge.memory import collect_seldom
from stemforge.simulate.running.spawning import main_not_imported
from stemforge.simulate.running.stopping import StopSignals


@contextmanager
def drawing_beside(*modules: str) -> Iterator["Artist | None"]:
    """Start a process that draws; None where matplotlib is here already, or the system has no room for a process.

    Examples
    --------
    >>> import matplotlib
    >>> with drawing_beside("stemforge.files") as artist:
    ...     artist is None
    True
    """
    artist = None
    if "matplotlib" not in sys.modules:
        # Without semaphores or memory, or where none may be started, this process draws.
        with suppress(ImportError, NotImplementedError, OSError, RuntimeError, InputError):
            artist = Artist(*modules)
    with artist or nullcontext():
        yield artist


class Artist:
    """A process that draws: it imports matplotlib while this one imports torch, and draws while the next image is read.

    Parameters
    ----------
    modules
        What the process imports before it is asked for a picture.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> with Artist("stemforge.files") as artist:
    ...     finish = artist.draw("stemforge.files:write_figure", Figure(), "empty.png")
    ...     finish()
    >>> from pathlib import Path
    >>> Path("empty.png").exists()
    True
    """

    def __init__(self, *modules: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, context, _prepare, modules)
        # Ctrl-C in a terminal is for this process alone: what is being drawn is finished.
        self._others = multiprocessing.active_children()
        try:
            with StopSignals() as signals, signals.held(), main_not_imported():
                self._pool.submit(int)  # the first task starts the process
        except BaseException:
            self.end()
            raise

    def draw(self, function: str, *arguments: Any) -> Callable[[], None]:
        """Begin a picture.

        Parameters
        ----------
        function
            ``module:name`` of what draws it.
        arguments
            What it is called with, such as the file to write.

        Returns
        -------
        Callable
            Waits until the picture is there, and raises what drawing it raised.
        """
        in_place = partial(draw_now, function, *arguments)
        try:
            future = self._pool.submit(draw_now, function, *arguments)
        except BrokenProcessPool:
            return in_place

        def finish() -> None:
            try:
                future.result()
            except BrokenProcessPool:  # ended, as where memory is short
                in_place()

        return finish

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End the process: what was to be drawn is there, or nobody waits for it."""
        # One that still imports, or that tidies up, would keep its parent waiting.
        for process in multiprocessing.active_children():
            if process not in self._others:
                process.kill()
        self._pool.shutdown()


def draw_now(function: str, *arguments: Any) -> None:
    """Draw a picture in this process; what draws it is imported first."""
    module, _, name = function.partition(":")
    getattr(import_module(module), name)(*arguments)


def _prepare(*modules: str) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    collect_seldom()
    for module in modules:
        import_module(module)


def _end_with_parent() -> None:
    """End when the parent does, also where that was killed: nobody waits for a picture then."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
