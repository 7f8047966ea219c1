"""Image files below folders, and whether a file is whole or still being written."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from stemforge.errors import InputError
from stemforge.micrograph.paths import image_names
from stemforge.outputs.record import RECORD


@dataclass(frozen=True)
class ImageFile:
    """A file as it was found.

    Parameters
    ----------
    path
        Absolute.
    name
        Below the folder that was given, with the folder's name where there are several.
    stamp
        Size and time of its last change.
    unreachable
        Why it cannot even be opened, as a link to nothing or a closed folder; else empty.
    """

    path: Path
    name: str
    stamp: str
    unreachable: str = ""


def image_files(folders: Sequence[Path]) -> Iterator[ImageFile]:
    """Yield the image files in folders and below, in order of their paths; and files that are given themselves.

    Folders of results, which hold a run.json, and hidden ones are passed over; so are .ser files whose .emi is there.
    Links to nothing and folders that cannot be opened are given as files that are unreachable.
    """
    for folder, prefix in zip(folders, _prefixes(folders), strict=True):
        closed: list[Path] = []
        for path in _below(folder, closed):
            with suppress(OSError):  # it went away meanwhile
                state, why = path.lstat(), ""
                if path.is_symlink():
                    why = "" if path.exists() else "link to nothing"
                    state = state if why else path.stat()
                name = _name(path, folder, prefix)
                yield ImageFile(path.absolute(), name, f"{state.st_size}-{state.st_mtime_ns}", why)
        for path in closed:
            yield ImageFile(
                path.absolute(), _name(path, folder, prefix), "closed", "the folder cannot be opened"
            )


def _prefixes(folders: Sequence[Path]) -> list[str]:
    """Return what tells folders apart: their names, with as many of those above as it takes; nothing for one."""
    if len(folders) == 1:
        return [""]
    parts = [Path(os.path.normpath(folder.absolute())).parts for folder in folders]
    for number in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-number:]).replace("//", "/") for part in parts]
        if len(set(names)) == len(names):
            break
    return names


def _name(path: Path, folder: Path, prefix: str) -> str:
    if path == folder:
        return prefix or path.absolute().name
    return "/".join(filter(None, (prefix, path.relative_to(folder).as_posix())))


def check_folders(folders: Sequence[Path]) -> None:
    """Refuse folders that do not exist, are given twice, or lie in each other.

    Raises
    ------
    InputError
        The first that cannot be used.
    """
    known: list[Path] = []
    for folder in folders:
        if not folder.exists():
            raise InputError(f"{folder}: no such folder; give one with image files")
        full = folder.resolve()
        double = next(
            (other for other in known if full.is_relative_to(other) or other.is_relative_to(full)), None
        )
        if double is not None:
            raise InputError(
                f"{folder}: would be looked at twice, as it is in {double} or holds it; give one of them"
            )
        known.append(full)


def _below(folder: Path, closed: list[Path]) -> Iterator[Path]:
    """Yield the image files below a folder; add folders that cannot be opened to ``closed``."""
    if folder.is_file():
        yield folder
        return

    def note(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # it went away meanwhile
            closed.append(Path(error.filename))

    for root, folders, names in os.walk(folder, onerror=note):
        if RECORD in names and Path(root) != folder:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(root) / name for name in image_names(names))


@dataclass
class SettledFiles:
    """Which of the files that a microscope writes can be read by now.

    A file whose size and time did not change for ``settle`` seconds is taken for whole. One that still cannot be read
    may be half of a file whose writer waits: it is tried again, after twice as long each time, until ``patience``
    seconds after its last change.

    Parameters
    ----------
    settle, patience
        Times [s].

    Examples
    --------
    >>> files = SettledFiles(settle=0.0)
    >>> file = ImageFile(Path("/data/a.tif"), "a.tif", "100-1")
    >>> files.ready([file]), files.ready([file]) == [file]
    ([], True)
    """

    settle: float = 2.0
    patience: float = 60.0
    _since: dict[Path, tuple[str, float]] = field(default_factory=dict)
    _again: dict[Path, tuple[float, float]] = field(default_factory=dict)

    def ready(self, files: Sequence[ImageFile]) -> list[ImageFile]:
        """Return those that did not change since long enough, and are not to be tried later."""
        now = time.monotonic()
        found = []
        for file in files:
            stamp, since = self._since.get(file.path, ("", now))
            if stamp != file.stamp:
                self._since[file.path] = (file.stamp, now)
                self._again.pop(file.path, None)
            elif now - since >= self.settle and now >= self._again.get(file.path, (0.0, 0.0))[0]:
                found.append(file)
        return found

    def try_again(self, file: ImageFile) -> bool:
        """Note that a file could not be read; say whether it will be tried again."""
        now = time.monotonic()
        _, since = self._since.get(file.path, (file.stamp, now))
        delay = 2 * self._again.get(file.path, (0.0, max(self.settle, 0.5) / 2))[1]
        self._again[file.path] = (now + delay, delay)
        return now - since + delay < self.patience
