"""Files that come in: to the disk as they arrive, read in the sandbox, and kept as one plain image."""

import re
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from stemforge.app.analysis.pictures import contrast_of
from stemforge.app.server.context import Context, RefusedError
from stemforge.app.sessions.records import Image, Place, clean_name
from stemforge.app.sessions.store import Session, new_id
from stemforge.errors import InputError
from stemforge.files import make_folder
from stemforge.micrograph.readers import FORMATS, read_micrograph
from stemforge.micrograph.writers import write_tiff

# How the reader says that it must be told which frame to take.
_STACK = re.compile(r"holds a stack of (\d+) frames; choose one")
_OVERHEAD = 64 * 1024  # bytes of a form around its file


async def receive_file(request: Request, most: int) -> tuple[str, UploadFile]:
    """Return the name and the content of the one file of a form; nothing of it stays in memory.

    Raises
    ------
    RefusedError
        More bytes than are taken, or no form with one file.
    """
    too_large = RefusedError(413, f"The file is too large: at most {most / 2**20:.0f} MB are taken.")
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > most + _OVERHEAD:
        raise too_large

    async def limited() -> AsyncGenerator[bytes, None]:
        received = 0
        async for part in request.stream():
            received += len(part)
            if received > most + _OVERHEAD:
                raise too_large
            yield part

    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise RefusedError(415, "Send the file as a form (multipart/form-data) with one field called file.")
    try:
        form = await MultiPartParser(request.headers, limited(), max_files=1, max_fields=4).parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise RefusedError(400, "The upload is damaged; send the file again.") from error
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise RefusedError(400, "The form holds no file; its field must be called file.")
    return file.filename or "", file


def take_file(
    context: Context,
    session: Session,
    name: str,
    content: Any,
    frame: int | None = None,
    place: Place = "atoms",
) -> Image:
    """Read an image file in the sandbox and make it an image of a session.

    Parameters
    ----------
    context
        Of the server.
    session
        That gets the image.
    name
        As the client calls the file; of it only the ending chooses how it is read.
    content
        Binary stream with its bytes.
    frame
        Of a stack, counted from 0.
    place
        Of the page, where the file was dropped.

    Raises
    ------
    RefusedError
        No image that can be used; nothing of it is kept.
    """
    shown = clean_name(name)
    ending = Path(shown).suffix.lower()
    if ending not in FORMATS:
        known = ", ".join(one.lstrip(".").upper() for one in FORMATS)
        raise RefusedError(415, f"{shown}: is no image file that can be read; known are {known}.")
    if len(session.images) >= context.settings.images:
        raise RefusedError(
            409,
            f"A session holds at most {context.settings.images} images; delete some, or open another session.",
        )
    identity = new_id()
    folder = session.image_folder(identity)
    make_folder(folder)
    original = folder / f"{identity}{ending}"  # a stem that no message has by chance
    try:
        with original.open("xb") as stream:
            shutil.copyfileobj(content, stream, 2**20)
        if not original.stat().st_size:
            raise RefusedError(422, f"{shown}: is empty (0 bytes); copy it again.")
        image = _read(original, shown, identity, frame, context.settings.pixels)
        image.place = place
        session.add_image(image)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    original.unlink()
    context.dispatcher.wake()
    return image


def _read(original: Path, shown: str, identity: str, frame: int | None, most: int) -> Image:
    try:
        micrograph = read_micrograph(original, frame=frame)
    except InputError as error:
        sentence = str(error).replace(str(original), shown).replace(original.stem, shown)
        frames = _STACK.search(sentence)
        raise RefusedError(422, sentence, **({"frames": int(frames[1])} if frames else {})) from error
    if micrograph.image.size > most:
        height, width = micrograph.shape
        raise RefusedError(
            413,
            f"{shown}: has {width} × {height} pixels, at most {most / 1e6:.0f} million are taken; cut it in parts.",
        )
    write_tiff(original.with_name("image.tif"), micrograph.image, micrograph.sampling)
    remark = micrograph.metadata.get("calibration", "")
    return Image(
        id=identity,
        name=shown,
        shape=micrograph.shape,
        sampling=micrograph.sampling,
        sampling_source=None if micrograph.sampling is None else "file",
        sampling_in_file=micrograph.sampling,
        remarks=[remark] if remark else [],
        contrast=contrast_of(micrograph.image),
    )
