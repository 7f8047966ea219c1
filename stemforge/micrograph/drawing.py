"""Micrographs as pictures: grey, with a scale bar."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from stemforge.colours import BLUE, SKY, VERMILION
from stemforge.console import printable
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.usable import UsableArea

DIFFERENCES = LinearSegmentedColormap.from_list("differences", [BLUE, "white", VERMILION])
"""Colours of differences: blue below 0, white, vermilion above."""

_LARGE = 1024  # side from which an image has more pixels than its picture [pixel]


def draw_micrograph(axes: Axes, micrograph: Micrograph, *, scale_bar: bool = True) -> None:
    """Draw a micrograph in grey, by default with a scale bar (nm where calibrated, pixels where not).

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> draw_micrograph(axes, Micrograph(np.random.default_rng(0).random((64, 64)), sampling=2.0))
    >>> [text.get_text() for text in axes.texts]
    ['2 nm']
    """
    draw_pixels(axes, micrograph.image, micrograph.sampling, scale_bar=scale_bar)


def draw_pixels(
    axes: Axes, image: NDArray[np.float32], sampling: float | None, *, scale_bar: bool = True
) -> None:
    """Draw pixel values (height, width) as :func:`draw_micrograph` does; they may be all the same."""
    low, high = np.percentile(image, [0.5, 99.8])
    # Pixels as they are, but means of them where a picture has fewer: every fourth alone would show noise.
    interpolation = "nearest" if max(image.shape) <= _LARGE else "auto"
    axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-9), interpolation=interpolation)
    axes.set_axis_off()
    # A picture's layout would count ticks that nobody sees: a fifth of its time.
    axes.set(xticks=[], yticks=[])
    axes.autoscale(False)  # a circle at the border must not shrink the image
    if not scale_bar:
        return
    height, width = image.shape
    unit = 1.0 if sampling is None else 10 / sampling
    target = width / 5 / unit
    step = 10 ** np.floor(np.log10(target))
    length = max(s * step for s in (1, 2, 5) if s * step <= target)
    x, y, thick = 0.05 * width, 0.95 * height, 0.012 * height
    # Edged in black: white alone is lost on a bright support.
    axes.add_patch(
        Rectangle(
            (x, y - thick), length * unit, thick, facecolor="white", edgecolor="black", lw=0.8, zorder=5
        )
    )
    label = f"{length:g} {'px' if sampling is None else 'nm'}"
    text = axes.text(x, y - 1.8 * thick, label, color="white", ha="left", va="bottom", fontsize=9, zorder=5)
    text.set_path_effects([withStroke(linewidth=2, foreground="black")])


def literal(text: str) -> str:
    r"""Return a text that pictures show as it is: a file's name is no formula, whatever signs are in it.

    For titles, labels and ticks with anything that a user named.

    Examples
    --------
    >>> print(literal("a$b$.tif"))
    a\$b\$.tif
    """
    return printable(text).replace("$", r"\$")


def entitle(axes: Axes, text: str, size: float = 10) -> None:
    """Write a title in which a file's name may stand: it is no formula, whatever signs are in it."""
    axes.set_title(printable(text), fontsize=size, parse_math=False)


def draw_left_out(axes: Axes, area: UsableArea) -> None:
    """Tint and hatch what of an image was left out, above a micrograph drawn by :func:`draw_micrograph`."""
    if not area.reasons:
        return
    height, width = area.mask.shape
    tint = np.zeros((height, width, 4))
    tint[..., :3] = to_rgb(SKY)
    tint[..., 3] = np.where(area.mask, 0.0, 0.35)
    axes.imshow(tint, interpolation="nearest")
    x, y = np.arange(width), np.arange(height)
    left_out = np.where(area.mask, 0.0, 1.0)
    if min(height, width) > 1:
        hatched = axes.contourf(x, y, left_out, levels=[0.5, 1.5], colors="none", hatches=["////"])
        hatched.set_edgecolor(SKY)
        hatched.set_linewidth(0)
