"""A structure of your own: any file that ASE reads, with its single atoms tagged."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.io import read
from ase.io.formats import UnknownFileTypeError, filetype

from stemforge.structures.cells import fit_cell, require_orthogonal
from stemforge.structures.checks import require, require_range
from stemforge.structures.tags import Tag

__all__ = ["structure_from_file"]

# Reading a pickle runs whatever code is in it.
_PICKLED_SUFFIXES = {".pkl", ".pickle", ".pckl"}
_PICKLED_FORMATS = {"bundletrajectory", "pickletrajectory"}


def structure_from_file(
    path: str | PathLike[str], *, single_atoms: Sequence[str] = (), vacuum: float = 2.0
) -> Atoms:
    """Read a structure from a file and prepare it for simulation along z.

    Parameters
    ----------
    path : str or path-like
        File in a format that ASE reads, such as CIF, extended XYZ, POSCAR or PDB. Of several structures the
        last is taken. Formats that hold Python pickles are refused.
    single_atoms : sequence of str, default ()
        Symbols of the elements that count as single atoms; all other atoms are support. Tags in the file
        are ignored.
    vacuum : float, default 2.0
        Empty margin [Å] below the lowest and above the highest atom; replaces what the file has.

    Returns
    -------
    ase.Atoms
        Atoms with tags, wrapped into the cell in x and y.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file cannot be read, holds no atoms, or its cell is not orthogonal; the message names the file.

    Examples
    --------
    >>> import tempfile
    >>> from ase.build import fcc100
    >>> from stemforge.structures import structure_from_file
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fcc100("Pt", (2, 2, 2), vacuum=5.0).write(f"{folder}/slab.xyz")
    ...     structure_from_file(f"{folder}/slab.xyz", single_atoms=["Pt"]).get_tags().tolist()
    [1, 1, 1, 1, 1, 1, 1, 1]
    """
    path = Path(path)
    several = not isinstance(single_atoms, str)
    require(several, "single_atoms", "a sequence of symbols such as ['Pt']", single_atoms)
    for symbol in single_atoms:
        require(symbol in atomic_numbers, "single_atoms", "chemical symbols such as 'Pt'", symbol)
    require_range("vacuum", vacuum, 0.0)
    if not path.exists():
        raise FileNotFoundError(f"path must be an existing file, got {str(path)!r}.")
    mend = "Convert it to CIF or extended XYZ."
    unknown = f"path must be in a format that ASE reads, got {str(path)!r}. {mend}"
    safe = path.is_file() and path.suffix.lower() not in _PICKLED_SUFFIXES
    try:
        file_format = filetype(str(path)) if safe else ""
    except UnknownFileTypeError:
        raise ValueError(unknown) from None
    safe = safe and file_format not in _PICKLED_FORMATS
    require(safe, "path", "a file without Python pickles, which run code when read", str(path), mend)
    try:
        atoms = read(str(path), format=file_format, do_not_split_by_at_sign=True)
    except UnknownFileTypeError:  # a format that ASE knows to write only, or guessed from the suffix
        raise ValueError(unknown) from None
    except Exception as error:  # each of ASE's readers fails in its own way
        raise ValueError(
            f"path must be a readable {file_format} file, got {str(path)!r}: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(atoms, Atoms) or len(atoms) == 0:
        raise ValueError(f"path must be a file with at least one atom, got {str(path)!r}.")
    require(bool(np.isfinite(atoms.positions).all()), "path", "a file with finite positions", str(path))
    require_orthogonal(atoms, f"the structure in {str(path)!r}")
    single = np.isin(atoms.numbers, [atomic_numbers[symbol] for symbol in single_atoms])
    # Only what is simulated goes on: constraints, calculators and the tags of the file stay behind.
    atoms = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell)
    atoms.set_tags(np.where(single, Tag.SINGLE_ATOM, Tag.SUPPORT))
    return fit_cell(atoms, vacuum, vacuum)
