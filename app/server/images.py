"""Routes of images: upload, change, pictures, atoms and edits."""

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Body, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, JSONResponse, Response

from stemforge.app.analysis.pictures import most_levels, picture
from stemforge.app.server.context import ChosenImage, Current, RefusedError, Shared, check_place
from stemforge.app.server.detectors import check_detector
from stemforge.app.server.frameworks import check_framework_name
from stemforge.app.server.uploads import receive_file, take_file
from stemforge.app.sessions.records import Edits, Image, PagePlace, Record, clean_name, nothing_found
from stemforge.app.sessions.store import StaleError

router = APIRouter(prefix="/api/images")
_CACHED = {"cache-control": "private, max-age=86400"}
_MOST_SAMPLING = 1000.0  # [Å]


class Change(Record):
    """What can be changed of an image.

    Parameters
    ----------
    sampling
        Pixel size [Å]; None takes the file's.
    detector
        Name of one of the session's.
    name
        For display.
    place
        To which it is moved.
    framework
        Of a zeolite: one that is built in, or ``"cif"``, the file that was given.
    """

    sampling: Annotated[float, Body(allow_inf_nan=False)] | None = None
    detector: str | None = None
    name: str | None = None
    place: PagePlace | None = None
    framework: str | None = None


@router.post("")
async def upload(
    request: Request,
    session: Current,
    context: Shared,
    frame: Annotated[int | None, Query(ge=0)] = None,
    place: PagePlace = "atoms",
) -> Response:
    """Take an image file."""
    name, file = await receive_file(request, context.settings.upload_bytes)
    try:
        image = await run_in_threadpool(take_file, context, session, name, file.file, frame, place)
    finally:
        await file.close()
    return JSONResponse(image.public(), 201)


@router.get("/{image_id}")
def show(image: ChosenImage) -> dict[str, Any]:
    """Return an image."""
    return image.public()


@router.patch("/{image_id}")
def change(image: ChosenImage, session: Current, context: Shared, wanted: Change) -> dict[str, Any]:
    """Change an image's pixel size, detector, name, place or framework."""
    values: dict[str, Any] = {}
    given = wanted.model_fields_set
    if wanted.name is not None:
        values["name"] = clean_name(wanted.name)
    if "sampling" in given:
        values |= _of_file(image) if wanted.sampling is None else _of_user(wanted.sampling)
    if wanted.detector is not None:
        values["detector"] = check_detector(session, wanted.detector)
    if wanted.framework is not None:
        values["framework"] = check_framework_name(image, wanted.framework)
    if wanted.place is not None and wanted.place != image.place:
        # What one place estimated belongs to it; what the user typed stays.
        size = _of_file(image) if image.sampling_source == "estimated" else {}
        values = {**size, **values, "place": wanted.place}
    if {"sampling", "detector", "framework", "place"} & set(values):
        values |= {"status": "waiting", "generation": image.generation + 1, **nothing_found()}
    if values:
        session.change(image, **values)
        context.dispatcher.wake()
    return image.public()


def _of_file(image: Image) -> dict[str, Any]:
    """Return the pixel size that the file has, if it has one."""
    size = image.sampling_in_file
    return {"sampling": size, "sampling_source": None if size is None else "file"}


def _of_user(size: float) -> dict[str, Any]:
    """Return a pixel size [Å] that was typed in; the page speaks of it in nanometres."""
    if not 0 < size <= _MOST_SAMPLING:
        allowed = f"above 0 and at most {_MOST_SAMPLING / 10:g} nm"
        raise RefusedError(422, f"The pixel size must be {allowed}, not {size / 10:g} nm.")
    return {"sampling": size, "sampling_source": "user"}


@router.delete("/{image_id}")
def delete(image: ChosenImage, session: Current) -> Response:
    """Delete an image with all that was made of it."""
    session.delete(image)
    return Response(status_code=204)


@router.get("/{image_id}/picture")
def show_picture(
    image: ChosenImage, session: Current, level: Annotated[int, Query(ge=0, le=16)] = 0
) -> Response:
    """Return the image as PNG, binned by 2^level."""
    level = min(level, most_levels(image.shape))
    return FileResponse(
        picture(session.image_folder(image.id), level, image.contrast),
        media_type="image/png",
        headers=_CACHED,
    )


@router.get("/{image_id}/thumbnail")
def show_thumbnail(image: ChosenImage, session: Current) -> Response:
    """Return the image as a small PNG."""
    level = most_levels(image.shape)
    return FileResponse(
        picture(session.image_folder(image.id), level, image.contrast),
        media_type="image/png",
        headers=_CACHED,
    )


@router.get("/{image_id}/atoms")
def show_atoms(image: ChosenImage, session: Current) -> dict[str, Any]:
    """Return all candidates down to a low likelihood, and what the user changed about them."""
    check_place(image, "atoms")
    with session.lock:
        points, likelihood = session.candidates(image)
        edits, version = session.edits(image), image.version
    x, y = np.round(points, 3).T
    return {
        "x": x.tolist(),
        "y": y.tolist(),
        "likelihood": likelihood.tolist(),
        "threshold": image.threshold,
        "edits": edits.model_dump(mode="json"),
        "version": version,
    }


@router.put("/{image_id}/edits")
def replace_edits(
    image: ChosenImage, session: Current, edits: Edits, if_match: Annotated[str | None, Header()] = None
) -> dict[str, Any]:
    """Replace the edits of an image, if it is still at the version that the page knows."""
    check_place(image, "atoms")
    if if_match is None:
        raise RefusedError(428, "If-Match must say which version of the image was edited.")
    height, width = image.shape
    if not all(-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5 for x, y in edits.added):
        raise RefusedError(422, "An added atom lies outside the image; nothing was changed.")
    text = if_match.strip().strip('"')
    try:
        session.save_edits(image, edits, int(text) if text.isdigit() and len(text) < 10 else -1)
    except StaleError as error:
        raise RefusedError(409, "The image was changed in another tab; it is shown as it is now.") from error
    return image.public()
