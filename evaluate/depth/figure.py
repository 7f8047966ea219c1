"""A focal series on one sheet: where atoms are and how deep, how sure that is, and how several of them focus."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from stemforge.colours import BLUE, GREY, VERMILION
from stemforge.micrograph.drawing import draw_micrograph, entitle, literal
from stemforge.micrograph.image import Micrograph

if TYPE_CHECKING:
    from stemforge.evaluate.depth.result import Depths

_COLOURS = "viridis"
_PROFILES, _COLUMNS = 6, 3
_BINS = 24


def draw_depths(depths: "Depths") -> Figure:
    """Draw everything that a focal series shows on one sheet."""
    figure = Figure(figsize=(14.4, 7.0), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.1, 1), squeeze=False)[0]
    map_into(left.subplots(), depths)
    top, bottom = right.subfigures(2, 1, height_ratios=(1, 1.35), squeeze=False)[:, 0]
    histogram_into(top.subplots(), depths)
    profiles_into(bottom, depths)
    known = int(depths.known.sum())
    title = (
        f"{depths.series.name}: {len(depths)} {depths.optics.element} atom{'s'[: len(depths) != 1]} on "
        f"{len(depths.series)} frames, "
    )
    figure.suptitle(literal(f"{title}depth of {known} known"), fontsize=11.5)
    return figure


def profiles_into(figure: SubFigure, depths: "Depths") -> None:
    """Draw how several atoms focus, side by side."""
    chosen = _chosen(depths)
    if not chosen:
        return
    rows = -(-len(chosen) // _COLUMNS)
    panels = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False)
    for axes, number in zip(panels.ravel(), chosen, strict=False):
        profile_into(axes, depths, number)
    for axes in panels.ravel()[len(chosen) :]:
        axes.set_axis_off()
    for axes in panels[-1]:
        axes.set_xlabel("focus [Å]")
    for axes in panels[:, 0]:
        axes.set_ylabel("peak of the atom")


def map_into(axes: Axes, depths: "Depths") -> None:
    """Draw the mean of the aligned frames with the atoms on it, coloured by depth."""
    series, known = depths.series, depths.known
    draw_micrograph(axes, Micrograph(depths.mean_image, series.sampling, name=series.name))
    scale = _scale(depths)
    x, y = depths.points.T
    radius = 80.0
    axes.scatter(
        x[known], y[known], s=radius, c=depths.depths[known], cmap=_COLOURS, norm=scale, edgecolors="white", lw=0.9
    )  # fmt: skip
    if (~known).any():
        axes.scatter(
            x[~known], y[~known], s=radius, facecolors="none", edgecolors=VERMILION, lw=1.3,
            label="a limit only, or not like one atom",
        )  # fmt: skip
        axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.01))
    for number, atom in enumerate(_chosen(depths)):
        text = axes.annotate(
            "abcdef"[number],
            (x[atom], y[atom]),
            (7, 5),
            textcoords="offset points",
            color="white",
            fontsize=9,
        )
        text.set_path_effects([withStroke(linewidth=2, foreground="black")])
    bar = axes.figure.colorbar(ScalarMappable(scale, _COLOURS), ax=axes, shrink=0.75, pad=0.02)
    bar.set_label("depth below the plane of focus 0 [Å]")
    entitle(axes, "Depth of each atom, on the mean of the aligned frames")


def histogram_into(axes: Axes, depths: "Depths") -> None:
    """Draw how many atoms lie at each depth, and what that would be with nothing known better than the errors."""
    known = depths.known
    low, high = depths.series.range
    axes.axvspan(low, high, color="0.95", lw=0)
    if known.any():
        values, errors = depths.depths[known], np.maximum(depths.errors[known], 1e-3)
        edges = np.linspace(low, high, _BINS + 1)
        axes.hist(values, edges.tolist(), color=BLUE, alpha=0.35, lw=0, label="atoms")
        fine = np.linspace(low, high, 600)
        density = _bells(fine, values, errors) * (edges[1] - edges[0])
        axes.plot(fine, density, color=BLUE, lw=1.5, label="each atom spread by its error")
        axes.legend(frameon=False, fontsize=8)
        entitle(axes, f"Depths, each known to {np.median(errors):.2g} Å (median)")
    else:
        entitle(axes, "No depth is known")
    for focus in depths.series.foci:
        axes.axvline(focus, ymax=0.03, color=GREY, lw=1.2)
    axes.set(xlabel="depth [Å]; marks: foci of the frames", ylabel="atoms", xlim=_wider(low, high))
    axes.spines[["top", "right"]].set_visible(False)


def profile_into(axes: Axes, depths: "Depths", number: int) -> None:
    """Draw the brightness of one atom over focus, as seen and as fitted."""
    atom, foci = depths.atoms[number], depths.series.foci
    observed, error, _ = atom.focusing.frames.T
    axes.errorbar(foci, observed, error, fmt="o", ms=3.5, color=GREY, lw=1.0, capsize=0)
    axes.plot(*atom.focusing.curve.T, "-", color=BLUE, lw=1.6)
    axes.axvline(atom.depth, color=VERMILION, lw=1.2)
    low, high = (np.clip(end, *_wider(*depths.series.range)) for end in atom.profile.interval)
    axes.axvspan(low, high, color=VERMILION, alpha=0.2, lw=0)
    axes.axhline(0, color=GREY, lw=0.6)
    axes.set_xlim(*_wider(*depths.series.range))
    name = "abcdef"[_chosen(depths).index(number)]
    entitle(axes, f"{name}: {atom.depth:.1f} ± {atom.error:.1f} Å".replace("-", "−"), 9)
    axes.spines[["top", "right"]].set_visible(False)


def _chosen(depths: "Depths") -> list[int]:
    """Return the atoms whose profiles are drawn: from the highest to the deepest, of those whose depth is known."""
    known: Iterable[int] = np.flatnonzero(depths.known)
    ordered = sorted(known, key=lambda number: depths.atoms[number].depth)
    if len(ordered) <= _PROFILES:
        return [int(number) for number in ordered]
    return [int(ordered[place]) for place in np.linspace(0, len(ordered) - 1, _PROFILES).round().astype(int)]


def _scale(depths: "Depths") -> Normalize:
    values = depths.depths[depths.known]
    if not len(values):
        return Normalize(*depths.series.range)
    return Normalize(values.min(), max(values.max(), values.min() + 1))


def _bells(
    at: NDArray[np.float64], values: NDArray[np.float64], errors: NDArray[np.float64]
) -> NDArray[np.float64]:
    scaled = (at[:, None] - values) / errors
    return np.asarray((np.exp(-0.5 * scaled**2) / errors / np.sqrt(2 * np.pi)).sum(1))


def _wider(low: float, high: float) -> tuple[float, float]:
    room = 0.04 * (high - low)
    return low - room, high + room
