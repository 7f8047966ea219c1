"""Candidates in a folder: made one after the other, kept when a run is stopped, with a table and a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from stemforge.console import progress, say
from stemforge.outputs.folder import ResultFolder
from stemforge.structures.candidates.acid import acid_sites, make_acid
from stemforge.structures.candidates.building import Relaxer
from stemforge.structures.candidates.docking import attach_guest
from stemforge.structures.candidates.figure import draw_candidates
from stemforge.structures.candidates.folder import COMMAND, PICTURE, TABLE, Run
from stemforge.structures.candidates.guest_at_site import Candidate
from stemforge.structures.candidates.images import enlarged
from stemforge.structures.candidates.minima import Shares
from stemforge.structures.candidates.search import CandidateSearch, docked_starts, refused_as_input
from stemforge.structures.candidates.settings import (
    CalculatorMaker,
    calculator_facts,
    guest_facts,
    maker,
    read_framework,
    read_guest,
    search_facts,
)
from stemforge.structures.candidates.table import write_table
from stemforge.structures.checks import require_range
from stemforge.structures.zeolites.molecules import Molecule, named_molecule

__all__ = ["CandidateSet", "candidates"]

_SMALLEST = 12.0  # Å; smaller cells are repeated, so that a guest does not meet its images


@dataclass(frozen=True)
class CandidateSet:
    """What came of a run.

    Parameters
    ----------
    candidates : tuple of Candidate
        All of the folder that were made with these settings, by this run or an earlier one.
    weights : numpy.ndarray or None
        Boltzmann weights, shape ``(n,)``, 0 where another candidate stands for the same minimum; None where guests
        were docked only.
    failed : tuple of str
        Why others were left out, one message each.
    closed : tuple of str
        Names of acid sites at which the guest does not fit.

    Examples
    --------
    >>> done = CandidateSet((), None, failed=("T3-O5-1: the calculator failed",), closed=("T12-O12",))
    >>> done.exit_code, done.closed
    (1, ('T12-O12',))
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
    calculator: str | CalculatorMaker = "gfn2",
    temperature: float = 298.0,
    quiet: bool = False,
) -> CandidateSet:
    """Make structures of a zeolite with an acid site and a guest that is docked at it and relaxed.

    Each is written when it is finished; the same call again goes on with those that are missing, and one for other
    sites or more orientations adds to the folder.

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
        ``"gfn2"``, ``"gfn1"``, ``"none"`` (docked only), or what makes an ASE calculator at each call. The folder knows
        it again by its class, its parameters, and the energy that it gives to the molecule alone.
    temperature : float, default 298
        For the Boltzmann weights [K].
    quiet : bool, default False
        Show no progress.

    Returns
    -------
    CandidateSet
        All candidates of the folder that were made with these settings.

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
        make, molecule = maker(calculator), read_guest(guest)
        cell, framework_facts = read_framework(framework)
        crystal = enlarged(cell, _SMALLEST)
        starts, closed = docked_starts(crystal, molecule, search)
    base = _Unrelaxed(crystal, named_molecule(molecule))
    settings = {
        **(framework_facts | guest_facts(guest) | search_facts(search)),
        **calculator_facts(calculator, Atoms(base.molecule.numbers, base.molecule.positions)),
    }
    run = Run(folder, settings, base)
    run.check(starts, [Path(one) for one in (framework, guest) if not isinstance(one, Atoms)])
    for site in closed:
        say(f"{site.name}: the guest does not fit before this proton; left out")
    relaxer = Relaxer(crystal, make, search)
    with progress(COMMAND, len(starts), "candidates", quiet) as advance:
        for start in starts:
            if not run.kept(start.name):
                run.make(start, relaxer)
            advance(1)
    found = run.finished()
    shares = Shares.of(found, temperature)
    if found:
        write_table(folder.path / TABLE, found, shares)
        draw_candidates(found, shares, folder.path / PICTURE)
    _tell(run, found, len(starts))
    weights = None if shares is None else shares.weights
    return CandidateSet(tuple(found), weights, tuple(run.failed), tuple(site.name for site in closed))


class _Unrelaxed:
    """Crystals with acid site and guest, for candidates of earlier runs, whose atoms are then put where they were."""

    def __init__(self, crystal: Atoms, molecule: Molecule) -> None:
        self.crystal, self.molecule = crystal, molecule
        self._sites = {(site.t, site.oxygen_site): site for site in acid_sites(crystal)}

    def __call__(self, t: int, oxygen: int) -> Atoms | None:
        site = self._sites.get((t, oxygen))
        if site is None:
            return None
        return attach_guest(make_acid(self.crystal, site), self.molecule, self.molecule.positions)


def _tell(run: Run, found: Sequence[Candidate], asked: int) -> None:
    """Say how many candidates there are, and what the folder holds beside them."""
    say(f"{run.folder.path}: {len(found)} candidates; this run asked for {asked}, {len(run.failed)} failed")
    others = run.others()
    if others:
        say(
            f"{run.folder.path}: holds {len(others)} candidates made with other settings, such as {others[0]}; they "
            "are not in the table"
        )
