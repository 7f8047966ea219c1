"""Routes of the session: what is in it, and changes as they happen."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

import stemforge
from stemforge.app.server.context import Current, Shared
from stemforge.app.server.detectors import detectors_of
from stemforge.app.server.weights import MOST_BYTES

router = APIRouter(prefix="/api")
FEATURES = [
    "atoms",
    "images",
    "samples",
    "edits",
    "statistics",
    "downloads",
    "events",
    "molecules",
    "simulate",
    "quality",
    "weights",
]
"""What the page may show, beside the kinds of jobs."""
_HEARTBEAT = 15.0
_MOST_EVENTS = 1000


@router.get("/session")
def show(request: Request, context: Shared) -> Response:
    """Return what is in the session; a browser without one gets a new one."""
    settings = context.settings
    session = context.store.find(request.cookies.get(settings.session_cookie))
    known = session is not None
    session = session or context.store.create()
    answer = JSONResponse(
        {
            "images": [one.public() for one in list(session.images.values())],
            "jobs": [one.public() for one in list(session.jobs.values())],
            "detectors": detectors_of(session),
            "limits": {
                "upload_bytes": settings.upload_bytes,
                "images": settings.images,
                "pixels": settings.pixels,
                "session_bytes": settings.session_bytes,
                "weights_bytes": MOST_BYTES,
            },
            "features": [*FEATURES, *(["live"] if settings.watch else []), *context.dispatcher.kinds],
            "version": stemforge.__version__,
        },
        headers={"cache-control": "no-store"},
    )
    if not known:
        answer.set_cookie(
            settings.session_cookie,
            session.id,
            max_age=365 * 86400,
            httponly=True,
            samesite="strict",
            path="/",
        )
    return answer


@router.get("/events")
async def events(session: Current) -> StreamingResponse:
    """Tell what changes, as Server-Sent Events."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(_MOST_EVENTS)

    def put(event: dict[str, Any]) -> None:
        with suppress(asyncio.QueueFull):  # a tab that sleeps asks for all again when it wakes
            queue.put_nowait(event)

    def tell(event: dict[str, Any]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(put, event)

    async def stream() -> AsyncIterator[str]:
        end = session.listen(tell)
        try:
            yield "retry: 1000\n\n"
            while True:
                try:
                    event = await asyncio.wait_for(queue.get(), _HEARTBEAT)
                except TimeoutError:
                    yield ": still here\n\n"
                else:
                    yield f"data: {json.dumps(event)}\n\n"
        finally:
            end()

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"cache-control": "no-store"})
