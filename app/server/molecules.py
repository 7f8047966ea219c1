"""Routes of what is found on images of zeolites: answers, the restored picture, files."""

import json
import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, Response

from stemforge.app.analysis.pictures import most_levels, picture
from stemforge.app.server.answers import as_download, ask_worker
from stemforge.app.server.context import ChosenImage, Context, Current, RefusedError, Shared, check_place
from stemforge.app.sessions.records import Image
from stemforge.app.sessions.store import Session
from stemforge.app.working.molecules import FOLDER

router = APIRouter(prefix="/api/images")
_SECONDS = 60.0
_RESTORED = "restored.tif"
_KINDS = {"csv": "text/csv; charset=utf-8", "png": "image/png", "tif": "image/tiff", "zip": "application/zip"}
_KEPT = {
    "channels.csv": "_occupancy.csv",
    "channels.png": "_occupancy.png",
    _RESTORED: "_restored.tif",
}
_MADE = {"boxes.csv": ("write_boxes", "_molecules.csv"), "boxes.png": ("write_boxes", "_molecules.png")}
_MADE |= {"all.zip": ("write_archive", ".zip")}

Likelihood = Annotated[float | None, Query(ge=0, le=1, allow_inf_nan=False)]


@router.get("/{image_id}/molecules")
def show_molecules(image: ChosenImage, session: Current) -> dict[str, Any]:
    """Return what was found: answers, channels, boxes, and whether there is a restored image."""
    content = _answers(image, session)
    return {
        **{key: content[key] for key in ("restored", "groups", "channels", "boxes")},
        "version": image.version,
    }


@router.get("/{image_id}/restored")
def show_restored(
    image: ChosenImage, session: Current, level: Annotated[int, Query(ge=0, le=16)] = 0
) -> Response:
    """Return the restored image as PNG, binned by 2^level."""
    restored = _answers(image, session)["restored"]
    if restored is None:
        raise RefusedError(404, f"{image.name}: could not be restored; the remarks say why.")
    level = min(level, most_levels(tuple(restored["shape"])))
    low, high = restored["contrast"]
    path = picture(session.image_folder(image.id) / FOLDER, level, (low, high), _RESTORED)
    return FileResponse(path, media_type="image/png", headers={"cache-control": "no-store"})


@router.get("/{image_id}/molecules/{name}")
def download(
    image: ChosenImage, session: Current, context: Shared, name: str, threshold: Likelihood = None
) -> Response:
    """Return a file as the commands write it; boxes from a likelihood on."""
    _answers(image, session)
    folder = session.image_folder(image.id) / FOLDER
    if name in _KEPT and (folder / name).is_file():
        content, ending = (folder / name).read_bytes(), _KEPT[name]
    elif name in _MADE and (name == "all.zip" or (folder / "boxes.npz").is_file()):
        function, ending = _MADE[name]
        content = _made(context, session, image, function, name.rpartition(".")[2], threshold)
    else:
        raise RefusedError(404, f"{image.name}: has no such file; the remarks may say why.")
    kind = name.rpartition(".")[2]
    return as_download(content, image, ending, _KINDS[kind])


def _answers(image: Image, session: Session) -> dict[str, Any]:
    """Return what the worker left of an image that was looked at."""
    check_place(image, "molecules")
    if image.status in ("waiting", "working"):
        raise RefusedError(409, f"{image.name}: molecules are still being looked for.")
    path = session.image_folder(image.id) / FOLDER / "answers.json"
    if not path.is_file():
        raise RefusedError(404, f"{image.name}: {image.error or 'nothing was found'}")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _made(
    context: Context, session: Session, image: Image, function: str, kind: str, threshold: float | None
) -> bytes:
    """Have the worker write a file, and return its content."""
    folder = session.image_folder(image.id)
    path = folder / f"answer-{secrets.token_hex(8)}.{kind}"
    try:
        ask_worker(
            context,
            f"stemforge.app.analysis.boxes:{function}",
            _SECONDS,
            folder=str(folder / FOLDER),
            image=str(folder / "image.tif"),
            name=image.name,
            threshold=threshold,
            out=str(path),
        )
        return path.read_bytes()
    finally:
        path.unlink(missing_ok=True)
