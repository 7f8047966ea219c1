"""The contact sheet: how many images of each kind, the best ones, and the doubtful ones with what makes them so."""

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from skimage.measure import block_reduce

from stemforge.colours import BLUE, GREY, ORANGE, VERMILION
from stemforge.console import printable
from stemforge.errors import InputError
from stemforge.evaluate.triage.result import DOUBTFUL, NONE, OPEN, UNREADABLE, VERDICTS, ImageTriage
from stemforge.micrograph.drawing import draw_micrograph
from stemforge.micrograph.image import Micrograph
from stemforge.options import Reading

BEST, DOUBTFUL_SHOWN = 12, 8
"""Most images of either kind on the sheet."""

_COLUMNS = 4
_SIDE, _GAP, _CAPTION, _TITLE, _MARGIN = 2.75, 0.22, 0.62, 0.5, 0.35  # inches
_HEAD = 1.05  # inches: title and bar
_PIXELS = 400  # of a thumbnail's longer side
_LETTERS = 42  # in a line of a caption
_COLOURS = {OPEN: BLUE, DOUBTFUL: ORANGE, NONE: "#BBBBBB", UNREADABLE: VERMILION}


class ContactSheet:
    """Draws sheets, and keeps the small pictures that were drawn before.

    Parameters
    ----------
    reading
        How image files are read.
    """

    DPI = 120

    def __init__(self, reading: Reading = Reading()) -> None:
        self.reading = reading
        self._pictures: dict[tuple[str, int | None], tuple[str, tuple[Micrograph, int]]] = {}

    def draw(self, images: Sequence[ImageTriage]) -> Figure:
        """Draw the best and the doubtful of the images, which are in the order of the table."""
        parts = []
        for verdict, most in ((OPEN, BEST), (DOUBTFUL, DOUBTFUL_SHOWN)):
            every = [one for one in images if one.verdict == verdict]
            if every:
                parts.append((verdict, every[:most], len(every)))
        rows = [-(-len(chosen) // _COLUMNS) for _, chosen, _ in parts]
        width = 2 * _MARGIN + _COLUMNS * _SIDE + (_COLUMNS - 1) * _GAP
        height = _HEAD + 2 * _MARGIN + sum(_TITLE + n * (_SIDE + _CAPTION) for n in rows)
        page = _Page(Figure(figsize=(width, height)), width, height)
        _draw_head(page, images)
        top = _MARGIN + _HEAD
        for (verdict, chosen, number), lines in zip(parts, rows, strict=True):
            shown = f"all {number}" if number == len(chosen) else f"{len(chosen)} of {number}"
            page.text(_MARGIN, top + 0.22, f"{verdict.capitalize()}: {shown}", 13, _COLOURS[verdict], "bold")
            for place, one in enumerate(chosen):
                row, column = divmod(place, _COLUMNS)
                left = _MARGIN + column * (_SIDE + _GAP)
                self._draw_image(page, one, left, top + _TITLE + row * (_SIDE + _CAPTION))
            top += _TITLE + lines * (_SIDE + _CAPTION)
        return page.figure

    def _draw_image(self, page: "_Page", one: ImageTriage, left: float, top: float) -> None:
        axes = page.axes(left, top, _SIDE, _SIDE)
        picture = self._picture(one)
        if picture is None:
            axes.set(xticks=[], yticks=[])
            axes.text(
                0.5, 0.5, "the file is gone", ha="center", va="center", color=GREY, transform=axes.transAxes
            )
        else:
            micrograph, factor = picture
            draw_micrograph(axes, micrograph)
            axes.set_anchor("N")
            if one.points:
                x, y = ((np.array(one.points) + 0.5) / factor - 0.5).T
                axes.scatter(x, y, s=26, facecolors="none", edgecolors=ORANGE, linewidths=0.8)
        for number, (line, colour, weight) in enumerate(_caption(one)):
            page.text(left, top + _SIDE + 0.1 + 0.155 * number, line, 8, colour, weight)

    def _picture(self, one: ImageTriage) -> tuple[Micrograph, int] | None:
        """Return an image in fewer pixels, and how many of its pixels are one of these."""
        key, stamp = (one.file, one.frame), _stamp(one.file)
        before, picture = self._pictures.get(key, ("", None))
        if picture is not None and before == stamp:
            return picture
        picture = _small(one, self.reading)
        if picture is not None:
            self._pictures[key] = (stamp, picture)
        return picture


class _Page:
    """A figure on which places are inches from the top left corner."""

    def __init__(self, figure: Figure, width: float, height: float) -> None:
        self.figure, self.width, self.height = figure, width, height

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        bottom = self.height - top - height
        box = (left / self.width, bottom / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(box)

    def text(
        self, left: float, top: float, text: str, size: float, colour: str, weight: str = "normal"
    ) -> None:
        options: dict[str, Any] = {
            "fontsize": size,
            "color": colour,
            "fontweight": weight,
            "parse_math": False,
        }
        self.figure.text(left / self.width, 1 - top / self.height, printable(text), va="center", **options)


def _draw_head(page: _Page, images: Sequence[ImageTriage]) -> None:
    """Draw title and how many images are of each kind, as one bar."""
    page.text(_MARGIN, _MARGIN + 0.1, f"{len(images)} images", 17, "black", "bold")
    verdicts = Counter(one.verdict for one in images)
    axes = page.axes(_MARGIN, _MARGIN + 0.38, page.width - 2 * _MARGIN, 0.16)
    start = 0
    for verdict in VERDICTS:
        axes.barh(0, verdicts[verdict], left=start, color=_COLOURS[verdict], height=1)
        start += verdicts[verdict]
    axes.set(xlim=(0, max(start, 1)), ylim=(-0.5, 0.5))
    axes.set_axis_off()
    left = _MARGIN
    for verdict in VERDICTS:
        mark = page.axes(left, _MARGIN + 0.66, 0.12, 0.12)
        mark.set(xticks=[], yticks=[], facecolor=_COLOURS[verdict])
        mark.spines[:].set_visible(False)
        page.text(left + 0.19, _MARGIN + 0.72, f"{verdicts[verdict]} {verdict}", 10, "black")
        left += 1.75
    page.text(left + 0.3, _MARGIN + 0.72, "circles: what is more likely an atom than not", 9, GREY)


def _caption(one: ImageTriage) -> list[tuple[str, str, str]]:
    """Return lines below an image, each with colour and weight."""
    numbers = []
    if one.atoms_expected is not None:
        number = round(one.atoms_expected)
        numbers.append(f"{number} atom{'' if number == 1 else 's'}")
    if one.expected_f1 is not None:
        numbers.append(f"F1 {one.expected_f1:.2f}")
    if one.finest_detail_angstrom is not None:
        numbers.append(f"detail {one.finest_detail_angstrom:.1f} Å")
    lines = [(_short(one.image), "black", "bold"), (", ".join(numbers), GREY, "normal")]
    why = (
        textwrap.wrap(one.why, _LETTERS + 4, max_lines=2, placeholder=" …") if one.verdict == DOUBTFUL else []
    )
    if len(why) > 1:  # three lines have room: the numbers go
        return [lines[0], *((line, VERMILION, "normal") for line in why)]
    return [*lines, *((line, VERMILION, "normal") for line in why)]


def _short(name: str) -> str:
    """Return a name that fits, its beginning and end, in one line."""
    name = printable(name).replace("\n", r"\n").replace("\t", r"\t")
    if len(name) <= _LETTERS - 6:
        return name
    half = (_LETTERS - 8) // 2
    return f"{name[:half]}…{name[-half:]}"


def _stamp(file: str) -> str:
    """Return size and time of a file's last change; nothing where it is gone."""
    try:
        state = Path(file).stat()
    except OSError:
        return ""
    return f"{state.st_size}-{state.st_mtime_ns}"


def _small(one: ImageTriage, reading: Reading) -> tuple[Micrograph, int] | None:
    try:
        micrograph = replace(reading, stack=False, frame=one.frame).read(Path(one.file))[0]
    except InputError:
        return None
    factor = max(1, max(micrograph.shape) // _PIXELS)
    if factor == 1:
        return micrograph, 1
    height, width = (n // factor * factor for n in micrograph.shape)
    small = block_reduce(micrograph.image[:height, :width], factor, np.mean)
    sampling = None if micrograph.sampling is None else micrograph.sampling * factor
    return micrograph.with_image(small, sampling), factor
