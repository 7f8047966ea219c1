"""A series as a movie: its frames without drift, atoms circled, with the way that each one came."""

import io
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from stemforge.colours import ORANGE, SKY
from stemforge.errors import InputError
from stemforge.files import write_whole, writing
from stemforge.installation.requirements import install_command

if TYPE_CHECKING:
    from stemforge.evaluate.series.result import Tracks

MovieFormat = Literal["gif", "mp4"]
"""Kinds of movies: GIF is shown everywhere, MP4 (H.264) is small, has all frames and can be paused."""

_SIDE = {"gif": 512, "mp4": 1024}  # of the picture's longer side, at least [pixel]
_MOST = 200  # frames of a GIF: of longer series every second, third … is shown
_TIME = 160  # of a frame [ms]
_FASTEST = 25.0  # frames of a MP4 per second, of a long series
_QUALITY = 6.0  # of 10: noise costs most of the file, and blocks do not show yet
_TAIL = 12  # frames of an atom's way that are shown
_BARE = 40  # grey of a series without images


def write_movie(tracks: "Tracks", path: str | Path) -> None:
    """Write a series as a movie of the kind that the file's ending names: GIF, or MP4 (H.264).

    Frames are moved back by their drift and straightened; an atom that was found has a circle, one that was missed and
    is likely present a broken one. Orange ones moved, in the series as a whole. A GIF has 200 frames at most: of longer
    series every second, third … is shown. A MP4 has every frame; a long series is shown faster, up to 25 frames a
    second.

    Parameters
    ----------
    tracks
        From :func:`stemforge.evaluate.track_atoms`.
    path
        File, such as ``movie.gif`` or ``movie.mp4``.

    Raises
    ------
    InputError
        Another ending, or imageio-ffmpeg is not installed (extra ``stemforge[track]``).

    Examples
    --------
    >>> from stemforge import Annotations
    >>> from stemforge.evaluate import Series, track_atoms
    >>> rng = np.random.default_rng(0)
    >>> places = rng.uniform(10, 90, (15, 2))
    >>> frames = [Annotations(places + rng.normal(0, 0.3, (15, 2))) for _ in range(3)]
    >>> tracks = track_atoms(Series(frames, (100, 100), 0.3, rng.random((3, 100, 100), dtype=np.float32)))
    >>> write_movie(tracks, "movie.gif")
    >>> Image.open("movie.gif").n_frames
    3
    """
    kind = Path(path).suffix[1:].lower()
    if kind not in get_args(MovieFormat):
        raise InputError(f"{path}: a movie must end in .gif or .mp4")
    if kind == "mp4":
        _write_mp4(tracks, Path(path))
    else:
        _write_gif(tracks, Path(path))


def require_encoder() -> Any:
    """Return the library that writes MP4.

    Raises
    ------
    InputError
        imageio-ffmpeg is not installed (extra ``stemforge[track]``), or brings no program for this machine.
    """
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise InputError(
            f"MP4 needs imageio-ffmpeg; install it with: {install_command('track')}, or choose GIF"
        ) from error
    try:
        imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise InputError(f"MP4 needs ffmpeg: {error}") from error
    return imageio_ffmpeg


