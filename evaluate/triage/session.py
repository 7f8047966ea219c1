"""The images of one call of triage: which files are there, which are to be looked at, and when results are saved."""

import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from stemforge.console import progress, say
from stemforge.evaluate.triage.examiners import Examination, Examiners, examined
from stemforge.evaluate.triage.folders import ImageFile, image_files
from stemforge.evaluate.triage.measured import MeasuredFiles
from stemforge.evaluate.triage.result import OPEN, UNREADABLE, VERDICTS, ImageTriage
from stemforge.evaluate.triage.tables import RESULTS, Tables
from stemforge.files import plain
from stemforge.infer import Outcome
from stemforge.outputs.folder import ResultFolder

_SAVE_EVERY = 5.0  # s


class Session:
    """The images of one call, and what is known of them.

    Parameters
    ----------
    folders
        With image files, also in folders below.
    out
        Where results go.
    examination
        Detector, and how files are read.
    quiet
        Show no progress.

    Raises
    ------
    InputError
        Results that are there already and are not those of this command.
    """

    def __init__(
        self, folders: Sequence[Path], out: ResultFolder, examination: Examination, quiet: bool
    ) -> None:
        self.folders, self.out, self.quiet = folders, out, quiet
        options = plain({"weights": str(examination.weights), **asdict(examination.reading)})
        self.measured = MeasuredFiles(out, options)
        # Of this command's results it knows what they are made of, and goes on with them.
        out.check(() if self.measured.before else RESULTS)
        self.tables = Tables(out, examination.reading, options)
        self.drawn = time.monotonic()  # when the sheet was
        self._present: set[Path] = set()
        self._written = False
        self._saved = time.monotonic()

    def files(self) -> list[ImageFile]:
        """Return the image files that are there now, but for results of this command; others have no row."""
        files = [file for file in image_files(self.folders) if not self._is_result(file.path)]
        present = {file.path for file in files}
        self.measured.changed |= present != self._present
        self._present = present
        self._forget(self.measured.recorded - present)
        return files

    def _forget(self, absent: Iterable[Path]) -> None:
        """Drop from the record the files that are gone; those of a folder that is out of reach may come back."""
        for path in absent:
            above = [folder for folder in self.folders if path.is_relative_to(folder.absolute())]
            if above and not os.path.lexists(path) and all(folder.exists() for folder in above):
                self.measured.forget(path)

    def missing(self, files: Sequence[ImageFile]) -> list[ImageFile]:
        """Return the files of which nothing is known as they are now."""
        return [file for file in files if not self.measured.knows(file)]

    def look_once(self, examiners: Examiners) -> None:
        """Look at every file that is there."""
        every = self.files()
        files = self.missing(every)
        if len(files) < len(every):
            say(f"{len(every) - len(files)} images did not change since they were measured")
        with progress("triage", len(files), "images", self.quiet) as advance:
            for file, found in examined(files, examiners):
                self.add(file, found)
                for one in found:
                    if one.verdict == UNREADABLE:
                        say(f"{one.image}: {one.words}")
                advance(1)

    def add(self, file: ImageFile, found: Sequence[ImageTriage]) -> None:
        """Take what was measured of a file into the table."""
        self.measured.add(file, found)
        if time.monotonic() - self._saved > _SAVE_EVERY:
            self.save()

    def rows(self) -> list[ImageTriage]:
        """Return all images, the best first."""
        return sorted(self.measured.images(self._present), key=lambda one: (*one.order, one.image))

    def save(self, draw: bool = False) -> None:
        """Write tables and record where something changed, and draw the sheet."""
        self._saved = time.monotonic()
        rows = self.rows()
        if not (rows or self._written) or not (self.measured.changed or draw):
            return
        self._written = True
        self.tables.write(rows)
        self.measured.save()
        if draw:
            self.drawn = time.monotonic()
            self.tables.draw(rows)

    def outcome(self) -> Outcome:
        """Say how many images there are of each kind."""
        rows = self.rows()
        verdicts = Counter(one.verdict for one in rows)
        counted = ", ".join(f"{verdicts[name]} {name}" for name in VERDICTS if verdicts[name])
        say(f"{self.out.path}: {len(rows)} images: {counted or 'none yet'}")
        failed = tuple(f"{one.image}: {one.why}" for one in rows if one.verdict == UNREADABLE)
        return Outcome(len(rows), verdicts[OPEN], failed)

    def _is_result(self, path: Path) -> bool:
        """Say whether a file is a result of this command.

        All is that lies in a folder of results below one that is looked at; where results go into the folder of images
        itself, or into one that holds it, only those of this command's names are.
        """
        out, folder = self.out.path.resolve(), path.parent.resolve()
        if folder == out and path.name in RESULTS:
            return True
        below = any(one.resolve() in out.parents for one in self.folders)
        return below and folder.is_relative_to(out)
