"""Many images, one after the other: what was read is worked on, what fails is left out and named, the rest goes on."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import stemforge
from stemforge.console import console, progress, say
from stemforge.errors import InputError, WriteError
from stemforge.infer.pictures import Artist
from stemforge.infer.resampling import enough_memory
from stemforge.infer.results import Results
from stemforge.micrograph.image import Micrograph
from stemforge.options import Reading
from stemforge.outputs.folder import ResultFolder, name_clash
from stemforge.outputs.record import RECORD, RunRecord


@dataclass(frozen=True)
class Outcome:
    """What came of a batch.

    Parameters
    ----------
    images
        How many there were.
    found
        How many things were found on them.
    failed
        Why images were left out, one message each.

    Examples
    --------
    >>> Outcome(images=3, found=41, failed=("blank.tif: every pixel has the same value",)).exit_code
    1
    >>> Outcome(images=3, found=64).exit_code
    0
    """

    images: int
    found: int
    failed: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0; 1 where some images were left out; 2 where the only one was: nothing but bad input."""
        if self.images == len(self.failed) == 1:
            return 2
        return 1 if self.failed else 0


@dataclass(frozen=True)
class Batch:
    """The images of one command and where their results go.

    Parameters
    ----------
    images
        Image files.
    out
        Folder for the results; made with the first one.
    endings
        What each image's results are called after its name, such as ``.csv`` and ``.png``.
    reading
        Pixel size and frames of the files.
    overwrite
        Replace results that are already there.
    quiet
        Show no progress.
    artist
        Draws each image's pictures while the next one is worked on; None: they are drawn before.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.micrograph.writers import write_tiff
    >>> for name in "ab":
    ...     write_tiff(f"{name}.tif", np.eye(32), sampling=0.3)
    >>> batch = Batch([Path("a.tif"), Path("b.tif")], Path("out"), (".json",), quiet=True)
    >>> def measure(micrograph, results):
    ...     results.path(".json").write_text(f"{micrograph.sampling:.1f}")
    ...     return 1
    >>> outcome = batch.run("sizes", measure, "images", {})
    >>> outcome.found, sorted(path.name for path in Path("out").iterdir())
    (2, ['a.json', 'b.json', 'run.json'])
    """

    images: Sequence[Path]
    out: Path
    endings: Sequence[str]
    reading: Reading = Reading()
    overwrite: bool = False
    quiet: bool = False
    artist: Artist | None = None

    @property
    def folder(self) -> ResultFolder:
        """The folder ``out`` with what may go there."""
        return ResultFolder(self.out, self.overwrite)

    def check_out(self) -> None:
        """Refuse to replace results or images silently, to mix two images of the same name, or what cannot be written.

        Raises
        ------
        InputError, WriteError
            Nothing has been written then.
        """
        names = [(f"{path.stem}{ending}", path) for path in self.images for ending in self.endings]
        clash = name_clash(names, self.out)
        if clash is not None:
            name, first, second = clash
            if first.resolve() == second.resolve():
                raise InputError(f"{first}: is given twice; give each image once")
            raise InputError(
                f"{first} and {second}: their results would overwrite each other ({name}); give each a folder of its "
                "own (out), or rename one"
            )
        planned = [name for name, _ in names]
        if RECORD in planned:
            raise InputError(f"out {self.out}: a result would be called {RECORD}; rename the image")
        self.folder.check([*planned, *self._existing_frames()], self.images)
        RunRecord(self.folder, "").check()

    def _existing_frames(self) -> list[str]:
        """Return results of stacks' frames that exist, such as image_000.csv; how many will come is not known yet."""
        if not ((self.reading.stack or self.reading.frame is not None) and self.out.is_dir()):
            return []
        stems, endings = (
            "|".join(map(re.escape, names)) for names in ({p.stem for p in self.images}, self.endings)
        )
        frame = re.compile(rf"(?:{stems})_\d{{3,}}(?:{endings})")
        return sorted(path.name for path in self.out.iterdir() if frame.fullmatch(path.name))

    def run(
        self, title: str, work: Callable[[Micrograph, Results], int], noun: str, options: Mapping[str, Any]
    ) -> Outcome:
        """Work on every image; what fails is named and left out.

        The results of an image appear together. After a full disk, or where the folder can no longer be written to, no
        further image is worked on.

        Parameters
        ----------
        title
            Name of the command.
        work
            Makes the results of one micrograph; returns how many things it found. Raises InputError where the
            image cannot be used.
        noun
            What is counted.
        options
            What the results were made with: stands in ``run.json`` in each image's entry.

        Returns
        -------
        Outcome
            What was found, and what failed.
        """
        run = _Run(self, work, {**options, **_given(self.reading)}, RunRecord(self.folder, title))
        with progress(title, len(self.images), "images", self.quiet) as advance:
            try:
                for path in self.images:
                    if not run.image(path):
                        break
                    advance(1)
            finally:
                run.finish()
                run.save()
        for remark in run.remarks:
            say(remark)
        frames = f" ({run.frames} frame{'s' * (run.frames != 1)})" if self.reading.stack else ""
        say(f"{self.out}: {run.found} {noun} on {run.done} of {len(self.images)} images{frames}")
        return Outcome(len(self.images), run.found, tuple(run.failed.values()))


_LEFT = "run the command with the images that are left; what was finished is kept"


@dataclass(frozen=True)
class _Unfinished:
    """An image that was worked on, and whose pictures are being drawn."""

    results: Results
    count: int
    path: Path
    stamp: list[int] | None
    stage: ExitStack


