"""What is kept of a watched folder: which files were seen, and what became of each."""

import hashlib
from contextlib import suppress
from pathlib import Path

from pydantic import Field, ValidationError

from stemforge.app.sessions.records import Record
from stemforge.files import write_json

_FILE = "live.json"
_KEPT = 500  # files that are shown


class LiveItem(Record):
    """A file that was seen.

    Parameters
    ----------
    path
        Absolute.
    file
        Its name below the folder.
    image
        Id of what it became; None where it could not be read.
    error
        Why it could not be read.
    taken
        Seconds since 1970.
    """

    path: str
    file: str
    image: str | None = None
    error: str | None = None
    taken: float = 0.0


class LiveRecord(Record):
    """A session's watch of a folder.

    Parameters
    ----------
    folder
        That is or was watched, absolute.
    active
        It goes on.
    detector
        Of its images.
    items
        What became of the files, in the order in which they were taken.
    seen
        By path, size and time of change of all files that are not to be taken again.
    """

    folder: str | None = None
    active: bool = False
    detector: str = "any-atom"
    items: list[LiveItem] = Field(default_factory=list)
    seen: dict[str, str] = Field(default_factory=dict)

    def add(self, item: LiveItem, stamp: str) -> None:
        """Note what became of a file; of an earlier state of it nothing is shown any more."""
        self.seen[item.path] = stamp
        others = [one for one in self.items if one.path != item.path]
        self.items = [*others[1 - _KEPT :], item]

    def save(self, folder: Path) -> None:
        """Write it into a session's folder."""
        write_json(folder / _FILE, self)

    @classmethod
    def load(cls, folder: Path) -> "LiveRecord":
        """Read it from a session's folder; one that is missing or damaged watches nothing."""
        with suppress(OSError, ValidationError):
            return cls.model_validate_json((folder / _FILE).read_bytes())
        return cls()


def image_id(session: str, path: Path, stamp: str) -> str:
    """Return the id of the image that a file becomes in a session.

    The same file in the same state becomes the same image: one that was taken before a server was killed, and not
    noted any more, is known again.

    Examples
    --------
    >>> len(image_id("secret", Path("/data/a.tif"), "100-1"))
    32
    """
    return hashlib.sha256(f"{session}\0{path}\0{stamp}".encode()).hexdigest()[:32]
