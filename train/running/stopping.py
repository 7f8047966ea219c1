"""Ctrl-C and SIGTERM in a training run: one :class:`KeyboardInterrupt`, which says how to go on."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def stopped_by_signals(run: Path) -> Iterator[None]:
    """Turn Lightning's end of the program into :class:`KeyboardInterrupt`.

    After Ctrl-C Lightning ends the program with 1, after SIGTERM with 0, as if the run had come to its end; and it
    ignores Ctrl-C from then on.

    Parameters
    ----------
    run
        Folder of the run, whose last checkpoint it goes on from.

    Examples
    --------
    >>> try:
    ...     with stopped_by_signals(Path("run")):
    ...         raise SystemExit
    ... except KeyboardInterrupt as stop:
    ...     print(stop)
    no epoch was finished: the same again starts anew
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)
        kept = (run / "checkpoints" / "last.ckpt").is_file()
        raise KeyboardInterrupt(
            "the same with --resume goes on from the last epoch"
            if kept
            else "no epoch was finished: the same again starts anew"
        ) from error
