"""What a report is made of: images, on which atoms are still to be found, and tables of atoms that are there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemforge.console import say
from stemforge.errors import InputError
from stemforge.evaluate.statistics.reading import find_tables
from stemforge.infer import Batch
from stemforge.infer.atoms.files import detect_atoms_in_files
from stemforge.infer.atoms.maps import TILE
from stemforge.infer.batch import file_stamp
from stemforge.micrograph.paths import folder_images
from stemforge.micrograph.tables import ENDINGS as TABLES
from stemforge.options import Reading
from stemforge.outputs.folder import ResultFolder, name_clash
from stemforge.outputs.record import RunRecord

COMMAND = "infer atoms"
"""Under which ``run.json`` has what is known of detected atoms."""


@dataclass(frozen=True)
class Detecting:
    """How atoms are found on images that have no table yet.

    Parameters
    ----------
    weights
        A file, or the name of weights that come with stemforge.
    threshold, augment, tile, device
        As for :func:`stemforge.infer.detect_atoms`.
    reading
        How image files are read.
    """

    weights: str | Path = "any-atom"
    threshold: float | None = None
    augment: bool = False
    tile: int = TILE
    device: str = "cpu"
    reading: Reading = Reading()


def sort_inputs(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the image files and the tables among files and folders.

    A folder that ``stemforge infer atoms`` wrote, or one without images, gives its tables; any other one its images.

    Raises
    ------
    InputError
        Something that is neither, or a folder that holds neither.
    """
    images: list[Path] = []
    tables: list[Path] = []
    for path in paths:
        if path.is_dir():
            pictures = folder_images(path)
            if pictures and COMMAND not in _commands(path):
                images += pictures
            else:
                tables.append(path)
        elif path.suffix.lower() in TABLES:
            tables.append(path)
        elif not path.exists():
            raise InputError(f"{path}: no such file or folder")
        else:
            images.append(path)
    found = find_tables(tables) if tables else []
    twice = {path.stem for path in images} & {path.stem for path in found}
    if twice:
        raise InputError(f"{min(twice)}: is given as an image and as a table; give one of them")
    return images, found


def _commands(folder: Path) -> Iterable[str]:
    """Return the command of detection if it left something in a folder."""
    return [COMMAND] if RunRecord(ResultFolder(folder), COMMAND).entries() else []


def detect_missing(
    images: Sequence[Path], folder: ResultFolder, detecting: Detecting, *, quiet: bool = False
) -> list[Path]:
    """Find atoms on the images whose tables are not in a folder yet, and return the tables of all.

    A table that is there is taken if its image, weights and options are the same; a stack is always looked at again,
    and all images where one is, if one pixel size is estimated from them all.

    Raises
    ------
    InputError
        Images of one name, options or weights that cannot be, or other results in the way.
    """
    if not images:
        return []
    _refuse_clash(images, folder)
    record = RunRecord(folder, COMMAND)
    left = [path for path in images if not _done(path, folder, record.entries(), detecting)]
    if left and detecting.reading.sampling == "common":
        left = list(images)
    if left:
        batch = Batch(left, folder.path, (".csv", ".png"), detecting.reading, folder.overwrite, quiet)
        options: dict[str, Any] = {"threshold": detecting.threshold, "augment": detecting.augment}
        options |= {"tile": detecting.tile, "device": detecting.device}
        detect_atoms_in_files(batch, detecting.weights, **options)
    if len(left) < len(images):
        say(f"{folder.path}: atoms of {len(images) - len(left)} images were found before; taken as they are")
    files = {str(path.absolute()) for path in images}
    entries = record.entries().items()
    names = sorted(
        name
        for name, one in entries
        if one.get("file") in files and one.get("results") and "failed" not in one
    )
    return [folder.path / f"{name}.csv" for name in names]


def failures(folders: Iterable[Path], files: Iterable[Path]) -> list[tuple[str, str]]:
    """Return the names of images on which atoms could not be looked for, and why.

    Parameters
    ----------
    folders
        Of tables, all of whose failed images are named: those that were asked for as a whole.
    files
        Images of this report, where tables of other ones lie in the same folder; empty: all.
    """
    chosen = {str(path.absolute()) for path in files}
    failed = {}
    for folder in folders:
        for name, entry in RunRecord(ResultFolder(folder), COMMAND).entries().items():
            if "failed" in entry and (not chosen or entry.get("file") in chosen):
                failed[name] = str(entry["failed"])
    return sorted(failed.items())


def _refuse_clash(images: Sequence[Path], folder: ResultFolder) -> None:
    """Refuse images of one name, those that are done included: the table of one would stand for both."""
    clash = name_clash([(f"{path.stem}.csv", path) for path in images], folder.path)
    if clash is None:
        return
    _, first, second = clash
    if first.resolve() == second.resolve():
        raise InputError(f"{first}: is given twice; give each image once")
    raise InputError(f"{first} and {second}: are images of the same name; rename one, or report them apart")


def _done(path: Path, folder: ResultFolder, entries: dict[str, dict[str, Any]], detecting: Detecting) -> bool:
    """Say whether an image's table is there, of the image as it is now, and made in the same way."""
    entry, reading = entries.get(path.stem, {}), detecting.reading
    names = entry.get("results")
    if (
        reading.stack
        or reading.frame is not None
        or "failed" in entry
        or not (names and isinstance(names, list))
    ):
        return False
    same = {
        "file": str(path.absolute()),
        "stamp": file_stamp(path),
        "weights": str(detecting.weights),
        "augment": detecting.augment,
        "tile": detecting.tile,
        "threshold_asked": detecting.threshold,
        "sampling_asked": reading.sampling,
        "signal": reading.signal,
    }
    if any(entry.get(name) != value for name, value in same.items()):
        return False
    results = [folder.path / str(name) for name in names]
    weights = Path(detecting.weights)
    changed = weights.stat().st_mtime_ns if weights.is_file() else 0
    return all(one.is_file() and one.stat().st_mtime_ns >= changed for one in results)
