"""Series in files: stacks, folders of frames and folders of tables, read, searched for atoms, followed, written."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

import numpy as np

import stemforge
from stemforge.console import progress, say
from stemforge.errors import InputError, WriteError, errors_about
from stemforge.evaluate.pairing import read_table
from stemforge.evaluate.series.analysis import ROUNDS, track_atoms
from stemforge.evaluate.series.detections import LEAST_FRAMES, Series, check_shapes
from stemforge.evaluate.series.frames import frame_shape, image_frames, in_order, series_tables
from stemforge.evaluate.series.links import require_library
from stemforge.evaluate.series.movie import MovieFormat, require_encoder, write_movie
from stemforge.evaluate.series.result import Tracks
from stemforge.files import write_figure
from stemforge.infer import Outcome, detect_atoms
from stemforge.infer.resampling import enough_memory
from stemforge.infer.weights import load_finder, warn_uncalibrated
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.image import Micrograph
from stemforge.outputs.folder import ResultFolder, name_clash
from stemforge.outputs.record import RunRecord

ENDINGS = ("_tracks.csv", "_atoms.csv", "_tracks.json", "_tracks.png")
"""What a series' results are called after its name, beside its movie, ``_tracks.gif`` or ``_tracks.mp4``."""

_NOTHING = Annotations(np.empty((0, 2)))
_SAME = 0.01  # by which the pixel sizes of frames may differ

Find = Callable[[Micrograph], Annotations]


@dataclass(frozen=True)
class Following:
    """How series are read, searched and followed.

    Parameters
    ----------
    weights
        Of a network that finds atoms: a file, or the name of weights that come with stemforge.
    threshold
        As for :func:`stemforge.infer.detect_atoms`; by default each frame has its own.
    sampling
        Pixel size [Å], where the files carry none or a wrong one.
    signal
        Which of several images in a file.
    label_unit
        Unit of tables that name none.
    frame_time
        From the start of a frame to that of the next [s].
    reach
        Longest hop that is followed [Å, or px without pixel size].
    device
        Where the network runs.
    movie
        Kind of the movie.

    Examples
    --------
    >>> Following(frame_time=0.5, movie="mp4").endings[-1]
    '_tracks.mp4'
    >>> Following(reach=-1.0)
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: reach must be positive, not -1.0
    """

    weights: str | Path = "any-atom"
    threshold: float | None = None
    sampling: float | None = None
    signal: str | None = None
    label_unit: str | None = None
    frame_time: float | None = None
    reach: float | None = None
    device: str = "cpu"
    movie: MovieFormat = "gif"

    def __post_init__(self) -> None:
        if self.movie not in get_args(MovieFormat):
            raise InputError(f"movie must be one of {', '.join(get_args(MovieFormat))}, not {self.movie}")
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise InputError(f"threshold must lie between 0 and 1, not {self.threshold}")
        for name in ("sampling", "frame_time", "reach"):
            value = getattr(self, name)
            if value is not None and not 0 < value < np.inf:
                raise InputError(f"{name} must be positive, not {value}")

    @property
    def endings(self) -> tuple[str, ...]:
        """What a series' results are called after its name."""
        return (*ENDINGS, f"_tracks.{self.movie}")

    def check(self) -> None:
        """Refuse what cannot be done without the libraries that are at hand."""
        require_library()
        if self.movie == "mp4":
            require_encoder()


def track_files(
    paths: Sequence[Path], folder: ResultFolder, following: Following = Following(), *, quiet: bool = False
) -> Outcome:
    """Follow atoms through series in files, and write what they did.

    Parameters
    ----------
    paths
        Of each series: a stack of images, a folder of images, one a frame, by the numbers in their names (a missing
        number is a frame on which nothing was found), or a folder of tables, one a frame, as ``stemforge infer atoms``
        writes them.
    folder
        Where results go: of each series :attr:`Following.endings` after its name.
    following
        How they are read, searched and followed.
    quiet
        Show no progress.

    Returns
    -------
    Outcome
        Atoms followed, and series left out.

    Raises
    ------
    InputError
        Options, weights or results that cannot be, or what tracks and MP4 need is not installed; nothing has been
        written then.

    Examples
    --------
    >>> rng, folder = np.random.default_rng(0), Path("film")
    >>> folder.mkdir()
    >>> places = rng.uniform(20, 230, (15, 2))
    >>> for number in range(4):
    ...     Annotations(places + rng.normal(0, 0.5, (15, 2))).to_csv(folder / f"film_{number}.csv", 0.3)
    >>> track_files([folder], ResultFolder(Path("tracks"), False), quiet=True).found
    15
    >>> sorted(path.name for path in Path("tracks").iterdir())[-2:]
    ['film_tracks.png', 'run.json']
    """
    following.check()
    names = [(f"{path.stem}{ending}", path) for path in paths for ending in following.endings]
    clash = name_clash(names, folder.path)
    if clash is not None:
        raise InputError(f"{clash[1]} and {clash[2]}: are series of the same name; rename one")
    folder.check([name for name, _ in names], paths)
    find = None
    if any(not series_tables(path, ENDINGS) for path in paths):
        find = _finder(following)
    record, failed, atoms = RunRecord(folder, "track"), [], 0
    record.check()
    for path in paths:
        try:
            tracks = _followed(path, following, find, quiet)
        except InputError as error:
            failed.append(str(error))
            say(f"left out: {error}")
            if isinstance(error, WriteError):
                break
            continue
        atoms += len(tracks.tracks)
        _write(tracks, folder, path, following.endings)
        entry = {"file": path.absolute(), "stemforge": stemforge.__version__, **asdict(following)}
        entry |= {"frames": len(tracks.series), "atoms": len(tracks.tracks)}
        record.add(path.stem, entry | {"results": [f"{path.stem}{ending}" for ending in following.endings]})
        record.save()
        say("\n".join(tracks.lines()))
    return Outcome(len(paths), atoms, tuple(failed))


