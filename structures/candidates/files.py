"""Candidates in a folder: made one after the other, kept when a run is stopped, with a table and a picture."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.io import read

from stemforge.console import progress, say
from stemforge.errors import InputError
from stemforge.files import sha256_of_file, write_text
from stemforge.outputs.folder import ResultFolder
from stemforge.structures.candidates.building import Candidate, Relaxer, boltzmann_weights
from stemforge.structures.candidates.calculators import named_calculator
from stemforge.structures.candidates.figure import draw_candidates
from stemforge.structures.candidates.folder import COMMAND, PICTURE, TABLE, Run
from stemforge.structures.candidates.images import enlarged
from stemforge.structures.candidates.search import CandidateSearch, docked_starts, refused_as_input
from stemforge.structures.candidates.table import table_text
from stemforge.structures.checks import require_range
from stemforge.structures.zeolites.frameworks import zeolite_cell

__all__ = ["CandidateSet", "candidates"]

_SMALLEST = 12.0  # Å; smaller cells are repeated, so that a guest does not meet its images


@dataclass(frozen=True)
class CandidateSet:
    """What came of a run.

    Parameters
    ----------
    candidates : tuple of Candidate
        Those that are finished, whenever they were made.
    weights : numpy.ndarray or None
        Boltzmann weights, shape ``(n,)``; None where guests were docked only.
    failed : tuple of str
        Why others were left out, one message each.
    closed : tuple of str
        Names of acid sites at which the guest does not fit.
    """

    candidates: tuple[Candidate, ...]
    weights: np.ndarray | None
    failed: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0; 1 where some candidates were left out."""
        return 1 if self.failed else 0


def candidates(
    framework: str | Path,
    guest: str | Path | Atoms,
    out: str | Path | ResultFolder,
    search: CandidateSearch | None = None,
    *,
    calculator: str | Callable[[], BaseCalculator] = "gfn2",
    temperature: float = 298.0,
    quiet: bool = False,
) -> CandidateSet:
    """Make structures of a zeolite with an acid site and a guest that is docked at it and relaxed.

    Each is written when it is finished; the same call again goes on with those that are missing.

    Parameters
    ----------
    framework : str or path-like
        One that is built in, such as ``"mfi"``, or a CIF of a zeolite of Si and O alone.
    guest : str, path-like or ase.Atoms
        A name that `place_guest` knows, a structure file, or atoms.
    out : str, path-like or ResultFolder
        Folder for the results: ``NAME.cif`` of each candidate, ``candidates.csv``, ``candidates.png``, ``run.json``.
    search : CandidateSearch, optional
        Which candidates, and how they are relaxed; by default all sites and oxygens.
    calculator : str or callable, default "gfn2"
        ``"gfn2"``, ``"gfn1"``, ``"none"`` (docked only), or what makes an ASE calculator at each call.
    temperature : float, default 298
        For the Boltzmann weights [K].
    quiet : bool, default False
        Show no progress.

    Returns
    -------
    CandidateSet
        All candidates in the folder that were asked for.

    Raises
    ------
    stemforge.errors.InputError
        If the framework, guest or calculator cannot be used, the guest fits nowhere, or the folder holds candidates
        that were made otherwise; nothing has been written then.

    Examples
    --------
    >>> import tempfile
    >>> from stemforge.structures import CandidateSearch, candidates
    >>> search = CandidateSearch(t_sites=(12,), oxygens="best")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = candidates("mfi", "pyridine", folder, search, calculator="none", quiet=True)
    >>> [candidate.name for candidate in found.candidates]
    ['T12-O11-1']
    """
    folder = out if isinstance(out, ResultFolder) else ResultFolder(Path(out))
    search = search or CandidateSearch()
    with refused_as_input():
        require_range("temperature", temperature, 1.0)
        make = named_calculator(calculator) if isinstance(calculator, str) else calculator
        crystal = enlarged(zeolite_cell(framework), _SMALLEST)
        starts, closed = docked_starts(crystal, _guest(guest), search)
    options = _options(framework, guest, search, calculator)
    run = Run(folder, options)
    run.check(starts)
    for site in closed:
        say(f"{site.name}: the guest does not fit before this proton; left out")
    relaxer = Relaxer(crystal, make, search)
    with progress(COMMAND, len(starts), "candidates", quiet) as advance:
        for start in starts:
            if not run.kept(start):
                run.make(start, relaxer)
            advance(1)
    found = run.finished(starts)
    weights = _weights(found, temperature)
    if found:
        write_text(folder.path / TABLE, table_text(found, weights))
        draw_candidates(found, weights, folder.path / PICTURE)
    say(f"{folder.path}: {len(found)} of {len(starts)} candidates")
    return CandidateSet(tuple(found), weights, tuple(run.failed), tuple(site.name for site in closed))


def _guest(guest: str | Path | Atoms) -> str | Atoms:
    """Return a molecule, read from a file where one is named."""
    if isinstance(guest, Atoms) or not Path(guest).suffix:
        return guest if isinstance(guest, Atoms) else str(guest)
    path = Path(guest)
    if not path.is_file():
        raise InputError(f"{path}: no such file; guest is a name such as pyridine, or a structure file")
    try:
        atoms = cast(Atoms, read(path))
    except Exception as error:  # each of ASE's readers has its own errors
        raise InputError(f"{path}: cannot be read as a molecule: {error}") from error
    molecule = Atoms(atoms.numbers, atoms.positions)
    molecule.info["name"] = path.stem
    return molecule


def _options(
    framework: str | Path,
    guest: str | Path | Atoms,
    search: CandidateSearch,
    calculator: str | Callable[[], BaseCalculator],
) -> dict[str, Any]:
    """Return what a candidate was made with; files by their content, which may change under their name."""
    made = {name: value for name, value in asdict(search).items() if name not in ("t_sites", "oxygens")}
    # The address in a function's repr changes from run to run.
    name = (
        calculator
        if isinstance(calculator, str)
        else getattr(calculator, "__qualname__", type(calculator).__name__)
    )
    names: dict[str, Any] = {"framework": str(framework), "calculator": name}
    names["guest"] = guest.get_chemical_formula() if isinstance(guest, Atoms) else str(guest)
    for role, value in (("framework", framework), ("guest", guest)):
        if isinstance(value, str | Path) and Path(value).is_file():
            names[f"{role}_sha256"] = sha256_of_file(Path(value))
    return names | made


def _weights(found: Sequence[Candidate], temperature: float) -> np.ndarray | None:
    energies = [candidate.energy for candidate in found if candidate.energy is not None]
    if not energies or len(energies) < len(found):
        return None
    return boltzmann_weights(np.array(energies), temperature)
