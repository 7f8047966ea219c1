"""Atoms drawn on their micrograph, beside the micrograph without marks."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from stemforge.files import write_figure
from stemforge.infer.atoms.detection import Detection
from stemforge.infer.atoms.places.cosine import filtered, gaussian_response
from stemforge.infer.atoms.sampling import SamplingEstimate
from stemforge.infer.specimen.figure import draw_edge
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.drawing import draw_left_out, draw_micrograph, draw_pixels, entitle
from stemforge.micrograph.image import Micrograph

_RING = 70.0  # area of a ring [point²] on an image of up to _FINE pixels; smaller on larger ones
_FINE = 1024  # side up to which single atoms are seen on the whole image [pixel]
_PARTS = 3  # of a larger image, drawn enlarged
_SIDE = 256  # least side of a part [pixel]
_BACKGROUND = 10.0  # standard deviation of what is background [Å]


def draw_detection(
    detection: Detection, path: str | Path | None = None, estimate: SamplingEstimate | None = None
) -> Figure:
    """Draw the atoms found on their micrograph, coloured by score; what was left out is tinted and hatched.

    Beside it the micrograph stands without marks, as recorded and without its background (a Gaussian of 10 Å), so that
    a reader can judge what the rings hide. Where single atoms are too small to be seen on the whole image, three parts
    of it are drawn enlarged below: one with most atoms, one with fewest, and one between them.

    Parameters
    ----------
    detection
        From :func:`stemforge.infer.detect_atoms`.
    path
        Where to save the picture; None saves nothing.
    estimate
        Of the pixel size, where that was estimated; stands in the title.

    Returns
    -------
    Figure
        The picture; its first axes are those with the marks.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge import Annotations, Micrograph
    >>> atoms = Annotations([[20, 30], [70, 60]], columns={"score": [0.9, 0.7]})
    >>> image = Micrograph(np.random.default_rng(0).random((100, 100)), 0.2, name="area")
    >>> figure = draw_detection(Detection(image, atoms, image.image, 0.2, 0.5), "area.png")
    >>> figure.axes[0].get_title(), Path("area.png").exists()
    ('area: 2 atoms from 0.50 on', True)
    """
    micrograph = detection.micrograph
    height, width = micrograph.shape
    parts = _parts(detection)
    tall = min(max(6.4 * height / width, 1.0), 16.0)
    figure = Figure(figsize=(11.2, tall + 0.6 + (3.9 if parts else 0.0)), layout="constrained")
    rows = figure.add_gridspec(2 if parts else 1, 1, height_ratios=[tall, 3.9] if parts else None)
    upper = rows[0].subgridspec(2, 2, width_ratios=[2, 1])
    axes = figure.add_subplot(upper[:, 0])
    draw_micrograph(axes, micrograph)
    if detection.usable is not None:
        draw_left_out(axes, detection.usable)
    if detection.specimen is not None:
        draw_edge(axes, detection.specimen)
    colours = likelihood_colours(detection.threshold)
    _rings(axes, detection.atoms, colours, min(1.0, _FINE / max(height, width)))
    bar = figure.colorbar(colours, ax=axes, label="likelihood", shrink=0.6, pad=0.01)
    entitle(axes, _title(detection, estimate))
    for row, (shown, words) in enumerate(
        ((micrograph.image, "as recorded"), (_flattened(micrograph), "without background"))
    ):
        beside = figure.add_subplot(upper[row, 1])
        draw_pixels(beside, shown, micrograph.sampling, scale_bar=False)
        entitle(beside, words, 9)
    if parts:
        _draw_parts(figure, rows[1], axes, detection, colours, parts)
    bar.ax.tick_params(labelsize=8)
    if path is not None:
        write_figure(figure, path, dpi=140)
    return figure


def likelihood_colours(threshold: float) -> ScalarMappable:
    """Return the colours of likelihoods from a threshold on: red where they are low, yellow where they are high.

    Examples
    --------
    >>> [[float(part) for part in colour] for colour in likelihood_colours(0.4).to_rgba([0.4, 1.0])]
    [[1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 0.0, 1.0]]
    """
    return ScalarMappable(Normalize(threshold, 1), "autumn")


def _title(detection: Detection, estimate: SamplingEstimate | None) -> str:
    title = f"{detection.micrograph.name}: {len(detection.atoms)} atoms from {detection.threshold:.2f} on"
    if detection.expected_f1 is not None:
        title += f", expected F1 {detection.expected_f1:.2f}"
    if detection.usable is not None and detection.usable.reasons:
        title += f"\nleft out (tinted): {detection.usable}"
    if detection.specimen is not None and detection.specimen.vacuum is not None:
        title += f"\nspecimen within the dashed line: {100 * detection.specimen.share:.0f} % of the image"
    if detection.density is not None:
        title += "\nvisible: {:.2f} ({:.2f} to {:.2f}) per nm²".format(*detection.density)
    if estimate is not None:
        title += f"\n{estimate}"
    return title


def _rings(
    axes: Axes, atoms: Annotations, colours: ScalarMappable, size: float, corner: tuple[int, int] = (0, 0)
) -> None:
    """Draw a ring around each atom; `corner` is the place (x, y) of the first pixel that is drawn."""
    x, y = (atoms.points - corner).T
    edges: Any = colours.to_rgba(atoms["score"])
    axes.scatter(x, y, s=_RING * size, facecolors="none", edgecolors=edges, linewidths=1.2 * size**0.5)


def _flattened(micrograph: Micrograph) -> NDArray[np.float32]:
    """Return the pixels of a micrograph without what changes slowly across it."""
    # Without the mean first: single precision would lose the detail of an image with a large offset.
    image = micrograph.image - micrograph.image.mean()
    sigma = max(_BACKGROUND / micrograph.sampling if micrograph.sampling else max(image.shape) / 16, 4.0)
    return np.asarray(image - filtered(image, gaussian_response(image.shape, sigma)))


class _Part(NamedTuple):
    """A square of an image that is drawn enlarged."""

    x: int
    y: int
    side: int
    words: str


def _parts(detection: Detection) -> list[_Part]:
    """Choose the parts of a large image with most atoms, with fewest, and the middle one of all with some."""
    height, width = detection.micrograph.shape
    if max(height, width) <= _FINE or min(height, width) < _SIDE:
        return []
    side = min(max(_SIDE, max(height, width) // 12), height, width)
    down, across = height // side, width // side
    used = detection.specimen.mask if detection.specimen is not None else np.ones((height, width), dtype=bool)
    tiles = used[: down * side, : across * side].reshape(down, side, across, side).mean(axis=(1, 3))
    x, y = detection.atoms.points.T
    counts, *_ = np.histogram2d(
        y, x, bins=(down, across), range=((-0.5, down * side - 0.5), (-0.5, across * side - 0.5))
    )
    places = np.argwhere(tiles >= min(0.9, tiles.max(initial=0.0)))
    order = places[np.argsort(counts[tuple(places.T)], kind="stable")]
    if len(order) < _PARTS:
        return []
    some = order[counts[tuple(order.T)] > 0]
    middle = some[len(some) // 2] if len(some) else order[len(order) // 2]
    chosen = (order[-1], middle, order[0])
    names = ("most atoms", "typical", "fewest atoms")
    return [
        _Part(column * side, row * side, side, words)
        for (row, column), words in zip(chosen, names, strict=True)
    ]


def _draw_parts(
    figure: Figure, room: Any, whole: Axes, detection: Detection, colours: ScalarMappable, parts: list[_Part]
) -> None:
    cells = room.subgridspec(1, len(parts))
    for number, (letter, part) in enumerate(zip("abc", parts, strict=True)):
        corner = (part.x - 0.5, part.y - 0.5)
        whole.add_patch(Rectangle(corner, part.side, part.side, fill=False, edgecolor="white", lw=1.0))
        text = whole.text(
            part.x + part.side * 0.06, part.y + part.side * 0.06, letter, color="white", va="top"
        )
        text.set_path_effects([withStroke(linewidth=2, foreground="black")])
        axes = figure.add_subplot(cells[number])
        cut = detection.micrograph.image[part.y : part.y + part.side, part.x : part.x + part.side]
        draw_pixels(axes, cut, detection.micrograph.sampling)
        here = detection.atoms.where(_within(detection.atoms.points, part))
        _rings(axes, here, colours, 0.8, (part.x, part.y))
        entitle(axes, f"{letter}: {part.words} ({len(here)})", 9)


def _within(points: NDArray[np.float64], part: _Part) -> NDArray[np.bool_]:
    offset = points - [part.x - 0.5, part.y - 0.5]
    return np.asarray(((offset >= 0) & (offset < part.side)).all(axis=1))
