"""What a report is made of: images, on which atoms are still to be found, and tables of atoms that are there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemforge.console import say
from stemforge.errors import InputError
from stemforge.evaluate.statistics.reading import find_tables
from stemforge.infer import Batch
from stemforge.infer.atoms.detection import TILE
from stemforge.infer.atoms.files import detect_atoms_in_files
from stemforge.micrograph.readers import FORMATS
from stemforge.micrograph.tables import ENDINGS as TABLES
from stemforge.options import Reading
from stemforge.outputs.folder import ResultFolder
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
            pictures = sorted(
                one for one in path.iterdir() if one.suffix.lower() in FORMATS and one.is_file()
            )
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

    A table that is there is taken if its image, weights and options are the same; a stack is always looked at again.

    Raises
    ------
    InputError
        Images of one name, options or weights that cannot be, or other results in the way.
    """
    if not images:
        return []
    record = RunRecord(folder, COMMAND)
    left = [path for path in images if not _done(path, folder, record.entries(), detecting)]
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
        Of tables, all of whose failed images are named.
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


def _done(path: Path, folder: ResultFolder, entries: dict[str, dict[str, Any]], detecting: Detecting) -> bool:
    """Say whether an image's table is there, newer than the image, and made in the same way."""
    entry, reading = entries.get(path.stem, {}), detecting.reading
    if reading.stack or reading.frame is not None or "failed" in entry or not entry.get("results"):
        return False
    same = {
        "file": str(path.absolute()),
        "weights": str(detecting.weights),
        "augment": detecting.augment,
        "threshold_asked": detecting.threshold,
        "sampling_asked": reading.sampling,
        "signal": reading.signal,
    }
    if any(entry.get(name) != value for name, value in same.items()):
        return False
    results = [folder.path / name for name in entry["results"]]
    return all(one.is_file() and one.stat().st_mtime >= path.stat().st_mtime for one in results)
