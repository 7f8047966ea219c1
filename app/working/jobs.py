"""How each kind of job is done: which images it gets, what the worker is asked, and what becomes of its files."""

import json
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from stemforge.app.sessions.records import Image, Job, JobFile
from stemforge.app.sessions.store import Session
from stemforge.app.sessions.weights import FILE, FOLDER
from stemforge.app.working.process import Worker
from stemforge.errors import InputError
from stemforge.files import make_folder

_EVERY = 0.4  # seconds between looks at how far a job is
_SECONDS, _SECONDS_PER_IMAGE = 600.0, 120.0
_TUNING = 7200.0  # seconds of a fine-tuning, beside those of each image


def described(session: Session, image: Image) -> dict[str, Any]:
    """Return what workers need to know of an image."""
    with session.lock:
        return {
            "folder": str(session.image_folder(image.id)),
            "name": image.name,
            "sampling": image.sampling,
            "sampling_source": image.sampling_source,
            "sampling_in_file": image.sampling_in_file,
            "detector": image.detector,
            "threshold": image.threshold,
            "expected_f1": image.expected_f1,
            "edits": session.edits(image).model_dump(mode="json"),
        }


def run_job(function: str, seconds: float = _SECONDS, **options: Any) -> Callable[..., None]:
    """Return what does a job by calling a function with its images in the worker.

    Parameters
    ----------
    function
        ``module:name``; it is called with ``images``, ``out`` and ``options``.
    seconds
        How long it may take, beside what each image takes.
    options
        Further arguments.
    """

    def run(session: Session, job: Job, worker: Worker, stop: threading.Event) -> None:
        images = [session.images[name] for name in job.images if name in session.images]
        images = [one for one in images if one.status == "done" and one.place == "atoms"]
        if not images:
            raise InputError("There is no image on which atoms were looked for.")
        folder = session.job_folder(job.id) / "work"
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was interrupted
        make_folder(folder)
        made = worker.call(
            function,
            seconds + _SECONDS_PER_IMAGE * len(images),
            stop,
            _ticker(session, job, folder / "progress.json"),
            images=[described(session, one) for one in images],
            out=str(folder),
            **options,
        )
        session.change(job, files=_kept(made["files"], folder.parent), message=made["message"])
        shutil.rmtree(folder, ignore_errors=True)

    return run


def _kept(files: list[dict[str, str]], folder: Path) -> list[JobFile]:
    """Move the files that a job made to where they are downloaded from."""
    kept = []
    for number, one in enumerate(files):
        source = Path(one["path"])
        target = folder / f"file{number}{source.suffix}"
        source.replace(target)
        kept.append(JobFile(name=one["name"], stored=target.name, bytes=target.stat().st_size))
    return kept


def _ticker(session: Session, job: Job, path: Path) -> Callable[[], None]:
    """Return what looks now and then how far a job is, and tells it."""
    last = time.monotonic()

    def tick() -> None:
        nonlocal last
        if time.monotonic() - last < _EVERY:
            return
        last = time.monotonic()
        with suppress(OSError, ValueError):
            found = json.loads(path.read_text(encoding="utf-8"))
            share, message = found["progress"], str(found["message"])
            if (share, message) != (job.progress, job.message):
                session.change(job, progress=share, message=message)

    return tick


def weights_of(session: Session, detector: str) -> str:
    """Return what a detector's weights are called by the library: a name, or the file of a job or of the user's."""
    kind, _, identity = detector.partition(":")
    if kind == "job" and identity in session.jobs:
        files = [one.stored for one in session.jobs[identity].files if one.stored.endswith(".safetensors")]
        if files:
            return str(session.job_folder(identity) / files[0])
    if kind == "weights" and identity in session.weights:
        return str(session.folder / FOLDER / identity / FILE)
    return detector


def tune(session: Session, job: Job, worker: Worker, stop: threading.Event) -> None:
    """Fine-tune the detector of the first image; simulated images for it are made once for all sessions."""
    known = [session.images[name] for name in job.images if name in session.images]
    detector = known[0].detector if known else "any-atom"
    replay = session.folder.parents[1] / "simulated"
    run = run_job(
        "stemforge.app.analysis.tuning:fine_tune",
        _TUNING,
        weights=weights_of(session, detector),
        replay=str(replay),
    )
    run(session, job, worker, stop)


KINDS = {
    "report": run_job("stemforge.app.analysis.jobs:make_report", title="Atoms found"),
    "zip": run_job("stemforge.app.analysis.jobs:make_archive"),
    "labels": run_job("stemforge.app.analysis.jobs:make_labels"),
    "fine-tune": tune,
}
"""What does each kind of job."""
