"""Focal series in files: frames read in order, depths measured and written."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import stemforge
from stemforge.console import progress, say
from stemforge.errors import InputError, WriteError
from stemforge.evaluate.depth.analysis import ROUNDS, measure_depths
from stemforge.evaluate.depth.result import Depths
from stemforge.evaluate.depth.series import FocalOptics, FocalSeries
from stemforge.evaluate.series.detections import check_shapes
from stemforge.evaluate.series.frames import frame_numbers, name_key
from stemforge.evaluate.series.words import counted
from stemforge.files import write_figure
from stemforge.infer import Outcome
from stemforge.infer.resampling import enough_memory
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.paths import folder_images
from stemforge.micrograph.readers import FORMATS, read_micrograph, read_stack
from stemforge.outputs.folder import ResultFolder, name_clash
from stemforge.outputs.record import RunRecord

ENDINGS = ("_depths.csv", "_depths.json", "_depths.png")
"""What a series' results are called after its name."""

_SAME = 0.01  # by which the pixel sizes of frames may differ
_NUMBER = re.compile(r"[-+−]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


@dataclass(frozen=True)
class FocalReading:
    """How frames of a focal series are read.

    Parameters
    ----------
    foci
        Of the frames, in their order [Å]; see :func:`read_foci`.
    sampling
        Pixel size [Å], where the files carry none or a wrong one.
    signal
        Which of several images in a file.

    Examples
    --------
    >>> FocalReading(read_foci([-40, -20, 0, 20, 40]), sampling=0.25).foci
    [-40.0, -20.0, 0.0, 20.0, 40.0]
    >>> FocalReading([0.0, 20.0])
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: focus: 2 different foci; depth needs 3 at least: ...
    """

    foci: Sequence[float]
    sampling: float | None = None
    signal: str | None = None

    def __post_init__(self) -> None:
        if self.sampling is not None and not 0 < self.sampling < np.inf:
            raise InputError(f"sampling must be positive, not {self.sampling}")
        # Refused before any image is read.
        FocalSeries(np.zeros((len(self.foci), 1, 1), dtype=np.float32), np.array(self.foci), 1.0, "focus")


def read_foci(given: Sequence[float | str | Path]) -> list[float]:
    """Read the foci of frames: numbers, or a file with one number a line.

    Parameters
    ----------
    given
        Numbers, such as ``[-40, -20, 0, 20]``, or the path of a text file; what follows a # in it is a remark.

    Returns
    -------
    list of float
        In the order of the frames [Å].

    Raises
    ------
    InputError
        What is no number, or a file that cannot be read.

    Examples
    --------
    >>> read_foci([-40, "0", "2e1"])
    [-40.0, 0.0, 20.0]
    """
    words, source = [str(one).strip() for one in given], "focus"
    if len(words) == 1 and not _NUMBER.fullmatch(words[0]):  # numbers are numbers whatever files are called
        words, source = _lines(Path(words[0])), f"focus: {words[0]}"
    for number, word in enumerate(words):
        if not _NUMBER.fullmatch(word):
            raise InputError(
                f"{source}: '{word}' (entry {number + 1}) is no number; give the foci in Å as -40 -20 0 20, or the "
                "path of a file with one a line"
            )
    return [float(word.replace("−", "-")) for word in words]


def _lines(path: Path) -> list[str]:
    """Return the lines of a text file that hold something beside remarks."""
    if not path.is_file():
        raise InputError(
            f"focus: '{path}' is neither numbers nor a file; give the foci in Å as -40 -20 0 20, or the path of a file "
            "with one a line"
        )
    try:
        lines = [line.split("#")[0].strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"focus: {path}: cannot be read as text: {error}") from error
    found = [line for line in lines if line]
    if not found:
        raise InputError(f"focus: {path}: holds no number")
    return found


def depth_files(
    paths: Sequence[Path],
    folder: ResultFolder,
    optics: FocalOptics,
    reading: FocalReading,
    *,
    quiet: bool = False,
) -> Outcome:
    """Measure the depths of atoms of focal series in files.

    Parameters
    ----------
    paths
        Of each series: a stack of images, or a folder of images, one a frame, in the order of the numbers in their
        names.
    folder
        Where results go: of each series :data:`ENDINGS` after its name.
    optics
        Element and microscope.
    reading
        Foci of the frames, the same for all series, and how files are read.
    quiet
        Show no progress.

    Returns
    -------
    Outcome
        Atoms found, and series left out.

    Raises
    ------
    InputError
        Results that cannot be; nothing has been written then.

    Examples
    --------
    >>> from stemforge.micrograph.writers import write_tiff
    >>> from stemforge.simulate import Microscope
    >>> for number in range(3):
    ...     write_tiff(f"f{number}.tif", np.random.default_rng(number).poisson(30, (64, 64)), sampling=0.25)
    >>> reading, optics = FocalReading([-40.0, -20.0, 0.0, 20.0]), FocalOptics("Pt", Microscope())
    >>> depth_files([Path(".")], ResultFolder(Path("depths"), False), optics, reading, quiet=True).failed
    ('.: 3 frames, 4 foci; give the focus of each frame, in their order (focus)',)
    """
    names = [(f"{path.stem}{ending}", path) for path in paths for ending in ENDINGS]
    clash = name_clash(names, folder.path)
    if clash is not None:
        raise InputError(f"{clash[1]} and {clash[2]}: are series of the same name; rename one")
    folder.check([name for name, _ in names], paths)
    record, failed, atoms = RunRecord(folder, "depth"), [], 0
    record.check()
    for path in paths:
        try:
            series, files = read_focal_series(path, reading)
            with progress(path.name, ROUNDS, "steps", quiet) as advance, enough_memory(path.name):
                found = measure_depths(series, optics, advance=advance)
            _write(found, folder, path)
        except InputError as error:
            failed.append(str(error))
            say(f"left out: {error}")
            if isinstance(error, WriteError):
                break
            continue
        atoms += len(found)
        entry = {"file": path.absolute(), "stemforge": stemforge.__version__, "frames": files}
        entry |= {"results": [f"{path.stem}{ending}" for ending in ENDINGS]}
        record.add(path.stem, {**found.summary(), **entry})
        record.save()
        say("\n".join(found.lines()))
    return Outcome(len(paths), atoms, tuple(failed))


def read_focal_series(path: Path, reading: FocalReading) -> tuple[FocalSeries, list[str]]:
    """Read the frames of a series, and say which file each is.

    Raises
    ------
    InputError
        Frames that cannot be read, are blank, differ in size or pixel size, have no pixel size, or are not as many as
        the foci.
    """
    frames = _frames(path, reading)
    if len(frames) != len(reading.foci):
        raise InputError(
            f"{path}: {counted(len(frames), 'frame', 'frames')}, {len(reading.foci)} foci; give the focus of each "
            "frame, in their order (focus)"
        )
    check_shapes([frame.shape for frame in frames], str(path))
    samplings = [frame.sampling for frame in frames]
    known = [one for one in samplings if one is not None]
    if len(known) < len(frames):
        raise InputError(f"{path}: has no pixel size; give it in Å (sampling)")
    if max(known) > min(known) * (1 + _SAME):
        raise InputError(f"{path}: frames have different pixel sizes; give that of the series (sampling)")
    images = np.stack([frame.image for frame in frames])
    series = FocalSeries(images, np.array(reading.foci), float(np.median(known)), path.stem)
    return series, [frame.name for frame in frames]


def _frames(path: Path, reading: FocalReading) -> list[Micrograph]:
    if not path.is_dir():
        return read_stack(path, sampling=reading.sampling, signal=reading.signal, whole=True)
    files = sorted((one for one in folder_images(path) if not one.name.endswith(ENDINGS)), key=name_key)
    if not files:
        raise InputError(f"{path}: holds no images ({', '.join(FORMATS)})")
    if frame_numbers(files) is None:
        # Of f-20, f-10, f0, f10 the minus is none: what is sorted otherwise than it was recorded must be seen.
        listed = ", ".join(one.name for one in files)
        say(
            f"{path}: names do not differ by one number; foci are taken to be those of, in this order: {listed}"
        )
    return [read_micrograph(one, sampling=reading.sampling, signal=reading.signal) for one in files]


def _write(depths: Depths, folder: ResultFolder, path: Path) -> None:
    makers: Sequence[Callable[[Path], object]] = (
        depths.to_csv,
        depths.to_json,
        lambda file: write_figure(depths.figure(), file),
    )
    with folder.staged([path]) as staging:
        for ending, make in zip(ENDINGS, makers, strict=True):
            make(staging / f"{path.stem}{ending}")
