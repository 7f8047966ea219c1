"""Macros by which ImageJ and Fiji find atoms on the image that they show, and save them as labels."""

import struct
import sys
from importlib.resources import files
from pathlib import Path

from stemforge.errors import InputError
from stemforge.files import write_text

MACROS = {"find_atoms.ijm": "Find_Atoms_stemforge.ijm", "save_atoms.ijm": "Save_Atoms_stemforge.ijm"}
"""Their files here, and as ImageJ gets them: its menu shows macros whose names hold an underscore."""


def write_macros(
    folder: str | Path, weights: str | Path | None = None, *, overwrite: bool = False
) -> list[Path]:
    """Write the macros into a folder, such as ImageJ's ``plugins``.

    Parameters
    ----------
    folder
        Where the macros go.
    weights
        Weights file of a detector of one's own, which is offered beside those that come with stemforge.
    overwrite
        Replace macros that are there.

    Returns
    -------
    list
        The files. They start the Python that runs now.

    Raises
    ------
    InputError
        No such folder, a macro that is there already, or no weights file that finds atoms. Nothing has been written
        then.

    Examples
    --------
    >>> [path.name for path in write_macros(".")]
    ['Find_Atoms_stemforge.ijm', 'Save_Atoms_stemforge.ijm']
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; give ImageJ's folder 'plugins'")
    paths = [folder / name for name in MACROS.values()]
    for path in paths:
        if path.exists() and not overwrite:
            raise InputError(f"{path}: exists already; replace it with --overwrite")
    more = ""
    if weights is not None:
        from stemforge.infer.weights import load_finder

        if not Path(weights).is_file():
            raise InputError(
                f"{weights}: is no weights file; those that come with stemforge are offered anyway"
            )
        load_finder(weights, "atoms")
        more = f", {_literal(str(Path(weights).absolute()))}"
    for source, path in zip(MACROS, paths, strict=True):
        text = (files("stemforge.infer.portable") / source).read_text(encoding="ascii")
        write_text(path, text.replace('"@PYTHON@"', _literal(sys.executable)).replace("@MORE@", more))
    return paths


def _literal(text: str) -> str:
    """Return a string of ImageJ's macro language in ASCII: ImageJ reads macros in an encoding of its own."""
    units = (chr(unit) for (unit,) in struct.iter_unpack("<H", text.encode("utf-16-le", "surrogatepass")))
    escaped = {"\\": "\\\\", '"': '\\"'}
    spelt = "".join(
        escaped.get(one, one) if one.isascii() else f'" + fromCharCode({ord(one)}) + "' for one in units
    )
    return f'"{spelt}"'
