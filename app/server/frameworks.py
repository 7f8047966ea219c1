"""Which framework the crystal on an image has: one that is built in, or a CIF file that the user gives."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from stemforge.app.server.answers import ask_worker
from stemforge.app.server.context import ChosenImage, Context, Current, RefusedError, Shared
from stemforge.app.server.uploads import receive_file
from stemforge.app.sessions.records import Image, clean_name, nothing_found
from stemforge.app.sessions.store import Session, new_id
from stemforge.app.working.molecules import FRAMEWORK, plain_sentence
from stemforge.errors import InputError
from stemforge.files import write_whole

router = APIRouter(prefix="/api/images")
BUILT_IN = ("mfi", "fau", "cha", "mor", "bea")
"""Frameworks of stemforge; named here, since the server imports no structures."""
_MOST_BYTES = 2 * 2**20  # of a CIF file; that of a framework with its symmetry has some thousands
_SECONDS = 60.0
_CHECK = "stemforge.app.analysis.molecules:check_framework"


@router.post("/{image_id}/framework")
async def give_framework(request: Request, image: ChosenImage, session: Current, context: Shared) -> Response:
    """Take a CIF file as the framework of an image; the image is looked at again."""
    name, file = await receive_file(request, _MOST_BYTES)
    try:
        answer = await run_in_threadpool(take_framework, context, session, image, name, file.file)
    finally:
        await file.close()
    return JSONResponse(answer, 201)


def take_framework(
    context: Context, session: Session, image: Image, name: str, content: Any
) -> dict[str, Any]:
    """Check a CIF file in a worker, which reads it in the sandbox, and make it the framework of an image.

    Parameters
    ----------
    context, session, image
        Whose framework it becomes.
    name
        As the client calls the file; shown, and never a path.
    content
        Binary stream with its bytes.

    Raises
    ------
    RefusedError
        No framework with channels; the image keeps the one that it has.
    """
    shown = clean_name(name, "framework.cif")
    if not shown.lower().endswith(".cif"):
        raise RefusedError(415, f"{shown}: is no CIF file; a framework is given as CIF.")
    folder = session.image_folder(image.id)
    path = folder / f"{new_id()}.cif"
    try:
        write_whole(path, content.read(_MOST_BYTES + 1))
        crystal = ask_worker(context, _CHECK, _SECONDS, path=str(path))
        with session.lock:
            path.replace(folder / FRAMEWORK)
            session.change(
                image,
                framework="cif",
                framework_name=shown,
                status="waiting",
                generation=image.generation + 1,
                **nothing_found(),
            )
    except InputError as error:
        raise RefusedError(422, _named(str(error), path, shown)) from error
    finally:
        path.unlink(missing_ok=True)
    context.dispatcher.wake()
    return {**image.public(), "crystal": crystal}


def check_framework_name(image: Image, name: str) -> str:
    """Return the name of a framework that an image can have.

    Raises
    ------
    RefusedError
        It is not known, or the file that it means was not given.
    """
    if name not in BUILT_IN and not (name == "cif" and image.framework_name is not None):
        raise RefusedError(
            422, f"This framework is not known; there is {', '.join(BUILT_IN)}, or give a CIF file."
        )
    return name


def _named(sentence: str, path: Path, shown: str) -> str:
    """Return a sentence with what the user calls a file in place of where the server keeps it."""
    return plain_sentence(sentence.replace(str(path), shown).replace(path.stem, shown), path.parent, _NOBODY)


_NOBODY = Image(id="", name="", shape=(1, 1))
