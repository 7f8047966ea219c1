"""Candidates that ``stemforge structures candidates`` made: which acid site each stands for, and its energy."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemforge.errors import InputError
from stemforge.infer.conformation.candidates import Candidate, read_candidates
from stemforge.outputs.folder import ResultFolder
from stemforge.outputs.record import RunRecord
from stemforge.structures.candidates.folder import COMMAND, TABLE
from stemforge.structures.candidates.table import TableRow, read_table

DISPLACEMENT = 0.3
"""How far relaxations by tight binding leave molecules beside where periodic DFT has them, root mean square [Å]."""
_NAME = re.compile(r"T(\d+)-O\d+")
_ALL = 0.01  # by which rounded weights may miss 1


@dataclass(frozen=True)
class CandidateFolder:
    """Candidates of one folder.

    Parameters
    ----------
    path
        The folder.
    candidates
        Structures that an image may show, m of them.
    rows
        What the folder's table says of each.
    failed
        Names of candidates that could not be made.

    Examples
    --------
    >>> found = [("T3-O1", 3, 1, -1.2, 0.7), ("T3-O2", 3, 2, -1.1, 0.1), ("T5-O1", 5, 1, -1.1, 0.2)]
    >>> rows = [TableRow(*one, "", True, f"{one[0]}.cif") for one in found]
    >>> folder = CandidateFolder(Path("made"), (), tuple(rows))
    >>> folder.t_sites, folder.without, folder.flat_prior().tolist(), folder.energy_prior().round(1).tolist()
    ((3, 5), (1, 2, 4), [0.25, 0.25, 0.5], [0.7, 0.1, 0.2])
    """

    path: Path
    candidates: tuple[Candidate, ...]
    rows: tuple[TableRow, ...]
    failed: tuple[str, ...] = ()

    @property
    def t_sites(self) -> tuple[int, ...]:
        """Numbers of the T sites that have candidates, rising; k of them."""
        return tuple(sorted({row.t_site for row in self.rows}))

    @property
    def site_of(self) -> NDArray[np.int64]:
        """Which of the T sites each candidate is at: index in :attr:`t_sites`, shape (m,)."""
        return np.array([self.t_sites.index(row.t_site) for row in self.rows])

    @property
    def without(self) -> tuple[int, ...]:
        """Numbers of the T sites for which there is no candidate, as far as the folder tells."""
        tried = [int(match[1]) for match in map(_NAME.match, self.failed) if match]
        every = {*range(1, max(self.t_sites) + 1), *tried}  # T sites are numbered from 1 on
        return tuple(sorted(every.difference(self.t_sites)))

    @property
    def unsettled(self) -> tuple[str, ...]:
        """Names of candidates whose relaxation did not come to rest."""
        return tuple(row.name for row in self.rows if row.energy is not None and not row.converged)

    def flat_prior(self) -> NDArray[np.float64]:
        """Return prior probabilities, shape (m,): all T sites alike, and all minima of a site.

        Candidates that came to rest in one minimum count once.
        """
        counts = np.array([not row.same_as for row in self.rows], dtype=float)
        of_site = np.bincount(self.site_of, weights=counts).astype(np.float64)
        return np.asarray(counts / of_site[self.site_of] / len(of_site))

    def energy_prior(self) -> NDArray[np.float64]:
        """Return prior probabilities, shape (m,): the table's Boltzmann weights.

        Raises
        ------
        InputError
            The candidates were docked only, so that they have no energies.
        """
        weights = np.array([np.nan if row.weight is None else row.weight for row in self.rows])
        if np.isnan(weights).any():
            raise InputError(
                f"prior energy: the candidates in {self.path} have no energies, since they were docked only; relax "
                "them (calculator), or take the prior flat"
            )
        return np.asarray(weights / weights.sum())


def read_candidate_folder(path: str | Path, *, displacement: float = DISPLACEMENT) -> CandidateFolder:
    """Read a folder that ``stemforge structures candidates`` filled.

    Parameters
    ----------
    path
        Folder with ``candidates.csv`` and the CIF files that it names.
    displacement
        How far molecules may lie beside where the files have them, across the beam: root mean square [Å].

    Returns
    -------
    CandidateFolder
        Candidates, acid sites and energies.

    Raises
    ------
    InputError
        No such table, one that is damaged, or candidates that cannot be compared.

    Examples
    --------
    >>> import tempfile
    >>> from stemforge.structures import CandidateSearch, candidates
    >>> search = CandidateSearch(t_sites=(3, 12), oxygens="best")
    >>> with tempfile.TemporaryDirectory() as made:
    ...     _ = candidates("mfi", "pyridine", made, search, calculator="none", quiet=True)
    ...     folder = read_candidate_folder(made)
    >>> folder.t_sites, folder.flat_prior().tolist()
    ((3, 12), [0.5, 0.5])
    """
    path = Path(path)
    table = path / TABLE
    if not table.is_file():
        raise InputError(
            f"candidates {path}: holds no {TABLE}; give a folder that stemforge structures candidates finished, or CIF "
            "files"
        )
    rows = tuple(read_table(table))
    _check(rows, table)
    known = read_candidates([path / row.file for row in rows], displacement=displacement)
    named = tuple(replace(one, name=row.name) for row, one in zip(rows, known, strict=True))
    entries = RunRecord(ResultFolder(path), COMMAND).entries()
    failed = tuple(sorted(name for name, entry in entries.items() if entry.get("failed")))
    return CandidateFolder(path, named, rows, failed)


def _check(rows: tuple[TableRow, ...], table: Path) -> None:
    """Refuse a table that contradicts itself: anyone may have changed it."""
    names = [row.name for row in rows]
    if len(set(names)) < len(names):
        raise InputError(f"{table}: names a candidate twice")
    for row in rows:
        others = [one for one in rows if row.same_as and one.name == row.same_as and not one.same_as]
        if row.same_as and not others:
            raise InputError(f"{table}: '{row.name}' is the same as '{row.same_as}', which the table has not")
        if others and others[0].t_site != row.t_site:
            raise InputError(
                f"{table}: '{row.name}' is the same as '{row.same_as}', which is at another T site, "
                f"T{others[0].t_site}"
            )
    weights = [row.weight for row in rows if row.weight is not None]
    if weights and not (min(weights) >= 0 and abs(sum(weights) - 1) < _ALL):
        raise InputError(f"{table}: weights must be 0 or more and add up to 1, got {sum(weights):g}")
