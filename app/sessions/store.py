"""Sessions on disk and in memory: every change is written whole before anybody hears of it."""

import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from stemforge.app.sessions.corrections import read_edits, write_edits
from stemforge.app.sessions.live import LiveRecord
from stemforge.app.sessions.records import Edits, Image, Job, shown_atoms
from stemforge.app.sessions.weights import OwnWeights, load_weights_of
from stemforge.files import make_folder, write_json

_ID = re.compile(r"[0-9a-f]{32}")
# Of an image: where one of these changes, corrections that were made before may fit no more.
_OF_ATOMS = {
    "status",
    "generation",
    "detector",
    "sampling",
    "threshold",
    "count",
    "added",
    "removed",
    "masks",
    "place",
}
_LISTENERS = 20  # tabs that hear of changes in one session

Listener = Callable[[dict[str, Any]], None]


def new_id() -> str:
    """Return 128 random bits as hexadecimal digits."""
    return secrets.token_hex(16)


class StaleError(Exception):
    """A change that was made to an older version."""


class Session:
    """One user's images and jobs.

    Parameters
    ----------
    folder
        Where they are kept; made with the first image.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        self.images: dict[str, Image] = {}
        self.jobs: dict[str, Job] = {}
        self.weights: dict[str, OwnWeights] = {}
        self.live = LiveRecord()
        self.used = time.time()
        """When somebody asked for it last; seconds since 1970."""
        self._listeners: list[Listener] = []

    @property
    def id(self) -> str:
        """The session's secret name."""
        return self.folder.name

    @property
    def is_listened_to(self) -> bool:
        """Whether a tab shows it."""
        return bool(self._listeners)

    def image_folder(self, image: str) -> Path:
        """Return the folder of an image."""
        return self.folder / "images" / image

    def job_folder(self, job: str) -> Path:
        """Return the folder of a job."""
        return self.folder / "jobs" / job

    def load(self) -> None:
        """Read what is on disk; what was being worked on waits again."""
        for path in sorted((self.folder / "images").glob("*/image.json")):
            with suppress(OSError, ValidationError):
                image = Image.model_validate_json(path.read_bytes())
                if image.id != path.parent.name:  # of another folder: its files would be changed there
                    continue
                if image.status == "working":
                    image.status = "waiting"
                self.images[image.id] = image
        for path in sorted((self.folder / "jobs").glob("*/job.json")):
            with suppress(OSError, ValidationError):
                job = Job.model_validate_json(path.read_bytes())
                if job.id != path.parent.name:
                    continue
                if job.status == "working":
                    job.status = "waiting"
                self.jobs[job.id] = job
        self.weights, self.live = load_weights_of(self.folder), LiveRecord.load(self.folder)
        self.used = self.folder.stat().st_mtime
        self.images = dict(sorted(self.images.items(), key=lambda item: item[1].created))
        self.jobs = dict(sorted(self.jobs.items(), key=lambda item: item[1].created))

    def add_image(self, image: Image) -> None:
        """Take an image whose folder is complete."""
        image.created = image.created or time.time()
        with self.lock:
            self._save(image)
            self.images[image.id] = image
        self._tell(_event(image))

    def add_job(self, job: Job) -> None:
        """Take a new job."""
        job.created = time.time()
        with self.lock:
            make_folder(self.job_folder(job.id))
            self._save(job)
            self.jobs[job.id] = job
        self._tell(_event(job))

    def keep_live(self) -> None:
        """Keep what is known of the watched folder.

        Raises
        ------
        WriteError
            The disk does not take it.
        """
        make_folder(self.folder)
        self.live.save(self.folder)
        self.tell_live()

    def tell_live(self) -> None:
        """Say to all who listen that there is something new of the watched folder."""
        self._tell({"kind": "live", "id": "", "version": 0})

    def tell_detectors(self) -> None:
        """Say to all who listen that there are other detectors to choose from."""
        self._tell({"kind": "detectors", "id": "", "version": 0})

    def change(self, record: Image | Job, **values: Any) -> None:
        """Change an image or job, on disk and for all who listen; nothing where it was deleted meanwhile.

        Raises
        ------
        WriteError
            The disk does not take it; then nothing was changed.
        """
        with self.lock:
            if not self._holds(record):
                return
            if isinstance(record, Image) and not values.keys().isdisjoint(_OF_ATOMS):
                values["edited"] = record.version + 1
            changed = {**dict(record), **values, "version": record.version + 1}
            self._save(type(record).model_construct(**changed))
            self.note(record, **values)

    def note(self, record: Image | Job, **values: Any) -> None:
        """Change an image or job for all who listen, and not on disk; nothing where it was deleted meanwhile."""
        with self.lock:
            if not self._holds(record):
                return
            for name, value in values.items():
                setattr(record, name, value)
            record.version += 1
        self._tell(_event(record))

    def _holds(self, record: Image | Job) -> bool:
        return record.id in (self.images if isinstance(record, Image) else self.jobs)

    def delete(self, record: Image | Job) -> None:
        """Delete an image or job with its files."""
        with self.lock:
            kind = "image" if isinstance(record, Image) else "job"
            known: dict[str, Any] = self.images if kind == "image" else self.jobs
            known.pop(record.id, None)
            folder = self.image_folder(record.id) if kind == "image" else self.job_folder(record.id)
        shutil.rmtree(folder, ignore_errors=True)
        self._tell({"kind": kind, "id": record.id, "version": None})

    def edits(self, image: Image) -> Edits:
        """Return what the user changed about an image's atoms."""
        stored = read_edits(self.image_folder(image.id))
        if stored is None:
            return Edits(threshold=image.threshold)
        return stored.for_candidates(self.candidates(image)[0])

    def removed_places(self, image: Image) -> NDArray[np.float64]:
        """Return where the candidates stood that the user took out (x, y) [pixel], shape (n, 2)."""
        stored = read_edits(self.image_folder(image.id))
        return np.empty((0, 2)) if stored is None else stored.removed_places(self.candidates(image)[0])

    def save_edits(self, image: Image, edits: Edits, version: int | None = None) -> None:
        """Replace an image's edits.

        Raises
        ------
        StaleError
            Candidates or corrections were changed since ``version``. What else is learnt of an image, such as the
            quality of its recording, takes no correction from anybody.
        """
        with self.lock:
            if version is not None and version < image.edited:
                raise StaleError
            write_edits(self.image_folder(image.id), edits, self.candidates(image)[0])
            self.change(image, **self.counts(image, edits))

    def counts(self, image: Image, edits: Edits) -> dict[str, int]:
        """Return how many atoms are shown with these edits, and how many edits there are."""
        points, likelihood = self.candidates(image)
        kept, added = shown_atoms(points, likelihood, edits)
        count = {"added": len(edits.added), "removed": len(edits.removed), "masks": len(edits.masks)}
        return {"count": len(kept) + len(added), **count}

    def candidates(self, image: Image) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return places (x, y) [pixel], shape (n, 2), and likelihoods of an image's candidates, the likeliest first."""
        with suppress(
            OSError, EOFError, ValueError, IndexError
        ):  # none yet, or damaged: looking again mends it
            table = np.load(self.image_folder(image.id) / "atoms.npy")
            return table[:, :2], table[:, 2]
        return np.empty((0, 2)), np.empty(0)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have a function called with every change; return what ends that."""
        with self.lock:
            self._listeners = [*self._listeners, listener][-_LISTENERS:]

        def end() -> None:
            with self.lock:
                self._listeners = [one for one in self._listeners if one is not listener]

        return end

    def _save(self, record: Image | Job) -> None:
        if isinstance(record, Image):
            write_json(self.image_folder(record.id) / "image.json", record)
        else:
            write_json(self.job_folder(record.id) / "job.json", record)

    def _tell(self, event: dict[str, Any]) -> None:
        for listener in list(self._listeners):
            listener(event)


def _event(record: Image | Job) -> dict[str, Any]:
    """Return what tabs are told of a change; of an image also its place, since not every tab shows it."""
    if isinstance(record, Image):
        return {"kind": "image", "id": record.id, "version": record.version, "place": record.place}
    return {"kind": "job", "id": record.id, "version": record.version}


class Store:
    """All sessions of a folder.

    Parameters
    ----------
    folder
        Of the app; sessions lie in ``sessions/``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "sessions"
        make_folder(self.folder)
        self.folder.chmod(0o700)
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        for path in sorted(self.folder.iterdir()):
            if _ID.fullmatch(path.name) and path.is_dir():
                session = self._sessions[path.name] = Session(path)
                session.load()

    def __iter__(self) -> Iterator[Session]:
        with self._lock:
            return iter(list(self._sessions.values()))

    def find(self, name: str | None) -> Session | None:
        """Return the session of this secret name."""
        with self._lock:
            found = self._sessions.get(name or "")
            if found is not None:
                found.used = time.time()
            return found

    def drop(self, session: Session, before: float) -> bool:
        """Forget a session with its folder, if nobody asked for it since a time; say whether it was forgotten."""
        with self._lock:
            if session.used >= before:
                return False
            del self._sessions[session.id]
        shutil.rmtree(session.folder, ignore_errors=True)
        return True

    def create(self) -> Session:
        """Make a new session; on disk it is with its first image."""
        session = Session(self.folder / new_id())
        with self._lock:
            self._sessions[session.id] = session
        return session
