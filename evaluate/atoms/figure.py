"""The figure of an evaluation of detected atoms."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stemforge.colours import BLUE, GREEN, GREY, VERMILION
from stemforge.evaluate.atoms.curves import ThresholdCurve, best_threshold
from stemforge.evaluate.atoms.scores import ImageEvaluation, Summary, format_score
from stemforge.evaluate.pairing import short_names
from stemforge.micrograph.drawing import literal

_MARKERS = ("v", "o", "^", "s", "D")
# More bars than this carry no names.
_NAMED = 40


def draw_evaluation(
    images: Sequence[ImageEvaluation],
    summaries: Mapping[str, Summary | None],
    curves: Mapping[str, ThresholdCurve],
    threshold: float | None,
) -> Figure:
    """Draw an evaluation.

    Parameters
    ----------
    images, summaries, curves, threshold
        As in an :class:`~stemforge.evaluate.AtomEvaluation`.

    Returns
    -------
    Figure
        Above, F1 of each image by the first criterion as bars with its mean ± sd, other criteria as marks;
        below, scores over the threshold, precision against recall, and the localisation errors. Save it
        with ``figure.savefig``; it belongs to no pyplot state.
    """
    figure = Figure(figsize=(12, 7.6), layout="constrained")
    panels = figure.subplot_mosaic("AAA;BCD", height_ratios=[1, 1.05])
    primary = next(iter(summaries))
    _bars(panels["A"], images, summaries, primary)
    curve = curves.get(primary)
    if curve is None:
        for panel in (panels["B"], panels["C"]):
            _note(panel, "no curve: no scores in the tables,\nor nothing predicted")
    else:
        _thresholds(panels["B"], curve, threshold)
        _precision_recall(panels["C"], curve, summaries[primary])
    panels["B"].set_title("Scores over the threshold", loc="left")
    panels["C"].set_title("Precision and recall, pooled", loc="left")
    _errors(panels["D"], images, primary)
    for panel in panels.values():
        panel.spines[["top", "right"]].set_visible(False)
    return figure


def _bars(
    axes: Axes, images: Sequence[ImageEvaluation], summaries: Mapping[str, Summary | None], primary: str
) -> None:
    scores = {
        name: np.array([np.nan if (s := image.scores[name]) is None else s.f1 for image in images])
        for name in summaries
    }
    named = len(images) <= _NAMED
    size = 5 if named else 2
    order = np.arange(len(images)) if named else np.argsort(scores[primary])
    at = np.arange(len(images))
    axes.bar(at, scores[primary][order], color=BLUE, alpha=0.75, width=0.7, label=primary)
    others = [name for name in scores if name != primary and not np.all(np.isnan(scores[name]))]
    for name, marker in zip(others, _MARKERS, strict=False):
        axes.plot(at, scores[name][order], marker, ms=size, mfc="white", mec=GREY, label=name, clip_on=False)
    summary = summaries[primary]
    if summary is not None and summary.mean["f1"] is not None:
        mean, sd = summary.mean["f1"], summary.sd["f1"]
        axes.axhline(mean, color=VERMILION, lw=1.5, label=f"mean {format_score(mean, sd)}")
        if sd is not None:
            axes.axhspan(mean - sd, mean + sd, color=VERMILION, alpha=0.15, lw=0, zorder=0)
    axes.set(ylim=(0, 1), ylabel="F1", xlim=(-0.6, len(images) - 0.4))
    title = "F1 of each image"
    if named:
        title += " (in the bars: atoms found / atoms labelled)"
        _name_bars(axes, images, primary)
    else:
        axes.set(xticks=[], xlabel=f"{len(images)} images, in order of their F1")
    axes.set_title(title, loc="left")
    axes.legend(
        loc="lower right", bbox_to_anchor=(1.01, 0.98), frameon=False, fontsize=9, ncols=7, columnspacing=1.2
    )


def _name_bars(axes: Axes, images: Sequence[ImageEvaluation], primary: str) -> None:
    """Write names under the bars, and the numbers of atoms into them."""
    names = [literal(name) for name in short_names([image.name for image in images])]
    # About as many letters as fit side by side under an axis of 12 inches.
    axes.set_xticks(range(len(names)), names, rotation=0 if max(map(len, names)) * len(names) <= 120 else 90)
    for x, image in enumerate(images):
        score = image.scores[primary]
        if score is not None:
            count = f"{score.true_positives}/{score.truth}"
            colour = "white" if score.f1 > 0.1 else "k"
            axes.text(x, 0.02, count, ha="center", va="bottom", fontsize=8, color=colour)


def _thresholds(axes: Axes, curve: ThresholdCurve, threshold: float | None) -> None:
    at = curve.thresholds
    axes.plot(at, curve.precision, color=BLUE, lw=1.2, ls="--", label="precision, pooled")
    axes.plot(at, curve.recall, color=GREEN, lw=1.2, ls="-.", label="recall, pooled")
    axes.plot(at, curve.f1_mean, color=VERMILION, lw=2, label="F1, mean over images")
    if np.all(np.isfinite(curve.f1_sd)):
        low, high = np.clip([curve.f1_mean - curve.f1_sd, curve.f1_mean + curve.f1_sd], 0, 1)
        axes.fill_between(at, low, high, color=VERMILION, alpha=0.15, lw=0, label="± sd")
    best = best_threshold(curve)
    axes.axvline(best, color=GREY, lw=1, ls=":", label=f"best F1 at {best:.3g}")
    if threshold is not None:
        axes.axvline(threshold, color="k", lw=1, label=f"used: {threshold:.3g}")
    axes.set(xlabel="score threshold", ylim=(0, 1.02))
    axes.legend(fontsize=8, frameon=True, framealpha=0.8, edgecolor="none", loc="lower left")


def _precision_recall(axes: Axes, curve: ThresholdCurve, summary: Summary | None) -> None:
    for level in (0.2, 0.4, 0.6, 0.8):
        # Along a line of equal F1 precision is 1 where recall is F1 / (2 - F1).
        recall = np.geomspace(level / (2 - level), 1, 100)
        axes.plot(recall, level * recall / (2 * recall - level), color="#cccccc", lw=0.8, zorder=0)
        axes.text(1.01, level / (2 - level), f"F1 {level:g}", fontsize=7, color="#888888", va="center")
    axes.plot(curve.recall, curve.precision, color=BLUE, lw=1.8)
    if summary is not None:
        pooled = summary.pooled
        label = f"as scored: F1 {pooled.f1:.3f}"
        axes.plot(pooled.recall, pooled.precision, "o", color=VERMILION, ms=7, label=label, clip_on=False)
        axes.legend(fontsize=8, frameon=True, framealpha=0.8, edgecolor="none", loc="lower left")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))


def _errors(axes: Axes, images: Sequence[ImageEvaluation], primary: str) -> None:
    pairs = [(image.distances, image.sampling) for image in images if len(image.distances)]
    calibrated = all(sampling for _, sampling in pairs)
    axes.set_title("Localisation error", loc="left")
    if not pairs:
        _note(axes, "no atom was matched")
        return
    unit = "Å" if calibrated else "px"
    values = np.concatenate([d * (s if calibrated and s else 1.0) for d, s in pairs])
    # A perfect prediction has no width of its own; the axis needs one.
    edges = np.linspace(0, max(float(values.max()), 0.1), int(np.clip(np.sqrt(len(values)), 8, 40)) + 1)
    counts, *_ = axes.hist(values, edges.tolist(), color=BLUE, alpha=0.75, edgecolor="white", lw=0.5)
    rms, median = np.sqrt(np.mean(values**2)), np.median(values)
    for value, style, name in ((rms, "-", "root mean square"), (median, ":", "median")):
        axes.axvline(float(value), color=VERMILION, lw=1.5, ls=style, label=f"{name} {value:.2f} {unit}")
    # Head room for the legend.
    axes.set(xlim=(0, edges[-1]), ylim=(0, 1.25 * np.max(counts)))
    axes.set(xlabel=f"distance in pairs matched by {primary} [{unit}]", ylabel="atoms")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=8, frameon=True, framealpha=0.8, edgecolor="none", loc="upper right")


def _note(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color=GREY)
    axes.set(xticks=[], yticks=[])
