"""Overlays of what lattice finding, restoration and molecule detection give."""

from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stemforge.colours import ORANGE, SKY, VERMILION, YELLOW
from stemforge.files import write_figure
from stemforge.infer.crystals.domains import NOTHING, Domains
from stemforge.infer.crystals.framework import FRAMEWORKS, Framework
from stemforge.infer.crystals.restoration import Restoration
from stemforge.micrograph.drawing import draw_micrograph, entitle
from stemforge.micrograph.image import Micrograph


def draw_lattice(
    micrograph: Micrograph,
    domains: Domains,
    path: str | Path | None = None,
    *,
    framework: Framework | None = None,
) -> Figure:
    """Draw a lattice on its image: cells, axes, and enlarged the framework's columns beside what they lie on.

    Cells follow distortion and displaced domains; boundaries are drawn, and what shows no crystal is darkened.

    Parameters
    ----------
    micrograph
        The image.
    domains
        From :func:`stemforge.infer.find_domains`.
    path
        Where to save the picture; None saves nothing.
    framework
        Whose columns to draw; by default the one that the lattice names.

    Returns
    -------
    Figure
        The picture.

    Examples
    --------
    >>> from stemforge.infer import Lattice
    >>> lattice = Lattice((40.0, 30.0), (20.0, 0.0), (0.0, 15.0), 1.0, 0.0, 0.0, 0.9, "oblong", (20.0, 15.0))
    >>> where = np.zeros((8, 8), dtype=int), np.zeros((8, 8, 2)), np.ones((8, 8)), np.zeros((1, 2))
    >>> image = Micrograph(np.random.default_rng(0).random((80, 80)), name="field")
    >>> figure = draw_lattice(image, Domains(lattice, *where, 10, (5.0, 5.0)), "lattice.png")
    >>> Path("lattice.png").exists(), figure.axes[0].get_title()
    (True, 'field: oblong, 1.0000 Å per pixel, turned by 0.00°')
    """
    lattice = domains.lattice
    if framework is None and lattice.framework in FRAMEWORKS:
        framework = Framework.named(lattice.framework)
    height, width = micrograph.shape
    figure = Figure(figsize=(12.4, 6.2 * height / width + 0.6), layout="constrained")
    whole, part = figure.subplots(1, 2)
    calibrated = Micrograph(micrograph.image, lattice.sampling, name=micrograph.name)
    for axes in (whole, part):
        draw_micrograph(axes, calibrated, scale_bar=axes is whole)
        axes.add_collection(LineCollection(_grid(domains, (height, width)), colors=SKY, lw=0.6))
        draw_domains(axes, domains, (height, width))
    origin = np.array(lattice.origin_px)
    for vector, name, colour in ((lattice.a_px, "1", ORANGE), (lattice.b_px, "2", YELLOW)):
        for axes in (whole, part):
            arrow = {"arrowstyle": "->", "color": colour, "lw": 2}
            axes.annotate("", origin + vector, origin, arrowprops=arrow)
        part.annotate(name, origin + np.array(vector) * 1.06, color=colour, ha="center", va="center")
    half = 1.3 * max(np.hypot(*lattice.a_px), np.hypot(*lattice.b_px))
    if framework is not None:
        x, y = domains.sites(framework.columns().fractional, (height, width)).T
        part.scatter(x, y, s=16, facecolors="none", edgecolors=VERMILION, linewidths=0.9)
    part.set_xlim(origin[0] - half, origin[0] + half)
    part.set_ylim(origin[1] + half * height / width, origin[1] - half * height / width)
    entitle(
        whole,
        f"{micrograph.name}: {lattice.framework}, {lattice.sampling:.4f} Å per pixel, turned by "
        f"{lattice.rotation:.2f}°",
    )
    part.set_title(f"columns of the framework (correlation {lattice.score:.2f})", fontsize=10)
    if path is not None:
        write_figure(figure, path)
    return figure


