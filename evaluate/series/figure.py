"""A series on one sheet: tracks, drift, steps, mean squared displacement, time at a place, and who was present."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stemforge.colours import BLUE, GREEN, GREY, ORANGE, SKY, VERMILION
from stemforge.evaluate.series.rates import survival
from stemforge.evaluate.series.words import ATOM, counted, drift_error, lasting, per_time
from stemforge.micrograph.drawing import draw_micrograph, entitle, literal
from stemforge.micrograph.image import Micrograph

if TYPE_CHECKING:
    from stemforge.evaluate.series.result import Tracks
    from stemforge.evaluate.series.track import Track

_BINS = 30


def draw_tracks(tracks: "Tracks") -> Figure:
    """Draw everything that a series shows on one sheet."""
    figure = Figure(figsize=(14.4, 8.6), layout="constrained")
    panels = figure.subplots(2, 3)
    map_into(panels[0, 0], tracks)
    drift_into(panels[0, 1], tracks)
    presence_into(panels[0, 2], tracks)
    steps_into(panels[1, 0], tracks)
    squares_into(panels[1, 1], tracks)
    residence_into(panels[1, 2], tracks)
    moved, share = int(tracks.moved.sum()), tracks.share_moved
    title = f"{tracks.series.name}: {len(tracks.tracks)} atoms on {len(tracks.series)} frames, {moved} moved "
    title += f"({100 * share.low:.0f} to {100 * share.high:.0f} %), "
    # The rate of the text, which is not what was found over what was watched.
    rate, unit = per_time(tracks.hop_rate, ATOM, tracks) or (tracks.hop_rate, ATOM)
    title += f"{counted(tracks.hops, 'hop', 'hops')} found: {rate} {unit}"
    figure.suptitle(literal(title), fontsize=11.5)
    return figure


def map_into(axes: Axes, tracks: "Tracks") -> None:
    """Draw the tracks, drift taken off, on the first frame."""
    series, (height, width) = tracks.series, tracks.series.shape
    if series.images is not None:
        draw_micrograph(
            axes, Micrograph(series.images[series.detections.filled[0]], series.sampling, name=series.name)
        )
    else:
        axes.set(xticks=[], yticks=[], facecolor="0.93", aspect="equal")
        axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    for one, moved in zip(tracks.tracks, tracks.moved, strict=True):
        x, y = (one.path.points / series.scale).T
        colour = ORANGE if moved else SKY
        axes.plot(x, y, "-", color=colour, lw=1.0, alpha=0.9)
        axes.plot(x[-1], y[-1], "o", color=colour, ms=6, mfc="none", mew=1.3)
    for name, colour in (("stayed", SKY), ("moved", ORANGE)):
        axes.plot([], [], "-", color=colour, lw=1.5, label=f"atom that {name}")
    axes.plot([], [], "o", color=GREY, mfc="none", label="where it was found last")
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.01))
    entitle(axes, "Tracks without drift" + (", on the first frame" if series.images is not None else ""))


def drift_into(axes: Axes, tracks: "Tracks") -> None:
    """Draw the displacement of the frames."""
    frames, error = np.arange(len(tracks.series)), np.sqrt(tracks.drift_variance)
    for values, colour, name in zip(tracks.drift.T, (BLUE, VERMILION), "xy", strict=True):
        axes.fill_between(frames, values - 2 * error, values + 2 * error, color=colour, alpha=0.2, lw=0)
        axes.plot(frames, values, "-", color=colour, lw=1.6, label=name)
    axes.set(xlabel="frame", ylabel=f"displacement [{tracks.series.unit}]")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=8, ncols=2)
    known = drift_error(tracks)
    title = f"Drift, known to {known:.1g} {tracks.series.unit}" if known > 0 else "Drift"
    bent = int(tracks.distortion.corrected.sum())
    _finish(axes, title + (f"; {counted(bent, 'frame', 'frames')} straightened" if bent else ""))


def presence_into(axes: Axes, tracks: "Tracks") -> None:
    """Draw when each atom was found, missed, and present."""
    count, frames = len(tracks.tracks), len(tracks.series)
    order = np.lexsort(
        [[one.path.frame[-1] for one in tracks.tracks], [one.path.frame[0] for one in tracks.tracks]]
    )
    picture = tracks.presence.chance[order]
    axes.imshow(
        picture, cmap="Blues", vmin=0, vmax=1.6, aspect="auto", interpolation="nearest",
        extent=(-0.5, frames - 0.5, count - 0.5, -0.5),
    )  # fmt: skip
    small = float(np.clip(160 / max(count, frames), 1.0, 4.0))
    for row, number in enumerate(order):
        one = tracks.tracks[number]
        axes.plot(one.path.frame, np.full(len(one.path.frame), row), ".", color="black", ms=small, mew=0)
        hops = one.path.frame[1:][np.diff(one.path.part) > 0]
        axes.plot(hops, np.full(len(hops), row), "|", color=VERMILION, ms=small + 4, mew=1.5)
    axes.plot([], [], ".", color="black", label="found")
    axes.plot([], [], "s", color="#c6dbef", label="chance to be present")
    axes.plot([], [], "|", color=VERMILION, mew=1.5, label="hop")
    axes.set(xlabel="frame", ylabel="atom")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.14))
    entitle(axes, f"Who is present: {100 * tracks.recall:.0f} % of present atoms are found")


def steps_into(axes: Axes, tracks: "Tracks") -> None:
    """Draw how long steps are from frame to frame, beside those that errors and ordinary motion give."""
    unit = tracks.series.unit
    ordinary, hops = (np.concatenate(part) for part in zip(*map(_steps, tracks.tracks), strict=True))
    variance = np.concatenate([one.path.variance for one in tracks.tracks])
    width = float(tracks.model.width(2 * np.median(variance)))
    longest = max(1.15 * tracks.shortest_hop, float(hops.max(initial=0.0)) * 1.05)
    edges = np.linspace(0, longest, _BINS + 1)
    style: dict[str, Any] = {"bins": edges.tolist(), "edgecolor": "white", "lw": 0.5}
    axes.hist(ordinary, color=SKY, alpha=0.65, label=f"{len(ordinary)} steps", **style)
    axes.hist(hops, color=VERMILION, alpha=0.85, label=f"{counted(len(hops), 'hop', 'hops')} found", **style)
    r = np.linspace(0, longest, 400)
    law = r / width**2 * np.exp(-(r**2) / (2 * width**2)) * len(ordinary) * (edges[1] - edges[0])
    axes.plot(r, law, color=GREY, ls="--", lw=1.5, label="errors and ordinary motion")
    axes.axvline(
        tracks.shortest_hop, color=GREY, ls=":", lw=1.5, label=f"hops from {tracks.shortest_hop:.2g} {unit}"
    )
    axes.set(xlabel=f"displacement from frame to frame [{unit}]", ylabel="number (root scale)")
    axes.set_yscale("function", functions=(lambda v: np.sqrt(np.maximum(v, 0)), np.square))
    axes.set(xlim=(0, longest), ylim=(0, None))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.legend(frameon=False, fontsize=8, loc="upper right")
    _finish(axes, "Displacements")


def squares_into(axes: Axes, tracks: "Tracks") -> None:
    """Draw the mean squared displacement, beside that of the diffusion coefficient."""
    series, one, found = tracks.series, tracks.diffusion, tracks.squared_displacements
    time = found["lag"] * series.step
    if not len(time):
        axes.set(xticks=[], yticks=[])
        axes.text(
            0.5, 0.5, "no atom was found on three frames in a row", ha="center", transform=axes.transAxes
        )
        _finish(axes, "Motion cannot be told")
        return
    axes.fill_between(time, found["low"], found["high"], color=BLUE, alpha=0.2, lw=0, label="95 %")
    axes.plot(time, found["msd"], "o-", color=BLUE, ms=4, lw=1.4, label="measured, without errors of places")
    if np.isfinite(one.value) and len(time):
        line = np.array([0.0, float(time[-1])])
        axes.plot(line, 4 * one.value * line, "--", color=GREY, lw=1.5, label="4 D t")
    axes.axhline(0, color=GREY, lw=0.8)
    axes.set(xlabel=f"time t [{series.time_unit}]", ylabel=f"mean squared displacement [{series.unit}²]")
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    title = f"D = {one.value:.2g} ({one.low:.2g} to {one.high:.2g}) {series.unit}²/{series.time_unit}"
    _finish(axes, title if np.isfinite(one.value) else "Diffusion cannot be told")


def residence_into(axes: Axes, tracks: "Tracks") -> None:
    """Draw which share of the atoms is at its place still, beside the exponential law."""
    step, one, time = tracks.series.step, tracks.residence, tracks.series.time_unit
    stays = [stay for number in range(len(tracks.tracks)) for stay in _stays(tracks, number)]
    times, left = survival([length * step for length, _ in stays], [ended for _, ended in stays])
    axes.step(times, left, where="post", color=BLUE, lw=1.6, label="measured (Kaplan–Meier)")
    t = np.linspace(0, float(times[-1]), 200)
    if np.isfinite(one.low):
        high = np.exp(-t / one.high) if np.isfinite(one.high) else np.ones_like(t)
        axes.fill_between(t, np.exp(-t / one.low), high, color=GREEN, alpha=0.18, lw=0, label="95 %")
    if np.isfinite(one.value):
        axes.plot(t, np.exp(-t / one.value), "--", color=GREEN, lw=1.5, label="exponential law")
    axes.set(xlabel=f"time at a place [{time}]", ylabel="share still there", ylim=(0, 1.05), xlim=(0, None))
    axes.legend(frameon=False, fontsize=8, loc="lower left")
    title = "Time at a place cannot be told"
    if one.low > 0 and tracks.departures < 1:
        title = f"An atom stays for more than {lasting(one.low, time)}"
    elif one.low > 0:
        title = f"An atom stays for {lasting(one.value, time)} ({one.low:.3g} to {one.high:.3g})"
    _finish(axes, title)


def _steps(one: "Track") -> tuple[Any, Any]:
    """Return the lengths of steps from a frame to the next, and of hops."""
    length = np.hypot(*np.diff(one.path.points, axis=0).T)
    hop, row = np.diff(one.path.part) > 0, np.diff(one.path.frame) == 1
    return length[~hop & row], one.path.hop_lengths


def _stays(tracks: "Tracks", number: int) -> list[tuple[float, bool]]:
    """Return how many frames an atom was at each of its places, and whether it was watched leaving.

    It is there until the frame before it is found elsewhere. At the end it stays as long as it is present; it left
    where that is likelier than that it was missed.
    """
    one, chance = tracks.tracks[number], tracks.presence.chance[number]
    starts = one.path.frame[np.flatnonzero(np.diff(one.path.part, prepend=-1))]
    gone = tracks.presence.disappeared[number] > 0.5
    last = int(one.path.frame[-1])
    end = last + float(chance[last + 1 :].sum())
    lengths = [*np.diff(starts).tolist(), max(end - int(starts[-1]) + float(gone), 0.0)]
    return [(float(length), True) for length in lengths[:-1]] + [(lengths[-1], bool(gone))]


def _finish(axes: Axes, title: str) -> None:
    entitle(axes, title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.2)
