"""The average cell, the candidates' images of it, what they leave, and how probable each is."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stemforge.colours import BLUE, GREY, ORANGE
from stemforge.files import write_figure
from stemforge.infer.conformation.candidates import NONE
from stemforge.infer.conformation.result import Conformation
from stemforge.micrograph.drawing import DIFFERENCES, entitle, literal

_SHOWN = 4  # candidates, the most probable ones
_BARS = 16  # candidates with a bar
_LONGEST = 22  # letters of a name


def draw_conformation(conformation: Conformation, path: str | Path | None = None) -> Figure:
    """Draw the average cell beside the most probable candidates' images, what each leaves of it, and probabilities.

    Parameters
    ----------
    conformation
        From :func:`stemforge.infer.identify_conformation`.
    path
        Where to save the picture; None saves nothing.

    Returns
    -------
    Figure
        Above the average cell and the candidates' images in one grey scale; below the confusion among the candidates
        and the differences in one scale of their own; right the probabilities.

    Examples
    --------
    >>> from stemforge import Micrograph
    >>> from stemforge.infer import Lattice
    >>> from stemforge.infer.conformation.result import Likeness, Prospects
    >>> cells = np.random.default_rng(0).random((3, 16, 24))
    >>> lattice = Lattice((0.0, 0.0), (24.0, 0.0), (0.0, 16.0), 0.84, 0.0, 0.0, 1.0, "mfi", (20.1, 13.4))
    >>> likely, film = np.array([[0.7, 0.2, 0.1]]), Micrograph(np.eye(16), name="film")
    >>> further = Likeness(np.ones((1, 2)), np.ones((1, 2))), Prospects(np.eye(2), 1.0, 1), cells[0], cells[1:]
    >>> logs = np.log(likely)
    >>> found = Conformation(
    ...     film, None, lattice, ("a", "b"), np.ones((1, 2)), 9, 9, logs[:, :2], logs[:, 2], likely, *further, 0.9
    ... )
    >>> figure = draw_conformation(found, "film.png")
    >>> Path("film.png").exists(), figure.axes[2].get_title()
    (True, 'candidate a')
    """
    order = np.argsort(-conformation.mean_probability[:-1], kind="stable")
    chosen = order[:_SHOWN]
    number = len(chosen)
    figure = Figure(figsize=(3.0 * (number + 1) + 4.2, 4.8), layout="constrained")
    grid = figure.add_gridspec(2, number + 2, width_ratios=[1] * (number + 1) + [1.15])
    cell = conformation.cell
    extent = (0.0, conformation.lattice.cell[0], conformation.lattice.cell[1], 0.0)
    low, high = np.percentile(cell, [0.5, 99.8])
    differences = [cell - conformation.images[i] for i in chosen]
    reach = float(np.percentile(np.abs(differences), 99.5))
    first = figure.add_subplot(grid[0, 0])
    _picture(first, cell, extent, "gray", (low, high))
    entitle(first, f"{_short(conformation.micrograph.name)}: average of {conformation.whole_cells} cells")
    _confusion(figure.add_subplot(grid[1, 0]), conformation)
    for column, (i, difference) in enumerate(zip(chosen, differences, strict=True), 1):
        above, below = (figure.add_subplot(grid[row, column]) for row in (0, 1))
        _picture(above, conformation.images[i], extent, "gray", (low, high))
        entitle(above, f"candidate {_short(conformation.names[i])}")
        _picture(below, difference, extent, DIFFERENCES, (-reach, reach))
        if column == 1:
            share = 100 * reach / (high - low)
            below.text(
                0, 1.04 * extent[2], f"colours to ±{share:.0f} % of the grey scale", fontsize=8, va="top"
            )
        left = float(difference.std() / cell.std())
        entitle(below, f"average cell − {_short(conformation.names[i])}: {100 * left:.1f} % left")
    _bars(figure.add_subplot(grid[:, -1]), conformation, order)
    if path is not None:
        write_figure(figure, path)
    return figure


def _picture(
    axes: Axes,
    image: NDArray[np.float64],
    extent: tuple[float, float, float, float],
    colours: str | LinearSegmentedColormap,
    limits: tuple[float, float],
) -> None:
    axes.imshow(image, cmap=colours, vmin=limits[0], vmax=limits[1], extent=extent, interpolation="bicubic")
    axes.set_axis_off()


def _confusion(axes: Axes, conformation: Conformation) -> None:
    """Draw how often each candidate would be taken for another."""
    table = conformation.prospects.confusion
    axes.imshow(table, cmap="Greys", vmin=0, vmax=1)
    names = [literal(_short(name)) for name in conformation.names]
    if len(names) <= _BARS:
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
        axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_xlabel("taken for", fontsize=8)
    axes.set_ylabel("shown", fontsize=8)
    kind = "one cell" if conformation.averaged == 1 else f"{conformation.averaged} cells"
    entitle(axes, f"expected of {kind}: {100 * conformation.prospects.right:.0f} % right")


def _bars(axes: Axes, conformation: Conformation, order: NDArray[np.int64]) -> None:
    """Draw the probabilities, and where there are many blocks which share of them each candidate is best in."""
    shown = [*order[:_BARS].tolist(), len(order)]
    names = [*conformation.names, NONE]
    labels = [literal(_short(names[i])) for i in shown]
    places = np.arange(len(shown))
    colours = [GREY if i == len(order) else BLUE for i in shown]
    mean = conformation.mean_probability[shown]
    blocks = len(conformation.points)
    axes.barh(places, mean, height=0.6, color=colours)
    if blocks > 1:
        share = [conformation.best.count(names[i]) / blocks for i in shown]
        axes.plot(share, places, "o", color=ORANGE, ms=6, label="share of blocks in which it is best")
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)
    for place, value in zip(places, mean, strict=True):
        axes.text(1.22, float(place), f"{100 * value:.1f} %", ha="right", va="center", fontsize=8, color=GREY)
    axes.set_yticks(places, labels, fontsize=8)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.22), xticks=[0, 0.25, 0.5, 0.75, 1])
    kind = "all cells" if blocks == 1 else f"{blocks} {'cells' if conformation.averaged == 1 else 'blocks'}"
    axes.set_xlabel(f"probability, {'mean over ' if blocks > 1 else ''}{kind}")
    axes.spines[["top", "right"]].set_visible(False)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
