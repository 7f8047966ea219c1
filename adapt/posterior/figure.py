"""Figures of a calibration: posteriors over their priors, and real patches above simulated ones."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stemforge.adapt.posterior.result import Calibration, Estimate
from stemforge.colours import BLUE, GREY, VERMILION
from stemforge.micrograph.drawing import draw_micrograph, literal
from stemforge.micrograph.image import Micrograph

_COLUMNS = 6


def draw_posterior(calibration: Calibration) -> Figure:
    """Draw each parameter's distribution over the images above its prior, which is even on this axis.

    Orange: the posterior runs into that end of the prior. Grey: not determined by the images.

    Examples
    --------
    >>> from stemforge.settings import Uniform
    >>> from stemforge.simulate import SimulationRecipe
    >>> prior = Uniform(uniform=(50, 400))
    >>> share = (0.0, 0.8, 0.2, 0.0)
    >>> one = Estimate("support.mean_thickness", prior, (90.0, 120.0, 160.0), share, True, 0.7, 0.91, None)
    >>> none = np.empty((0, 8, 8), dtype=np.float16)
    >>> calibration = Calibration(SimulationRecipe.shipped("pt-nc"), ("a",), (one,), {}, {}, 64, none, none, 0.3)
    >>> draw_posterior(calibration).axes[0].get_title()
    'support.mean_thickness'
    """
    rows = -(-len(calibration.estimates) // _COLUMNS)
    figure = Figure(figsize=(2.5 * _COLUMNS, 1.9 * rows + 0.4), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).flatten()
    for axes, estimate in zip(panels, calibration.estimates, strict=False):
        _panel(axes, estimate)
    for axes in panels[len(calibration.estimates) :]:
        axes.axis("off")
    figure.suptitle(
        "Distribution over the images (filled), prior (dashed), median and 90 % (line); "
        "orange: runs into its prior's end; grey: not determined",
        fontsize=10,
    )
    return figure


def _panel(axes: Axes, one: Estimate) -> None:
    number = 24 if one.heights is None else len(one.heights)
    heights = np.ones(number) if one.heights is None else np.array(one.heights) * number
    colour = VERMILION if one.edge else BLUE if one.determined else GREY
    axes.stairs(
        heights,
        np.linspace(0, 1, number + 1),
        fill=True,
        color=colour,
        alpha=0.75 if one.determined else 0.25,
    )
    axes.axhline(1, color="black", lw=0.8, ls="--")
    if one.determined and one.heights is not None:
        low, middle, high = Estimate.shares_of(one.heights)
        axes.plot([low, high], [0, 0], color="black", lw=3, solid_capstyle="butt", clip_on=False)
        axes.plot(middle, 0, "o", color="white", mec="black", ms=5, clip_on=False, zorder=5)
    ticks = np.array([0.0, 0.5, 1.0])
    axes.set_xticks(ticks, [f"{value:.3g}" for value in one.prior.quantile(ticks)], fontsize=7)
    axes.set(yticks=[], xlim=(0, 1), ylim=(0, max(2.0, 1.1 * float(heights.max()))))
    axes.set_title(literal(one.field), fontsize=8, color="black" if one.determined else GREY)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)


def draw_patches(calibration: Calibration) -> Figure:
    """Draw real patches above such by the calibrated recipe.

    Examples
    --------
    >>> from stemforge.simulate import SimulationRecipe
    >>> real, simulated = np.random.default_rng(0).poisson(40, (2, 3, 32, 32)).astype(np.float16)
    >>> calibration = Calibration(SimulationRecipe.shipped("pt-nc"), ("a",), (), {}, {}, 64, real, simulated, 0.3)
    >>> [len(part.axes) for part in draw_patches(calibration).subfigs]
    [3, 3]
    """
    columns = len(calibration.real)
    figure = Figure(figsize=(2.2 * columns, 4.9), layout="constrained")
    rows = (("real", calibration.real), ("simulated by the calibrated recipe", calibration.simulated))
    parts: Any = figure.subfigures(2, 1)
    for part, (title, patches) in zip(parts, rows, strict=True):
        part.suptitle(title, fontsize=10)
        for axes, patch in zip(part.subplots(1, columns), patches, strict=True):
            draw_micrograph(axes, Micrograph(patch.astype(np.float32), calibration.sampling))
    return figure
