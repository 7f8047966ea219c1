"""``run.json``: what a folder's results were made of, an entry for each image; runs add to it."""

import json
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemforge.errors import InputError
from stemforge.files import write_json
from stemforge.outputs.folder import ResultFolder

RECORD = "run.json"
"""File beside the results with what is known of each image."""

# Writing at each image would take longer with each image.
_SAVE_EVERY = 10.0  # seconds


class RunRecord:
    """The entries that one command adds to ``run.json``, by image.

    ``{"infer atoms": {"spots": {"file": "/data/spots.tif", "threshold": 0.42, …}}}``: for each command one entry an
    image, so that ``pandas.DataFrame(record["infer atoms"]).T`` is a table. Entries of other images and of other
    commands stay, also where two runs write at the same time.

    Parameters
    ----------
    folder
        Where the file lies.
    command
        Whose entries these are.
    """

    def __init__(self, folder: ResultFolder, command: str) -> None:
        self.folder = folder
        self.command = command
        self._new: dict[str, dict[str, Any]] = {}
        self._gone: set[str] = set()
        self._saved = time.monotonic()

    def check(self) -> None:
        """Refuse a file that is no such record, unless results may be replaced.

        Raises
        ------
        InputError
            It is damaged, or another program's.
        """
        if self._read() is None and not self.folder.overwrite:
            raise InputError(
                f"{self.folder.option} {self.folder.path}: {RECORD} in it is no record that results can be added to; "
                "choose another folder, or replace it (overwrite)"
            )

    def entries(self) -> dict[str, dict[str, Any]]:
        """Return this command's entries, by image: those in the file and those that are not saved yet."""
        every = {**(self._read() or {}).get(self.command, {}), **self._new}
        return {name: entry for name, entry in every.items() if name not in self._gone}

    def add(self, name: str, entry: Mapping[str, Any]) -> None:
        """Note what was made of an image; saved now and then."""
        self._new[name] = dict(entry)
        self._gone.discard(name)
        if time.monotonic() - self._saved > _SAVE_EVERY:
            self.save()

    def fail(self, name: str, entry: Mapping[str, Any]) -> None:
        """Note that nothing came of an image; what is known of results that it has from before stays known."""
        self._new[name] = {**entry, "results": None}
        self._gone.discard(name)

    def forget(self, name: str) -> None:
        """Drop the entry of an image that is there no more, when the record is saved next."""
        self._new.pop(name, None)
        self._gone.add(name)

    def save(self) -> None:
        """Write the new entries beside those that are in the file by now; nothing where there is no folder.

        Raises
        ------
        WriteError
            The disk is full.
        """
        self._saved = time.monotonic()
        if not ((self._new or self._gone) and self.folder.path.is_dir()):
            return
        with self.folder.lock():
            content = self._read() or {}
            entries = content.setdefault(self.command, {})
            for name, entry in self._new.items():
                entries[name] = _merged(entries.get(name), entry)
            for name in self._gone:
                entries.pop(name, None)
            write_json(self.folder.path / RECORD, content)
        self._new.clear()
        self._gone.clear()

    def _read(self) -> dict[str, dict[str, Any]] | None:
        """Return what is in the file, nothing where there is none, None where it is no record."""
        with suppress(ValueError, OSError, AttributeError):
            content = json.loads((self.folder.path / RECORD).read_text(encoding="utf-8"))
            entries = list(content.values())
            if all(isinstance(entry, dict) for group in entries for entry in group.values()):
                return content
        return None if (self.folder.path / RECORD).exists() else {}


def recorded_results(folder: Path) -> set[str]:
    """Return the names of files in a folder that any command recorded as its results."""
    groups = (RunRecord(ResultFolder(folder), "")._read() or {}).values()
    listed = [entry.get("results") for entries in groups for entry in entries.values()]
    return {name for names in listed if isinstance(names, list) for name in names}


def _merged(before: dict[str, Any] | None, entry: dict[str, Any]) -> dict[str, Any]:
    """Return the entry to keep: of an image that failed, results from before are still there."""
    if entry.get("results", ()) is not None:
        return entry
    if before and before.get("results"):
        return {**before, "failed": entry["failed"]}
    return {name: value for name, value in entry.items() if name != "results"}


@dataclass(frozen=True)
class TableRecord:
    """What ``run.json`` beside a table says of the image that the table was made of.

    Parameters
    ----------
    name
        Of the image's entry.
    entry
        The entry; empty where none is known.
    """

    name: str
    entry: Mapping[str, Any]

    @classmethod
    def beside(cls, table: Path, command: str | None = None) -> "TableRecord":
        """Return what is known of a table.

        Parameters
        ----------
        table
            A file of results, such as ``spots.csv`` or ``film_columns.csv``.
        command
            Which command made it; any by default.
        """
        content = RunRecord(ResultFolder(table.parent), command or "")._read() or {}
        groups = content.values() if command is None else [content.get(command, {})]
        for entries in groups:
            for name, entry in entries.items():
                results = entry.get("results")
                if name == table.stem or (isinstance(results, list) and table.name in results):
                    return cls(name, entry)
        return cls(table.stem, {})

    @property
    def reading(self) -> dict[str, Any] | None:
        """How the image is read, as arguments of :func:`stemforge.read_micrograph`; None where no file is known."""
        file = self.entry.get("file")
        if not isinstance(file, str) or not Path(file).is_file():
            return None
        reading = {"path": Path(file), "frame": self.entry.get("frame"), "signal": self.entry.get("signal")}
        frame = re.fullmatch(rf"{re.escape(Path(file).stem)}_(\d{{3,}})", self.name)
        if self.entry.get("stack") and frame:
            reading["frame"] = int(frame[1])
        return reading

    @property
    def sampling(self) -> float | None:
        """Pixel size of the image that the command worked with [Å]; None where the entry does not say it."""
        known = self.entry.get("sampling")
        known = known.get("angstrom") if isinstance(known, Mapping) else known
        if not isinstance(known, int | float) or isinstance(known, bool) or not known > 0:
            return None
        return float(known)
