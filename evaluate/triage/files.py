"""Folders of images sorted: everything looked at once, or as a microscope writes it; tables that are always whole."""

import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import stemforge
from stemforge.console import progress, say
from stemforge.errors import InputError
from stemforge.evaluate.triage.examiners import Examination, Examiners, examined
from stemforge.evaluate.triage.folders import ImageFile, SettledFiles, check_folders, image_files
from stemforge.evaluate.triage.result import COLUMNS, OPEN, UNREADABLE, VERDICTS, ImageTriage
from stemforge.evaluate.triage.sheet import ContactSheet
from stemforge.files import make_folder, plain, write_csv, write_figure, write_json
from stemforge.infer import Outcome
from stemforge.outputs.folder import ResultFolder
from stemforge.outputs.record import RunRecord

RESULTS = ("triage.csv", "triage.json", "contact-sheet.png")
"""What is written, beside run.json."""

_RECORD = "triage"
_DEFAULT = Examination()
_SAVE_EVERY, _DRAW_EVERY = 5.0, 30.0  # s
_UNFINISHED = "still being written, or just written, when watching ended"


@dataclass(frozen=True)
class Watch:
    """How a folder is watched that a microscope writes into.

    Parameters
    ----------
    watch_for
        How long [s]; None until Ctrl-C.
    every
        Time between two looks at the folder [s].
    settle
        How long a file must not have changed [s].
    patience
        How long one that cannot be read is tried again [s].
    """

    watch_for: float | None = None
    every: float = 1.0
    settle: float = 2.0
    patience: float = 60.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{name} must be a positive number of seconds, not {value}")


def triage_folders(
    folders: Sequence[Path],
    out: ResultFolder,
    examination: Examination = _DEFAULT,
    *,
    watch: Watch | None = None,
    workers: int = 2,
    quiet: bool = False,
) -> Outcome:
    """Sort the images in folders by whether they are worth opening.

    Writes a table with a row an image, the best first (``triage.csv``), what its columns mean (``triage.json``), and a
    sheet of the best and the doubtful images (``contact-sheet.png``). ``run.json`` keeps what was measured: images that
    did not change are not looked at again, unless results are to be replaced. What cannot be read has a row that says
    why.

    Parameters
    ----------
    folders
        With image files, also in folders below.
    out
        Where results go.
    examination
        Detector, and how files are read.
    watch
        Go on looking for new files; None looks once.
    workers
        Processes that work side by side.
    quiet
        Show no progress.

    Returns
    -------
    Outcome
        How many images there are, how many to open first, and which could not be read.

    Raises
    ------
    InputError
        Folders, weights or results that cannot be; nothing has been written then.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from stemforge.micrograph.writers import write_tiff
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_tiff(folder / "noise.tif", np.random.default_rng(0).poisson(30.0, (96, 96)), 0.25)
    >>> triage_folders([folder], ResultFolder(folder / "triage"), workers=1, quiet=True)
    Outcome(images=1, found=0, failed=())
    """
    if workers < 1:
        raise InputError(f"workers must be 1 at least, not {workers}")
    check_folders(folders)
    session = _Session(folders, out, examination, quiet)
    if watch is None and not session.files():
        raise InputError(
            f"{', '.join(map(str, folders))}: no image file in it; give folders with images, or watch"
        )
    with Examiners(examination, workers) as examiners:
        try:
            if watch is None:
                session.look_once(examiners)
            else:
                say(f"watching {', '.join(map(str, folders))}; Ctrl-C ends it, and keeps what was measured")
                with suppress(KeyboardInterrupt):
                    session.look_on(examiners, watch)
        finally:
            session.save(draw=True)
    return session.outcome()


