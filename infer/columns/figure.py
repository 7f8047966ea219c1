"""An overlay of columns, coloured by what they hold."""

from pathlib import Path

import numpy as np
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stemforge.colours import GREEN, GREY, ORANGE, SKY, VERMILION
from stemforge.files import write_figure
from stemforge.infer.columns.classes import NONE
from stemforge.infer.columns.guests.result import GUEST
from stemforge.infer.columns.result import MeasuredColumns
from stemforge.infer.columns.sites import OXYGEN, TETRAHEDRAL
from stemforge.micrograph.drawing import draw_micrograph, entitle

_COLOURS = {TETRAHEDRAL: ORANGE, OXYGEN: SKY, NONE: VERMILION}
_NAMES = {TETRAHEDRAL: "with T atoms", OXYGEN: "oxygen", NONE: "missing"}
_SIZE = 0.9  # diameter of the marks [Å]
_WIDTH = 6.0  # of a picture [inch]
_BINS = 60


def draw_columns(columns: MeasuredColumns, path: str | Path | None = None) -> Figure:
    """Draw an image, its columns coloured by element, and how strong the columns of each class are.

    Parameters
    ----------
    columns
        From :func:`stemforge.infer.find_columns`.
    path
        Where to save the picture; None saves nothing.

    Returns
    -------
    Figure
        Left the image, in the middle the image with a disc for each column, as Figure 5G of Yang et al. (2024), right
        the intensities by class.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from stemforge import Micrograph
    >>> noise, points = np.random.default_rng(0).random((40, 40)), np.array([[3.0, 4.0], [9.0, 4.0]])
    >>> likely, strength = np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1]]), (np.array([4.1, 1.8]), np.full(2, 0.3))
    >>> measured = SimpleNamespace(sampling=0.5)  # the lattice
    >>> found = MeasuredColumns(
    ...     Micrograph(noise), None, measured, points, np.full((2, 2), 0.1), *strength, np.arange(2), likely,
    ...     way=0.1, spread=0.05, other=0.0, explained=0.9, fine_detail=0.5,
    ... )
    >>> figure = draw_columns(found, "columns.png")
    >>> Path("columns.png").exists(), [text.get_text() for text in figure.axes[2].get_legend().get_texts()]
    (True, ['with T atoms: 1', 'oxygen: 1'])
    """
    micrograph = columns.micrograph
    height, width = micrograph.shape
    figure = Figure(figsize=(2.6 * _WIDTH, _WIDTH * height / width + 0.8), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 0.6))
    draw_micrograph(left, micrograph, scale_bar=True)
    draw_micrograph(middle, micrograph, scale_bar=False)
    entitle(left, micrograph.name)
    middle.set_title("columns, by what they hold", fontsize=10)
    kind = columns.kind
    shown = [name for name in _COLOURS if (kind == name).any()]
    for name in shown:
        chosen = kind == name
        sizes = np.full(int(chosen.sum()), _SIZE / columns.lattice.sampling)
        discs = EllipseCollection(
            sizes,
            sizes,
            np.zeros(len(sizes)),
            units="xy",
            offsets=columns.points[chosen],
            transOffset=middle.transData,
            facecolors=_COLOURS[name],
            edgecolors="black",
            linewidths=0.3,
            # The less sure, the fainter.
            alpha=np.clip(columns.probability[chosen].max(1), 0.3, 1.0).tolist(),
        )
        middle.add_collection(discs)
    highest = float(np.percentile(columns.intensity, 99.8)) * 1.1
    bins = np.linspace(min(0.0, float(columns.intensity.min())), max(highest, 1.0), _BINS)
    right.hist(
        [columns.intensity[kind == name].clip(bins[0], bins[-1]) for name in shown],
        bins=bins.tolist(),
        stacked=True,
        color=[_COLOURS[name] for name in shown],
    )
    right.set(xlabel="intensity [silicon atoms in a cell along the beam]", ylabel="columns")
    right.spines[["top", "right"]].set_visible(False)
    marks = [
        Line2D([], [], marker="o", ls="", color=_COLOURS[name], mec=GREY, label=f"{_NAMES[name]}: {number}")
        for name, number in ((name, columns.count(name)) for name in shown)
    ]
    if columns.guests is not None and len(columns.guests.points):
        size = 72 * _WIDTH * _SIZE / (columns.lattice.sampling * width)  # of a disc [pt]
        middle.plot(*columns.guests.points.T, "D", color=GREEN, mec="black", mew=0.3, ms=0.65 * size)
        name = f"{GUEST}: {len(columns.guests.points)}"
        marks.append(Line2D([], [], marker="D", ls="", color=GREEN, mec=GREY, label=name))
    right.legend(handles=marks, loc="upper right", fontsize=8, framealpha=0.85)
    if path is not None:
        write_figure(figure, path)
    return figure
