"""Routes of simulations: what can be moved, an image, its structure, files, and the image taken into the session."""

import base64
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response
from pydantic import Field, ValidationError

from stemforge.app.server.context import Context, Current, RefusedError, Shared
from stemforge.app.server.uploads import take_file
from stemforge.app.server.validation import explain
from stemforge.app.sessions.records import Record
from stemforge.app.working.process import WorkerError
from stemforge.files import make_folder

router = APIRouter(prefix="/api/simulation")
_MODULE = "stemforge.app.analysis.simulating"
# A crystal waits for PRISM.
_SECONDS = 300.0
_MEDIA = {"yaml": "application/yaml", "tif": "image/tiff", "xyz": "chemical/x-xyz"}


class Wanted(Record):
    """What is to be simulated; the worker checks names and ranges.

    Parameters
    ----------
    support
        What carries the atoms.
    element
        Of the single atoms; None for none.
    values
        Of controls, by name, in the units of the page.
    """

    support: Annotated[str, Field(max_length=40)] = "carbon"
    element: Annotated[str, Field(max_length=3)] | None = "Pt"
    values: Annotated[
        dict[Annotated[str, Field(max_length=60)], Annotated[float, Field(allow_inf_nan=False)]],
        Field(max_length=60, default_factory=dict),
    ]


@router.get("")
def show_controls(_: Current, context: Shared) -> Any:
    """Return what can be moved, with units, ranges and words."""
    return _call(context, "controls:describe_controls")


@router.post("")
def simulate(wanted: Wanted, _: Current, context: Shared) -> dict[str, Any]:
    """Simulate an image."""
    return _as_text(_call(context, "images:simulate", **wanted.model_dump()))


@router.post("/structure")
def show_structure(wanted: Wanted, _: Current, context: Shared) -> dict[str, Any]:
    """Return the structure, for drawing."""
    return _as_text(_call(context, "structures:show_structure", **wanted.model_dump()))


@router.post("/image")
def use_as_image(wanted: Wanted, session: Current, context: Shared) -> Response:
    """Take the simulated image into the session, as if its TIFF had been dropped."""
    with _written(context, wanted, "tif") as (path, name), path.open("rb") as stream:
        image = take_file(context, session, f"simulated-{name}.tif", stream)
    return JSONResponse(image.public(), 201)


@router.get("/files/{ending}")
def download(
    ending: Literal["yaml", "tif", "xyz"],
    _: Current,
    context: Shared,
    wanted: Annotated[str, Query(max_length=8000)] = "{}",
) -> Response:
    """Return the recipe, the image or the structure as a file; ``wanted`` is the JSON that asks for an image."""
    try:
        known = Wanted.model_validate(json.loads(wanted))
    except (ValueError, RecursionError) as error:
        why = explain(error.errors()[0]) if isinstance(error, ValidationError) else "it is no JSON"
        raise RefusedError(422, f"The request cannot be used: {why}."[:300]) from error
    with _written(context, known, ending) as (path, name):
        content = path.read_bytes()
    headers = {"content-disposition": f'attachment; filename="{name}.{ending}"'}
    return Response(content, media_type=_MEDIA[ending], headers=headers)


@contextmanager
def _written(context: Context, wanted: Wanted, ending: str) -> Iterator[tuple[Path, str]]:
    """Have the worker write a file; give it and its name, and remove it afterwards."""
    folder = context.settings.folder / "simulations"
    make_folder(folder)
    path = folder / f"{secrets.token_hex(16)}.{ending}"
    try:
        name = _call(
            context, "files:write_file", **wanted.model_dump(), ending=ending, out=str(path.absolute())
        )
        yield path, name
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _call(context: Context, function: str, **arguments: Any) -> Any:
    try:
        return context.dispatcher.simulations.call(f"{_MODULE}.{function}", _SECONDS, **arguments)
    except WorkerError as error:
        raise RefusedError(500, str(error)) from error


def _as_text(answer: dict[str, Any]) -> dict[str, Any]:
    """Put bytes of arrays into the JSON; those of real numbers become lists."""
    return {name: _plain(value) if isinstance(value, np.ndarray) else value for name, value in answer.items()}


def _plain(array: np.ndarray) -> Any:
    if array.dtype.kind == "f":
        return array.tolist()
    return {"shape": list(array.shape), "bytes": base64.b64encode(array.tobytes()).decode()}
