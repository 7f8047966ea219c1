"""Sites of a CIF, with every symmetry image written out."""

import io
import re
import warnings
from typing import Any

import numpy as np
from ase.cell import Cell
from ase.data import atomic_numbers
from ase.io.cif import CIFBlock, parse_cif

from stemforge.structures.cells import Array
from stemforge.structures.checks import require
from stemforge.structures.reading.symmetry import expand_sites, symmetry_operators

__all__ = ["cif_sites"]

_UNKNOWN = ("?", ".", "")


def cif_sites(content: bytes, source: str) -> dict[str, Any]:
    """Read the structure of a CIF.

    Parameters
    ----------
    content : bytes
        Of the file, without a byte-order mark.
    source : str
        Its name, for messages.

    Returns
    -------
    dict
        As :func:`stemforge.structures.reading.files.read_atoms` returns it, less ``sha256``.

    Raises
    ------
    ValueError
        The file is no CIF, holds several structures, states no symmetry or no element, or leaves out what a row needs.
    """
    block = _block(content, source)
    symbols = _symbols(block, source)
    count = len(symbols)
    try:
        cell = Cell.new([float(edge) for edge in block.get_cellpar() or []])
        columns = [_listed(block.get(f"_atom_site_{name}")) for name in ("fract_x", "fract_y", "fract_z")]
        fractions = np.array(columns, dtype=float).T
        if fractions.shape != (count, 3):
            columns = [_listed(block.get(f"_atom_site_cartn_{axis}")) for axis in "xyz"]
            fractions = cell.scaled_positions(np.array(columns, dtype=float).T.reshape(count, 3))
        finite = bool(np.isfinite(fractions).all() and np.isfinite(cell.array).all()) and cell.rank == 3
        require(finite, "path", "a CIF with finite positions and cell", source)
        operators = symmetry_operators(block, cell, source)
    except Exception as error:  # ASE fails in many ways
        if isinstance(error, ValueError) and source in str(error):
            raise
        raise ValueError(
            f"path must be a CIF with sound symmetry and positions, got {source!r}: {type(error).__name__}: {error}"
        ) from error
    occupancy = _occupancies(block, count, source)
    _refuse_molecules_in_turn(block, occupancy, source)
    u, b = (_numbers(block, f"_atom_site_{name}_iso_or_equiv", count) for name in "ub")
    u = np.where(np.isfinite(u), u, b / (8 * np.pi**2))
    expanded, kind = expand_sites(fractions, operators, cell.array)
    return {
        "format": "cif",
        "numbers": np.array([atomic_numbers[symbol] for symbol in symbols])[kind],
        "positions": expanded @ cell.array,
        "cell": cell.array,
        "pbc": np.ones(3, dtype=bool),
        "occupancy": occupancy[kind],
        "thermal_sigma": np.where(u > 0, np.sqrt(np.where(u > 0, u, 1.0)), np.nan)[kind],
        "kind": kind,
        "labels": [str(label) for label in _listed(block.get("_atom_site_label")) or symbols],
        "remarks": [],
    }


def _block(content: bytes, source: str) -> CIFBlock:
    """Parse the file and return the one block that holds a structure."""
    content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            blocks = list(parse_cif(io.BytesIO(content)))
    except Exception as error:  # ASE's parser fails in many ways
        raise ValueError(
            f"path must be a readable CIF, got {source!r}: {type(error).__name__}: {error}"
        ) from error
    # ASE leaves such rows out, and atoms with them.
    dropped = [
        str(one.message) for one in warned if str(one.message).startswith(("Wrong number", "Duplicated"))
    ]
    mend = "Quote values that hold blanks or apostrophes."
    require(
        not dropped,
        "path",
        "a CIF whose rows fit their columns",
        source,
        f"{' '.join(dropped)[:200]}. {mend}",
    )
    found = [b for b in blocks if b.get_cellpar() is not None and _holds_atoms(b)]
    require(bool(found), "path", "a CIF with a cell and atoms", source)
    names = ", ".join(f"data_{block.name}" for block in found[:5])
    require(
        len(found) == 1, "path", "a CIF with one structure", source, f"It holds {names}; keep one of them."
    )
    return found[0]


def _holds_atoms(block: CIFBlock) -> bool:
    places = ("_atom_site_fract_x", "_atom_site_cartn_x")
    return any(name in block for name in places) and (
        "_atom_site_type_symbol" in block or "_atom_site_label" in block
    )


def _listed(value: Any) -> list[Any]:
    """Values of a column; a table of one row need not be a loop."""
    if value is None:
        return []
    return [value] if isinstance(value, (str, int, float)) else list(value)


def _numbers(block: CIFBlock, key: str, count: int) -> Array:
    """Column of numbers of the atom table; nan where the file has none."""
    values = _listed(block.get(key))
    numbers = [value if isinstance(value, (int, float)) else np.nan for value in values]
    return np.array(numbers if len(numbers) == count else [np.nan] * count, dtype=float)


def _occupancies(block: CIFBlock, count: int, source: str) -> Array:
    """Occupancy of each row; 1 where the file does not say."""
    values = _listed(block.get("_atom_site_occupancy"))
    for value in values:
        number = isinstance(value, (int, float)) or value in _UNKNOWN
        require(number, f"the occupancy of every site in {source!r}", "a number", value)
    occupancy = _numbers(block, "_atom_site_occupancy", count)
    return np.where(np.isfinite(occupancy), occupancy, 1.0)


def _symbols(block: CIFBlock, source: str) -> list[str]:
    """Chemical symbols of the sites, from their types or else their labels."""
    types = _listed(block.get("_atom_site_type_symbol"))
    labels = _listed(block.get("_atom_site_label"))
    return [_symbol(str(text), bool(types), source) for text in types or labels]


def _symbol(text: str, is_type: bool, source: str) -> str:
    """Return the element of a type, as Al3+, or of a label, as O1W; a label that may be two elements is refused."""
    match = re.match(r"[A-Za-z]+", text)
    letters = match.group(0) if match and len(match.group(0)) < 3 else ""
    choices = {letters.capitalize()}
    if not is_type and letters.isupper():  # CO1 is cobalt or carbon, OW1 the oxygen of water
        choices.add(letters[0])
    choices = {"H" if choice == "D" else choice for choice in choices} & (set(atomic_numbers) - {"X"})
    mend = "Write chemical symbols into _atom_site_type_symbol, and remove dummy sites."
    require(len(choices) == 1, f"the species of every site in {source!r}", "a chemical element", text, mend)
    return choices.pop()


def _refuse_molecules_in_turn(block: CIFBlock, occupancy: Array, source: str) -> None:
    """Refuse groups of several partly occupied atoms that come and go together: drawn one by one they would mix."""
    assemblies = _listed(block.get("_atom_site_disorder_assembly"))
    groups = _listed(block.get("_atom_site_disorder_group"))
    if len(groups) != len(occupancy):
        return
    assemblies = assemblies if len(assemblies) == len(groups) else ["."] * len(groups)
    members = [
        (str(assembly), str(group))
        for assembly, group, share in zip(assemblies, groups, occupancy, strict=True)
        if str(group) not in _UNKNOWN and share < 1
    ]
    several = sorted({member for member in members if members.count(member) > 1})
    named = ", ".join(f"{assembly}/{group}" for assembly, group in several[:4])
    mend = (
        f"Its disorder groups {named} hold several atoms each, which come and go together: keep one of them."
    )
    require(not several, "path", "a CIF without disordered molecules", source, mend)
