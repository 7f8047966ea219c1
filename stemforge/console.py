"""The progress bar of long work: how far, how fast, how long still."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

console = Console(stderr=True)
"""Where progress and remarks go: standard error, so that results on standard output can be piped."""


def say(text: str) -> None:
    """Print a remark, as it is."""
    console.print(text, highlight=False, soft_wrap=True, markup=False)


@contextmanager
def progress(title: str, total: int, unit: str = "", quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """Show a progress bar with an estimate of the time left.

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
