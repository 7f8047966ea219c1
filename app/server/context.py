"""What all routes share: the settings, the store, the queue, and the session of a request."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from stemforge.app.sessions.keeping import bytes_of
from stemforge.app.sessions.records import Image, Job, PagePlace
from stemforge.app.sessions.store import Session, Store
from stemforge.app.working.dispatch import Dispatcher
from stemforge.app.working.live import Watcher

COOKIE = "stemforge-session"
TOKEN_COOKIE = "stemforge-token"  # noqa: S105  # a cookie's name


@dataclass(frozen=True)
class AppSettings:
    """How the app runs.

    Parameters
    ----------
    folder
        Where sessions are kept.
    host, port
        Address it listens at.
    token
        Needed for everything; None where only this machine can reach it.
    upload_bytes
        Largest file that is taken.
    images
        Most images of a session.
    pixels
        Most pixels of an image.
    session_bytes
        Most that a session may take of the disk.
    watch
        Folders that sessions may watch.

    Examples
    --------
    >>> settings = AppSettings(Path("sessions"), port=9000, watch=(Path("microscope"),))
    >>> settings.host, settings.upload_bytes // 2**20, settings.session_cookie
    ('127.0.0.1', 512, 'stemforge-session-9000')
    """

    folder: Path
    host: str = "127.0.0.1"
    port: int = 8642
    token: str | None = None
    upload_bytes: int = 512 * 2**20
    images: int = 500
    pixels: int = 64 * 2**20
    session_bytes: int = 20 * 10**9
    watch: tuple[Path, ...] = ()

    @property
    def session_cookie(self) -> str:
        """Name of the cookie; browsers tell hosts by their names alone, not by ports."""
        return f"{COOKIE}-{self.port}"


@dataclass(frozen=True)
class Context:
    """What all routes share."""

    settings: AppSettings
    store: Store
    dispatcher: Dispatcher
    watcher: Watcher

    def check_room(self, session: Session, further: int = 0) -> None:
        """Refuse what would take a session beyond its share of the disk.

        Parameters
        ----------
        session
            That is to keep more.
        further
            How many bytes more.

        Raises
        ------
        RefusedError
            There is no room for them.
        """
        most, used = self.settings.session_bytes, bytes_of(session.folder)
        if used + further > most:
            raise RefusedError(
                507,
                f"There is no room for it: a session keeps at most {_size(most)}, and yours has {_size(used)}. Delete "
                "images or results, or start stemforge app with a larger --session-gigabytes.",
            )


def check_place(image: Image, place: PagePlace) -> None:
    """Refuse what is asked of an image that is in another place of the page.

    Raises
    ------
    RefusedError
        It must be moved first.
    """
    if image.place != place:
        raise RefusedError(
            409, f"{image.name}: is looked at for {image.place}; move it to {place.capitalize()} first."
        )


class RefusedError(Exception):
    """A request that is answered with a sentence.

    Parameters
    ----------
    status
        Of HTTP.
    sentence
        For the user.
    further
        What the page needs besides, such as the number of frames of a stack.
    """

    def __init__(self, status: int, sentence: str, **further: int) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.further = status, sentence, further


def _context(request: Request) -> Context:
    found: Context = request.app.state.context
    return found


def _size(number: int) -> str:
    """Return a number of bytes as text.

    Examples
    --------
    >>> _size(20 * 10**9), _size(1_500_000)
    ('20 GB', '1.5 MB')
    """
    unit, name = (1e9, "GB") if number >= 1e9 else (1e6, "MB")
    return f"{number / unit:.3g} {name}"


Shared = Annotated[Context, Depends(_context)]


def _session(request: Request, context: Shared) -> Session:
    session = context.store.find(request.cookies.get(context.settings.session_cookie))
    if session is None:
        raise RefusedError(401, "This session is not known; load the page again.")
    return session


Current = Annotated[Session, Depends(_session)]


def _image(image_id: str, session: Current) -> Image:
    image = session.images.get(image_id)
    if image is None:
        raise RefusedError(404, "This image is not in your session; it may have been deleted in another tab.")
    return image


def _job(job_id: str, session: Current) -> Job:
    job = session.jobs.get(job_id)
    if job is None:
        raise RefusedError(404, "This job is not in your session; it may have been deleted in another tab.")
    return job


ChosenImage = Annotated[Image, Depends(_image)]
ChosenJob = Annotated[Job, Depends(_job)]
