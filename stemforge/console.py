"""What is printed: remarks and progress on standard error, results on standard output, whatever they can show."""

import codecs
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unicodedata import category

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

SPELLED = "stemforge.spelled"
"""How characters that a stream cannot show are written; the ``errors`` of a stream or of :meth:`str.encode`."""

INTERVALS = "Numbers in brackets (low to high) are the ends of 95 % intervals."
"""What commands print once below numbers with such intervals, in the place of a remark on each."""

_A_LINE = 60  # between two lines of a log [s]
_FIRST = 10  # before the first one [s]
_SPELLINGS = {
    "Å": "A",
    "²": "2",
    "³": "3",
    "₂": "2",
    "±": "+-",
    "→": "->",
    "×": "x",
    "·": "*",
    "–": "-",
    "—": "-",
}
_SPELLINGS |= {"…": "...", "≥": ">=", "≤": "<=", "°": "deg", "µ": "u", "μ": "u", "σ": "sigma", "’": "'"}


def _spell(error: UnicodeError) -> tuple[str, int]:
    """Spell what an encoding lacks: Å as A, and what has no such spelling by its number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    escaped = (_SPELLINGS.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in text)
    return "".join(escaped), error.end


codecs.register_error(SPELLED, _spell)


class _Console(Console):
    """A console whose reader may go away, as in ``stemforge … | head``: the work goes on without it."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        discard(self.file)


console: Console = _Console(stderr=True)
"""Where progress and remarks go: standard error, so that results on standard output can be piped."""
results: Console = _Console()
"""Standard output, where results go."""


def set_up_streams() -> None:
    """Let standard output and error print any text, in whatever encoding they have."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):  # streams that a program has put in their place
            stream.reconfigure(errors=SPELLED)  # type: ignore[union-attr]


def flush_streams() -> None:
    """Print what is still held back; a reader that has gone away is no error."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:  # closed before the program began, as by `2>&-`
            continue
        try:
            stream.flush()
        except BrokenPipeError:
            discard(stream)
        except (OSError, ValueError):
            pass


def discard(stream: Any) -> None:
    """Send everything that is still written to a stream nowhere."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def printable(text: str) -> str:
    r"""Return a text in which control characters and bytes that are no text are spelt; a file's name may hold any.

    Examples
    --------
    >>> print(printable("a\x1b[31m.tif"))
    a\x1b[31m.tif
    """
    return "".join(
        ascii(sign)[1:-1] if category(sign) in ("Cc", "Cs") and sign not in "\n\t" else sign for sign in text
    )


def say(text: str) -> None:
    """Print a remark, as it is."""
    _print(console, text, soft_wrap=True, markup=False)


def show(content: object, style: str | None = None) -> None:
    """Print a result, text or a table, to standard output."""
    _print(results, content, style=style, soft_wrap=isinstance(content, str) and not style, markup=False)


def _print(target: Console, content: object, **options: Any) -> None:
    if isinstance(content, str):
        encoding = target.encoding or "utf-8"
        content = printable(content).encode(encoding, SPELLED).decode(encoding)
    target.print(content, highlight=False, **options)


def shows_bars() -> bool:
    """Whether progress bars can be drawn: in a terminal and in a notebook, not in a log."""
    return console.is_terminal or console.is_jupyter


class ProgressLog:
    """Progress in lines, one a minute, where no bar can be drawn: in the log of a cluster's job.

    Parameters
    ----------
    title, unit
        What is done, and what is counted.
    total
        How many there are.
    limit
        Time after which it ends in any case [s].

    Examples
    --------
    >>> log = ProgressLog("simulate pt-nc", 320, "images")
    >>> log.line(80, elapsed=120)
    'simulate pt-nc: 80 of 320 images, 2 min elapsed, about 6 min left'
    """

    def __init__(self, title: str, total: float, unit: str, limit: float | None = None) -> None:
        self.title, self.total, self.unit, self.limit = title, total, unit, limit
        self._begun = time.monotonic()
        self._done, self._said = 0.0, self._begun

    def advance(self, done: float) -> None:
        """Count what was done, and print a line after ten seconds, and where the last one is a minute old."""
        self._done += done
        now = time.monotonic()
        wait = min(_FIRST, _A_LINE) if self._said == self._begun else _A_LINE
        if now - self._said >= wait and self._done < self.total:
            self._said = now
            say(self.line(self._done, now - self._begun))

    def line(self, done: float, elapsed: float) -> str:
        """Say how much was done in so many seconds, and how long the rest takes at that pace."""
        left = elapsed * (self.total - done) / max(done, 1e-9)
        counted = f"{done:.0f} of {self.total:.0f} {self.unit}"
        if self.limit is not None and self.limit - elapsed < left:
            left, counted = max(self.limit - elapsed, 0), f"{done:.0f} {self.unit}"
        return f"{self.title}: {counted}, {_minutes(elapsed)} elapsed, about {_minutes(left)} left"


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


@contextmanager
def progress(
    title: str, total: int, unit: str = "", quiet: bool = False
) -> Iterator[Callable[[float], None]]:
    """Show a progress bar with an estimate of the time left; in a log, a line after ten seconds and one a minute.

    Parameters
    ----------
    title, unit
        What is done, and what is counted.
    total
        How many there are.
    quiet
        Show nothing.

    Yields
    ------
    callable
        Call it with the number of units finished since the last call.

    Examples
    --------
    >>> with progress("count", 3, quiet=True) as advance:
    ...     for _ in range(3):
    ...         advance(1)
    """
    if not (quiet or shows_bars()):
        yield ProgressLog(title, total, unit).advance
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TextColumn("elapsed,"),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
    )
    with Progress(*columns, console=console, disable=quiet) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.advance(task, done)


@contextmanager
def status(text: str, quiet: bool = False) -> Iterator[None]:
    """Say what is being done while it cannot be counted: turning in a terminal, as one line in a log.

    Parameters
    ----------
    text
        What is done.
    quiet
        Show nothing.

    Examples
    --------
    >>> with status("simulating one image …", quiet=True):
    ...     pass
    """
    if quiet:
        yield
    elif shows_bars():
        with console.status(text):
            yield
    else:
        say(text)
        yield
