"""An image with its atoms, as a page shows it: the picture with circles over it that a reader can zoom into."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import approximate_polygon, find_contours

from stemforge.evaluate.reports.drawing import Picture, picture_of
from stemforge.evaluate.statistics.reading import FoundAtoms

_SURE, _LIKELY = 0.8, 0.5  # likelihoods from which a circle is drawn as such
_RADIUS = 2.0  # of a circle [Å]
_SMALLEST, _LARGEST, _USUAL = 1 / 120, 1 / 35, 1 / 70  # radius over the image's shorter side
_GRID = 256  # coarse pixels along the longer side, on which the specimen's edge is drawn
_TOLERANCE = 0.4  # of the edge [coarse pixel]
_MASK = (0.25, 0.6)  # grey outside and inside of a mask that is shown without an image


@dataclass(frozen=True)
class Mark:
    """A circle: place [pixel] and likelihood as text, and of which kind it is."""

    x: str
    y: str
    score: str | None
    kind: str


@dataclass(frozen=True)
class Bar:
    """A scale bar: its share of the image's width in percent, and its length as text."""

    share: float
    label: str


@dataclass(frozen=True)
class Overlay:
    """An image of a page.

    Parameters
    ----------
    name
        Of the image.
    picture
        What lies under the circles.
    atoms
        The circles.
    radius
        Theirs [pixel].
    edge
        Of the specimen, as an SVG path; empty where all of the image counts.
    bar
        The scale bar.
    sampling
        Pixel size [Å], or None.
    caption
        What is known of the image, in words.
    links
        Files beside the page that belong to it: address and text.
    """

    name: str
    picture: Picture
    atoms: tuple[Mark, ...]
    radius: float
    edge: str
    bar: Bar
    sampling: float | None
    caption: str = ""
    links: Mapping[str, str] = field(default_factory=dict)


def draw_overlay(found: FoundAtoms, most: int) -> Overlay:
    """Return an image with its atoms for a page; where no image is known, its mask.

    Parameters
    ----------
    found
        Atoms, window and image.
    most
        Bytes of the picture.
    """
    window = found.window
    if found.micrograph is None:
        shown = np.where(window.mask, _MASK[1], _MASK[0]).astype(np.float32)
        shown[0, :2] = 0, 1  # the whole range of grey
    else:
        shown = found.micrograph.image
    height, width = shown.shape
    radius = _USUAL * min(height, width)
    if window.sampling is not None:
        radius = float(
            np.clip(_RADIUS / window.sampling, *(min(height, width) * np.array((_SMALLEST, _LARGEST))))
        )
    scores = found.atoms.columns.get("score", np.full(len(found.atoms), np.nan))
    marks = tuple(_mark(x, y, score) for (x, y), score in zip(found.atoms.points, scores, strict=True))
    bar = scale_bar(width, window.sampling)
    return Overlay(
        found.name,
        picture_of(shown, most),
        marks,
        round(radius, 1),
        edge_path(window.mask),
        bar,
        window.sampling,
    )


def _mark(x: float, y: float, score: float) -> Mark:
    if not np.isfinite(score):
        return Mark(f"{x:.1f}", f"{y:.1f}", None, "plain")
    kind = "sure" if score >= _SURE else "likely" if score >= _LIKELY else "weak"
    return Mark(f"{x:.1f}", f"{y:.1f}", f"{score:.2f}", kind)


def scale_bar(width: int, sampling: float | None) -> Bar:
    """Return a bar of 1, 2, 5, 10 … nm, or pixels without pixel size [Å]: at most a quarter of the image's width.

    Examples
    --------
    >>> bar = scale_bar(512, 0.293)
    >>> bar.label, round(bar.share, 1)
    ('2 nm', 13.3)
    """
    field_of_view = width * (1.0 if sampling is None else sampling / 10)
    step = 10 ** np.floor(np.log10(field_of_view / 4))
    length = max(number * step for number in (1, 2, 5) if number * step <= field_of_view / 4)
    return Bar(float(100 * length / field_of_view), f"{length:g} {'px' if sampling is None else 'nm'}")


def edge_path(mask: NDArray[np.bool_]) -> str:
    """Return the line between what counts as specimen and the rest as an SVG path [pixel]; empty where all counts.

    Examples
    --------
    >>> edge_path(np.ones((64, 64), dtype=bool))
    ''
    >>> mask = np.zeros((64, 64), dtype=bool)
    >>> mask[:, :32] = True
    >>> edge_path(mask)
    'M31.5 0L31.5 63'
    """
    if mask.all():
        return ""
    step = max(1, int(np.ceil(max(mask.shape) / _GRID)))
    smooth = ndimage.gaussian_filter(mask.astype(np.float32), step)[::step, ::step]
    parts = []
    for line in find_contours(smooth, 0.5):
        points = approximate_polygon(line, _TOLERANCE) * step
        if len(points) > 1:
            parts.append("M" + "L".join(f"{round(x, 1):g} {round(y, 1):g}" for y, x in points))
    return "".join(parts)