class _Session:
    """The images of one call, and what is known of them."""

    def __init__(
        self, folders: Sequence[Path], out: ResultFolder, examination: Examination, quiet: bool
    ) -> None:
        self.folders, self.out, self.quiet = folders, out, quiet
        self.options = plain({"weights": str(examination.weights), **asdict(examination.reading)})
        self.record = RunRecord(out, _RECORD)
        self.record.check()
        before = {} if out.overwrite else self.record.entries()
        # Of this command's results it knows what they are made of, and goes on with them.
        out.check(() if before else RESULTS)
        self.sheet = ContactSheet(examination.reading)
        self.measured: dict[Path, tuple[str, list[ImageTriage]]] = {}
        # What an earlier run could not read has its row until it was tried again.
        self.remembered_failures: dict[Path, tuple[str, list[ImageTriage]]] = {}
        self.failed: dict[Path, tuple[str, list[ImageTriage]]] = {}  # here, and to be tried again
        self._before = before
        self._present: set[Path] = set()
        self._recorded = {Path(name) for name in self.record.entries()}
        self._written = False
        self._saved = self._drawn = time.monotonic()
        self._changed = False

    def files(self) -> list[ImageFile]:
        """Return the image files that are there now, but for results of this command; others have no row."""
        files = [file for file in image_files(self.folders) if not self._is_result(file.path)]
        present = {file.path for file in files}
        self._changed |= present != self._present
        self._present = present
        self._forget(self._recorded - present)
        return files

    def _forget(self, absent: Iterable[Path]) -> None:
        """Drop from the record the files that are gone; those of a folder that is out of reach may come back."""
        for path in absent:
            above = [folder for folder in self.folders if path.is_relative_to(folder.absolute())]
            if above and not os.path.lexists(path) and all(folder.exists() for folder in above):
                self.record.forget(str(path))
                self._recorded.discard(path)
                self.measured.pop(path, None)
                self._changed = True

    def missing(self, files: Sequence[ImageFile]) -> list[ImageFile]:
        """Return the files of which nothing is known as they are now."""
        return [file for file in files if not (self._is_known(file) or self._is_remembered(file))]

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

    def look_on(self, examiners: Examiners, watch: Watch) -> None:
        """Look at files as they come."""
        settled = SettledFiles(watch.settle, watch.patience)
        end = float("inf") if watch.watch_for is None else time.monotonic() + watch.watch_for
        try:
            self._look_until(end, settled, watch.every, examiners)
        except KeyboardInterrupt:
            self._add_pending([file for file in self.files() if file.path in self.failed])
            raise

    def _look_until(self, end: float, settled: SettledFiles, every: float, examiners: Examiners) -> None:
        while True:
            files = self.files()
            for file, found in examined(settled.ready(self.missing(files)), examiners):
                failed = any(one.verdict == UNREADABLE for one in found)
                if failed and settled.try_again(file):
                    self.failed[file.path] = (file.stamp, found)
                    continue
                self._tell(file, found)
            self.save(draw=time.monotonic() - self._drawn > _DRAW_EVERY)
            if time.monotonic() >= end:
                self._add_pending(files)
                return
            time.sleep(every)

    def _tell(self, file: ImageFile, found: Sequence[ImageTriage]) -> None:
        """Take a file into the table, and say what was found."""
        self.add(file, found)
        for one in found:
            say(_line(one))

    def _add_pending(self, files: Sequence[ImageFile]) -> None:
        """Give a row to each file that would have been tried later: with what it failed by, or as not finished."""
        for file in self.missing(files):
            unfinished = ImageTriage(file.name, str(file.path), reasons=(_UNFINISHED,))
            stamp, found = {**self.remembered_failures, **self.failed}.get(file.path, ("", []))
            self._tell(file, found if stamp == file.stamp else [unfinished])

    def add(self, file: ImageFile, found: Sequence[ImageTriage]) -> None:
        """Take what was measured of a file into the table."""
        self.measured[file.path] = (file.stamp, list(found))
        self._recorded.add(file.path)
        entry = {"file": file.path, "stamp": file.stamp, "stemforge": stemforge.__version__}
        self.record.add(
            str(file.path),
            plain({**entry, "options": self.options, "images": [one.facts() for one in found]}),
        )
        self._changed = True
        if time.monotonic() - self._saved > _SAVE_EVERY:
            self.save()

    def rows(self) -> list[ImageTriage]:
        """Return all images, the best first."""
        known = {**self.remembered_failures, **self.measured}
        every = (one for path, (_, found) in known.items() if path in self._present for one in found)
        return sorted(every, key=lambda one: (*one.order, one.image))

    def save(self, draw: bool = False) -> None:
        """Write table, explanation and record, and draw the sheet; each is whole at any time."""
        self._saved = time.monotonic()
        rows = self.rows()
        if not (rows or self._written) or not (self._changed or draw):
            return
        self._written = True
        make_folder(self.out.path)
        write_csv(self.out.path / RESULTS[0], COLUMNS, (one.row() for one in rows))
        verdicts = Counter(one.verdict for one in rows)
        content = {"images": len(rows), "verdicts": {name: verdicts[name] for name in VERDICTS}}
        write_json(self.out.path / RESULTS[1], {**content, "options": self.options, "columns": COLUMNS})
        self.record.save()
        self._changed = False
        if draw:
            self._drawn = time.monotonic()
            write_figure(self.sheet.draw(rows), self.out.path / RESULTS[2], dpi=self.sheet.DPI)

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

    def _is_known(self, file: ImageFile) -> bool:
        stamp, _ = self.measured.get(file.path, ("", []))
        return stamp == file.stamp

    def _is_remembered(self, file: ImageFile) -> bool:
        """Say whether an earlier run measured the file as it is, in the same way; take over what it found."""
        entry = self._before.get(str(file.path), {})
        if entry.get("stamp") != file.stamp or entry.get("options") != self.options:
            return False
        try:
            found = [ImageTriage.from_facts(facts) for facts in entry["images"]]
        except (KeyError, TypeError, ValueError):  # of an older stemforge
            return False
        if any(one.verdict == UNREADABLE for one in found):
            self._changed |= file.path not in self.remembered_failures
            self.remembered_failures[file.path] = (file.stamp, found)
            return False
        self.measured[file.path] = (file.stamp, found)
        self._changed = True
        return True


def _line(one: ImageTriage) -> str:
    """Return what is printed of an image that has just been written."""
    number = (
        f", {one.atoms_expected:.0f} atoms expected" if one.verdict == OPEN and one.atoms_expected else ""
    )
    return f"{one.image}: {one.words}{number}"
