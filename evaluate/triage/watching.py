"""A folder watched that a microscope writes into: files looked at as they come, and what is pending at the end."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from stemforge.console import say
from stemforge.errors import InputError
from stemforge.evaluate.triage.examiners import Examiners, examined
from stemforge.evaluate.triage.folders import ImageFile, SettledFiles
from stemforge.evaluate.triage.result import OPEN, UNREADABLE, ImageTriage
from stemforge.evaluate.triage.session import Session

_DRAW_EVERY = 30.0  # s
_UNFINISHED = "still being written, or just written, when watching ended"


@dataclass(frozen=True)
class Watch:
    """How a folder is watched that a microscope writes into.

    Parameters
    ----------
    watch_for
        How long [s]; None until Ctrl-C.
    every
        Time between two looks at the folder [s].
    settle
        How long a file must not have changed [s].
    patience
        How long one that cannot be read is tried again [s].
    """

    watch_for: float | None = None
    every: float = 1.0
    settle: float = 2.0
    patience: float = 60.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{name} must be a positive number of seconds, not {value}")


def look_on(session: Session, examiners: Examiners, watch: Watch) -> None:
    """Look at files as they come, until the time is over or Ctrl-C, which is raised again.

    Parameters
    ----------
    session
        The images, and what is known of them.
    examiners
        Processes that look at files.
    watch
        How long, and how often.
    """
    settled = SettledFiles(watch.settle, watch.patience)
    end = float("inf") if watch.watch_for is None else time.monotonic() + watch.watch_for
    try:
        while True:
            files = _look(session, examiners, settled)
            session.save(draw=time.monotonic() - session.drawn > _DRAW_EVERY)
            if time.monotonic() >= end:
                _add_pending(session, files)
                return
            time.sleep(watch.every)
    except KeyboardInterrupt:
        _add_pending(session, [file for file in session.files() if session.measured.failed(file)])
        raise


def _look(session: Session, examiners: Examiners, settled: SettledFiles) -> list[ImageFile]:
    """Look at the files that are there, settled, and not known; return all that are there."""
    files = session.files()
    for file, found in examined(settled.ready(session.missing(files)), examiners):
        failed = any(one.verdict == UNREADABLE for one in found)
        if failed and settled.try_again(file):
            session.measured.fail(file, found)
        else:
            _tell(session, file, found)
    return files


def _tell(session: Session, file: ImageFile, found: Sequence[ImageTriage]) -> None:
    """Take a file into the table, and say what was found."""
    session.add(file, found)
    for one in found:
        say(_line(one))


def _add_pending(session: Session, files: Sequence[ImageFile]) -> None:
    """Give a row to each file that would have been tried later: with what it failed by, or as not finished."""
    for file in session.missing(files):
        unfinished = [ImageTriage(file.name, str(file.path), reasons=(_UNFINISHED,))]
        failure = session.measured.failure(file)
        _tell(session, file, unfinished if failure is None else failure)


def _line(one: ImageTriage) -> str:
    """Return what is printed of an image that has just been written."""
    number = (
        f", {one.atoms_expected:.0f} atoms expected" if one.verdict == OPEN and one.atoms_expected else ""
    )
    return f"{one.image}: {one.words}{number}"