def _write_gif(tracks: "Tracks", path: Path) -> None:
    frames = range(0, len(tracks.series), -(-len(tracks.series) // _MOST))
    palette = _palette()
    first, *others = (
        one.quantize(palette=palette, dither=Image.Dither.NONE) for one in _pictures(tracks, frames, "gif")
    )
    stream = io.BytesIO()
    first.save(
        stream, format="GIF", save_all=True, append_images=others, duration=_TIME, loop=0, optimize=False
    )
    write_whole(path, stream.getbuffer())


def _write_mp4(tracks: "Tracks", path: Path) -> None:
    """Encode with 4:2:0, which every player shows: that takes even sides, so that an odd one gets a row of black."""
    library, number = require_encoder(), len(tracks.series)
    rate = float(np.clip(number / (_MOST * _TIME / 1000), 1000 / _TIME, _FASTEST))
    with tempfile.TemporaryDirectory() as folder, writing(path):
        draft = Path(folder) / "movie.mp4"
        encoder = None
        for picture in _pictures(tracks, range(number), "mp4"):
            values = np.asarray(picture)
            values = np.pad(values, [(0, side % 2) for side in values.shape[:2]] + [(0, 0)])
            if encoder is None:
                height, width = values.shape[:2]
                options: dict[str, Any] = {"fps": rate, "quality": _QUALITY, "macro_block_size": 1}
                options["output_params"] = ["-movflags", "+faststart"]  # a browser shows it while it loads
                encoder = library.write_frames(str(draft), (width, height), **options)
                encoder.send(None)
            encoder.send(np.ascontiguousarray(values))
        if encoder is not None:
            encoder.close()
        content = draft.read_bytes()
    write_whole(path, content)


def _palette() -> Image.Image:
    """Return 256 colours: greys, and those of the marks."""
    palette = Image.new("P", (1, 1))
    greys = np.repeat(np.linspace(0, 255, 250).round().astype(np.uint8), 3).tolist()
    marks = [round(255 * part) for colour in (SKY, ORANGE) for part in to_rgb(colour)]
    palette.putpalette((greys + marks * 3)[:768])
    return palette


def _pictures(tracks: "Tracks", frames: Sequence[int], kind: str) -> Iterator[Image.Image]:
    """Yield frames in colour, with their marks."""
    series = tracks.series
    zoom = max(1, round(_SIDE[kind] / max(series.shape)))
    low, high = (0.0, 1.0)
    if series.images is not None:
        ends = [series.images[one] for one in series.detections.filled[[0, -1]]]
        low, high = np.percentile(np.stack(ends), [0.5, 99.8])
    for frame in frames:
        grey = _grey(tracks, frame, float(low), float(high))
        picture = Image.fromarray(grey).resize((grey.shape[1] * zoom, grey.shape[0] * zoom)).convert("RGB")
        _mark(ImageDraw.Draw(picture), tracks, frame, zoom)
        yield picture


def _grey(tracks: "Tracks", frame: int, low: float, high: float) -> NDArray[np.uint8]:
    """Return a frame without drift and distortion as grey values; a plain one where there are no images."""
    series = tracks.series
    if series.images is None:
        return np.full(series.shape, _BARE, dtype=np.uint8)
    scale, (height, width) = series.scale, series.shape
    shift, line = tracks.drift[frame] / scale, np.arange(height, dtype=np.float64)
    bend = tracks.distortion.at(np.full(height, frame), np.asarray(line * scale)) / scale
    # What is displaced lies on another line than where it is shown, and has that line's displacement.
    bend = np.stack([np.interp(line + shift[1], line - bend[:, 1], one) for one in bend.T], 1)
    rows = np.broadcast_to((line + shift[1] + bend[:, 1])[:, None], series.shape)
    columns = np.arange(width) + shift[0] + bend[:, :1]
    image = np.asarray(series.images[frame], dtype=float)
    moved = ndimage.map_coordinates(image, [rows, columns], order=1, cval=low)
    return np.asarray(np.clip((moved - low) / max(high - low, 1e-12), 0, 1) * 255).astype(np.uint8)


def _mark(draw: ImageDraw.ImageDraw, tracks: "Tracks", frame: int, zoom: int) -> None:
    """Circle the atoms that are present, and draw the way that each came."""
    radius = 0.14 * tracks.series.detections.spacing / tracks.series.scale * zoom
    for number, one in enumerate(tracks.tracks):
        colour = ORANGE if tracks.moved[number] else SKY
        points = ((one.path.points / tracks.series.scale) + 0.5) * zoom
        until = int(np.searchsorted(one.path.frame, frame, side="right"))
        way = points[:until][one.path.frame[:until] >= frame - _TAIL]
        if len(way) > 1:
            draw.line([tuple(point) for point in way.tolist()], fill=colour, width=max(1, zoom // 2))
        if not until or tracks.presence.chance[number, frame] < 0.5:
            continue
        x, y = points[until - 1].tolist()
        box = (x - radius, y - radius, x + radius, y + radius)
        if one.path.frame[until - 1] == frame:
            draw.ellipse(box, outline=colour, width=max(1, zoom // 2))
        else:
            for start in range(0, 360, 60):
                draw.arc(box, start, start + 30, fill=colour, width=max(1, zoom // 2))
