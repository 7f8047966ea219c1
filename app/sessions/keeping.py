"""What is not kept: sessions that hold nothing and were not used for a day; how much of the disk one takes."""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from stemforge.app.sessions.store import Session, Store

DAY = 86400.0
_EVERY = 3600.0
_RECORDS = {"live.json", "job.json"}  # which hold nothing by themselves


def bytes_of(folder: Path) -> int:
    """Return how many bytes the files in a folder and below have.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a").write_bytes(b"abc")
    >>> bytes_of(folder)
    3
    """
    total = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    total += bytes_of(Path(entry.path))
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def holds_nothing(session: Session) -> bool:
    """Say whether a session has no images, no results or weights, and watches no folder."""
    if session.images or session.live.active or session.is_listened_to:
        return False
    if any(job.status in ("waiting", "working") for job in session.jobs.values()):
        return False
    return not any(path.is_file() and path.name not in _RECORDS for path in session.folder.rglob("*"))


def drop_idle(store: Store, older: float = DAY) -> int:
    """Drop sessions that hold nothing and were not used for a time [s]; return how many."""
    before = time.time() - older
    idle = [session for session in store if session.used < before and holds_nothing(session)]
    return sum(store.drop(session, before) for session in idle)


class Housekeeping:
    """A thread that drops idle sessions at the start and every hour.

    Parameters
    ----------
    store
        All sessions.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Stop."""
        self._ended.set()

    def _loop(self) -> None:
        while True:
            with suppress(OSError):
                drop_idle(self.store)
            if self._ended.wait(_EVERY):
                return
