"""Completeness drawn: recall over contrast-to-noise beside what is possible, and false atoms over the score."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stemforge.colours import BLUE, GREY, VERMILION
from stemforge.files import write_figure
from stemforge.infer.completeness.result import Completeness
from stemforge.micrograph.drawing import entitle, literal


def draw_completeness(result: Completeness, path: str | Path | None = None) -> Figure:
    """Draw recall with its intervals beside the ideal observer's, placement beside its bound, and false atoms.

    Parameters
    ----------
    result
        From :func:`stemforge.infer.completeness.analysis.measure_completeness`.
    path
        Where to save the picture; None saves nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge import Micrograph
    >>> from stemforge.infer import measure_completeness
    >>> from stemforge.train import load_weights
    >>> noise, rng = np.random.default_rng(0).poisson(100, (72, 72)), np.random.default_rng(0)
    >>> result = measure_completeness(Micrograph(noise, 0.293), *load_weights("atom-net"), rng, number=6)
    >>> figure = draw_completeness(result, "film.png")
    >>> Path("film.png").exists(), figure.axes[0].get_title()
    (True, 'how many atoms of each visibility are found')
    """
    figure = Figure(figsize=(10.5, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.7, 1])
    _draw_recall(left, result)
    upper, lower = right.get_subplotspec().subgridspec(2, 1).subplots()
    right.remove()
    _draw_false(upper, result)
    _draw_placement(lower, result)
    counted = f"{len(result.detection.atoms)} atoms found, {len(result.false.scores)} of them away from edges"
    title = f"{result.detection.micrograph.name}: {counted}\n{_density(result)}"
    entitle(left, "how many atoms of each visibility are found")
    figure.suptitle(literal(title), fontsize=10.5)
    if path is not None:
        write_figure(figure, path, dpi=120)
    return figure


def _density(result: Completeness) -> str:
    if result.density.too_small:
        return f"too small for a density: {result.density.too_small}"
    number, low, high = result.density.per_area
    return (
        f"corrected {number:.2f} ({low:.2f} to {high:.2f}) atoms per nm² from contrast-to-noise "
        f"{result.density.cnr:g} on"
    )


def _draw_recall(axes: Axes, result: Completeness) -> None:
    cnr = np.linspace(1, result.brightest, 200)
    low, high = result.curve.interval(cnr)
    axes.fill_between(cnr, low, high, color=BLUE, alpha=0.18, lw=0)
    axes.plot(cnr, result.curve(cnr), color=BLUE, lw=2, label="this detector on this image")
    bins = result.bins()
    middle = np.array([(one.low + one.high) / 2 for one in bins])
    recall = np.array([one.recall for one in bins])
    error = np.array([[one.recall - one.lower, one.upper - one.recall] for one in bins]).T.clip(0)
    label = f"{len(result.grafts.found)} grafts, 95 % intervals"
    axes.errorbar(middle, recall, error, fmt="o", color=BLUE, ms=4, lw=1, label=label)
    if np.isfinite(result.share_beside):
        label = "… of atoms within 3 Å of another"
        axes.plot(cnr, result.curve(cnr) * result.share_beside, ":", color=BLUE, lw=1.5, label=label)
    axes.plot(cnr, result.ideal(cnr), "--", color=GREY, lw=1.5, label="ideal observer, as many false atoms")
    axes.axvline(result.density.cnr, color=GREY, lw=0.8, ls=":")
    # What was found lies below: which part of the curve the image's atoms are on.
    ticks = np.clip(result.measured, 1, result.brightest)
    axes.plot(
        ticks, np.full(len(ticks), -0.035), "|", color=VERMILION, ms=7, label="atoms found away from edges"
    )
    axes.set(xlabel="contrast-to-noise", ylabel="recall", ylim=(-0.07, 1.03), xlim=(1, result.brightest))
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.09), frameon=False, fontsize=8.5)
    axes.grid(alpha=0.2)


def _draw_false(axes: Axes, result: Completeness) -> None:
    threshold = result.detection.threshold
    scores = np.linspace(threshold, 1, 60)
    rows = np.array([result.false.expected(float(score)) for score in scores])
    found = np.array([(result.false.scores >= score).sum() for score in scores])
    axes.step(scores, found, where="mid", color=GREY, label="found, away from edges")
    axes.fill_between(scores, rows[:, 1], rows[:, 2], color=VERMILION, alpha=0.18, lw=0)
    axes.plot(scores, rows[:, 0], color=VERMILION, label="false among them")
    entitle(axes, "how many of those found are false")
    axes.set(xlabel="score, at least", ylabel="atoms", xlim=(threshold, 1))
    axes.set_ylim(0, 1.15 * max(found.max(initial=0), rows[:, 2].max(initial=0), 1))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.legend(frameon=False, fontsize=8.5)
    axes.grid(alpha=0.2)


def _draw_placement(axes: Axes, result: Completeness) -> None:
    rows = result.localisation()
    middle = [(row["low"] + row["high"]) / 2 for row in rows]
    axes.plot(middle, [row["error"] for row in rows], "o-", color=BLUE, ms=4, label="this detector")
    axes.plot(middle, [row["bound"] for row in rows], "--", color=GREY, label="Cramér–Rao bound")
    entitle(axes, "how exactly they are placed")
    axes.set(xlabel="contrast-to-noise", ylabel="error [Å]", xlim=(1, result.brightest))
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8.5)
    axes.grid(alpha=0.2)
