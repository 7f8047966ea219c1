"""Corrections by hand on disk: atoms that were taken out are kept by their places, whatever candidates are found."""

from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from stemforge.app.sessions.records import Edits, Place
from stemforge.files import write_json

_SAME_PLACE = 3.0  # pixels: an atom taken out stays out when atoms are looked for again
_FILE = "edits.json"


class StoredEdits(Edits):
    """Edits as the disk has them.

    Parameters
    ----------
    places
        Of the candidates that were taken out (x, y) [pixel]. Numbers mean something beside their candidates alone,
        which may be others by now: a server can be killed when it has written the new ones.
    """

    places: list[Place] = Field(default_factory=list)

    def removed_places(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where the candidates stood that were taken out, shape (n, 2)."""
        if self.places:
            return np.array(self.places, dtype=float)
        return points[[n for n in self.removed if n < len(points)]]

    def for_candidates(self, points: NDArray[np.float64]) -> Edits:
        """Return the edits with the numbers that the places have among candidates (x, y), shape (n, 2)."""
        found = self.removed_places(points)
        numbers = [n for n in self.removed if n < len(points)]
        if not np.array_equal(points[numbers], found):
            numbers = numbers_at(points, found)
        return Edits(threshold=self.threshold, removed=numbers, added=self.added, masks=self.masks)


def numbers_at(points: NDArray[np.float64], places: NDArray[np.float64]) -> list[int]:
    """Return the numbers of the points (x, y), shape (n, 2), that stand at places, shape (m, 2), within 3 pixels.

    Examples
    --------
    >>> numbers_at(np.array([[1.0, 1.0], [9.0, 9.0]]), np.array([[8.0, 9.0], [40.0, 0.0]]))
    [1]
    """
    found = set()
    for place in places:
        distances = np.hypot(*(points - place).T)
        if len(distances) and distances.min() <= _SAME_PLACE:
            found.add(int(distances.argmin()))
    return sorted(found)


def read_edits(folder: Path) -> StoredEdits | None:
    """Return the edits in an image's folder; None without any."""
    with suppress(OSError, ValidationError):
        return StoredEdits.model_validate_json((folder / _FILE).read_bytes())
    return None


def write_edits(folder: Path, edits: Edits, points: NDArray[np.float64]) -> None:
    """Write edits of candidates (x, y), shape (n, 2), into an image's folder.

    Raises
    ------
    WriteError
        The disk does not take it; the old ones are still there.
    """
    places = points[[n for n in edits.removed if n < len(points)]]
    write_json(folder / _FILE, StoredEdits(**dict(edits), places=places.tolist()))
