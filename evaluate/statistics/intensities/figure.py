"""The figure of a mixture of intensities."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from stemforge.colours import BLUE, GREEN, GREY, ORANGE, SKY, VERMILION
from stemforge.micrograph.drawing import entitle

if TYPE_CHECKING:
    from stemforge.evaluate.statistics.intensities.mixture import Description, IntensityMixture

_COLOURS = (BLUE, VERMILION, GREEN, ORANGE)


def draw_mixture(mixture: "IntensityMixture") -> Figure:
    """Draw the histogram of intensities with the components, and what other descriptions are worth."""
    figure = Figure(figsize=(11.4, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    _histogram(left, mixture)
    _criterion(right, mixture)
    return figure


def _histogram(axes: Axes, mixture: "IntensityMixture") -> None:
    logs = np.log(mixture.intensities)
    number = int(np.clip(2.5 * np.sqrt(len(logs)), 10, 50))
    edges = np.linspace(logs.min() - 0.05, logs.max() + 0.05, number + 1)
    x = np.linspace(edges[0] - 0.3, edges[-1] + 0.3, 500)
    scale = len(logs) * (edges[1] - edges[0])
    axes.hist(
        np.exp(logs), np.exp(edges).tolist(), color=SKY, alpha=0.55, edgecolor="white", lw=0.5,
        label=f"{len(logs)} atoms found",
    )  # fmt: skip
    parts = mixture.density(x) * scale
    atoms = iter(_COLOURS)
    for name, share, part in zip(mixture.names, mixture.shares, parts, strict=True):
        background = name == "background"
        axes.plot(
            np.exp(x),
            part,
            color=GREY if background else next(atoms),
            ls="--" if background else "-",
            lw=1.8,
            label=f"{name}, {100 * share:.0f} %",
        )
    if len(parts) > 1:
        axes.plot(np.exp(x), parts.sum(0), color="black", lw=1, ls=":", label="together")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(
        xlabel="intensity over the median of its image",
        ylabel="atoms",
        xlim=(np.exp(x[0]), np.exp(x[-1])),
        ylim=(0, 1.35 * axes.get_ylim()[1]),
    )
    _finish(axes, "Intensities of atoms, and what they are a mixture of")
    axes.legend(frameon=False, fontsize=8, loc="upper right")


def _criterion(axes: Axes, mixture: "IntensityMixture") -> None:
    """Draw the BIC of each description over the best one's, the one chosen in another colour."""
    least = min(mixture.bic.values())
    values = [value - least for value in mixture.bic.values()]
    colours = [BLUE if one == mixture.description else GREY for one in mixture.bic]
    rows = np.arange(len(values))[::-1]
    axes.hlines(rows, 0, values, color=colours, lw=1.5, alpha=0.6)
    axes.scatter(values, rows, color=colours, s=28, zorder=3)
    axes.set_yticks(rows, [_words(one) for one in mixture.bic], fontsize=8.5)
    highest = max([*values, 1.0])
    axes.set(
        xlabel="BIC above the lowest",
        xlim=(-0.03 * highest, 1.08 * highest),
        ylim=(-0.6, len(values) - 0.4),
    )
    _finish(axes, "Lower is better; blue is chosen")


def _words(one: "Description") -> str:
    if one.kinds > 1:
        return f"{one.kinds} kinds"
    words = "single atoms" if one.in_line == 1 else f"up to {one.in_line} in line"
    return f"{words}, background" if one.background else words


def _finish(axes: Axes, title: str) -> None:
    entitle(axes, title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.2)
