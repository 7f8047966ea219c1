"""Sites of every other format that ASE reads; what a format does not say is asked for, not guessed."""

import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from ase.io import read
from ase.io.formats import UnknownFileTypeError, filetype, ioformats

from stemforge.structures.cells import Array, Indices
from stemforge.structures.checks import require
from stemforge.structures.reading.lammps import NUMBERED, elements_of_types, is_data_file

__all__ = ["ase_sites", "file_format"]

# Reading a pickle runs whatever code is in it.
_PICKLED_SUFFIXES = {".pkl", ".pickle", ".pckl"}
_PICKLED_FORMATS = {"bundletrajectory", "pickletrajectory"}
# They name atoms of molecules, such as CA or OW1; ASE would take carbon for CL.
_WITHOUT_ELEMENTS = {"gromacs": "GRO", "gromos": "G96"}
_MEND = "Convert it to CIF or extended XYZ."


def file_format(path: Path, shown: str) -> str:
    """Return ASE's name of a file's format; a format that is not known, or that would run code, is refused."""
    safe = path.suffix.lower() not in _PICKLED_SUFFIXES
    if is_data_file(path):  # has no ending of its own
        return "lammps-data"
    try:
        found = filetype(str(path)) if safe else ""
    except UnknownFileTypeError:
        raise ValueError(f"path must be in a format that ASE reads, got {shown!r}. {_MEND}") from None
    safe = safe and found not in _PICKLED_FORMATS
    require(safe, "path", "a file without Python pickles, which run code when read", shown, _MEND)
    named = _WITHOUT_ELEMENTS.get(found)
    mend = "Convert it to PDB with element symbols, or to extended XYZ."
    require(named is None, "path", "a file that states elements", shown, f"{named} names atoms only. {mend}")
    return "prismatic" if found == "extxyz" and _is_prismatic(path) else found


def ase_sites(path: Path, found: str, species: Sequence[str], shown: str) -> dict[str, Any]:
    """Read a file by ASE.

    Parameters
    ----------
    path : pathlib.Path
        The file, alone in its folder: ASE would take elements of a POSCAR from a POTCAR beside it.
    found : str
        ASE's name of the format.
    species : sequence of str
        Element of each type, for formats that number their types.
    shown : str
        Name of the file for messages.

    Returns
    -------
    dict
        As :func:`stemforge.structures.reading.files.read_atoms` returns it, less ``sha256``.
    """
    elements = elements_of_types(path, found, species, shown) if found in NUMBERED else []
    allowed = f"left out, as {shown!r} names its elements"
    require(bool(elements) or not species, "species", allowed, list(species))
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if found in _CHECKS else []
    remarks = _CHECKS[found](lines, shown) if found in _CHECKS else []
    atoms = _read(path, found, shown)
    if elements:  # ASE would take the numbers of types for atomic numbers, or the nearest masses
        typed = "type" in atoms.arrays
        require(typed, "path", "a LAMMPS file whose atoms have types or elements", shown)
        atoms.numbers = np.array([atomic_numbers[elements[kind - 1]] for kind in atoms.arrays["type"]])
    if not ioformats[found].single and _has_another(path, found):
        remarks.append("it holds several structures; the last is taken")
    numbers, rows, occupancy = _occupants(atoms, shown)
    return {
        "format": found,
        "numbers": numbers,
        "positions": atoms.positions[rows],
        "cell": atoms.cell.array,
        "pbc": np.array(atoms.pbc),
        "occupancy": occupancy,
        "thermal_sigma": np.full(len(rows), np.nan),
        "kind": np.arange(len(rows)),
        "labels": [
            f"{chemical_symbols[number]} of atom {row + 1}" for number, row in zip(numbers, rows, strict=True)
        ],
        "remarks": remarks,
    }


def _read(path: Path, found: str, shown: str) -> Atoms:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            atoms = read(str(path), format=found, do_not_split_by_at_sign=True)
    except UnknownFileTypeError:  # a format that ASE knows to write only, or guessed from the suffix
        raise ValueError(f"path must be in a format that ASE reads, got {shown!r}. {_MEND}") from None
    except Exception as error:  # each of ASE's readers fails in its own way
        why = f"{type(error).__name__}: {error}"
        if isinstance(error, KeyError):  # of the table of elements, as a rule
            why = f"{error.args[0]!r} is not known; atoms need chemical symbols" if error.args else why
        raise ValueError(f"path must be a readable {found} file, got {shown!r}: {why}") from error
    if not isinstance(atoms, Atoms) or len(atoms) == 0:
        raise ValueError(f"path must be a file with at least one atom, got {shown!r}.")
    return atoms