class _Run:
    """A batch that is worked on."""

    def __init__(
        self,
        batch: Batch,
        work: Callable[[Micrograph, Results], int],
        options: Mapping[str, Any],
        record: RunRecord,
    ) -> None:
        self.batch, self.work, self.options, self.record = batch, work, options, record
        self.failed: dict[Path, str] = {}
        self.found = self.frames = 0
        self.remarks: dict[str, None] = {}
        self.full = False
        self._worked: set[Path] = set()
        self._lost: set[Path] = set()
        self._written: dict[str, Path] = {}
        self._unfinished: _Unfinished | None = None

    def image(self, path: Path) -> bool:
        """Work on one file; say whether the next one can be worked on."""
        stamp = file_stamp(path)  # before it is read: what replaces it meanwhile has another one
        with self._failing(path):
            for micrograph in self.batch.reading.read(path):
                made = self._made(micrograph, path, stamp)
                self.finish(made)
                if self.batch.artist is None or made.results.further is not None:
                    self.finish()
        self._worked.add(path)
        return not self.full

    @property
    def done(self) -> int:
        """How many files were worked on without a failure."""
        return len(self._worked - self._lost)

    def finish(self, following: _Unfinished | None = None) -> None:
        """Have the image that is being drawn finished, and the following one drawn."""
        made, self._unfinished = self._unfinished, following
        if made is None:
            return
        if self.full:  # that was said, and what to do
            self._lost.add(made.path)
            with suppress(InputError):
                made.stage.__exit__(WriteError, WriteError("full"), None)
            return
        with self._failing(made.path):
            self._publish(made)
            if made.results.further is not None:
                self._add(made, made.results.further)

    def save(self) -> None:
        """Write ``run.json``."""
        try:
            self.record.save()
        except WriteError as error:
            if str(error) not in self.failed.values():
                self._fail(self.batch.out / RECORD, error)

    @contextmanager
    def _failing(self, path: Path) -> Iterator[None]:
        """Name an image that fails, and note it."""
        try:
            yield
        except InputError as error:
            self._lost.add(path)
            self._fail(path, error)
            if isinstance(error, WriteError):
                self.full = True
            else:
                self.record.fail(path.stem, {"file": path.absolute(), "failed": str(error)})

    def _made(self, micrograph: Micrograph, path: Path, stamp: list[int] | None) -> _Unfinished:
        name = micrograph.name.replace("/", "_")
        other = self._written.get(name)
        if other is not None:
            raise InputError(
                f"{path}: its results would replace those of {other} ({name}); use another folder"
            )
        with ExitStack() as stack:
            results = self._results(name, stack)
            with enough_memory(micrograph.name):
                count = self.work(micrograph, results)
            self._written[name] = path
            return _Unfinished(results, count, path, stamp, stack.pop_all())

    def _results(self, name: str, stack: ExitStack) -> Results:
        folder, inputs = self.batch.folder, self.batch.images
        return Results(name, lambda: stack.enter_context(folder.staged(inputs, _LEFT)), self.batch.artist)

    def _publish(self, made: _Unfinished) -> None:
        """Put an image's results into the folder, and note them."""
        with made.stage, enough_memory(made.results.name):
            made.results.finish()
        self.found += made.count
        self.frames += 1
        name, names = made.results.name, made.results.names
        if self.batch.overwrite:
            self._remove_older(name, names)
        self._note(made, made.results.facts, names)
        self.remarks |= made.results.remarks

    def _note(self, made: _Unfinished, facts: Mapping[str, Any], names: Sequence[str]) -> None:
        entry = {"file": made.path.absolute(), "stamp": made.stamp, "stemforge": stemforge.__version__}
        self.record.add(made.results.name, {**entry, **self.options, **facts, "results": list(names)})

    def _add(self, made: _Unfinished, further: Callable[[Results], None]) -> None:
        """Add what takes long to results that are there: who stops it keeps those."""
        self.record.save()
        try:
            with ExitStack() as stack:
                added = self._results(made.results.name, stack)
                with enough_memory(made.results.name):
                    further(added)
                    added.finish()
        except InputError as error:
            say(f"{error}; the other results are there")
            self.failed.setdefault(made.path, str(error))
            self.full |= isinstance(error, WriteError)
            return
        self.remarks |= added.remarks
        self._note(made, made.results.facts | added.facts, made.results.names + added.names)

    def _remove_older(self, name: str, made: Sequence[str]) -> None:
        """Remove results of an earlier run that this one does not have: beside its own they would seem to belong."""
        known = self.record.entries().get(name, {}).get("results")
        for old in known if isinstance(known, list) else ():
            # The record is a file: what it lists must be a result of this image, in this folder.
            of_image = (
                isinstance(old, str) and old.startswith((f"{name}.", f"{name}_")) and Path(old).name == old
            )
            if of_image and old not in made:
                with suppress(OSError):
                    (self.batch.out / old).unlink(missing_ok=True)

    def _fail(self, path: Path, error: InputError) -> None:
        self.failed.setdefault(path, str(error))
        text = str(error).replace("[", chr(92) + "[")
        console.print(f"[bold red]left out:[/] {text}", soft_wrap=True, highlight=False)


def file_stamp(path: Path) -> list[int] | None:
    """Return size [bytes] and time of change [ns] of a file, by which a replaced one is known; None without a file.

    Examples
    --------
    >>> file_stamp(Path("no such file"))
    """
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _given(reading: Reading) -> dict[str, Any]:
    """Return how the files were read, where the user said so."""
    return {name: value for name, value in asdict(reading).items() if value not in (None, False)}
