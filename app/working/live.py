"""Folders that a microscope writes: new files become images of the session that watches, as soon as they are whole."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG

from stemforge.app.sessions.live import LiveItem, image_id
from stemforge.app.sessions.records import Image
from stemforge.app.sessions.store import Session, Store
from stemforge.errors import InputError
from stemforge.evaluate.triage.folders import ImageFile, SettledFiles, image_files

EVERY = 0.25
"""Seconds between two looks at a folder."""
SETTLE, PATIENCE = 1.0, 30.0
"""How long a file must not have changed, and how long one is tried again that cannot be read [s]."""
_AGAIN = 5.0  # seconds until a session is tried again that had no room

Take = Callable[[Session, Path, str, str], Image]
"""Makes the file at a path, shown by a name, the image of an id."""


class NoRoomError(Exception):
    """A session that takes no image now; the message is a sentence for the user."""


@dataclass
class _Watched:
    """What is known of a folder beside what is on disk."""

    settled: SettledFiles = field(default_factory=lambda: SettledFiles(SETTLE, PATIENCE))
    waiting: dict[str, str] = field(default_factory=dict)
    note: str = ""
    pause: float = 0.0


class Watcher:
    """A thread that looks into the folders that sessions watch.

    Parameters
    ----------
    store
        All sessions.
    folders
        Those that may be watched, absolute: no session can name another one.
    take
        Makes a file an image.
    """

    def __init__(self, store: Store, folders: Sequence[Path], take: Take) -> None:
        self.store, self.folders, self.take = store, tuple(folders), take
        self._known: dict[str, _Watched] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="live", daemon=True)

    def start(self) -> None:
        """Begin, or go on where the server was stopped."""
        if self.folders:
            self._thread.start()

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def watch(self, session: Session, folder: Path, detector: str, existing: bool) -> None:
        """Have a session watch a folder.

        Parameters
        ----------
        session
            That gets the images.
        folder
            One of :attr:`folders`.
        detector
            Of the images.
        existing
            Take files that are there already, too.
        """
        files = [] if existing else list(image_files([folder]))
        with session.lock:
            live = session.live
            if live.folder != str(folder):
                live.items = []
            live.folder, live.active, live.detector = str(folder), True, detector
            live.stamps |= {str(file.path): file.stamp for file in files}
            self._known[session.id] = _Watched()
            session.keep_live()

    def stop(self, session: Session) -> None:
        """End a session's watch; what it took stays."""
        with session.lock:
            session.live.active = False
            self._known.pop(session.id, None)
            session.keep_live()

    def waiting(self, session: Session) -> tuple[dict[str, str], str]:
        """Return the files that are not whole or not readable yet, with why; and what hinders the watch."""
        known = self._known.get(session.id, _Watched())
        return dict(known.waiting), known.note

    def _loop(self) -> None:
        while not self._ended.wait(EVERY):
            for session in self.store:
                if session.live.active:
                    known = self._known.setdefault(session.id, _Watched())
                    before = (dict(known.waiting), known.note)
                    try:
                        self._look(session, known)
                    except Exception as error:
                        known.note = f"The folder could not be looked at ({_why(error)}); it is tried again."
                    if (known.waiting, known.note) != before:
                        session.tell_live()

    def _look(self, session: Session, known: _Watched) -> None:
        folder = Path(session.live.folder or "")
        if folder not in self.folders:
            known.note = (
                "The server was started without this folder (--watch-folder); start it again with it."
            )
            return
        if not folder.is_dir():
            known.note = "The folder cannot be reached now. The watch goes on when it is back."
            return
        if time.monotonic() < known.pause:
            return
        stamps = session.live.stamps
        files = [file for file in image_files([folder]) if stamps.get(str(file.path)) != file.stamp]
        ready = known.settled.ready(files)
        names = {file.name for file in files}
        known.waiting = {name: why for name, why in known.waiting.items() if name in names}
        for file in files:
            known.waiting.setdefault(file.name, "is being written")
        known.note = ""
        for file in sorted(ready, key=_written):
            if self._ended.is_set() or not session.live.active:
                return
            try:
                self._take(session, file, known)
            except NoRoomError as error:
                known.note, known.pause = str(error), time.monotonic() + _AGAIN
                return

    def _take(self, session: Session, file: ImageFile, known: _Watched) -> None:
        """Make a file an image, or note why it is none."""
        identity = image_id(session.id, file.path, file.stamp)
        item = LiveItem(path=str(file.path), file=file.name, taken=time.time())
        try:
            if identity not in session.images:
                _check(file, Path(session.live.folder or ""))
                self.take(session, file.path, file.name, identity)
            item.image = identity
        except (InputError, OSError) as error:
            why = _why(error).removeprefix(f"{file.name}: ")
            if known.settled.try_again(file):
                known.waiting[file.name] = f"cannot be read yet: {why}"
                return
            item.error = why
        known.waiting.pop(file.name, None)
        self._keep(session, item, file.stamp)

    @staticmethod
    def _keep(session: Session, item: LiveItem, stamp: str) -> None:
        with session.lock:
            older = next((one.image for one in session.live.items if one.path == item.path), None)
            session.live.add(item, stamp)
            session.keep_live()
        image = session.images.get(older or "")
        # What was taken of a half-written file; corrections by hand are never thrown away.
        if image and image.id != item.image and not (image.added or image.removed or image.masks):
            session.delete(image)


def _check(file: ImageFile, folder: Path) -> None:
    """Refuse what is no file of the folder itself: links lead elsewhere, and pipes never end."""
    if file.unreachable:
        raise InputError(file.unreachable)
    if not file.path.resolve().is_relative_to(folder.resolve()):
        raise InputError("is a link out of the folder, which is not followed")
    if not S_ISREG(file.path.stat().st_mode):
        raise InputError("is no plain file")


def _written(file: ImageFile) -> tuple[int, str]:
    """Return when a file was written, for the order."""
    _, _, changed = file.stamp.partition("-")
    return (int(changed) if changed.isdigit() else 0, file.name)


def _why(error: Exception) -> str:
    return f"cannot be opened ({error.strerror or error})" if isinstance(error, OSError) else str(error)
