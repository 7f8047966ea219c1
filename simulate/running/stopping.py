"""Ctrl-C and SIGTERM: one KeyboardInterrupt, at a moment when there is something to clean up after."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Any, Self

from stemforge.sandbox.signals import sigint_blocked

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Turn the first SIGINT or SIGTERM into :class:`KeyboardInterrupt`, and ignore those that follow.

    A second Ctrl-C would break off the tidying up that the first one began. Only the main thread can be
    interrupted; elsewhere this does nothing. Signals for which a program has its own handler stay its own.

    Examples
    --------
    >>> with StopSignals() as signals:
    ...     with signals.held():
    ...         pass  # a signal that comes here is acted on afterwards
    """

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Callable[[int, FrameType | None], Any] | int | None] = {}
        self._hold = False
        self._came = self._raised = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                    self._before[number] = signal.signal(number, self._arrived)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def check(self) -> None:
        """Raise where a signal came that was put off; for loops that would go on otherwise."""
        if self._came:
            self._raised = True
            raise KeyboardInterrupt

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        self._came = True
        if not (self._raised or self._hold or _finalizes(frame)):
            self.check()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Put off signals while processes are started.

        The processes inherit that SIGINT is blocked: Ctrl-C in a terminal reaches them too, and it is for the
        first process to end them.
        """
        self._hold = True
        try:
            with sigint_blocked(multiprocessing=True) if self._before else nullcontext():
                yield
        finally:
            self._hold = False
        self.check()


def _finalizes(frame: FrameType | None) -> bool:
    """Say whether an object is being finalized: Python prints what is raised there, and goes on."""
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False
