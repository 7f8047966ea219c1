"""A structure file as it is: bytes, format, sites; the one place that reads such a file."""

import bz2
import functools
import gzip
import hashlib
import lzma
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from stemforge.errors import ChangedFileError, InputError, StructureError
from stemforge.files import sha256_of_file
from stemforge.sandbox.child import ChildError, Limits, in_child
from stemforge.structures.checks import require
from stemforge.structures.reading.cif import cif_sites
from stemforge.structures.reading.formats import ase_sites, file_format
from stemforge.structures.reading.sites import Sites, checked_sites

__all__ = ["read_atoms", "read_sites"]

_MARK = b"\xef\xbb\xbf"  # of UTF-8, which Windows editors write
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
# What a file may take; ASE reads a CIF of 100,000 sites, 9 MB, in 3.3 s and with 60 MB.
_SECONDS, _BYTES_PER_SECOND = 5.0, 5e5
_BYTES, _GROWTH = 1.2e9, 30
_LONGEST_REASON = 300  # of a parser's own message
_UNPACK = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}


def read_sites(
    path: str | PathLike[str], species: Sequence[str] = (), *, cif: bool = False, sha256: str | None = None
) -> Sites:
    """Read the sites of a structure file, checked; kept for the next call while the file has the same content.

    Parameters
    ----------
    path : str or path-like
        The file.
    species : sequence of str, default ()
        Element of each type, for files that number their types (LAMMPS).
    cif : bool, default False
        Read it as a CIF whatever its name.
    sha256 : str or None
        Of the content that is expected.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ChangedFileError
        Its content is another than expected.
    ValueError
        It cannot be read, or holds what would have to be guessed; the message names the file.
    """
    path = Path(path)
    kind = "CIF" if cif else "file"
    if not path.exists():
        raise FileNotFoundError(f"path must be an existing {kind}, got {str(path)!r}.")
    require(path.is_file(), "path", f"a {kind}, not a folder", str(path))
    found = sha256_of_file(path)
    if sha256 is not None and found != sha256:
        raise ChangedFileError(
            f"{path}: has another content (SHA-256 {found[:12]}…) than the recipe was made for ({sha256[:12]}…); "
            "put the file back as it was"
        )
    return _sites(str(path), found, tuple(species), cif)


@functools.lru_cache(maxsize=4)
def _sites(path: str, sha256: str, species: tuple[str, ...], cif: bool) -> Sites:
    size = Path(path).stat().st_size
    limits = Limits(_SECONDS + size / _BYTES_PER_SECOND, _BYTES + _GROWTH * size)
    function, whole = f"{__name__}:read_atoms", Path(path).absolute()
    # The folder is made here: a child that is ended leaves what it made.
    with tempfile.TemporaryDirectory(prefix="stemforge-") as folder:
        options = {"species": species, "cif": cif, "shown": path, "folder": folder}
        try:
            values = in_child(function, whole, limits, **options)
        except ChildError as error:
            raise StructureError(f"path must be a readable structure file, got {path!r}: {error}") from error
    if values["sha256"] != sha256:
        raise ChangedFileError(f"{path}: changed while it was read; wait until it is written, then run again")
    with _refusals(path):
        return checked_sites(values, path)


def read_atoms(
    path: str, folder: str, species: Sequence[str] = (), cif: bool = False, shown: str | None = None
) -> dict[str, Any]:
    """Read a structure file into plain arrays: all that a foreign reader does with it happens in here.

    Parameters
    ----------
    path : str
        The file.
    folder : str
        An empty folder, for a copy of it.
    species : sequence of str, default ()
        Element of each type, for files that number their types.
    cif : bool, default False
        Read it as a CIF whatever its name.
    shown : str or None
        Its name in messages.

    Returns
    -------
    dict
        ``numbers`` (n,), ``positions`` (n, 3) [Å], ``occupancy`` (n,), ``thermal_sigma`` (n,) [Å], nan where not
        known, ``kind`` (n,): the number of the file's row that a site is an image of; ``labels`` of the rows,
        ``cell`` (3, 3) [Å], ``pbc`` (3,), ``format``, ``remarks``, and ``sha256`` of the file's content.

    Raises
    ------
    stemforge.errors.StructureError
        The file cannot be read, or leaves out what a reader would have to guess; the message names it.
    """
    whole, shown = Path(path).read_bytes(), shown or path
    # ASE gets a copy that is alone in its folder: it would look into files beside it, of which no hash knows.
    with _refusals(shown):
        kind = "CIF" if cif else "file"
        require(len(whole) > 0, "path", f"a {kind} with at least one atom", shown, "It is empty.")
        name, content = _unpacked(Path(path).name, whole, shown)
        content = _without_mark(content, shown)
        copy = Path(folder) / name
        copy.write_bytes(content)
        if cif or file_format(copy, shown) == "cif":
            require(not species, "species", f"left out, as {shown!r} names its elements", list(species))
            values = cif_sites(content, shown)
        else:
            values = ase_sites(copy, file_format(copy, shown), species, shown)
    return {**values, "sha256": hashlib.sha256(whole).hexdigest()}


@contextmanager
def _refusals(shown: str) -> Iterator[None]:
    """Let every error about the file be one that a child process hands on, and that names the file."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # parsers, and arithmetic on what they found, fail in their own ways
        text = str(error)
        if not (isinstance(error, ValueError) and shown in text):
            why = f"{type(error).__name__}: {text}"[:_LONGEST_REASON]
            text = f"path must be a readable structure file, got {shown!r}: {why}"
        raise StructureError(text) from error


def _without_mark(content: bytes, path: str) -> bytes:
    """Return the content without a byte-order mark; text in UTF-16 is refused."""
    wide = content.startswith(_WIDE_MARKS) and b"\0" in content[:64]
    require(not wide, "path", "text in UTF-8", path, "It is in UTF-16: save it as UTF-8.")
    return content.removeprefix(_MARK)


def _unpacked(name: str, content: bytes, path: str) -> tuple[str, bytes]:
    """Return name and content of what a compressed file holds, or of the file."""
    ending = Path(name).suffix.lower()
    if ending not in _UNPACK:
        return name, content
    try:
        return name[: -len(ending)], _UNPACK[ending](content)
    except Exception as error:  # each in its own way
        raise ValueError(
            f"path must be a readable {ending} file, got {path!r}: {type(error).__name__}: {error}"
        ) from error
