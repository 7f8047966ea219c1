"""Routes of weights that a user brings along."""

import shutil
import time
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from stemforge.app.server.context import Context, Current, RefusedError, Shared
from stemforge.app.server.detectors import detectors_of
from stemforge.app.server.uploads import receive_file
from stemforge.app.sessions.records import clean_name
from stemforge.app.sessions.store import Session, new_id
from stemforge.app.sessions.weights import FILE, FOLDER, RECORD, OwnWeights
from stemforge.app.working.process import Worker, WorkerError
from stemforge.errors import InputError
from stemforge.files import make_folder, write_json

router = APIRouter(prefix="/api/weights")
MOST_BYTES = 64 * 2**20
_MOST = 20  # of a session
_CHECK, _SECONDS = "stemforge.app.analysis.weights:check_weights", 120.0


@router.post("")
async def upload(request: Request, session: Current, context: Shared) -> Response:
    """Take a weights file as a detector of the session."""
    name, file = await receive_file(request, MOST_BYTES)
    try:
        detector = await run_in_threadpool(_take, context, session, clean_name(name, "weights"), file.file)
    finally:
        await file.close()
    return JSONResponse(detector, 201)


@router.delete("/{weights_id}")
def delete(weights_id: str, session: Current) -> Response:
    """Delete weights; images whose atoms they found keep them."""
    with session.lock:
        if weights_id not in session.weights:
            raise RefusedError(404, "These weights are not in your session.")
        if any(one.detector == f"weights:{weights_id}" for one in session.images.values()):
            raise RefusedError(409, "Images use this detector; choose another one for them first.")
        if session.live.active and session.live.detector == f"weights:{weights_id}":
            raise RefusedError(409, "The watched folder uses this detector; stop watching first.")
        del session.weights[weights_id]
    shutil.rmtree(session.folder / FOLDER / weights_id, ignore_errors=True)
    session.tell_detectors()
    return Response(status_code=204)


def _take(context: Context, session: Session, name: str, content: Any) -> dict[str, str]:
    """Check a file in a process of its own, and keep it."""
    if Path(name).suffix.lower() != ".safetensors":
        raise RefusedError(
            415, f"{name}: only .safetensors files of stemforge are taken; other weights files can run code."
        )
    if len(session.weights) >= _MOST:
        raise RefusedError(409, f"A session keeps at most {_MOST} weights; delete some.")
    context.check_room(session, MOST_BYTES)
    identity = new_id()
    folder = session.folder / FOLDER / identity
    make_folder(folder)
    # Not that of other work: whatever a file does to the libraries that open it ends with the process.
    worker = Worker(1)
    try:
        with (folder / FILE).open("xb") as stream:
            shutil.copyfileobj(content, stream, 2**20)
        about = worker.call(_CHECK, _SECONDS, path=str(folder / FILE), name=name)
        kept = OwnWeights(id=identity, name=name, created=time.time(), **about)
        write_json(folder / RECORD, kept)
    except (InputError, WorkerError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        sentence = str(error) if isinstance(error, InputError) else f"{name}: cannot be used. {error}"
        raise RefusedError(422, sentence) from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        worker.end()
    with session.lock:
        session.weights[identity] = kept
    session.tell_detectors()
    return next(one for one in detectors_of(session) if one["name"] == f"weights:{identity}")
