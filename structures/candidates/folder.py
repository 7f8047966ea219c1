"""Which candidates of a folder are finished, which failed, and what they were made with."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

import stemforge
from stemforge.console import console, say
from stemforge.errors import InputError, StructureError
from stemforge.files import sha256_of_file, write_text
from stemforge.outputs.folder import ResultFolder
from stemforge.outputs.record import RunRecord
from stemforge.structures.candidates.building import Relaxer
from stemforge.structures.candidates.guest_at_site import Candidate
from stemforge.structures.candidates.search import Start
from stemforge.structures.candidates.table import cif_text
from stemforge.structures.reading.files import read_sites

__all__ = ["COMMAND", "PICTURE", "TABLE", "Run"]

COMMAND = "structures candidates"
TABLE, PICTURE = "candidates.csv", "candidates.png"
_SAME_ENERGY = 1e-3  # eV; calculators on graphics cards do not repeat to the last digit


class Run:
    """Candidates of one folder, and what ``run.json`` knows of them.

    Parameters
    ----------
    folder : ResultFolder
        Where they go.
    settings : dict
        What they are made with. Where ``NAME_sha256`` is known, ``NAME`` may differ: a file may be moved.
    crystal : callable
        Returns the crystal with acid site and guest, wherever the guest is, for the numbers of T site and oxygen; None
        where there is no such site.
    """

    def __init__(
        self, folder: ResultFolder, settings: dict[str, Any], crystal: Callable[[int, int], Atoms | None]
    ) -> None:
        self.folder, self.crystal = folder, crystal
        self.settings = json.loads(json.dumps(settings))
        self.record = RunRecord(folder, COMMAND)
        self.failed: list[str] = []
        self._made: dict[str, Candidate] = {}

    def check(self, starts: Sequence[Start], inputs: Sequence[Path] = ()) -> None:
        """Refuse a folder that cannot be written to, or holds other candidates or foreign files of these names."""
        self.folder.check()
        self.record.check()
        names = [start.name for start in starts]
        results = [TABLE, PICTURE, *(f"{name}.cif" for name in names)]
        ResultFolder(self.folder.path, overwrite=True, option=self.folder.option).refuse(results, inputs)
        finished = {name: entry for name, entry in self.record.entries().items() if entry.get("results")}
        for name, entry in finished.items():
            changed = self._changed(entry)
            if changed and not self.folder.overwrite:
                raise InputError(
                    f"{self.folder.option} {self.folder.path}: holds {name}, made with another {changed[0]}; choose "
                    "another folder, or replace them (overwrite)"
                )
        foreign = [] if finished else [TABLE, PICTURE]
        foreign += [f"{name}.cif" for name in names if not self._is_as_written(name, finished.get(name, {}))]
        self.folder.refuse(foreign)

    def _changed(self, entry: dict[str, Any]) -> list[str]:
        """Return what a candidate was made with that is now another."""
        keys = [key for key in self.settings if f"{key}_sha256" not in self.settings]
        return [key.removesuffix("_sha256") for key in keys if not self._alike(key, entry.get(key))]

    def _alike(self, key: str, before: Any) -> bool:
        now = self.settings[key]
        if key == "calculator_energy" and isinstance(before, float) and isinstance(now, float):
            return math.isclose(before, now, abs_tol=_SAME_ENERGY)
        return bool(before == now)

    def _is_as_written(self, name: str, entry: dict[str, Any]) -> bool:
        """Whether a candidate's file is the one that was written; anyone may have changed it since."""
        path = self.folder.path / f"{name}.cif"
        return path.is_file() and sha256_of_file(path) == entry.get("sha256")

    def kept(self, name: str) -> bool:
        """Whether a candidate was finished by an earlier run.

        Where results may be replaced, those that would be the same again are kept all the same, so that such a run can
        be stopped and goes on, too.
        """
        if name in self._made:
            return True
        entry = self.record.entries().get(name, {})
        if self._changed(entry) or not self._is_as_written(name, entry):
            return False
        if self.folder.overwrite and entry.get("stemforge") != stemforge.__version__:
            return False
        candidate = self._read(name, entry.get("candidate"))
        if candidate is not None:
            self._made[name] = candidate
        return candidate is not None

    def _read(self, name: str, facts: Any) -> Candidate | None:
        """Return a candidate of an earlier run, None where what is there is not enough for one."""
        if not isinstance(facts, dict) or facts.get("name") != name:
            return None
        try:
            sites = read_sites(self.folder.path / f"{name}.cif", cif=True).atoms
            candidate = Candidate.from_dict(facts, sites)
        except ValueError:  # of another version
            return None
        atoms = self.crystal(candidate.t_site, candidate.oxygen_site)
        if atoms is None or not np.array_equal(sites.numbers, atoms.numbers):
            return None
        atoms.positions = sites.positions  # the file states no symmetry: they are where they were
        return replace(candidate, atoms=atoms)

    def make(self, start: Start, relaxer: Relaxer) -> None:
        """Make one candidate; one that fails is named and left out."""
        begun = time.monotonic()
        entry = {"stemforge": stemforge.__version__, **self.settings}
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
            say(_unsettled(candidate, relaxer.search.fmax))
        facts = {"candidate": candidate.to_dict(), "seconds": round(time.monotonic() - begun, 2)}
        text, name = cif_text(candidate.atoms), f"{start.name}.cif"
        digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
        self.folder.path.mkdir(parents=True, exist_ok=True)
        # The record comes first: a file without an entry would be taken for the user's.
        self.record.add(start.name, {**entry, **facts, "sha256": digest, "results": [name]})
        self.record.save()
        write_text(self.folder.path / name, text)
        self._made[start.name] = candidate

    def finished(self) -> list[Candidate]:
        """Return all candidates of the folder that were made with these settings, by T site, oxygen and orientation."""
        for name in self.record.entries():
            self.kept(name)
        return sorted(self._made.values(), key=lambda one: (one.t_site, one.oxygen_site, _orientation(one)))

    def others(self) -> list[str]:
        """Return names of candidates in the folder that were made with other settings."""
        entries = self.record.entries()
        return [name for name in entries if name not in self._made and entries[name].get("results")]


def _orientation(candidate: Candidate) -> tuple[int, str]:
    """Return what sorts the candidates of one acid site."""
    return len(candidate.name), candidate.name


def _unsettled(candidate: Candidate, fmax: float) -> str:
    """Say what was still moving when the steps were used up."""
    forces = {
        "it": candidate.force or 0.0,
        "the empty site or the molecule alone": candidate.reference_force or 0.0,
    }
    left = [f"{what} ({force:.2f} eV/Å)" for what, force in forces.items() if force > fmax]
    return f"{candidate.name}: not converged, its energy is not to be trusted: {', '.join(left)} still moving"
