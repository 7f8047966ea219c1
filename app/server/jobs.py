"""Routes of jobs: begin, watch, stop, and download what they made."""

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import Field

from stemforge.app.server.context import ChosenJob, Current, RefusedError, Shared
from stemforge.app.sessions.records import Job, Record
from stemforge.app.sessions.store import new_id

router = APIRouter(prefix="/api/jobs")
_MOST = 200  # jobs of a session
# A report holds its own scripts and styles. Sandboxed, it cannot reach the session it came from, nor any host.
_REPORT_POLICY = (
    "sandbox allow-scripts allow-downloads allow-popups; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; frame-ancestors 'self'"
)


class Wanted(Record):
    """A job that is asked for.

    Parameters
    ----------
    kind
        Such as report.
    images
        Their ids; None takes all.
    """

    kind: str
    images: Annotated[list[str], Field(max_length=5000)] | None = None


@router.get("")
def show_all(session: Current) -> list[dict[str, Any]]:
    """Return all jobs of the session."""
    return [one.public() for one in list(session.jobs.values())]


@router.post("")
def begin(wanted: Wanted, session: Current, context: Shared) -> Response:
    """Begin a job; it goes on when the page is closed."""
    if wanted.kind not in context.dispatcher.kinds:
        raise RefusedError(422, f"There is no such job; known are {', '.join(context.dispatcher.kinds)}.")
    every = [one.id for one in list(session.images.values()) if one.place == "atoms"]
    names = every if wanted.images is None else list(dict.fromkeys(wanted.images))
    if not set(names) <= set(session.images):
        raise RefusedError(404, "One of these images is not in your session.")
    if not names:
        raise RefusedError(409, "There is no image yet; drop one first.")
    if len(session.jobs) >= _MOST:
        raise RefusedError(409, f"A session keeps at most {_MOST} jobs; delete some.")
    context.check_room(session)
    job = Job(id=new_id(), kind=wanted.kind, images=names)
    session.add_job(job)
    context.dispatcher.wake()
    return JSONResponse(job.public(), 201)


@router.get("/{job_id}")
def show(job: ChosenJob) -> dict[str, Any]:
    """Return a job."""
    return job.public()


@router.delete("/{job_id}")
def stop(job: ChosenJob, session: Current, context: Shared) -> Response:
    """Stop a job that waits or runs; one that has ended is deleted with its files."""
    with session.lock:  # it may begin or end in this instant
        if job.status == "working":
            context.dispatcher.stop_job(job)
        elif job.status == "waiting":
            session.change(job, status="stopped")
        else:
            session.delete(job)
    return Response(status_code=204)


@router.get("/{job_id}/files/{number}")
def download(job: ChosenJob, session: Current, number: int, show: bool = False) -> Response:
    """Return a file that a job made; ``show`` opens a report instead of saving it."""
    if not 0 <= number < len(job.files):
        raise RefusedError(404, "This job has no such file.")
    one = job.files[number]
    path = session.job_folder(job.id) / one.stored
    if not path.is_file():
        raise RefusedError(404, "This file is gone; run the job again.")
    if show and path.suffix == ".html":
        return FileResponse(path, media_type="text/html", headers={"content-security-policy": _REPORT_POLICY})
    return FileResponse(path, filename=one.name, media_type="application/octet-stream")
