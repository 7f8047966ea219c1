"""Routes of what is computed when it is asked for: statistics, a table, an overlay, a sample image."""

import json
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from stemforge.app.analysis.names import file_stems
from stemforge.app.server.context import ChosenImage, Context, Current, RefusedError, Shared, check_place
from stemforge.app.server.uploads import take_file
from stemforge.app.sessions.records import Image, PagePlace
from stemforge.app.sessions.store import Session
from stemforge.app.working.detections import QUALITY
from stemforge.app.working.jobs import described
from stemforge.app.working.process import WorkerError
from stemforge.files import make_folder

router = APIRouter(prefix="/api")
_SECONDS, _SECONDS_PER_PIXEL = 60.0, 1e-5
_ANALYSIS = "stemforge.app.analysis"
_SAMPLES: dict[PagePlace, tuple[str, ...]] = {
    "atoms": ("1", "2", "3"),
    "molecules": ("mfi-pyridine", "mfi-empty"),
}
_SAMPLE_SECONDS = 300.0


@router.get("/images/{image_id}/statistics")
def show_statistics(image: ChosenImage, session: Current, context: Shared) -> dict[str, Any]:
    """Say where the atoms that are shown stand."""
    version = image.version
    answers: dict[str, Any] = _asked(
        context, session, image, f"{_ANALYSIS}.statistics:measure", expected_f1=image.expected_f1
    )
    return {**answers, "version": version}


@router.get("/images/{image_id}/quality")
def show_quality(image: ChosenImage, session: Current) -> dict[str, Any]:
    """Say how good the recording is, as triage judges it."""
    if image.judged != image.generation:
        raise RefusedError(409, f"{image.name}: its recording is still being judged.")
    about = json.loads((session.image_folder(image.id) / QUALITY).read_bytes())
    return {"verdict": image.verdict, "reasons": image.reasons, **about, "version": image.version}


@router.get("/images/{image_id}/atoms.csv")
def download_table(image: ChosenImage, session: Current, context: Shared) -> Response:
    """Return the table of the atoms that are shown."""
    content = _made(context, session, image, "write_table", ".csv")
    return as_download(content, image, ".csv", "text/csv; charset=utf-8")


@router.get("/images/{image_id}/overlay.png")
def download_overlay(image: ChosenImage, session: Current, context: Shared) -> Response:
    """Return the atoms drawn on the image."""
    content = _made(context, session, image, "write_overlay", ".png", expected_f1=image.expected_f1)
    return as_download(content, image, ".png", "image/png")


@router.post("/samples")
def add_sample(session: Current, context: Shared, place: PagePlace = "atoms") -> Response:
    """Add an image that stemforge simulates, to try the page without data; each further one differs."""
    names = _SAMPLES[place]
    known = sum(one.place == place and one.name.startswith("sample-") for one in session.images.values())
    number = known % len(names)
    folder = context.settings.folder / "samples"
    make_folder(folder)
    path = folder / f"sample-{names[number]}.tif"
    if not path.is_file():
        function = f"{_ANALYSIS}.samples:write_{place}"
        ask_worker(context, function, _SAMPLE_SECONDS, number=number, out=str(path))
    with path.open("rb") as stream:
        image = take_file(context, session, path.name, stream, place=place)
    return JSONResponse(image.public(), 201)


def _asked(context: Context, session: Session, image: Image, function: str, **further: Any) -> Any:
    """Ask the worker something about an image's atoms."""
    check_place(image, "atoms")
    if not (session.image_folder(image.id) / "atoms.json").is_file():
        raise RefusedError(409, f"{image.name}: atoms are still being looked for.")
    known = described(session, image)
    arguments = {name: known[name] for name in ("folder", "name", "sampling", "edits")}
    return ask_worker(
        context,
        function,
        _SECONDS + _SECONDS_PER_PIXEL * image.shape[0] * image.shape[1],
        **arguments,
        **further,
    )


def ask_worker(context: Context, function: str, seconds: float, **arguments: Any) -> Any:
    """Have the worker for short questions call a function; what goes wrong there is a refusal."""
    try:
        return context.dispatcher.answers.call(function, seconds, **arguments)
    except WorkerError as error:
        raise RefusedError(500, str(error)) from error


def _made(
    context: Context, session: Session, image: Image, function: str, ending: str, **further: Any
) -> bytes:
    """Have the worker write a file, and return its content."""
    path = session.image_folder(image.id) / f"answer-{secrets.token_hex(8)}{ending}"
    try:
        _asked(context, session, image, f"{_ANALYSIS}.tables:{function}", out=str(path), **further)
        return path.read_bytes()
    finally:
        Path(path).unlink(missing_ok=True)


def as_download(content: bytes, image: Image, ending: str, kind: str) -> Response:
    """Return a file under the image's name, which may be in any script (RFC 6266), with an ending such as ``.csv``."""
    name = f"{file_stems([image.name])[0]}{ending}"
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"
    return Response(content, media_type=kind, headers={"content-disposition": disposition})
