"""LAMMPS files number the types of their atoms: which elements they are."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_masses, atomic_numbers, chemical_symbols

from stemforge.structures.checks import require

__all__ = ["NUMBERED", "elements_of_types", "is_data_file"]

NUMBERED = ("lammps-data", "lammps-dump-text", "lammps-dump-binary")
"""ASE's names of the formats."""
_SAME_MASS = 0.01  # u; united atoms and beads lie farther from every element
_UNITS = {"metal", "real"}  # those in Å
_HEAD = 4000  # bytes: the header of a data file


def is_data_file(path: Path) -> bool:
    """Tell a data file by its header; it has no name or ending of its own."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    return bool(re.search(rb"^\s*\d+\s+atoms\b", head, re.M) and re.search(rb"\bxlo\s+xhi\b", head))


def elements_of_types(path: Path, found: str, species: Sequence[str], shown: str) -> list[str]:
    """Return the element of each type; none where the file names elements itself.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    found : str
        One of `NUMBERED`.
    species : sequence of str
        What the user says they are.
    shown : str
        Name of the file for messages.

    Raises
    ------
    ValueError
        Neither the user nor the file says what a type is, or they contradict each other; or the file is not in Å.
    """
    if found == "lammps-dump-binary":
        mend = "Give the element of each type, in order, such as species: [C, Pt]."
        require(bool(species), "species", f"given, as {shown!r} numbers its types", list(species), mend)
        return list(species)
    text = path.read_text(encoding="utf-8", errors="replace")
    units = re.findall(r"ITEM: UNITS\s+(\w+)", text) + re.findall(r"units = (\w+)", text.partition("\n")[0])
    mend = f"Its units are {', '.join(units)}."
    require(set(units) <= _UNITS, "path", "a LAMMPS file in Å (units metal or real)", shown, mend)
    types, masses, named = _of_dump(text) if found == "lammps-dump-text" else _of_data(text)
    require(bool(types) or named, "path", "a LAMMPS file whose atoms have types or elements", shown)
    if named and not species:
        return []
    require(not named, "species", f"left out, as {shown!r} names its elements", list(species))
    return _settled(types, masses, species, shown)


def _settled(types: set[int], masses: dict[int, float], species: Sequence[str], shown: str) -> list[str]:
    """Return the element of each type, of the user's word and the masses."""
    number = max(types)
    weighed = [_of_mass(masses.get(kind)) for kind in range(1, number + 1)]
    if not species:
        unknown = [kind for kind in types if not weighed[kind - 1]]
        likely = ", ".join(element or "…" for element in weighed) if any(weighed) else "C, Pt"
        mend = f"Give the element of each type, in order, such as species: [{likely}]."
        require(
            not unknown, "species", f"given, as {shown!r} numbers its {number} types", list(species), mend
        )
        return weighed
    allowed = f"an element for each of the {number} types in {shown!r}"
    require(len(species) >= number, "species", allowed, list(species))
    for kind in sorted(types):
        element = weighed[kind - 1] or species[kind - 1]
        mend = f"Type {kind} weighs {masses.get(kind)}, which is {element}."
        require(element == species[kind - 1], "species", f"the elements in {shown!r}", list(species), mend)
    return list(species)


def _of_mass(mass: float | None) -> str:
    """Return the element of a mass [u]; "" for none, and for 1, which stands for any in units without masses."""
    if mass is None or mass == 1.0:
        return ""
    nearest = int(np.argmin(np.abs(atomic_masses - mass)))
    return chemical_symbols[nearest] if abs(atomic_masses[nearest] - mass) < _SAME_MASS else ""


def _of_data(text: str) -> tuple[set[int], dict[int, float], bool]:
    """Return types of atoms, masses of types, and whether types are named by elements, of a data file."""
    sections: dict[str, list[list[str]]] = {}
    section, style = "", ""
    for line in text.splitlines():
        content, _, comment = line.partition("#")
        row = content.split()
        if row and all(word[0].isupper() for word in row):
            section = " ".join(row)
            style = comment.strip() if section == "Atoms" else style
        elif row:
            sections.setdefault(section, []).append(row)
    masses = _pairs(sections.get("Masses", []), float)
    labels = _pairs(sections.get("Atom Type Labels", []), str)
    numbers = {label: kind for kind, label in labels.items()}
    types = set()
    for row in sections.get("Atoms", []):
        # id type …, or id molecule type …
        place = 1 if style in ("atomic", "charge") or (not style and len(row) in (5, 8)) else 2
        word = row[place] if len(row) > place else ""
        types.add(int(word) if word.isdigit() else numbers.get(word, 0))
    named = bool(labels) and all(label in atomic_numbers for label in labels.values())
    return types - {0}, masses, named


def _pairs(rows: list[list[str]], value: type) -> dict[int, Any]:
    return {int(row[0]): value(row[1]) for row in rows if len(row) > 1 and row[0].isdigit()}


def _of_dump(text: str) -> tuple[set[int], dict[int, float], bool]:
    """Return types of atoms, masses of types, and whether elements are named, of the last frame of a dump."""
    names, _, body = text.rpartition("ITEM: ATOMS")[2].partition("\n")
    columns = names.split()
    if "element" in columns:
        return set(), {}, True
    if "type" not in columns:
        return set(), {}, False
    rows = [line.split() for line in body.partition("ITEM:")[0].splitlines()]
    kind = columns.index("type")
    rows = [row for row in rows if len(row) == len(columns) and row[kind].isdigit()]
    mass = columns.index("mass") if "mass" in columns else None
    masses = {} if mass is None else {int(row[kind]): float(row[mass]) for row in rows}
    return {int(row[kind]) for row in rows}, masses, False
