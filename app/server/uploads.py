"""Files that come in: to the disk as they arrive, read in the sandbox, and kept as one plain image."""

import re
import shutil
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from stemforge.app.analysis.pictures import contrast_of
from stemforge.app.server.context import Context, RefusedError
from stemforge.app.sessions.records import Image, PagePlace, clean_name
from stemforge.app.sessions.store import Session, new_id
from stemforge.errors import InputError
from stemforge.files import make_folder
from stemforge.micrograph.readers import FORMATS, read_micrograph
from stemforge.micrograph.writers import write_tiff
from stemforge.sandbox.child import RaisedError

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
    place: PagePlace = "atoms",
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
    ending = _ending(context, session, shown)
    context.check_room(session, _length(content))
    identity = new_id()
    with _new_folder(session, identity) as folder:
        original = folder / f"{identity}{ending}"  # a stem that no message has by chance
        with original.open("xb") as stream:
            shutil.copyfileobj(content, stream, 2**20)
        try:
            image = _read(context, session, original, identity, shown, frame)
        except RefusedError as error:
            sentence = error.sentence.replace(identity, shown)
            raise RefusedError(error.status, sentence, **error.further) from error
        original.unlink()
        image.place = place
        session.add_image(image)
    context.dispatcher.wake()
    return image


def take_path(
    context: Context, session: Session, path: Path, name: str, identity: str, detector: str
) -> Image:
    """Read a file on the server's disk, where it stays, and make it an image of a session.

    Parameters
    ----------
    context
        Of the server.
    session
        That gets the image.
    path
        Of a file in a folder that may be watched.
    name
        Under which it is shown.
    identity
        Of the image.
    detector
        That looks for its atoms.

    Raises
    ------
    RefusedError
        No image that can be used; nothing of it is kept.
    """
    shown = clean_name(name)
    _ending(context, session, shown)
    size, most = path.stat().st_size, context.settings.upload_bytes
    if size > most:
        raise RefusedError(422, f"is too large: at most {most / 2**20:.0f} MB are taken.")
    context.check_room(session)
    with _new_folder(session, identity):
        image = _read(context, session, path, identity, shown)
        image.detector = detector
        session.add_image(image)
    context.dispatcher.wake()
    return image


def _ending(context: Context, session: Session, shown: str) -> str:
    """Return the ending of a file's name, by which it is read; refuse unknown ones, and more images than are kept."""
    ending = Path(shown).suffix.lower()
    if ending not in FORMATS:
        known = ", ".join(one.lstrip(".").upper() for one in FORMATS)
        raise RefusedError(415, f"{shown}: is no image file that can be read; known are {known}.")
    if len(session.images) >= context.settings.images:
        raise RefusedError(
            409,
            f"A session holds at most {context.settings.images} images; delete some, or open another session.",
        )
    return ending


def _length(content: Any) -> int:
    """Return how many bytes a stream has."""
    length = int(content.seek(0, 2))
    content.seek(0)
    return length


@contextmanager
def _new_folder(session: Session, identity: str) -> Iterator[Path]:
    """Make the folder of a new image; nothing of it stays where something goes wrong."""
    folder = session.image_folder(identity)
    shutil.rmtree(folder, ignore_errors=True)  # of a server that was killed while it took the same file
    make_folder(folder)
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _read(
    context: Context, session: Session, path: Path, identity: str, shown: str, frame: int | None = None
) -> Image:
    """Read a file, and write what it shows into the image's folder."""
    if not path.stat().st_size:
        raise RefusedError(422, f"{shown}: is empty (0 bytes); copy it again.")
    try:
        micrograph = read_micrograph(path, frame=frame)
    except InputError as error:
        sentence = str(error).replace(str(path), shown)
        if isinstance(error.__cause__, RaisedError):  # its text is a library's, for its authors
            sentence = sentence.replace(f" ({error.__cause__})", "")
        frames = _STACK.search(sentence)
        raise RefusedError(422, sentence, **({"frames": int(frames[1])} if frames else {})) from error
    most = context.settings.pixels
    if micrograph.image.size > most:
        height, width = micrograph.shape
        raise RefusedError(
            413,
            f"{shown}: has {width} × {height} pixels, at most {most / 1e6:.0f} million are taken; cut it in parts.",
        )
    # As floats it may be larger than its file.
    context.check_room(session, 4 * micrograph.image.size)
    write_tiff(session.image_folder(identity) / "image.tif", micrograph.image, micrograph.sampling)
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
