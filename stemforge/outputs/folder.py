"""A folder of results: nothing in it is replaced unasked, and what belongs together appears together."""

import os
import shutil
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from stemforge.errors import InputError, WriteError
from stemforge.files import KEPT, PARTIAL, writing
from stemforge.outputs.locks import hold_folder
from stemforge.outputs.places import check_folder, ignores_case, same_file

# Folders of results that this process is making: where a file system locks nothing they would seem to be abandoned.
_stages: set[Path] = set()
_LONGEST_NAME = 255  # bytes, on nearly all file systems


@dataclass(frozen=True)
class ResultFolder:
    """The folder that a command's ``out`` names.

    Parameters
    ----------
    path
        The folder; made with the first result.
    overwrite
        Replace results that are already in it.
    option
        Names it in messages.

    Examples
    --------
    >>> folder = ResultFolder(Path(tempfile.mkdtemp()) / "scores")
    >>> folder.check(["scores.csv"])
    >>> with folder.staged() as staging:
    ...     _ = (staging / "scores.csv").write_text("f1")
    >>> [path.name for path in folder.path.iterdir()]
    ['scores.csv']
    >>> folder.check(["scores.csv"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    stemforge.errors.InputError: out ...: already holds scores.csv; choose another folder, or replace them (overwrite)
    """

    path: Path
    overwrite: bool = False
    option: str = "out"

    def check(self, names: Iterable[str] = (), inputs: Sequence[Path] = ()) -> None:
        """Refuse, before any work, a folder into which these results cannot go.

        Parameters
        ----------
        names
            Names of the results.
        inputs
            Files that are read and must not be replaced.

        Raises
        ------
        InputError
            It is a file, holds some of the results, or one of them would replace an input; or a name is too long.
        WriteError
            It cannot be written to.
        """
        names = list(names)
        long = [name for name in names if len(os.fsencode(name)) > _LONGEST_NAME]
        if long:
            raise InputError(
                f"{self.option} {self.path}: a result's name would be longer than the {_LONGEST_NAME} bytes that file "
                f"systems allow ({long[0][:40]}…); rename the image"
            )
        check_folder(self.path, self.option)
        self.refuse(names, inputs)

    def refuse(self, names: Iterable[str], inputs: Sequence[Path] = ()) -> None:
        """Refuse names of results that are taken, or would replace an input even where others may be replaced."""
        if not self.path.is_dir():
            return
        taken = [name for name in names if os.path.lexists(self.path / name)]
        for name in taken:
            image = same_file(self.path / name, inputs)
            if image is not None:
                raise InputError(
                    f"{self.option} {self.path}: a result would replace the image {image}; choose another folder"
                )
        folders = [name for name in taken if (self.path / name).is_dir()]
        if folders:
            raise InputError(
                f"{self.option} {self.path}: holds a folder {folders[0]} where a result should go; choose another one"
            )
        if taken and not self.overwrite:
            raise InputError(
                f"{self.option} {self.path}: already holds {', '.join(taken[:5])}; choose another folder, or replace "
                "them (overwrite)"
            )

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other runs out of the folder for a moment; the lock is the process's, nothing is left after ``kill``."""
        with writing(self.path):
            release = hold_folder(self.path, wait=True)
        try:
            yield
        finally:
            release()

    @contextmanager
    def staged(self, inputs: Sequence[Path] = (), then: str = KEPT) -> Iterator[Path]:
        """Yield a new folder for results that belong together; they move into this one at the end, or not at all.

        Raises
        ------
        InputError
            Another run has meanwhile written a result of the same name.
        WriteError
            The disk is full, or the folder can no longer be written to.
        """
        new = not self.path.exists()
        staging, release = self._stage()
        try:
            with writing(self.path, then=then):
                try:
                    yield staging
                except WriteError as error:  # a user knows the folder, not the part of it
                    raise WriteError(str(error).replace(str(staging), str(self.path))) from error
                results = sorted(staging.iterdir())
            with self.lock():
                self.refuse([path.name for path in results], inputs)
                with writing(self.path, then=then):
                    for path in results:
                        path.replace(self.path / path.name)
        finally:
            _stages.discard(staging)
            release()
            shutil.rmtree(staging, ignore_errors=True)
            if new:
                with suppress(OSError):
                    self.path.rmdir()  # if nothing came of it

    def _stage(self) -> tuple[Path, Callable[[], None]]:
        """Make a folder for results that are not finished, and hold it; those of runs that were killed are removed."""
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        with self.lock(), writing(self.path):
            for abandoned in set(self.path.glob(f"stage-*{PARTIAL}")) - _stages:
                with suppress(OSError):
                    hold_folder(abandoned)()
                    shutil.rmtree(abandoned, ignore_errors=True)
            staging = Path(tempfile.mkdtemp(PARTIAL, "stage-", self.path))
            _stages.add(staging)
            return staging, hold_folder(staging)


def name_clash(names: Iterable[tuple[str, Path]], folder: Path) -> tuple[str, Path, Path] | None:
    """Find two inputs whose results would have the same name.

    Parameters
    ----------
    names
        Name of each result, and what it is made of.
    folder
        Where they go: on some file systems names that differ in case only are the same.

    Returns
    -------
    tuple or None
        The name, and the two inputs.
    """
    folded = ignores_case(folder)
    taken: dict[str, Path] = {}
    for name, source in names:
        key = unicodedata.normalize("NFC", name).casefold() if folded else name
        if key in taken:
            return name, taken[key], source
        taken[key] = source
    return None