def read_series(path: Path, following: Following, find: Find | None, quiet: bool = True) -> Series:
    """Read a series, and find the atoms on its frames where it is images.

    Parameters
    ----------
    path, following, quiet
        As for :func:`track_files`.
    find
        Finds the atoms of a frame; not needed for tables.

    Raises
    ------
    InputError
        Fewer than 3 frames, frames of different size, or with different pixel sizes.
    """
    tables = series_tables(path, ENDINGS)
    if tables:
        return _of_tables(path, tables, following)
    if find is None:
        raise TypeError("images need a finder")
    frames = image_frames(path, following.sampling, following.signal, ENDINGS)
    known = [frame for frame in frames if frame is not None]
    if len(known) < LEAST_FRAMES:
        raise InputError(
            f"{path}: {len(known)} frame{'s'[: len(known) != 1]}; a series has {LEAST_FRAMES} at least: give a "
            "stack, or a folder of its frames"
        )
    shape = known[0].shape
    check_shapes([shape if frame is None else frame.shape for frame in frames], str(path))
    sampling = _one_sampling(str(path), [frame.sampling for frame in known])
    atoms = []
    with progress(path.name, len(frames), "frames", quiet) as advance:
        for frame in frames:
            with enough_memory(path.name):
                atoms.append(_NOTHING if frame is None else find(frame))
            advance(1)
    blank = np.full(shape, np.median(known[0].image), dtype=np.float32)
    images = [blank if frame is None else frame.image for frame in frames]
    return Series(atoms, shape, sampling, images, path.stem, following.frame_time)


def _followed(path: Path, following: Following, find: Find | None, quiet: bool) -> Tracks:
    series = read_series(path, following, find, quiet)
    if series.sampling is None:
        say(f"{series.name}: no calibration: lengths are in pixels; give the pixel size for Å (--sampling)")
    with progress(f"{path.name}: tracks", ROUNDS + 1, "rounds", quiet) as advance:
        tracks = track_atoms(series, reach=following.reach, advance=advance)
        tracks.hop_recall  # noqa: B018 - the last part of the work, kept by the tracks
        advance(1)
    return tracks


def _finder(following: Following) -> Find:
    model, card = load_finder(following.weights, "atoms")
    named: set[str] = set()

    def find(micrograph: Micrograph) -> Annotations:
        if micrograph.sampling is None and card.sampling is not None and not named:
            named.add(micrograph.name)
            warn_uncalibrated(micrograph, card)
        return detect_atoms(
            micrograph, model, card, threshold=following.threshold, device=following.device
        ).atoms

    return find


def _of_tables(path: Path, tables: Sequence[Path], following: Following) -> Series:
    known = dict.fromkeys([file.stem for file in tables], following.sampling)
    order = in_order(tables, str(path))
    read = {file: read_table(file, following.label_unit, known) for file in tables}
    sampling = following.sampling
    if sampling is None:
        sampling = _one_sampling(str(path), [one.sampling for one in read.values() if len(one.points)])
    points = np.concatenate([one.points.points for one in read.values()])
    if not len(points):
        raise InputError(f"{path}: its tables hold no atom")
    if (points < -0.5).any():
        raise InputError(f"{path}: holds atoms at negative places; x_px and y_px count from the first pixel")
    shape = frame_shape(tables, points, str(path))
    atoms = [_NOTHING if file is None else read[file].points for file in order]
    with errors_about(str(path)):
        return Series(atoms, shape, sampling, None, path.stem, following.frame_time)


def _one_sampling(name: str, samplings: Sequence[float | None]) -> float | None:
    """Return the pixel size of all frames; refuse several."""
    known = [one for one in samplings if one is not None]
    if not known:
        return None
    if len(known) < len(samplings) or max(known) > min(known) * (1 + _SAME):
        raise InputError(
            f"{name}: frames have different pixel sizes, or some have none; give that of the series (sampling)"
        )
    return float(np.median(known))


def _write(tracks: Tracks, folder: ResultFolder, path: Path, endings: Sequence[str]) -> None:
    makers: Sequence[Callable[[Path], object]] = (
        tracks.to_csv,
        tracks.atoms_to_csv,
        tracks.to_json,
        lambda file: write_figure(tracks.figure(), file),
        lambda file: write_movie(tracks, file),
    )
    with folder.staged([path]) as staging:
        for ending, make in zip(endings, makers, strict=True):
            make(staging / f"{path.stem}{ending}")
