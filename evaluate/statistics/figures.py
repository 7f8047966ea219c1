"""The figures of statistics of places: one look for all."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stemforge.colours import BLUE, GREY, SKY, VERMILION
from stemforge.micrograph.drawing import entitle

if TYPE_CHECKING:
    from stemforge.evaluate.statistics.clusters import ClusterSizes
    from stemforge.evaluate.statistics.curves import Curve
    from stemforge.evaluate.statistics.neighbours import NeighbourDistances
    from stemforge.evaluate.statistics.voronoi import VoronoiAreas

_LABELS = {"K": "K(r)", "L": "L(r) − r", "g": "pair correlation g(r)", "G": "share with a neighbour within r"}
_TITLES = {
    "K": "Ripley's K",
    "L": "Ripley's L: above 0 clustered, below 0 ordered",
    "g": "Pair correlation: 1 is random",
    "G": "Nearest neighbours, corrected for edges",
}
_FEWEST_CELLS = 10  # whole ones of which a distribution is drawn
_CELLS = LinearSegmentedColormap.from_list("cells", [BLUE, "#f2f2f2", VERMILION])


def draw_curve(curves: "Sequence[Curve]") -> Figure:
    """Draw functions of distance beside each other, each over its envelopes."""
    figure = Figure(figsize=(5.2 * len(curves), 3.9), layout="constrained")
    for axes, curve in zip(figure.subplots(1, len(curves), squeeze=False)[0], curves, strict=True):
        curve_into(axes, curve)
    return figure


def curve_into(axes: Axes, curve: "Curve") -> None:
    """Draw one function of distance; L without its theory, as differences are what one sees."""
    r = curve.radii
    base = curve.theory if curve.name == "L" else np.zeros(len(r))
    if curve.envelope is not None:
        one = curve.envelope
        share = f"{100 * one.level:g} %"
        whole = f"{share} of random patterns, at all r together"
        axes.fill_between(
            r, one.global_low - base, one.global_high - base, color=GREY, alpha=0.14, lw=0, label=whole
        )
        axes.fill_between(
            r,
            one.low - base,
            one.high - base,
            color=GREY,
            alpha=0.22,
            lw=0,
            label=f"{share}, at each r alone",
        )
    axes.plot(r, curve.theory - base, color=GREY, lw=1, ls="--", label="random places without edge")
    axes.plot(
        r,
        curve.values - base,
        color=BLUE,
        lw=1.8,
        label="this image" if curve.images == 1 else f"{curve.images} images together",
    )
    unit = f" [{curve.unit}{'²' if curve.name == 'K' else ''}]" if curve.name in "KL" else ""
    axes.set(xlabel=f"distance r [{curve.unit}]", ylabel=f"{_LABELS[curve.name]}{unit}", xlim=(0, r[-1]))
    low, high = axes.get_ylim()
    # Head room for the legend, but for shares, which leave room below.
    axes.set_ylim(0 if curve.name in "KGg" else low, high if curve.name == "G" else high + 0.3 * (high - low))
    verdict = "" if curve.envelope is None else f" (p = {curve.envelope.p:.3f})"
    _finish(axes, f"{_TITLES[curve.name]}{verdict}")
    axes.legend(frameon=False, fontsize=7.5, loc="lower right" if curve.name == "G" else "upper left")


def draw_neighbours(result: "NeighbourDistances") -> Figure:
    """Draw the corrected density of nearest-neighbour distances beside Rayleigh's law, and their distribution."""
    figure = Figure(figsize=(10.4, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    distances_into(left, result)
    curve_into(right, result.distribution)
    return figure


def distances_into(axes: Axes, result: "NeighbourDistances") -> None:
    """Draw the corrected density of nearest-neighbour distances beside Rayleigh's law."""
    if np.isnan(result.mean):
        axes.set_axis_off()
        axes.text(0.5, 0.5, result.sentence.replace(": ", ":\n"), ha="center", va="center", color=GREY)
        return
    counted = result.distances[result.weights > 0]
    longest = float(max(counted.max(initial=0.0), 3 * result.expected))
    edges = np.linspace(0, longest, int(np.clip(1.5 * np.sqrt(len(counted)), 8, 30)) + 1)
    axes.hist(
        result.distances, edges.tolist(), weights=result.weights, density=True, color=SKY, alpha=0.65,
        edgecolor="white", lw=0.5, label="corrected distances",
    )  # fmt: skip
    r = np.linspace(0, longest, 300)
    rate = np.pi / (4 * result.expected**2)
    axes.plot(
        r,
        2 * rate * r * np.exp(-rate * r**2),
        color=GREY,
        lw=1.5,
        ls="--",
        label="Rayleigh's law, same density",
    )
    for value, colour, style, name in (
        (result.mean, BLUE, "-", "mean"),
        (result.expected, GREY, ":", "mean by the law"),
    ):
        axes.axvline(value, color=colour, ls=style, lw=1.5, label=f"{name} {value:.3g} {result.unit}")
    axes.set(xlabel=f"distance to the nearest neighbour [{result.unit}]", ylabel=f"density [1/{result.unit}]")
    axes.set(xlim=(0, longest), ylim=(0, axes.get_ylim()[1] * 1.15))
    axes.legend(frameon=False, fontsize=8, loc="upper right")
    _finish(axes, "Distances to nearest neighbours")


def draw_cells(result: "VoronoiAreas") -> Figure:
    """Draw Voronoi cells by area, edge cells pale, and how the areas of whole ones are distributed."""
    figure = Figure(figsize=(10.4, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.15])
    mean = float(result.areas.mean()) if np.isnan(result.mean) else result.mean
    relative = np.log2(np.maximum(result.areas, 1e-12) / mean)
    colours = _CELLS(np.clip(relative / 4 + 0.5, 0, 1))
    colours[~result.complete, 3] = 0.3
    inside = result.labels >= 0
    picture = np.ones((*result.labels.shape, 4))
    picture[inside] = colours[result.labels[inside]]
    edge = np.zeros_like(inside)
    edge[:, 1:] |= result.labels[:, 1:] != result.labels[:, :-1]
    edge[1:] |= result.labels[1:] != result.labels[:-1]
    picture[edge] = (1, 1, 1, 1)
    left.imshow(picture, interpolation="nearest")
    left.plot(*result.pattern.points.T, ".", color="k", ms=2.5)
    left.set_axis_off()
    entitle(left, "Voronoi cells: blue dense, red sparse, pale cut by the edge")
    cells_into(right, result)
    return figure


def cells_into(axes: Axes, result: "VoronoiAreas") -> None:
    """Draw the corrected distribution of cells' areas beside that of random places."""
    whole = result.complete
    few = whole.sum() < _FEWEST_CELLS
    if np.isnan(result.variation) or few:
        text = (
            f"{whole.sum()} Voronoi cells lie whole in the mask: too few to draw a distribution"
            if few
            else ""
        )
        axes.set_axis_off()
        axes.text(
            0.5, 0.5, (text or result.sentence).replace(": ", ":\n"), ha="center", va="center", color=GREY
        )
        return
    areas = result.areas[whole] / result.mean
    edges = np.linspace(0, max(3.0, float(areas.max())), 25)
    axes.hist(
        areas, edges.tolist(), weights=result.weights[whole], density=True, color=SKY, alpha=0.65, edgecolor="white",
        lw=0.5, label=f"{whole.sum()} whole cells, corrected",
    )  # fmt: skip
    x = np.linspace(0, edges[-1], 300)
    # The gamma law that Tanemura 2003 fitted to the areas of cells of random places.
    a, b, c = 1.07950, 3.03226, 3.31122
    density = x ** (a * c - 1) * np.exp(-b * x**a)
    axes.plot(x, density / np.trapezoid(density, x), color=GREY, ls="--", lw=1.5, label="random places")
    axes.set(
        xlabel=f"area of cell / mean ({result.mean:.3g} {result.unit})", ylabel="density", xlim=(0, edges[-1])
    )
    axes.legend(frameon=False, fontsize=8)
    _finish(axes, f"Areas of Voronoi cells vary by {100 * result.variation:.0f} % (random: 53 %)")


def draw_sizes(result: "ClusterSizes") -> Figure:
    """Draw how many clusters have two, three … atoms, beside what random places give."""
    figure = Figure(figsize=(5.6, 3.9), layout="constrained")
    sizes_into(figure.subplots(), result)
    return figure


def sizes_into(axes: Axes, result: "ClusterSizes") -> None:
    """Draw how many clusters have two, three … atoms."""
    last = max(4, int(np.flatnonzero(result.observed)[-1]) + 1)
    at = np.arange(2, last + 1)
    part = slice(1, last)
    axes.bar(at, result.observed[part], color=SKY, alpha=0.65, width=0.62, label="found")
    mean = result.placed[part]
    error = np.abs(np.stack([mean - result.low[part], result.high[part] - mean]))
    axes.errorbar(at - 0.14, mean, error, fmt="s", color=GREY, ms=4, capsize=3, label="random places, 95 %")
    if np.isfinite(result.corrected).all():
        axes.plot(
            at + 0.14,
            result.corrected[part].clip(0),
            "o",
            color=VERMILION,
            ms=5,
            label="without coincidences",
        )
    axes.set(xlabel="atoms of a cluster", ylabel="clusters", xticks=at)
    axes.set_ylim(0, 1.25 * max(1.0, float(result.observed[part].max()), float(result.high[part].max())))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=8)
    _finish(axes, f"Clusters, links up to {result.length:.3g} {result.unit}")


def _finish(axes: Axes, title: str) -> None:
    entitle(axes, title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.2)