def draw_domains(axes: Axes, domains: Domains, shape: tuple[int, int]) -> None:
    """Draw boundaries between domains, and darken what shows no crystal."""
    labels = domains.map(shape)
    nothing = labels == NOTHING
    if nothing.any():
        shade = np.zeros((*shape, 4))
        shade[nothing] = (0, 0, 0, 0.55)
        axes.imshow(shade, interpolation="nearest")
    for label in range(len(domains.displacements) - 1):
        axes.contour((labels <= label) & ~nothing, levels=[0.5], colors=[VERMILION], linewidths=1.6)


def _grid(domains: Domains, shape: tuple[int, int]) -> list[list[tuple[float, float]]]:
    """Edges of cells, each between corners of one domain."""
    lines = []
    for label in range(len(domains.displacements)):
        corners = domains.moved(label).sites(np.zeros((1, 2)), shape)
        for axis in (domains.lattice.a_px, domains.lattice.b_px):
            ends = [points + domains.distortion_at(points, label) for points in (corners, corners + axis)]
            inside = np.all([domains.at(points) == label for points in ends], axis=0)
            lines += np.stack(ends, 1)[inside].tolist()
    return [[(float(x), float(y)) for x, y in line] for line in lines]


def _hatch(axes: Axes, where: NDArray[np.bool_]) -> None:
    """Hatch parts of an image."""
    with rc_context({"hatch.color": VERMILION, "hatch.linewidth": 0.6}):
        axes.contourf(where.astype(float), levels=[0.5, 1.5], colors="none", hatches=["////"])


def _enlarge(axes: Axes, shape: tuple[int, int]) -> None:
    """Show the middle of an image alone."""
    (h, w), side = shape, min(shape) / 4
    axes.set_xlim((w - side) / 2, (w + side) / 2)
    axes.set_ylim((h + side) / 2, (h - side) / 2)


def draw_restoration(restoration: Restoration, path: str | Path | None = None) -> Figure:
    """Draw a micrograph beside its restoration, whole and enlarged.

    Parameters
    ----------
    restoration
        From :func:`stemforge.infer.restore_micrograph`.
    path
        Where to save the picture; None saves nothing.

    Returns
    -------
    Figure
        The picture: above the whole field, below its middle. Where the network says how sure it is, hatched where what
        is drawn could as well be nothing, and beside it the width of the interval.

    Examples
    --------
    >>> noise = np.random.default_rng(0).random((64, 64))
    >>> finer = noise.repeat(2, axis=0).repeat(2, axis=1).astype(np.float32)
    >>> restoration = Restoration(Micrograph(noise, 0.25, name="field"), finer, 0.125)
    >>> figure = draw_restoration(restoration, "compared.png")
    >>> Path("compared.png").exists(), len(figure.axes)
    (True, 4)
    """
    raw, restored, doubtful = restoration.micrograph, restoration.as_micrograph(), restoration.doubtful
    shown = [
        (raw, "as recorded"),
        (restored, "restored" if doubtful is None else "restored; hatched: may be nothing"),
    ]
    height, width = raw.shape
    columns = len(shown) + (doubtful is not None)
    tall = height / width
    figure = Figure(figsize=(5.5 * columns, 5.5 * (tall + 1) + 0.6), layout="constrained")
    panels = figure.subplots(2, columns, height_ratios=(tall, 1))
    for column, (image, title) in enumerate(shown):
        for row in (0, 1):
            axes = panels[row, column]
            draw_micrograph(axes, image, scale_bar=row == 0)
            entitle(axes, f"{raw.name}, {title}" if row == 0 else f"{title}, enlarged")
            if image is restored and doubtful is not None:
                _hatch(axes, doubtful)
        _enlarge(axes, image.shape)
    if restoration.low is not None and restoration.high is not None:
        spread = restoration.high - restoration.low
        for axes in panels[:, -1]:
            drawn = axes.imshow(spread, cmap="cividis", vmin=0)
            axes.set_axis_off()
            axes.set_title(
                "width of the 90 % interval" + (", enlarged" if axes is panels[1, -1] else ""), fontsize=10
            )
        figure.colorbar(
            drawn,
            ax=panels[:, -1],
            shrink=0.6,
            label="grey, where that of the recorded image goes from 0 to 1",
        )
        _enlarge(axes, spread.shape)
    if path is not None:
        write_figure(figure, path)
    return figure
