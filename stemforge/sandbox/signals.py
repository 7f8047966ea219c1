"""Ctrl-C in a terminal, which reaches every process there: the first one acts on it, those that it started do not."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def sigint_blocked() -> Iterator[None]:
    """Block SIGINT while processes are started: they inherit that, also while they import and have no handler yet.

    Examples
    --------
    >>> with sigint_blocked():
    ...     pass  # a Ctrl-C that comes here is acted on afterwards
    """
    if sys.platform == "win32":  # blocks no signals
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
