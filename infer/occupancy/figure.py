"""Maps of channels: filled, empty, open; and what they hold in blocks of cells."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import ndimage

from stemforge.colours import GREY, ORANGE, SKY, YELLOW
from stemforge.files import write_figure
from stemforge.infer.crystals.figures import draw_domains
from stemforge.infer.occupancy.blocks import BlockAverages
from stemforge.infer.occupancy.result import EMPTY, FILLED, OPEN, Occupancy
from stemforge.micrograph.drawing import draw_micrograph, entitle
from stemforge.micrograph.image import Micrograph

_COLOURS = {FILLED: ORANGE, OPEN: YELLOW, EMPTY: SKY}
_BLUR = 1.0  # of what the framework leaves, so that molecules show [Å]
_RADIUS = 3.0  # of the circles [Å]


def draw_occupancy(occupancy: Occupancy, path: str | Path | None = None) -> Figure:
    """Draw an image with its channels, what the framework leaves of it, and the channels' contents.

    Parameters
    ----------
    occupancy
        From :func:`stemforge.infer.measure_occupancy`.
    path
        Where to save the picture; None saves nothing.

    Returns
    -------
    Figure
        Left the image, in the middle the image without the framework, blurred by 1 Å, both with a circle for each
        channel; right how much each channel holds.

    Examples
    --------
    >>> from stemforge.infer import Domains, Lattice
    >>> lattice = Lattice((0.0, 0.0), (20.0, 0.0), (0.0, 13.0), 1.0, 0.0, 0.0, 0.9, "mfi", (20.0, 13.0))
    >>> where = np.zeros((4, 4), dtype=int), np.zeros((4, 4, 2)), np.ones((4, 4)), np.zeros((1, 2))
    >>> noise, one = np.random.default_rng(0).random((3, 40, 40)), np.ones(2)
    >>> channels = np.array([[10.0, 10.0], [20.0, 17.0]]), np.array([0.99, 0.01]), np.array([3.0, -2.0]), one, one / 10
    >>> guests = np.array(["pyridine", "pyridine"], dtype=object)
    >>> rest = guests, one, (0.4, 0.7, 0.5), 0.0, None, None, None, (1.1, 1.0), 0.95, 9.0, noise[1:]
    >>> film = Micrograph(noise[0], name="film")
    >>> figure = draw_occupancy(Occupancy(film, Domains(lattice, *where, 10, (5.0, 5.0)), *channels, *rest), "film.png")
    >>> Path("film.png").exists(), figure.axes[0].get_title()
    (True, 'film: 50 % of channels filled (90 %: 40 to 70)')
    """
    micrograph, sampling = occupancy.micrograph, occupancy.lattice.sampling
    height, width = micrograph.shape
    figure = Figure(figsize=(16, 6.3 * height / width + 0.8), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 0.62))
    rest = ndimage.gaussian_filter(occupancy.framework[1], _BLUR / sampling)
    # Slow changes of the background say nothing of a channel.
    rest = rest - ndimage.gaussian_filter(occupancy.framework[1], 12 / sampling, mode="reflect")
    for axes, image in ((left, micrograph.image), (middle, rest)):
        draw_micrograph(axes, Micrograph(image, sampling, name=micrograph.name), scale_bar=axes is left)
        draw_domains(axes, occupancy.domains, micrograph.shape)
        _circles(axes, occupancy)
    low, high, mean = occupancy.share
    entitle(
        left,
        f"{micrograph.name}: {100 * mean:.0f} % of channels filled (90 %: {100 * low:.0f} to {100 * high:.0f})",
    )
    middle.set_title("what the framework leaves of it", fontsize=10)
    mark = {"marker": "o", "ls": "", "mfc": "none", "mew": 1.5}
    handles = [
        Line2D([], [], mec=colour, label=f"{state}: {occupancy.count(state)}", **mark)  # type: ignore[arg-type]
        for state, colour in _COLOURS.items()
    ]
    left.legend(handles=handles, loc="lower right", fontsize=8, framealpha=0.85)
    reach = float(np.abs(occupancy.content).max(initial=1.0)) * 1.05
    bins = np.linspace(min(-0.5, float(occupancy.content.min()) * 1.05), max(1.5, reach), 40)
    states = [occupancy.content[occupancy.state == state] for state in _COLOURS]
    right.hist(
        states, bins=bins.tolist(), stacked=True, color=list(_COLOURS.values()), edgecolor="white", lw=0.4
    )
    error = float(np.median(occupancy.content_error))
    right.errorbar(1.0, 0.92 * right.get_ylim()[1], xerr=error, color=GREY, capsize=3, lw=1.2)
    right.annotate(
        "error of one channel",
        (1.0, 0.94 * right.get_ylim()[1]),
        ha="center",
        va="bottom",
        fontsize=8,
        color=GREY,
    )
    right.set(xlabel="molecules in a unit cell along the beam, by contrast", ylabel="channels")
    right.spines[["top", "right"]].set_visible(False)
    if path is not None:
        write_figure(figure, path)
    return figure


def draw_blocks(blocks: BlockAverages, path: str | Path | None = None) -> Figure:
    """Draw an image with its channels, coloured by what their copies hold in the mean of their block.

    Parameters
    ----------
    blocks
        From :func:`average_occupancy`.
    path
        Where to save the picture; None saves nothing.

    Examples
    --------
    >>> from stemforge.infer import Domains, Lattice
    >>> lattice = Lattice((0.0, 0.0), (20.0, 0.0), (0.0, 13.0), 1.0, 0.0, 0.0, 0.9, "mfi", (20.0, 13.0))
    >>> where = np.zeros((4, 4), dtype=int), np.zeros((4, 4, 2)), np.ones((4, 4)), np.zeros((1, 2))
    >>> noise, one = np.random.default_rng(0).random((3, 40, 40)), np.ones(2)
    >>> channels = np.array([[10.0, 10.0], [20.0, 17.0]]), np.array([0.99, 0.01]), np.array([3.0, -2.0]), one, one / 10
    >>> rest = one, one, (0.4, 0.7, 0.5), 0.0, None, None, None, (1.1, 1.0), 0.95, 9.0, noise[1:]
    >>> film = Micrograph(noise[0], name="film")
    >>> measured = Occupancy(film, Domains(lattice, *where, 10, (5.0, 5.0)), *channels, *rest)
    >>> figure = draw_blocks(BlockAverages(measured, np.array([[0, 1]]), np.array([0])), "blocks.png")
    >>> Path("blocks.png").exists(), figure.axes[0].get_title()
    (True, 'film: means of 2 copies of a channel, ± 0.07')
    """
    occupancy = blocks.occupancy
    micrograph, step = occupancy.micrograph, occupancy.lattice.sampling
    height, width = micrograph.shape
    figure = Figure(figsize=(7.5, 6.3 * height / width + 0.8), layout="constrained")
    axes = figure.subplots()
    draw_micrograph(axes, Micrograph(micrograph.image, step, name=micrograph.name))
    draw_domains(axes, occupancy.domains, micrograph.shape)
    number = blocks.copies.shape[1]
    size = np.full(blocks.copies.size, 2 * _RADIUS / step)
    circles = EllipseCollection(
        size,
        size,
        np.zeros(len(size)),
        units="xy",
        offsets=occupancy.points[blocks.copies.ravel()],
        transOffset=axes.transData,
        array=np.repeat(blocks.content, number),
        cmap="viridis",
        clim=(0, max(1.0, float(blocks.content.max()))),
        facecolors="none",
        linewidths=3,
    )
    axes.add_collection(circles)
    figure.colorbar(circles, ax=axes, label="molecules in a unit cell along the beam", shrink=0.8)
    error = float(np.median(blocks.content_error))
    entitle(axes, f"{micrograph.name}: means of {number} copies of a channel, ± {error:.2f}")
    if path is not None:
        write_figure(figure, path)
    return figure


def _circles(axes: Axes, occupancy: Occupancy) -> None:
    """Circle the channels, the surer the stronger."""
    size = 2 * _RADIUS / occupancy.lattice.sampling
    sure = np.abs(2 * occupancy.probability - 1)
    for state, colour in _COLOURS.items():
        chosen = occupancy.state == state
        if not chosen.any():
            continue
        sizes = np.full(int(chosen.sum()), size)
        circles = EllipseCollection(
            sizes,
            sizes,
            np.zeros(len(sizes)),
            units="xy",
            offsets=occupancy.points[chosen],
            transOffset=axes.transData,
            facecolors="none",
            edgecolors=colour,
            linewidths=np.where(state == OPEN, 0.7, 1.0 + 0.6 * sure[chosen]),
            alpha=0.6 if state == OPEN else 1.0,
        )
        axes.add_collection(circles)
