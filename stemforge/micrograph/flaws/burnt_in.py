"""Annotations burnt into an image: scale bars and text, white or black, as image programs draw them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]

EXTREME = 0.06
"""Share of the range of values, from its ends, in which the colour of annotations lies: JPEG changes it a little."""
SHARP = 0.25
"""Share of its contrast that an annotation keeps two to three pixels beside it, at most; atoms keep more."""
NOISE = 4.0
"""Contrast of an annotation in standard deviations of what is round it, at least."""
_LARGEST = 300  # figures looked at, largest first
_BAR = 16  # length of a bar, at least [pixel]
_EVEN = 8.0  # step at a bar's sides in standard deviations within it
_GLYPHS = 3  # figures in a line that are text, where no bar is beside them
_MARGIN = 3


@dataclass(frozen=True)
class _Figure:
    """The box of a connected figure of extreme values."""

    rows: slice
    columns: slice

    @property
    def height(self) -> int:
        """Rows that it takes."""
        return int(self.rows.stop - self.rows.start)

    @property
    def width(self) -> int:
        """Columns that it takes."""
        return int(self.columns.stop - self.columns.start)

    def beside(self, other: "_Figure", reach: float) -> bool:
        """Tell whether another figure is no further off than ``reach``."""
        pairs = ((self.rows, other.rows), (self.columns, other.columns))
        return all(max(a.start, b.start) - min(a.stop, b.stop) <= reach for a, b in pairs)

    def in_line_with(self, other: "_Figure") -> bool:
        """Tell whether another figure can be a letter beside this one: as high, as low, and near."""
        tall = max(self.height, other.height)
        level = min(abs(self.rows.stop - other.rows.stop), abs(self.rows.start - other.rows.start))
        alike = min(self.height, other.height) > 0.6 * tall and level <= max(1, 0.15 * tall)
        return alike and self.beside(other, tall)


def burnt_in(image: NDArray[np.float32]) -> Mask:
    """Find scale bars and text that were drawn into an image.

    They have the largest or smallest value of the image. A long rectangle is a bar, and what stands above or below it
    its text. Elsewhere text is three or more figures in a line that end within a pixel or two, by many times the noise:
    atoms whose tops are clipped have soft flanks and do not stand in line.

    Parameters
    ----------
    image
        Shape (height, width).

    Returns
    -------
    ndarray of bool
        The boxes round bars and text, shape (height, width).

    Examples
    --------
    >>> image = np.random.default_rng(0).integers(60, 120, (128, 128)).astype(np.float32)
    >>> image[110:114, 10:60] = 255
    >>> rows, columns = np.nonzero(burnt_in(image))
    >>> [int(end) for end in (rows.min(), rows.max(), columns.min(), columns.max())]
    [107, 116, 7, 62]
    """
    mask = np.zeros(image.shape, dtype=bool)
    low, high = float(image.min()), float(image.max())
    for values in (image - low, high - image):
        extreme = values >= (1 - EXTREME) * (high - low)
        figures, sharp = _figures(values, extreme)
        beside = [[bar, *_text_beside(bar, figures)] for bar in _bars(values, extreme)]
        for group in beside + _lines_of_text(sharp):
            mask[_box(group, image.shape)] = True
    return mask


def _bars(values: NDArray[np.float32], extreme: Mask) -> list[_Figure]:
    """Find long rectangles of extreme values that do not reach the border: those that do are padding rather."""
    # Beside a bar, noise on a bright background is extreme, too, and would blur its outline.
    labels, _ = ndimage.label(ndimage.binary_opening(extreme, np.ones((2, _BAR))))
    found = []
    for index, (rows, columns) in enumerate(ndimage.find_objects(labels)):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        full = np.count_nonzero(labels[rows, columns] == index + 1) > 0.85 * height * width
        inside = all(s.start > 0 and s.stop < n for s, n in zip((rows, columns), extreme.shape, strict=True))
        if full and inside and width >= 4 * height and _is_even(values, rows, columns):
            found.append(_Figure(rows, columns))
    return found


def _is_even(values: NDArray[np.float32], rows: slice, columns: slice) -> bool:
    """Tell whether a rectangle is far more even than the step at its long sides, and this step is sharp."""
    level = float(np.median(values[rows, columns]))
    spread = 1.25 * float(np.mean(np.abs(values[rows, columns] - level)))

    def outside(first: int, last: int) -> float:
        above = values[max(0, rows.start - last) : max(0, rows.start - first), columns]
        below = values[rows.stop + first : rows.stop + last, columns]
        sides = [float(np.median(side)) for side in (above, below) if side.size]
        return max(sides, default=level)

    contrast = level - outside(4, 10)
    return contrast > _EVEN * spread and level - outside(1, 3) > (1 - SHARP) * contrast > 0


def _figures(values: NDArray[np.float32], extreme: Mask) -> tuple[list[_Figure], list[_Figure]]:
    """Find connected figures of extreme values as large as a letter: all, and those that are sharp."""
    labels, count = ndimage.label(extreme, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())[1:]
    boxes = ndimage.find_objects(labels)
    figures, sharp = [], []
    for index in np.argsort(-sizes, kind="stable")[: min(count, _LARGEST)]:
        figure = _Figure(*boxes[index])
        if sizes[index] < 6 or max(figure.height, figure.width) < 5:
            continue
        figures.append(figure)
        if _is_sharp(values, labels, int(index) + 1, boxes[index]):
            sharp.append(figure)
    return figures, sharp


def _is_sharp(
    values: NDArray[np.float32], labels: NDArray[np.int32], label: int, box: tuple[slice, slice]
) -> bool:
    window = tuple(slice(max(0, s.start - 10), s.stop + 10) for s in box)
    here, near = labels[window] == label, values[window]
    distance = ndimage.distance_transform_edt(~here)
    around = (distance > 4) & (labels[window] == 0)
    beside = (distance > 1.5) & (distance <= 3.5) & (labels[window] == 0)
    if not around.any() or not beside.any():
        return False
    level = float(np.median(near[around]))
    # Not the median deviation: that is 0 where few electrons are counted.
    noise = 1.25 * float(np.mean(np.abs(near[around] - level)))
    contrast = float(near[here].mean()) - level
    return contrast > NOISE * noise and float(near[beside].mean()) - level < SHARP * contrast


def _text_beside(bar: _Figure, figures: Sequence[_Figure]) -> list[_Figure]:
    """Return what stands above or below a bar, within its length, and is no larger than its text would be."""
    reach = max(4 * bar.height, bar.width / 4)
    return [
        figure
        for figure in figures
        if bar.beside(figure, reach)
        and figure.height <= bar.width
        and bar.columns.start <= (figure.columns.start + figure.columns.stop) / 2 <= bar.columns.stop
    ]


def _lines_of_text(figures: Sequence[_Figure]) -> list[list[_Figure]]:
    """Return groups of figures that stand in a line."""
    letters = [figure for figure in figures if figure.height >= 5]
    groups: list[list[_Figure]] = []
    for letter in sorted(letters, key=lambda figure: figure.columns.start):
        touched = [group for group in groups if any(letter.in_line_with(other) for other in group)]
        groups = [group for group in groups if group not in touched]
        groups.append([letter, *(figure for group in touched for figure in group)])
    return [group for group in groups if len(group) >= _GLYPHS]


def _box(group: Sequence[_Figure], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the box round figures, with a margin for their soft edges."""
    spans = ([figure.rows for figure in group], [figure.columns for figure in group])
    rows, columns = (
        slice(max(0, min(s.start for s in span) - _MARGIN), min(n, max(s.stop for s in span) + _MARGIN))
        for span, n in zip(spans, shape, strict=True)
    )
    return rows, columns
