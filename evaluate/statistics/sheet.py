"""One image's statistics on one sheet."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import maximum_filter

from stemforge.colours import BLUE, GREY, VERMILION
from stemforge.evaluate.statistics.figures import cells_into, curve_into, distances_into, sizes_into
from stemforge.micrograph.drawing import entitle, literal

if TYPE_CHECKING:
    from stemforge.evaluate.statistics.arrangement import Arrangement


def draw_arrangement(one: "Arrangement") -> Figure:
    """Draw atoms in their mask, distances to neighbours, cells, pairs, and clusters where bonds are known."""
    figure = Figure(figsize=(14.4, 8.2), layout="constrained")
    panels = figure.subplots(2, 3)
    _map(panels[0, 0], one)
    distances_into(panels[0, 1], one.neighbours)
    curve_into(panels[0, 2], one.neighbours.distribution)
    curve_into(panels[1, 0], one.l_curve)
    curve_into(panels[1, 1], one.g)
    if one.sizes is not None:
        sizes_into(panels[1, 2], one.sizes)
    elif one.cells is not None:
        cells_into(panels[1, 2], one.cells)
    else:
        panels[1, 2].set_axis_off()
    window, (density, low, high) = one.pattern.window, one.density
    title = f"{one.pattern.name}: {len(one.pattern)} atoms on {window.area:.4g} {window.area_unit}, {density:.3g} "
    title += f"({low:.3g} to {high:.3g}) per {window.area_unit}; Clark–Evans {one.clark_evans.index:.2f}"
    figure.suptitle(literal(title), fontsize=11.5)
    return figure


def _map(axes: Axes, one: "Arrangement") -> None:
    """Draw the mask, the cells' edges and the atoms, those of clusters in another colour."""
    inside = one.pattern.window.mask
    labels = np.where(inside, 0, -1) if one.cells is None else one.cells.labels
    edge = np.zeros_like(inside)
    edge[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    edge[1:] |= labels[1:] != labels[:-1]
    # Lines of one pixel would vanish where the picture has fewer pixels than the image.
    edge = maximum_filter(edge, max(1, max(edge.shape) // 250)) & inside
    shade = np.where(inside, np.where(edge, 0.78, 0.93), 0.55)
    axes.imshow(shade, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    x, y = one.pattern.points.T
    together = np.zeros(len(x), dtype=bool)
    if one.sizes is not None:
        together = np.bincount(one.sizes.members)[one.sizes.members] > 1
    axes.plot(x[~together], y[~together], ".", color=BLUE, ms=5, label="atoms")
    if together.any():
        axes.plot(
            x[together], y[together], ".", color=VERMILION, ms=5, label="within a bond length of another"
        )
    axes.set(xlim=(-0.5, labels.shape[1] - 0.5), ylim=(labels.shape[0] - 0.5, -0.5), xticks=[], yticks=[])
    axes.spines[:].set_color(GREY)
    axes.legend(frameon=False, fontsize=8, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.01))
    dark = "" if inside.all() else "; dark is left out"
    entitle(axes, f"Atoms and their Voronoi cells{dark}")
