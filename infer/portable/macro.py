"""A macro by which ImageJ and Fiji find atoms on the image that they show."""

import sys
from importlib.resources import files
from pathlib import Path

from stemforge.errors import InputError
from stemforge.files import write_text

NAME = "Find_Atoms_stemforge.ijm"
"""ImageJ's menu shows macros in its plugins folder whose names hold an underscore."""


def write_macro(folder: str | Path, weights: str | Path | None = None, *, overwrite: bool = False) -> Path:
    """Write the macro into a folder, such as ImageJ's ``plugins``.

    Parameters
    ----------
    folder
        Where the macro goes.
    weights
        Weights file of a detector of one's own, which the macro offers beside those that come with stemforge.
    overwrite
        Replace a macro that is there.

    Returns
    -------
    Path
        The file. It starts the Python that runs now.

    Raises
    ------
    InputError
        No such folder, a macro that is there already, or weights that find no atoms. Nothing has been written then.

    Examples
    --------
    >>> write_macro(".").name
    'Find_Atoms_stemforge.ijm'
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; give ImageJ's folder 'plugins'")
    path = folder / NAME
    if path.exists() and not overwrite:
        raise InputError(f"{path}: exists already; replace it with --overwrite")
    more = ""
    if weights is not None:
        from stemforge.infer.weights import load_finder

        load_finder(weights, "atoms")
        more = f", {_literal(str(Path(weights).absolute()))}"
    text = (files("stemforge.infer.portable") / "find_atoms.ijm").read_text(encoding="utf-8")
    write_text(path, text.replace('"@PYTHON@"', _literal(sys.executable)).replace("@MORE@", more))
    return path


def _literal(text: str) -> str:
    """Return a string of ImageJ's macro language."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
