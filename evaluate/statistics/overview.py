"""The figure of many images: densities, measured against expected distances to neighbours, and pairs of all."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.stats import norm

from stemforge.colours import BLUE, GREY, SKY, VERMILION
from stemforge.evaluate.statistics.figures import curve_into
from stemforge.micrograph.drawing import entitle

if TYPE_CHECKING:
    from stemforge.evaluate.statistics.survey import Survey

_LEAST = 4  # images of which a distribution is drawn
_EQUAL = 1e-6  # of the mean: densities that differ by less are the same but for rounding


def draw_survey(survey: "Survey") -> Figure:
    """Draw a survey: Figure 2 of Mitchell et al. 2022 (doi:10.1021/jacs.1c12466), with intervals."""
    figure = Figure(figsize=(11.4, 8.4), layout="constrained")
    panels = figure.subplots(2, 2)
    densities_into(panels[0, 0], survey)
    parity_into(panels[0, 1], survey)
    curve_into(panels[1, 0], survey.l_curve)
    curve_into(panels[1, 1], survey.g)
    atoms = sum(one.atoms for one in survey.counts)
    index = survey.clark_evans
    title = f"{len(survey.counts)} images, {atoms} atoms; Clark–Evans {index.index:.3f} (random: {index.low:.3f} to "
    figure.suptitle(f"{title}{index.high:.3f})", fontsize=11.5)
    return figure


def densities_into(axes: Axes, survey: "Survey") -> None:
    """Draw the distribution of densities over images, with its normal fit and what counting alone gives."""
    values = np.array([one.density for one in survey.counts])
    mean, sd = survey.densities
    spread, _ = survey.counting
    unit = survey.window.area_unit
    reach = 3.2 * max(spread, sd if np.isfinite(sd) else 0.0)
    x = np.linspace(max(0.0, mean - reach), mean + reach, 300)
    axes.plot(
        x, norm.pdf(x, mean, spread), color=GREY, ls="--", lw=1.5, label=f"counting alone, ± {spread:.2g}"
    )
    # Equal densities have no distribution; a bar of no width would be as high as one likes.
    if len(values) >= _LEAST and sd > _EQUAL * mean:
        bins = int(np.clip(round(1.5 * np.sqrt(len(values))), 4, 25))
        axes.hist(
            values, bins, density=True, color=SKY, alpha=0.65, edgecolor="white", lw=0.5, label="images"
        )
        axes.plot(x, norm.pdf(x, mean, sd), color=BLUE, lw=1.8, label=f"normal fit, {mean:.3g} ± {sd:.2g}")
    axes.plot(values, np.zeros(len(values)), "|", color=VERMILION, ms=14, clip_on=False, label="each image")
    low, high = min(x[0], values.min()), max(x[-1], values.max())
    axes.set(
        xlabel=f"atoms per {unit}",
        ylabel="density over images",
        xlim=(low, high),
        ylim=(0, axes.get_ylim()[1] * 1.3),
    )
    _finish(axes, "Density of atoms found, image by image")
    axes.legend(frameon=False, fontsize=8, loc="upper right")


def parity_into(axes: Axes, survey: "Survey") -> None:
    """Draw measured over expected mean distances to nearest neighbours; bars are where random places lie."""
    near = [one.neighbours for one in survey.images if np.isfinite(one.neighbours.low)]
    _finish(axes, "Nearest neighbours: below the line clustered, above ordered")
    if not near:
        axes.text(
            0.5, 0.5, "masks too narrow", ha="center", va="center", transform=axes.transAxes, color=GREY
        )
        return
    expected, measured = (np.array([getattr(one, name) for one in near]) for name in ("expected", "mean"))
    bars = np.array([[one.expected - one.low, one.high - one.expected] for one in near]).T.clip(0)
    ends = np.concatenate([expected, measured, [one.low for one in near], [one.high for one in near]])
    low, high = 0.93 * ends.min(), 1.07 * ends.max()
    axes.plot([low, high], [low, high], color=GREY, lw=1, ls="--", label="random places")
    style: dict[str, Any] = {"fmt": "none", "ecolor": GREY, "alpha": 0.45, "lw": 1.5, "capsize": 2}
    axes.errorbar(expected, expected, bars, **style, label="95 % of random\npatterns in its mask")
    unit = near[0].unit
    groups = {"within": (BLUE, "image within"), "outside": (VERMILION, "image outside")}
    inside = np.array([one.low <= one.mean <= one.high for one in near])
    for (colour, label), chosen in zip(groups.values(), (inside, ~inside), strict=True):
        if chosen.any():
            axes.plot(
                expected[chosen], measured[chosen], "o", color=colour, ms=5, label=f"{label} ({chosen.sum()})"
            )
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set(
        xlabel=f"expected mean distance, 1/(2√λ) [{unit}]", ylabel=f"measured, corrected for edges [{unit}]"
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(6))
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)


def _finish(axes: Axes, title: str) -> None:
    entitle(axes, title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.2)
