"""The app: its routes, its page, and what it says to errors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from stemforge.app.server import (
    answers,
    frameworks,
    images,
    jobs,
    live,
    molecules,
    sessions,
    simulations,
    weights,
)
from stemforge.app.server.context import TOKEN_COOKIE, AppSettings, Context, RefusedError
from stemforge.app.server.guard import Guard
from stemforge.app.server.validation import explain
from stemforge.app.sessions.keeping import Housekeeping
from stemforge.app.sessions.store import Store
from stemforge.app.working.dispatch import Dispatcher
from stemforge.app.working.jobs import KINDS, weights_of
from stemforge.app.working.live import Watcher
from stemforge.errors import InputError, WriteError
from stemforge.files import reason
from stemforge.outputs.places import check_folder

__all__ = ["AppSettings", "create_app"]

PAGES = Path(__file__).parents[1] / "pages"


def create_app(settings: AppSettings) -> Any:
    """Return the app as ASGI has it.

    Parameters
    ----------
    settings
        How it runs.

    Raises
    ------
    InputError
        The folder cannot be used.

    Examples
    --------
    >>> from starlette.testclient import TestClient
    >>> app = create_app(AppSettings(Path("sessions")))
    >>> TestClient(app, base_url="http://127.0.0.1:8642").get("/").status_code
    200
    >>> TestClient(app, base_url="http://elsewhere.example").get("/").status_code  # another page's name for it
    403
    """
    check_folder(settings.folder, "folder")
    store = Store(settings.folder)
    dispatcher = Dispatcher(store, KINDS, weights_of)
    watcher = Watcher(store, settings.watch, live.taking(lambda: context))
    context = Context(settings, store, dispatcher, watcher)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        helpers = (dispatcher, context.watcher, Housekeeping(store))
        for one in helpers:
            one.start()
        yield
        for one in helpers:
            one.end()

    # The pages that document FastAPI's routes load scripts from another host.
    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.context = context
    routes = (sessions, images, frameworks, molecules, answers, jobs, simulations, live, weights)
    for module in routes:
        app.include_router(module.router)
    app.add_api_route("/", _page, methods=["GET"], response_class=FileResponse)
    app.mount("/static", StaticFiles(directory=PAGES, check_dir=False))
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(InputError, _bad_input)
    app.add_exception_handler(WriteError, _unwritten)
    app.add_exception_handler(OSError, _unwritten)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)
    return Guard(app, settings.token, f"{TOKEN_COOKIE}-{settings.port}")


def _page() -> FileResponse:
    return FileResponse(PAGES / "index.html", media_type="text/html", headers={"cache-control": "no-cache"})


def _sentence(status: int, sentence: str, **further: int) -> Response:
    return JSONResponse({"error": sentence, **further}, status)


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)  # noqa: S101  # registered for it
    return _sentence(error.status, error.sentence, **error.further)


def _bad_input(_: Request, error: Exception) -> Response:
    return _sentence(422, str(error))


def _unwritten(_: Request, error: Exception) -> Response:
    cause = error.__cause__ if isinstance(error, WriteError) else error
    if isinstance(cause, FileNotFoundError):
        return _sentence(404, "Its files are gone; it may have been deleted in another tab.")
    why = reason(cause) if isinstance(cause, OSError) else "the system does not say why"
    return _sentence(507, f"The disk would not take it: {why}, then try again.")


def _bad_request(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    first = error.errors()[0]
    why = explain({**first, "loc": first["loc"][1:]})  # without its part of the request
    return _sentence(422, f"The request cannot be used: {why}."[:300])


def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    return _sentence(error.status_code, f"{error.detail}.")


def _unexpected(_: Request, error: Exception) -> Response:
    return _sentence(500, f"This should not have happened ({type(error).__name__}); the server goes on.")
