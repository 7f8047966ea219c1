"""Which candidates of a folder are finished, which failed, and what they were made with."""

import json
import time
from collections.abc import Sequence
from typing import Any, cast

from ase import Atoms
from ase.io import read

import stemforge
from stemforge.console import console, say
from stemforge.errors import InputError, StructureError
from stemforge.files import write_text
from stemforge.outputs.folder import ResultFolder
from stemforge.outputs.record import RunRecord
from stemforge.structures.candidates.building import Candidate, Relaxer
from stemforge.structures.candidates.search import Start
from stemforge.structures.candidates.table import cif_text

__all__ = ["COMMAND", "PICTURE", "TABLE", "Run"]

COMMAND = "structures candidates"
TABLE, PICTURE = "candidates.csv", "candidates.png"


class Run:
    """Candidates of one folder, and what ``run.json`` knows of them."""

    def __init__(self, folder: ResultFolder, options: dict[str, Any]) -> None:
        self.folder = folder
        self.options = json.loads(json.dumps(options))
        self.record = RunRecord(folder, COMMAND)
        self.failed: list[str] = []
        self._made: dict[str, Candidate] = {}

    def check(self, starts: Sequence[Start]) -> None:
        """Refuse a folder that cannot be written to, or holds other candidates or foreign files of these names."""
        self.folder.check()
        self.record.check()
        known = self.record.entries()
        foreign = [] if known else [TABLE, PICTURE]
        foreign += [f"{start.name}.cif" for start in starts if start.name not in known]
        self.folder.refuse(foreign)
        for name, entry in known.items():
            changed = [key for key, value in self.options.items() if entry.get(key, value) != value]
            if changed and not self.folder.overwrite:
                raise InputError(
                    f"{self.folder.option} {self.folder.path}: holds {name}, made with another {changed[0]}; choose "
                    "another folder, or replace them (overwrite)"
                )

    def kept(self, start: Start) -> bool:
        """Whether a candidate was finished by an earlier run."""
        entry = self.record.entries().get(start.name, {})
        alike = all(entry.get(key) == value for key, value in self.options.items())
        return alike and not self.folder.overwrite and self._read(start, entry)

    def _read(self, start: Start, entry: dict[str, Any]) -> bool:
        path = self.folder.path / f"{start.name}.cif"
        facts = entry.get("candidate")
        if facts is None or not path.is_file():
            return False
        try:
            atoms = start.atoms.copy()
            positions = cast(Atoms, read(path)).get_positions()
        except Exception:  # not a CIF any more: it is made again
            return False
        if len(positions) != len(atoms):
            return False
        atoms.positions = positions
        self._made[start.name] = Candidate(atoms=atoms, **facts)
        return True

    def make(self, start: Start, relaxer: Relaxer) -> None:
        """Make one candidate; one that fails is named and left out."""
        begun = time.monotonic()
        entry = {"stemforge": stemforge.__version__, **self.options}
        try:
            candidate = relaxer.candidate(start)
        except StructureError as error:
            self.failed.append(f"{start.name}: {error}")
            text = self.failed[-1].replace("[", chr(92) + "[")
            console.print(f"[bold red]left out:[/] {text}", soft_wrap=True, highlight=False)
            self.record.fail(start.name, {**entry, "failed": str(error)})
            self.record.save()
            return
        if relaxer.calculator is not None and not candidate.converged:
            say(f"{start.name}: still moving after {candidate.steps} steps ({candidate.force:.2f} eV/Å)")
        seconds = round(time.monotonic() - begun, 2)
        self.folder.path.mkdir(parents=True, exist_ok=True)
        # The record comes first: a file without an entry would be taken for the user's.
        results = [f"{start.name}.cif"]
        self.record.add(
            start.name, {**entry, "candidate": candidate.to_dict(), "seconds": seconds, "results": results}
        )
        self.record.save()
        write_text(self.folder.path / results[0], cif_text(candidate.atoms))
        self._made[start.name] = candidate

    def finished(self, starts: Sequence[Start]) -> list[Candidate]:
        """Return the candidates that were made or kept, in their order."""
        return [self._made[start.name] for start in starts if start.name in self._made]
