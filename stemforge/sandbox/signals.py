"""Ctrl-C in a terminal, which reaches every process there: the first one acts on it, those that it started do not."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def sigint_blocked(*, multiprocessing: bool = False) -> Iterator[None]:
    """Block SIGINT while processes are started: they inherit that, also while they import and have no handler yet.

    Parameters
    ----------
    multiprocessing
        It is multiprocessing that starts them.

    Examples
    --------
    >>> with sigint_blocked():
    ...     pass  # a Ctrl-C that comes here is acted on afterwards
    """
    if sys.platform == "win32":  # blocks no signals
        yield
        return
    if signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()):
        yield
        return
    if multiprocessing:
        # It starts its tracker with the first process, and unblocks SIGINT then.
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT,))
