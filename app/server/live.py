"""Routes of the watched folder: which there are, begin, end, and what became of the files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response

from stemforge.app.server.context import Context, Current, RefusedError, Shared
from stemforge.app.server.detectors import check_detector
from stemforge.app.server.uploads import take_path
from stemforge.app.sessions.live import LiveItem
from stemforge.app.sessions.records import Image, Record
from stemforge.app.sessions.store import Session
from stemforge.app.working.live import NoRoomError
from stemforge.errors import InputError, WriteError

router = APIRouter(prefix="/api/live")
_SHOWN = 200  # files
_NO_ROOM = (409, 507)


class Beginning(Record):
    """A watch that is asked for.

    Parameters
    ----------
    folder
        Number among those that the server was started with: a browser names no path, so that nobody who gets hold of
        a session can read other folders.
    existing
        Take the files that are there already, too.
    detector
        Of the images.
    """

    folder: int
    existing: bool = False
    detector: str = "any-atom"


@router.get("")
def show(session: Current, context: Shared) -> dict[str, Any]:
    """Return the folders that may be watched, and what is known of the one that is."""
    folders = _folders(context)
    live = session.live
    waiting, note = context.watcher.waiting(session)
    chosen = [number for number, folder in enumerate(folders) if str(folder) == live.folder]
    return {
        "folders": [{"number": number, "name": name} for number, name in enumerate(_names(folders))],
        "folder": chosen[0] if chosen else None,
        "active": live.active,
        "detector": live.detector,
        "note": note if live.active else "",
        "waiting": [{"file": file, "why": why} for file, why in waiting.items()],
        "items": [_item(session, one) for one in live.items[-_SHOWN:]],
    }


@router.post("")
def begin(wanted: Beginning, session: Current, context: Shared) -> dict[str, Any]:
    """Watch a folder from now on."""
    folders = _folders(context)
    if not 0 <= wanted.folder < len(folders):
        raise RefusedError(422, "There is no such folder; choose one of the list.")
    folder = folders[wanted.folder]
    if not folder.is_dir():
        raise RefusedError(409, "This folder cannot be reached now.")
    detector = check_detector(session, wanted.detector)
    context.watcher.watch(session, folder, detector, wanted.existing)
    return show(session, context)


@router.delete("")
def end(session: Current, context: Shared) -> Response:
    """Watch no more; the images stay."""
    _folders(context)
    context.watcher.stop(session)
    return Response(status_code=204)


def taking(context: Callable[[], Context]) -> Callable[[Session, Path, str, str], Image]:
    """Return what makes a file in a watched folder an image of a session.

    Parameters
    ----------
    context
        Returns what all routes share.
    """

    def take(session: Session, path: Path, name: str, identity: str) -> Image:
        try:
            return take_path(context(), session, path, name, identity, session.live.detector)
        except WriteError as error:
            raise NoRoomError(
                "The disk does not take more images; the watch goes on when it does."
            ) from error
        except RefusedError as error:
            if error.status in _NO_ROOM:
                raise NoRoomError(error.sentence) from error
            raise InputError(error.sentence) from error

    return take


def _folders(context: Context) -> tuple[Path, ...]:
    if not context.settings.watch:
        raise RefusedError(
            404,
            "No folder may be watched: start stemforge app with --watch-folder and the folder of the microscope.",
        )
    return context.settings.watch


def _names(folders: tuple[Path, ...]) -> list[str]:
    """Return what tells folders apart: their last name, with the one above where two have the same."""
    last = [folder.name or str(folder) for folder in folders]
    return [
        name if last.count(name) == 1 else f"{folder.parent.name}/{name}"
        for folder, name in zip(folders, last, strict=True)
    ]


def _item(session: Session, item: LiveItem) -> dict[str, Any]:
    image = session.images.get(item.image or "")
    shown = item.model_dump(mode="json", include={"file", "error", "taken"})
    return {**shown, "image": None if image is None else image.public()}
