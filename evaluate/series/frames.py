"""The frames of a series in files: which file is which frame, and which frames are missing or blank."""

import re
from collections.abc import Sequence
from contextlib import suppress
from math import gcd
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemforge.console import say
from stemforge.errors import InputError, MicrographError
from stemforge.evaluate.statistics.reading import recorded
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.paths import folder_images
from stemforge.micrograph.readers import FORMATS, read_mask, read_micrograph, read_stack
from stemforge.micrograph.tables import table_files
from stemforge.outputs.folder import ResultFolder
from stemforge.outputs.record import RunRecord

_MOST_MISSING = 0.5  # of the frames that are there: with more missing the numbers are no frames' numbers

FrameFile = Path | None


def series_tables(path: Path, results: tuple[str, ...]) -> list[Path]:
    """Return the tables of a folder that holds a series as tables; none where it is images.

    A table beside images is no frame, unless ``run.json`` says that ``stemforge infer atoms`` wrote it: beside its
    tables lie its pictures.

    Parameters
    ----------
    path
        A folder, or a file, which holds no tables.
    results
        How the names of files end that are results of series.
    """
    if not path.is_dir():
        return []
    tables = [one for one in table_files(path) if not one.name.endswith(results)]
    if tables and _images(path, results) and not RunRecord(ResultFolder(path), "infer atoms").entries():
        return []
    return tables


def image_frames(
    path: Path, sampling: float | None, signal: str | None, results: tuple[str, ...]
) -> list[Micrograph | None]:
    """Read the frames of a stack or of a folder of images, None where one is blank or missing.

    Raises
    ------
    InputError
        A folder without images, an image that cannot be read, more frames missing than that numbers can be of frames.
    """
    if path.is_dir():
        files = _images(path, results)
        if not files:
            raise InputError(f"{path}: holds neither images ({', '.join(FORMATS)}) nor tables of atoms (CSV)")
        return [None if one is None else _image(one, sampling, signal) for one in in_order(files, str(path))]
    found = read_stack(path, sampling=sampling, signal=signal)
    if len(found) == 1:
        return [*found]
    known = {int(frame.name.rsplit("_", 1)[1]): frame for frame in found}
    frames = [known.get(number) for number in range(max(known) + 1)]
    _say_blank(str(path), [number for number, frame in enumerate(frames) if frame is None])
    return frames


def in_order(files: Sequence[Path], name: str) -> list[FrameFile]:
    """Return the files by the numbers in their names, None for each frame that is missing.

    The numbers are times: of f7, f8, f10 the frame f9 is missing, and from f8 to f10 it takes two frames. Where all
    numbers have a common step (0, 10, 20), that is one frame.

    Parameters
    ----------
    files
        One a frame.
    name
        Of the series, for messages.

    Raises
    ------
    InputError
        More frames are missing than half of those that are there.

    Examples
    --------
    >>> [None if one is None else one.stem for one in in_order([Path("f10"), Path("f8"), Path("f7")], "film")]
    ['f7', 'f8', None, 'f10']
    """
    ordered = sorted(files, key=name_key)
    numbers = frame_numbers(ordered)
    if numbers is None:
        if len(ordered) > 1:
            say(f"{name}: names do not differ by one number; frames follow the order of names, none missing")
        return [*ordered]
    step = gcd(*np.diff(numbers).tolist()) or 1
    whole = range(numbers[0], numbers[-1] + 1, step)
    missing = sorted(set(whole) - set(numbers)) if len(whole) < 1e6 else [numbers[0] + step]
    if len(whole) - len(numbers) > _MOST_MISSING * len(numbers):
        raise InputError(
            f"{name}: frame {missing[0]} is missing, and {len(whole) - len(numbers) - 1} more between {numbers[0]} and "
            f"{numbers[-1]}; number the files by frames, without gaps where no time passed"
        )
    _say_blank(name, missing, "missing")
    known = dict(zip(numbers, ordered, strict=True))
    return [known.get(number) for number in whole]


def frame_numbers(files: Sequence[Path]) -> list[int] | None:
    """Return the numbers by which names differ; None where they differ by more than one number, or else.

    Examples
    --------
    >>> frame_numbers([Path("f8.tif"), Path("f10.tif")]), frame_numbers([Path("f-8.tif"), Path("f8.tif")])
    ([8, 10], None)
    """
    parts = [re.split(r"(\d+)", file.stem.casefold()) for file in files]
    if len({tuple(part[::2]) for part in parts}) > 1 or len(parts) < 2:
        return None
    columns = [[int(one) for one in column] for column in zip(*(part[1::2] for part in parts), strict=True)]
    varying = [column for column in columns if len(set(column)) > 1]
    if len(varying) != 1 or len(set(varying[0])) < len(files):
        return None
    return varying[0]


def frame_shape(files: Sequence[Path], points: NDArray[np.float64], name: str) -> tuple[int, int]:
    """Return height and width of the frames of tables [pixel]: of the image in ``run.json``, else as far as atoms lie.

    Parameters
    ----------
    files
        The tables.
    points
        All atoms (x, y) [pixel], shape (n, 2).
    name
        Of the series, for messages.
    """
    width, height = np.ceil(points.max(axis=0) + 1).astype(int).tolist()
    for file in files:
        entry = recorded(file)
        image = entry.get("file")
        if not isinstance(image, str) or not Path(image).is_file():
            continue
        frame = 0 if entry.get("stack") else entry.get("frame")
        with suppress(InputError):
            shape = read_micrograph(image, frame=frame, signal=entry.get("signal")).shape
            return max(shape[0], height), max(shape[1], width)
    say(
        f"{name}: the size of the frames is not known; taken as {width} × {height} pixels, as far as atoms lie: an "
        "atom that drifts out at the edge may count as lost"
    )
    return height, width


def _images(path: Path, results: tuple[str, ...]) -> list[Path]:
    return [one for one in folder_images(path) if not one.name.endswith(results)]


def _image(file: Path, sampling: float | None, signal: str | None) -> Micrograph | None:
    """Read one frame; None where all pixels are alike."""
    try:
        return read_micrograph(file, sampling=sampling, signal=signal)
    except MicrographError:
        mask = read_mask(file)
        if mask.min() != mask.max():
            raise
    say(f"{file}: holds no signal; taken as a frame on which nothing was found")
    return None


def name_key(path: Path) -> list[tuple[int, int, str]]:
    """Return by what files are sorted: numbers in names by their value."""
    parts = re.split(r"(\d+)", path.stem)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part.casefold()) for part in parts if part]


def _say_blank(name: str, numbers: Sequence[int], state: str = "blank") -> None:
    if numbers:
        listed = ", ".join(map(str, numbers))
        plural = f"frames {listed} are {state}; taken as frames" if len(numbers) > 1 else ""
        say(f"{name}: {plural or f'frame {listed} is {state}; taken as a frame'} on which nothing was found")
