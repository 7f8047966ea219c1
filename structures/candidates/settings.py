"""What candidates are made with: framework, guest and calculator, and how a later run knows them again."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.neighborlist import natural_cutoffs, neighbor_list

from stemforge.console import say
from stemforge.errors import InputError
from stemforge.files import plain, sha256_of_file
from stemforge.structures.candidates.acid import with_site_kinds
from stemforge.structures.candidates.calculators import named_calculator
from stemforge.structures.candidates.search import CandidateSearch
from stemforge.structures.reading.files import read_sites
from stemforge.structures.zeolites.frameworks import FRAMEWORKS, zeolite_cell
from stemforge.structures.zeolites.molecules import named_molecule

__all__ = [
    "CalculatorMaker",
    "calculator_facts",
    "guest_facts",
    "maker",
    "read_framework",
    "read_guest",
    "search_facts",
]

CalculatorMaker = Callable[[], BaseCalculator]
_WHICH = ("t_sites", "oxygens", "orientations", "max_tries")
"""Fields of a search that say which candidates are made; how each is made does not depend on them."""


def read_framework(framework: str | Path) -> tuple[Atoms, dict[str, Any]]:
    """Return a framework's unit cell with its sites numbered, and what tells it from others.

    Raises
    ------
    stemforge.errors.InputError
        It is no file, or cannot be read as a framework.
    """
    name = str(framework).lower()
    if name in FRAMEWORKS:
        crystal = zeolite_cell(name)
        return crystal if "kind" in crystal.arrays else with_site_kinds(crystal), {"framework": name}
    path = Path(framework)
    if not path.is_file():
        came = "is a folder" if path.is_dir() else "no such file"
        raise InputError(f"framework {path}: {came}; give {', '.join(FRAMEWORKS)}, or the CIF of a zeolite")
    try:
        crystal = with_site_kinds(zeolite_cell(path))
    except ValueError as error:
        raise InputError(f"framework {path}: {error}") from error
    return crystal, {"framework": str(path), "framework_sha256": sha256_of_file(path)}


def read_guest(guest: str | Path | Atoms) -> str | Atoms:
    """Return a molecule by its name, or its atoms, read where a file is named.

    Raises
    ------
    stemforge.errors.InputError
        The file does not exist, cannot be read, or holds what no molecule can be made of.
    """
    if isinstance(guest, Atoms) or not _is_file_name(guest):
        return guest if isinstance(guest, Atoms) else str(guest)
    path = Path(guest)
    if not path.is_file():
        raise InputError(f"guest {path}: no such file; give a name such as pyridine, or a structure file")
    try:
        sites = read_sites(path)
    except ValueError as error:
        raise InputError(f"guest {path}: cannot be read as a molecule: {error}") from error
    if sites.partial.any():
        raise InputError(f"guest {path}: its atoms are partly occupied; keep one of the alternatives")
    for remark in sites.remarks:
        say(f"{path}: {remark}")
    molecule = _whole(sites.atoms)
    molecule.info["name"] = path.stem
    return molecule


def _is_file_name(guest: str | Path) -> bool:
    if isinstance(guest, Path) or Path(guest).suffix:
        return True
    try:
        named_molecule(guest)
    except ValueError:
        return Path(guest).is_file()
    return False


def _whole(atoms: Atoms) -> Atoms:
    """Return a molecule without its cell, put together where a face of the cell cuts it."""
    positions = atoms.positions.copy()
    if atoms.cell.rank == 3:
        periodic = Atoms(atoms.numbers, positions, cell=atoms.cell, pbc=True)
        i, j, vectors = neighbor_list("ijD", periodic, natural_cutoffs(periodic, mult=1.15))
        placed = np.zeros(len(atoms), dtype=bool)
        for first in range(len(atoms)):
            waiting = [] if placed[first] else [first]
            placed[first] = True
            while waiting:
                atom = waiting.pop()
                for bond in np.flatnonzero((i == atom) & ~placed[j]):
                    if not placed[j[bond]]:
                        positions[j[bond]] = positions[atom] + vectors[bond]
                        placed[j[bond]] = True
                        waiting.append(int(j[bond]))
    return Atoms(atoms.numbers, positions)


def guest_facts(guest: str | Path | Atoms) -> dict[str, Any]:
    """Return what tells a guest from others: a file by its content, atoms by elements and places."""
    if isinstance(guest, Atoms):
        places = np.round(guest.positions, 4) + 0.0  # Å; adding 0 makes one zero of two
        content = guest.numbers.astype("<i8").tobytes() + places.astype("<f8").tobytes()
        name = str(guest.info.get("name", guest.get_chemical_formula()))
        return {"guest": name, "guest_sha256": hashlib.sha256(content).hexdigest()}
    if _is_file_name(guest):
        return {"guest": str(guest), "guest_sha256": sha256_of_file(guest)}
    return {"guest": named_molecule(str(guest)).name}


def maker(calculator: str | CalculatorMaker) -> CalculatorMaker | None:
    """Return what makes a calculator, by its name or as it is given; None where guests are docked only.

    Raises
    ------
    stemforge.errors.InputError
        The name is not known, or what was given makes no calculator.
    """
    if isinstance(calculator, str):
        return named_calculator(calculator)
    if not callable(calculator):
        came = type(calculator).__name__
        raise InputError(
            f"calculator must be a name, or a function that makes an ASE calculator at each call, got {came}; write "
            f"lambda: {came}(…)"
        )
    return calculator


def calculator_facts(calculator: str | CalculatorMaker, guest: Atoms) -> dict[str, Any]:
    """Return what tells a calculator from others.

    A function has no name that would say what it makes. What it made is told by its class, the parameters that ASE's
    calculators keep, and by the energy that it gives to the molecule alone: two models of one class differ in that.

    Parameters
    ----------
    calculator : str or callable
        As for `candidates`.
    guest : ase.Atoms
        The molecule as it is docked.

    Raises
    ------
    stemforge.errors.InputError
        What was given makes no calculator.
    """
    if isinstance(calculator, str):
        return {"calculator": calculator}
    try:
        made = calculator()
    except Exception as error:  # a user's function fails in its own way
        raise InputError(f"calculator: could not be made: {type(error).__name__}: {error}") from error
    kind = type(made)
    if not hasattr(made, "get_potential_energy"):
        raise InputError(f"calculator: the function must return an ASE calculator, got {kind.__name__}")
    alone = Atoms(guest.numbers, guest.positions)
    try:
        energy = float(made.get_potential_energy(alone))
    except Exception:  # said of each candidate, where it matters
        energy = float("nan")
    return {
        "calculator": f"{kind.__module__}.{kind.__qualname__}",
        "calculator_parameters": _parameters(made),
        "calculator_energy": plain(energy),
    }


def _parameters(calculator: BaseCalculator) -> dict[str, Any]:
    """Return a calculator's parameters as plain values; objects by their class, as their address changes."""
    found = {}
    for name, value in dict(getattr(calculator, "parameters", None) or {}).items():
        value = plain(value)
        simple = value is None or isinstance(value, str | int | float | list | dict)
        found[str(name)] = value if simple else type(value).__qualname__
    return found


def search_facts(search: CandidateSearch) -> dict[str, Any]:
    """Return how each candidate is made, less which of them."""
    return {name: value for name, value in asdict(search).items() if name not in _WHICH}
