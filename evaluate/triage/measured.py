"""What is known of each file of a folder: measured here, by an earlier run, or failed; kept in ``run.json``."""

from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import stemforge
from stemforge.evaluate.triage.folders import ImageFile
from stemforge.evaluate.triage.result import UNREADABLE, ImageTriage
from stemforge.files import plain
from stemforge.outputs.folder import ResultFolder
from stemforge.outputs.record import RunRecord

_RECORD = "triage"


class MeasuredFiles:
    """What was measured of files, by their paths; an earlier run's measures hold while file and options are the same.

    Parameters
    ----------
    out
        Folder of the results, with the record of earlier runs.
    options
        How files are looked at: measures made otherwise do not count.

    Raises
    ------
    InputError
        A ``run.json`` in the folder is none that results can be added to.
    """

    def __init__(self, out: ResultFolder, options: Mapping[str, Any]) -> None:
        self.options = options
        self._record = RunRecord(out, _RECORD)
        self._record.check()
        self.before = {} if out.overwrite else self._record.entries()
        self.recorded = {Path(name) for name in self._record.entries()}
        self._measured: dict[Path, tuple[str, list[ImageTriage]]] = {}
        # What an earlier run could not read has its row until it was tried again.
        self._remembered_failures: dict[Path, tuple[str, list[ImageTriage]]] = {}
        self._failed: dict[Path, tuple[str, list[ImageTriage]]] = {}  # here, and to be tried again
        self.changed = False

    def add(self, file: ImageFile, found: Sequence[ImageTriage]) -> None:
        """Take what was measured of a file into the record."""
        self._measured[file.path] = (file.stamp, list(found))
        self.recorded.add(file.path)
        entry = {"file": file.path, "stamp": file.stamp, "stemforge": stemforge.__version__}
        images = [one.facts() for one in found]
        self._record.add(str(file.path), plain({**entry, "options": self.options, "images": images}))
        self.changed = True

    def fail(self, file: ImageFile, found: Sequence[ImageTriage]) -> None:
        """Note by what a file failed that is to be tried again."""
        self._failed[file.path] = (file.stamp, list(found))

    def failed(self, file: ImageFile) -> bool:
        """Say whether a file failed here and is to be tried again."""
        return file.path in self._failed

    def failure(self, file: ImageFile) -> list[ImageTriage] | None:
        """Return by what a file failed as it is now, here or in an earlier run; None where it was never tried."""
        stamp, found = {**self._remembered_failures, **self._failed}.get(file.path, ("", []))
        return found if stamp == file.stamp else None

    def knows(self, file: ImageFile) -> bool:
        """Say whether a file was measured as it is now, here or by an earlier run in the same way."""
        stamp, _ = self._measured.get(file.path, ("", []))
        return stamp == file.stamp or self._remembers(file)

    def forget(self, path: Path) -> None:
        """Drop a file that is gone, also from the record."""
        self._record.forget(str(path))
        self.recorded.discard(path)
        self._measured.pop(path, None)
        self.changed = True

    def images(self, present: Container[Path]) -> Iterator[ImageTriage]:
        """Yield what is known of the images in the files that are there."""
        for path, (_, found) in {**self._remembered_failures, **self._measured}.items():
            if path in present:
                yield from found

    def save(self) -> None:
        """Write the record."""
        self._record.save()
        self.changed = False

    def _remembers(self, file: ImageFile) -> bool:
        """Say whether an earlier run measured the file as it is, in the same way; take over what it found."""
        entry = self.before.get(str(file.path), {})
        if entry.get("stamp") != file.stamp or entry.get("options") != self.options:
            return False
        try:
            found = [ImageTriage.from_facts(facts) for facts in entry["images"]]
        except (KeyError, TypeError, ValueError):  # of an older stemforge
            return False
        if any(one.verdict == UNREADABLE for one in found):
            self.changed |= file.path not in self._remembered_failures
            self._remembered_failures[file.path] = (file.stamp, found)
            return False
        self._measured[file.path] = (file.stamp, found)
        self.changed = True
        return True
