"""A series as a movie: its frames without drift, atoms circled, with the way that each one came."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from stemforge.colours import ORANGE, SKY
from stemforge.files import write_whole

if TYPE_CHECKING:
    from stemforge.evaluate.series.result import Tracks

_SIDE = 512  # of the picture's longer side, at least [pixel]
_MOST = 200  # frames: of longer series every second, third … is shown
_TIME = 160  # of a frame [ms]
_TAIL = 12  # frames of an atom's way that are shown
_BARE = 40  # grey of a series without images


def write_movie(tracks: "Tracks", path: str | Path) -> None:
    """Write a series as an animated GIF.

    Frames are moved back by their drift; an atom that was found has a circle, one that was missed and is likely
    present a broken one. Orange ones moved, in the series as a whole. Of more than 200 frames every second, third … is
    shown.

    Parameters
    ----------
    tracks
        From :func:`stemforge.evaluate.track_atoms`.
    path
        File, such as ``movie.gif``.
    """
    first, *others = _pictures(tracks)
    stream = io.BytesIO()
    first.save(
        stream, format="GIF", save_all=True, append_images=others, duration=_TIME, loop=0, optimize=False
    )
    write_whole(path, stream.getbuffer())


def _pictures(tracks: "Tracks") -> Iterator[Image.Image]:
    """Yield the frames, with 256 colours: greys, and those of the marks."""
    series = tracks.series
    zoom = max(1, round(_SIDE / max(series.shape)))
    palette = Image.new("P", (1, 1))
    greys = np.repeat(np.linspace(0, 255, 250).round().astype(np.uint8), 3).tolist()
    marks = [round(255 * part) for colour in (SKY, ORANGE) for part in to_rgb(colour)]
    palette.putpalette((greys + marks * 3)[:768])
    low, high = (0.0, 1.0)
    if series.images is not None:
        ends = [series.images[one] for one in series.detections.filled[[0, -1]]]
        low, high = np.percentile(np.stack(ends), [0.5, 99.8])
    for frame in range(0, len(series), -(-len(series) // _MOST)):
        grey = _grey(tracks, frame, float(low), float(high))
        picture = Image.fromarray(grey).resize((grey.shape[1] * zoom, grey.shape[0] * zoom)).convert("RGB")
        _mark(ImageDraw.Draw(picture), tracks, frame, zoom)
        yield picture.quantize(palette=palette, dither=Image.Dither.NONE)


def _grey(tracks: "Tracks", frame: int, low: float, high: float) -> NDArray[np.uint8]:
    """Return a frame without drift as grey values; a plain one where there are no images."""
    series = tracks.series
    if series.images is None:
        return np.full(series.shape, _BARE, dtype=np.uint8)
    moved = ndimage.shift(
        np.asarray(series.images[frame], dtype=float),
        -tracks.drift[frame, ::-1] / series.scale,
        order=1,
        cval=low,
    )
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
            draw.line([tuple(point) for point in way.tolist()], fill=colour, width=1)
        if not until or tracks.presence.chance[number, frame] < 0.5:
            continue
        x, y = points[until - 1].tolist()
        box = (x - radius, y - radius, x + radius, y + radius)
        if one.path.frame[until - 1] == frame:
            draw.ellipse(box, outline=colour, width=max(1, zoom // 2))
        else:
            for start in range(0, 360, 60):
                draw.arc(box, start, start + 30, fill=colour, width=max(1, zoom // 2))
