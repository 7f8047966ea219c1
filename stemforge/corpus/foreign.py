"""Shards that may come from anybody: each is opened in the child process before HDF5 opens it here.

A shard's hash says that its bytes are those that were written, not who wrote them; a file can be made to hold the HDF5
library for ever (h5py issue 1707). What the child could read is remembered by its hash: each shard costs this once.
"""

from contextlib import suppress
from functools import cache
from pathlib import Path

import h5py

from stemforge.cache import cache_folder
from stemforge.errors import CorpusError
from stemforge.sandbox.child import ChildError, in_child

_RECORD = "shards-read.txt"
_LARGEST = 1 << 25  # of the record: half a million shards


def check_foreign(path: str | Path, sha256: str) -> None:
    """Open a shard in the child process, unless one of this hash was opened before.

    Parameters
    ----------
    path
        The shard, whose hash has been checked.
    sha256
        That hash.

    Raises
    ------
    CorpusError
        HDF5 cannot read it, or not within the limits of a file of this size.
    """
    if sha256 in _remembered():
        return
    try:
        in_child("stemforge.corpus.foreign:read_everything", path)
    except (ChildError, CorpusError) as error:
        raise CorpusError(
            f"{path}: is no shard of stemforge ({error}); do not open it, and ask where it comes from"
        ) from error
    _remembered().add(sha256)
    folder = cache_folder()
    if folder is None:
        return
    with suppress(OSError):  # the record spares time, nothing else
        record = folder / _RECORD
        record.parent.mkdir(parents=True, exist_ok=True)
        full = record.exists() and record.stat().st_size > _LARGEST
        with record.open("w" if full else "a", encoding="ascii") as stream:
            stream.write(f"{sha256}\n")


@cache
def _remembered() -> set[str]:
    folder = cache_folder()
    with suppress(OSError, UnicodeDecodeError):
        return set() if folder is None else set((folder / _RECORD).read_text(encoding="ascii").split())
    return set()


def read_everything(path: str) -> None:
    """Read all values of an HDF5 file, and refuse links to other files. Runs in the sandbox's child."""
    with h5py.File(path, "r", locking=False) as file:
        _read_group(file)


def _read_group(group: h5py.Group) -> None:
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise CorpusError(f"'{name}' is a link, which no shard has")
        item = group[name]
        dict(item.attrs)
        if isinstance(item, h5py.Group):
            _read_group(item)
        elif item.is_virtual or item.external:
            raise CorpusError(f"'{name}' lies in another file, which is so in no shard")
        else:
            item[()]
