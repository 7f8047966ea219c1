"""The queue: images are looked at in turn of their sessions, jobs are done one after the other."""

import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from stemforge.app.sessions.records import Image, Job, PagePlace
from stemforge.app.sessions.store import Session, Store
from stemforge.app.working.detections import detect_atoms_of, judge_quality_of
from stemforge.app.working.molecules import Pace, find_molecules
from stemforge.app.working.process import StoppedError, Worker, WorkerError
from stemforge.errors import InputError, WriteError
from stemforge.files import reason
from stemforge.micrograph.readers import read_micrograph
from stemforge.micrograph.writers import write_tiff

UNUSED = 60.0
"""Seconds after which a worker is ended that is used now and then, and holds half a GB for networks."""
WARM = "stemforge.app.analysis.detection:warm"
WARM_SIMULATIONS = "stemforge.app.analysis.simulating.images:warm"

Work = Callable[[Session, Any], None]
JobWork = Callable[[Session, Job, Worker, threading.Event], None]
"""Does a job, and notes its progress and files on it."""


class Dispatcher:
    """Threads that have workers do what waits in a store.

    Parameters
    ----------
    store
        All sessions.
    kinds
        What does a job, by its kind.
    weights_of
        Names the weights of a session's detector.
    """

    def __init__(
        self, store: Store, kinds: Mapping[str, JobWork], weights_of: Callable[[Session, str], str]
    ) -> None:
        self.store, self.kinds, self.weights_of = store, kinds, weights_of
        self.answers = Worker(1)
        """For short questions, which do not wait for the search for atoms."""
        self.simulations = Worker(1)
        """For images that are simulated while somebody moves a slider; it keeps structures and signals."""
        self._detector, self._jobs, self._molecules = Worker(), Worker(), Worker()
        # It judges images whose atoms are shown already, and gives way to the search for atoms.
        self._judge = Worker(1, nice=5)
        self._pace = Pace()
        self._wake = threading.Condition()
        self._ended, self._warmed = threading.Event(), threading.Event()
        self._running: dict[str, threading.Event] = {}
        self._last: dict[PagePlace, str] = {}
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to work, with what waited when the server was stopped."""
        loops: dict[str, Callable[[], None]] = {
            "detect": self._detect_loop,
            "judge": self._judge_loop,
            "molecules": self._molecules_loop,
            "jobs": self._job_loop,
            "reading": _warm_reader,
            "simulations": self._warm_simulations,
        }
        self._threads = [
            threading.Thread(target=loop, name=name, daemon=True) for name, loop in loops.items()
        ]
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Say that there is something to do."""
        with self._wake:
            self._wake.notify_all()

    def stop_job(self, job: Job) -> None:
        """Stop a job that runs; one that waits is passed over."""
        event = self._running.get(job.id)
        if event is not None:
            event.set()

    def end(self) -> None:
        """Stop all work; what was not finished waits for the next start."""
        self._ended.set()
        for event in list(self._running.values()):
            event.set()
        self.wake()
        for thread in self._threads:
            thread.join(5)
        for worker in (
            self.answers,
            self.simulations,
            self._detector,
            self._judge,
            self._molecules,
            self._jobs,
        ):
            worker.end()

    def _detect_loop(self) -> None:
        with suppress(InputError, WorkerError, StoppedError):
            self._detector.call(WARM, 120, self._ended)
        self._warmed.set()
        self._loop(partial(self._next_image, "atoms"), self._detect)

    def _warm_simulations(self) -> None:
        """Simulate what is asked for first, once the detector, which more people use, is ready."""
        self._warmed.wait()
        if not self._ended.is_set():
            with suppress(InputError, WorkerError, StoppedError):
                self.simulations.call(WARM_SIMULATIONS, 120, self._ended)

    def _judge_loop(self) -> None:
        self._loop(self._next_unjudged, self._judge_quality)

    def _molecules_loop(self) -> None:
        self._loop(partial(self._next_image, "molecules"), self._find_molecules)

    def _job_loop(self) -> None:
        self._loop(self._next_job, self._do)

    def _loop(self, following: Callable[[], tuple[Session, Any] | None], work: Work) -> None:
        """Do what waits, one after the other, until the server ends."""
        while not self._ended.is_set():
            found = following()
            if found is None:
                self._sleep()
            else:
                self._attempt(work, *found)

    def _detect(self, session: Session, image: Image) -> None:
        weights = self.weights_of(session, image.detector)
        detect_atoms_of(session, image, weights, self._detector, self._ended)
        self.wake()

    def _judge_quality(self, session: Session, image: Image) -> None:
        try:
            judge_quality_of(session, image, self._judge, self._detector, self._ended)
        except Exception as error:
            # The atoms are known: the image has not failed.
            session.note(image, judged=image.generation, reasons=[_sentence(error, session.folder)])

    def _find_molecules(self, session: Session, image: Image) -> None:
        find_molecules(session, image, self._molecules, self._ended, self._pace)

    @staticmethod
    def _attempt(work: Work, session: Session, record: Image | Job) -> None:
        """Do what waits; what goes wrong, such as a full disk, fails it and does not end the queue."""
        try:
            work(session, record)
        except Exception as error:
            sentence = _sentence(error, session.folder)
            field = "error" if isinstance(record, Image) else "message"
            # The disk may be what failed: it is noted in memory, and on disk it waits for the next start.
            session.note(record, status="failed", **{field: sentence})

    def _sleep(self) -> None:
        for worker in (self._jobs, self._molecules):
            worker.end_unused(UNUSED)
        with self._wake:
            if not self._ended.is_set():
                self._wake.wait(0.5)

    def _next_image(self, place: PagePlace) -> tuple[Session, Image] | None:
        """Return the next image of the session after the one that was served last: nobody waits for a hundred."""
        waiting = sorted(self._waiting_images(place), key=lambda one: (one[0].id, one[1].created))
        if not waiting:
            return None
        later = [one for one in waiting if one[0].id > self._last.get(place, "")]
        chosen = (later or waiting)[0]
        self._last[place] = chosen[0].id
        return chosen

    def _next_unjudged(self) -> tuple[Session, Image] | None:
        """Return the newest image whose atoms are known and whose quality is not: it is what somebody looks at."""
        found = [
            (session, image)
            for session in self.store
            for image in list(session.images.values())
            if image.place == "atoms" and image.status == "done" and image.judged != image.generation
        ]
        return max(found, key=lambda one: one[1].created, default=None)

    def _waiting_images(self, place: PagePlace) -> Iterator[tuple[Session, Image]]:
        for session in self.store:
            for image in list(session.images.values()):
                if image.status == "waiting" and image.place == place:
                    yield session, image

    def _next_job(self) -> tuple[Session, Job] | None:
        waiting = [
            (session, job)
            for session in self.store
            for job in list(session.jobs.values())
            if self._ready(session, job)
        ]
        return min(waiting, key=lambda one: one[1].created, default=None)

    @staticmethod
    def _ready(session: Session, job: Job) -> bool:
        """Say whether a job can be begun: the atoms of its images are known."""
        images = [session.images[name] for name in job.images if name in session.images]
        return job.status == "waiting" and all(one.status in ("done", "failed") for one in images)

    def _do(self, session: Session, job: Job) -> None:
        with session.lock:
            # It may have been stopped or deleted since it was chosen.
            if job.status != "waiting" or job.id not in session.jobs:
                return
            event = self._running[job.id] = threading.Event()
            if self._ended.is_set():
                event.set()
            session.change(job, status="working", message="", progress=None, files=[])
        try:
            self.kinds[job.kind](session, job, self._jobs, event)
            session.change(job, status="done", progress=1.0)
        except StoppedError:
            # When the server is stopped the job waits for its next start.
            session.change(job, status="waiting" if self._ended.is_set() else "stopped", progress=None)
        except (InputError, WorkerError) as error:
            session.change(job, status="failed", message=_without_paths(str(error), session.folder))
        except KeyError:
            session.change(job, status="failed", message="This kind of job is not known any more.")
        finally:
            del self._running[job.id]


def _warm_reader() -> None:
    """Have the sandbox read a small image, so that the first upload does not wait for it to start."""
    with tempfile.TemporaryDirectory() as folder, suppress(InputError, OSError):
        path = Path(folder) / "image.tif"
        write_tiff(path, np.eye(8), 0.3)
        read_micrograph(path)


def _sentence(error: Exception, folder: Path) -> str:
    """Say in a sentence what went wrong in the server itself."""
    cause = error.__cause__ if isinstance(error, WriteError) else error
    if isinstance(cause, OSError):
        return f"The disk would not take it: {reason(cause)}, then try again."
    if isinstance(error, InputError):
        return _without_paths(str(error), folder)
    return f"This should not have happened ({type(error).__name__}); the server goes on."


def _without_paths(text: str, folder: Path) -> str:
    return text.replace(f"{folder}/", "")