def _has_another(path: Path, found: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(str(path), index=1, format=found, do_not_split_by_at_sign=True)
    except Exception:  # no second one, however the reader says so
        return False
    return True


def _occupants(atoms: Atoms, shown: str) -> tuple[Indices, Indices, Array]:
    """Return atomic number, row and occupancy of each occupant; a site that two elements share has two."""
    rows = np.arange(len(atoms))
    for name in ("occupancy", "occupancies"):  # PDB; muSTEM and Prismatic
        if name in atoms.arrays:
            return atoms.numbers, rows, np.asarray(atoms.arrays[name], dtype=float)
    shares = atoms.info.get("occupancy")  # written by ASE after it read a CIF
    if not isinstance(shares, dict):
        return atoms.numbers, rows, np.ones(len(atoms))
    kinds = atoms.arrays.get("spacegroup_kinds", rows)
    found = []
    try:
        for row, kind in enumerate(kinds):
            occupants = shares.get(str(kind), {chemical_symbols[atoms.numbers[row]]: 1.0})
            found += [(atomic_numbers[symbol], row, float(share)) for symbol, share in occupants.items()]
    except (AttributeError, KeyError, TypeError, ValueError):
        require(False, "path", "a file whose occupancies belong to its atoms", shown, "Write it as CIF.")
    columns = zip(*found, strict=True)
    return tuple(np.array(column) for column in columns)  # type: ignore[return-value]


def _is_prismatic(path: Path) -> bool:
    """Tell the XYZ of Prismatic and computem: a comment where XYZ has a number, then the edges of the cell."""
    with path.open(encoding="utf-8", errors="replace") as stream:
        first, second = stream.readline(1000), stream.readline(1000)
    return not first.strip().isdigit() and bool(re.fullmatch(r"\s*([-+.\deE]+\s+){2}[-+.\deE]+\s*", second))


def _check_xyz(lines: list[str], shown: str) -> list[str]:
    """Refuse a frame that is cut off, which ASE would look for at length, and numbers where symbols stand."""
    start = 0
    while start < len(lines) and lines[start].strip().isdigit():
        number = int(lines[start])
        left = len(lines) - start - 2
        mend = f"A frame should have {number} atoms, and the file ends after {max(left, 0)}."
        require(number <= left, "path", "a readable extxyz file", shown, mend)
        start += number + 2
    properties = re.search(r"Properties=(\S+)", lines[1]) if len(lines) > 1 else None
    if properties is None or properties.group(1).lower().startswith("species:"):
        numbered = any(line.split()[0].isdigit() for line in lines[2:3] if line.split())
        mend = "In LAMMPS, dump_modify element writes symbols."
        require(not numbered, "path", "an XYZ file with chemical symbols", shown, f"It has numbers. {mend}")
    return []


def _check_pdb(lines: list[str], shown: str) -> list[str]:
    """Refuse what ASE passes over: symmetry, alternative places, names of atoms where elements are missing."""
    atoms = [line for line in lines if line.startswith(("ATOM  ", "HETATM"))]
    groups = {line[55:66].strip() for line in lines if line.startswith("CRYST1")} - {"", "P 1", "P1", "1"}
    mend = "Write out its unit cell first, or take the CIF."
    require(
        not groups,
        "path",
        "a PDB file of a whole cell, in P 1",
        shown,
        f"It is in {', '.join(groups)}. {mend}",
    )
    alternatives = sorted({line[16:17] for line in atoms} - {"", " "})
    mend = f"It has {', '.join(alternatives)}: keep one of them."
    require(len(alternatives) < 2, "path", "a PDB file without alternative locations", shown, mend)
    elements = all(line[76:78].strip().capitalize() in atomic_numbers for line in atoms)
    mend = "In columns 77 and 78; the name CA alone may be carbon or calcium."
    require(elements, "path", "a PDB file that states its elements", shown, mend)
    return []


def _check_poscar(lines: list[str], shown: str) -> list[str]:
    """Remark that a POSCAR without a line of elements, as of VASP 4, is read by its comment."""
    counts = lines[5].split() if len(lines) > 5 else []
    without = bool(counts) and counts[0].isdigit()
    return (
        [f"it has no line of elements; they are read off its first line, {lines[0].strip()!r}"]
        if without
        else []
    )


_CHECKS: dict[str, Callable[[list[str], str], list[str]]] = {
    "extxyz": _check_xyz,
    "proteindatabank": _check_pdb,
    "vasp": _check_poscar,
}
"""What is looked at before ASE reads: they refuse, or return remarks."""
