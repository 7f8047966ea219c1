"""Figures of a sweep: every figure of merit over the dose, and F1 over what makes images hard."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from stemforge.colours import SERIES
from stemforge.errors import InputError
from stemforge.evaluate.images.differences import draw_differences
from stemforge.evaluate.sweep.result import Sweep
from stemforge.evaluate.sweep.table import LABELS, NAMES, SHOWN, methods
from stemforge.files import write_figure
from stemforge.micrograph.drawing import literal

# What is physically possible, beside what was reached.
_LIMITS = {"recall": ("ideal_recall", "ideal observer"), "placement_px": ("bound_px", "Cramér–Rao bound")}
# What decides how hard an image of atoms is: key, words, unit.
_CONDITIONS = (
    ("thickness_angstrom", "thickness", "Å"),
    ("areal_density", "visible atoms", "1/nm²"),
    ("defocus_angstrom", "mean |defocus|", "Å"),
)


def draw_sweep(result: Sweep, path: str | Path | None = None) -> Figure:
    """Draw every figure of merit over the dose: mean as a line, ± one standard deviation over images as a band.

    Parameters
    ----------
    result
        From :func:`stemforge.evaluate.sweep_doses`.
    path
        Where to save the picture; None saves nothing.

    Returns
    -------
    Figure
        A panel for each figure of merit, as in Figures 3 and 4 of Yang et al., Adv. Sci. 2024,
        doi:10.1002/advs.202408629; what is physically possible is dashed.

    Examples
    --------
    >>> from stemforge.evaluate.sweep.result import Row
    >>> rows = tuple(Row(dose, "sac-cnn", f"{n}", {"f1": dose / 1e5 + n / 10}) for dose in (1e4, 5e4) for n in (1, 2))
    >>> figure = draw_sweep(Sweep("sac-cnn", "atoms", rows, {}), "sweep.png")
    >>> Path("sweep.png").exists(), figure.get_suptitle()
    (True, 'sac-cnn: mean ± sd over 2 images')
    """
    shown = SHOWN[result.finds]
    summary = result.summary()
    figure = Figure(figsize=(4.6 * len(shown), 4.2), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(shown)))
    names = methods(summary)
    for axes, metric in zip(panels, shown, strict=True):
        for i, method in enumerate(names):
            rows = [r for r in summary if r["metric"] == metric and r["method"] == method]
            if not rows:
                continue
            columns = [(row["dose"], row["mean"], row["sd"] or 0) for row in rows]
            dose, mean, sd = np.array(columns, dtype=float).T
            colour = SERIES[i % len(SERIES)]
            style = {"marker": "o", "ms": 3.5, "lw": 2.2 if i == 0 else 1.2, "color": colour}
            style["ls"] = "-" if i < len(SERIES) else "--"
            axes.plot(dose, mean, label=literal(NAMES.get(method, method)), **style)
            axes.fill_between(dose, mean - sd, mean + sd, color=colour, alpha=0.15, lw=0)
        limit, name = _LIMITS.get(metric, ("", ""))
        rows = [r for r in summary if r["metric"] == limit]
        if rows:
            dose, mean = (np.array([row[key] for row in rows], dtype=float) for key in ("dose", "mean"))
            axes.plot(dose, mean, "k--", lw=1.2, label=name)
            axes.legend(fontsize=8, framealpha=0.8, edgecolor="none")
        axes.set_xscale("log")
        axes.set(xlabel="dose [e/Å²]", title=LABELS.get(metric, metric))
        if metric == "mse":
            axes.set_yscale("log")
        elif metric == "placement_px":
            axes.set_ylim(bottom=0)
        elif metric not in ("psnr", "vif"):
            axes.set_ylim(0, 1.02)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    if len(names) > 1:
        panels[0].legend(fontsize=8, framealpha=0.8, edgecolor="none")
    count = max((row["images"] for row in summary), default=0)
    title = f"{names[0] if names else result.architecture}: mean ± sd over {count} image{'s'[: count != 1]}"
    figure.suptitle(literal(title), fontsize=10)
    if path is not None:
        write_figure(figure, path, dpi=120)
    return figure


def draw_conditions(result: Sweep, path: str | Path | None = None) -> Figure:
    """Draw the F1 of an atom sweep over the dose and over what makes images hard.

    Parameters
    ----------
    result
        From :func:`stemforge.evaluate.sweep_doses`, of a network that finds atoms.
    path
        Where to save the picture; None saves nothing.

    Returns
    -------
    Figure
        A heat map each for the support's thickness and the density and defocus of visible atoms: mean F1 of the images
        in each third of all images and doses. A field without images stays white.

    Examples
    --------
    >>> from stemforge.evaluate.sweep.result import Row
    >>> rows = tuple(Row(1e4, "sac-cnn", f"{n}", {"f1": 1 - n / 10, "thickness": 50.0 * n}) for n in (1, 2, 3))
    >>> figure = draw_conditions(Sweep("sac-cnn", "atoms", rows, {}), "conditions.png")
    >>> Path("conditions.png").exists(), figure.axes[0].get_title()
    (True, 'F1 by thickness [Å]')
    """
    rows = [{**row.metrics, "dose": row.dose} for row in result.rows if row.metrics.get("f1") is not None]
    doses = sorted({row.dose for row in result.rows})
    figure = Figure(figsize=(4.4 * len(_CONDITIONS) + 0.6, 3.2), layout="constrained")
    panels = figure.subplots(1, len(_CONDITIONS))
    drawn = None
    for axes, (key, words, unit) in zip(panels, _CONDITIONS, strict=True):
        axes.set(title=f"F1 by {words} [{unit}]", xlabel="dose [e/Å²]")
        known = [row for row in rows if row.get(key) is not None]
        if not known:
            axes.set_axis_off()
            continue
        values, f1, dose = np.array([(row[key], row["f1"], row["dose"]) for row in known], dtype=float).T
        edges = np.quantile(values, [0, 1 / 3, 2 / 3, 1])
        third = np.searchsorted(edges[1:3], values, side="left")
        column = np.searchsorted(doses, dose)
        total, count = np.zeros((2, 3, len(doses)))
        np.add.at(total, (third, column), f1)
        np.add.at(count, (third, column), 1)
        mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
        drawn = axes.imshow(mean, vmin=0, vmax=1, origin="lower", aspect="auto", cmap="viridis")
        for (i, j), value in np.ndenumerate(mean):
            if np.isfinite(value):
                colour = "w" if value < 0.6 else "k"
                axes.text(j, i, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=8)
        axes.set_xticks(range(len(doses)), [f"{dose:g}" for dose in doses], rotation=45, fontsize=8)
        axes.set_yticks(range(3), [f"{a:.3g}–{b:.3g}" for a, b in pairwise(edges)], fontsize=8)
    if drawn is not None:
        figure.colorbar(drawn, ax=panels, label="F1")
    if path is not None:
        write_figure(figure, path, dpi=120)
    return figure


def draw_restorations(result: Sweep, path: str | Path | None = None, *, dose: float | None = None) -> Figure:
    """Draw what each method made of a sweep's first image, as :func:`~stemforge.evaluate.draw_differences` does.

    Parameters
    ----------
    result
        From :func:`stemforge.evaluate.sweep_doses`, of a restorer.
    path
        Where to save the picture; None saves nothing.
    dose
        One of the sweep's [e/Å²]; by default the middle one.

    Returns
    -------
    Figure
        The picture.

    Raises
    ------
    InputError
        A sweep without restored images, or without this dose.

    Examples
    --------
    >>> from stemforge.evaluate import Comparison
    >>> truth = np.random.default_rng(0).random((64, 64))
    >>> images = tuple(Comparison("field", truth, truth, {"unet": truth}, 0.25, dose) for dose in (1e3, 1e4, 1e5))
    >>> figure = draw_restorations(Sweep("unet", "images", (), {}, images), "restored.png")
    >>> Path("restored.png").exists()
    True
    >>> draw_restorations(Sweep("unet", "images", (), {}), "restored.png")
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: the sweep holds no restored images
    """
    found = {comparison.dose: comparison for comparison in result.comparisons}
    if not found:
        raise InputError("the sweep holds no restored images")
    doses = sorted(known for known in found if known is not None)
    wanted = doses[len(doses) // 2] if dose is None else dose
    check_drawn_dose(wanted, doses)
    return draw_differences(found[wanted], path, names=NAMES)


def check_drawn_dose(dose: float | None, doses: Sequence[float]) -> None:
    """Refuse to draw an image at a dose that is not swept."""
    if dose is not None and dose not in doses:
        known = ", ".join(f"{one:g}" for one in doses)
        raise InputError(f"drawn_dose must be one of the doses of the sweep, {known} e/Å², not {dose:g}")


def draw_sweep_figures(result: Sweep, folder: Path, *, drawn_dose: float | None = None) -> list[str]:
    """Draw all figures of a sweep into a folder; return their names.

    ``drawn_dose`` is that of the image whose restorations are drawn, see :func:`draw_restorations`.
    """
    draw_sweep(result, folder / "sweep.png")
    if result.comparisons:
        draw_restorations(result, folder / "sweep-differences.png", dose=drawn_dose)
        return ["sweep.png", "sweep-differences.png"]
    if "placement_px" not in SHOWN[result.finds]:
        return ["sweep.png"]
    draw_conditions(result, folder / "sweep-conditions.png")
    return ["sweep.png", "sweep-conditions.png"]
