"""Figures and micrographs as parts of a page: drawings that take the page's colours, pictures of limited size."""

import base64
import io
import re
import warnings
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup, escape
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray
from PIL import Image

from stemforge.colours import BLUE, GREEN, GREY, OLIVE, ORANGE, PURPLE, SKY, VERMILION, YELLOW

_MOST = 300_000  # characters of a drawing; a picture is smaller then
_DPI = 100  # of pictures
# Colours of figures, and the page's, which differ between light and dark.
_VARIABLES = {
    "#000000": "ink",
    "#ffffff": "card",
    "#b0b0b0": "line",
    "#cccccc": "line",
    "#808080": "grey",
    "#999999": "grey",
    GREY.lower(): "grey",
    BLUE.lower(): "blue",
    VERMILION.lower(): "vermilion",
    GREEN.lower(): "green",
    PURPLE.lower(): "purple",
    ORANGE.lower(): "orange",
    SKY.lower(): "sky",
    OLIVE.lower(): "olive",
    YELLOW.lower(): "yellow",
}
# Side [pixel] and JPEG quality of a micrograph's picture: the first that is small enough is taken.
_SIZES = (
    (1536, 92),
    (1024, 90),
    (1024, 80),
    (768, 80),
    (512, 80),
    (512, 65),
    (384, 65),
    (256, 60),
    (128, 50),
)


@dataclass(frozen=True)
class Picture:
    """A micrograph as a page shows it.

    Parameters
    ----------
    uri
        The picture itself, as a ``data:`` address.
    height, width
        Of the micrograph [pixel]; the picture may have fewer.
    """

    uri: str
    height: int
    width: int


def draw_inline(figure: Figure, title: str, number: int) -> Markup:
    """Return a figure as HTML: a vector drawing in the page's colours, or a picture where it holds images.

    Parameters
    ----------
    figure
        Of matplotlib. Text in it may be a user's: it stays text.
    title
        What a reader who cannot see it is told.
    number
        Of the figure on its page; keeps the names in its drawing different from those of others.

    Examples
    --------
    >>> figure = Figure()
    >>> _ = figure.subplots().set_title("a < b")
    >>> drawing = draw_inline(figure, 'the "first"', 1)
    >>> "a &lt; b" in drawing, 'aria-label="the &#34;first&#34;"' in drawing, "http" in drawing
    (True, True, False)
    """
    if not figure.findobj(AxesImage):
        drawing = _vector(figure, title, number)
        if len(drawing) <= _MOST:
            return Markup(drawing)  # noqa: S704 - matplotlib escapes what it writes, and the title is escaped
    stream = io.BytesIO()
    _save(figure, stream, "png", dpi=_DPI)
    uri = data_uri(stream.getvalue(), "png")
    return Markup('<img class="paper" alt="{}" src="{}">').format(title, uri)


def _save(figure: Figure, stream: io.BytesIO, kind: str, **options: Any) -> None:
    with warnings.catch_warnings():
        # Of a name in a script that the font lacks; boxes stand in its place.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure.savefig(stream, format=kind, **options)


def _vector(figure: Figure, title: str, number: int) -> str:
    """Return a figure as SVG without what HTML needs not, its colours as variables of the page."""
    stream = io.BytesIO()
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": f"figure {number}"}
    with mpl.rc_context(settings):
        _save(figure, stream, "svg", transparent=True, metadata={"Date": None})
    text = stream.getvalue().decode("utf-8")
    text = text[text.index("<svg") :]
    # Text of the figure is escaped by matplotlib, so that no sign of it can be taken for markup here.
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style .*?</style>", "", text, flags=re.S)
    text = re.sub(r' xmlns(?::\w+)?="[^"]*"', "", text, count=2)
    text = text.replace("xlink:href=", "href=")
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)  # the page's
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text))
    names = {first or second for first, second in used}
    text = re.sub(r' id="([^"]*)"', lambda one: f' id="f{number}-{one[1]}"' if one[1] in names else "", text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>f{number}-", text)
    text = re.sub(r"#[0-9a-f]{6}(?=[;\"])", _variable, text)
    box = re.search(r'viewBox="[^"]*"', text)
    end = text.index(">")
    label = escape(title)
    head = f'<svg class="plot" role="img" aria-label="{label}" {box[0] if box else ""}'
    return head + text[end:].strip()


def _variable(colour: re.Match[str]) -> str:
    name = _VARIABLES.get(colour[0])
    return colour[0] if name is None else f"var(--{name})"


def data_uri(content: bytes, kind: str) -> str:
    """Return a picture's content as an address that holds it."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def picture_of(image: NDArray[np.float32], most: int) -> Picture:
    """Return a micrograph as a grey JPEG of a size that many of them allow on one page.

    Parameters
    ----------
    image
        Intensities, shape (height, width).
    most
        Bytes; where the smallest picture has more, it is taken all the same (some kB).

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(600, 800)).astype(np.float32)
    >>> picture = picture_of(noise, 60_000)
    >>> (picture.height, picture.width), len(picture.uri) < 80_100
    ((600, 800), True)
    """
    height, width = image.shape
    low, high = np.percentile(image, [0.5, 99.8])
    grey = np.clip((image - low) / max(high - low, 1e-9), 0, 1) * 255
    whole = Image.fromarray(grey.round().astype(np.uint8))
    content = b""
    for side, quality in _SIZES:
        small = whole.copy()
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        stream = io.BytesIO()
        small.save(stream, "JPEG", quality=quality, optimize=True)
        content = stream.getvalue()
        if len(content) <= most:
            break
    return Picture(data_uri(content, "jpeg"), height, width)
