"""Weights that a user brought along: a detector of the session."""

from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from stemforge.app.sessions.records import Record

FOLDER, FILE, RECORD = "weights", "weights.safetensors", "weights.json"
"""Where a session keeps them, each in a folder of its id."""


class OwnWeights(Record):
    """Weights of a user's.

    Parameters
    ----------
    id
        Made by the server.
    name
        As the user calls the file.
    architecture
        Of the network.
    description
        What its card says, in a sentence.
    created
        Seconds since 1970.
    """

    id: str
    name: str
    architecture: str
    description: str
    created: float = 0.0


def load_weights_of(folder: Path) -> dict[str, OwnWeights]:
    """Return the weights in a session's folder by id, the oldest first; damaged records are passed over."""
    found = []
    for path in (folder / FOLDER).glob(f"*/{RECORD}"):
        with suppress(OSError, ValidationError):
            one = OwnWeights.model_validate_json(path.read_bytes())
            if one.id == path.parent.name and (path.parent / FILE).is_file():
                found.append(one)
    return {one.id: one for one in sorted(found, key=lambda one: one.created)}
