"""A series from what was found on its frames to tracks: alignment, links and presence, each in the light of others."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stemforge.errors import InputError
from stemforge.evaluate.series.chances import LinkChances, LinkModel, step_excess
from stemforge.evaluate.series.coincidence import check_specimen
from stemforge.evaluate.series.detections import LEAST_ATOMS, Detections, Series
from stemforge.evaluate.series.distortion import Distortion, refine_alignment, straightened
from stemforge.evaluate.series.drift import coarse_drift
from stemforge.evaluate.series.links import link, split_track
from stemforge.evaluate.series.motion import Path
from stemforge.evaluate.series.presence import Presence, fit_presence
from stemforge.evaluate.series.result import Tracks
from stemforge.evaluate.series.track import Track

ROUNDS = 3
"""Times that drift, links and what is believed of motion and detector are found from each other."""

_CHANCES = (1e-4, 0.3)  # of hops and losses from frame to frame
_RECALLS = (0.3, 0.995)


def track_atoms(
    series: Series, *, reach: float | None = None, advance: Callable[[int], None] = lambda rounds: None
) -> Tracks:
    """Follow atoms through a time series: tracks, drift, motion, and what came, left, or was only missed.

    Parameters
    ----------
    series
        What was found on its frames, and the images where these are at hand.
    reach
        Longest hop that is followed [unit]; by default 0.3/√density, within which one atom in four has another one. A
        longer way is a disappearance and an appearance.
    advance
        Called with 1 after each of :data:`ROUNDS` rounds.

    Returns
    -------
    Tracks
        Tracks of all atoms that were found twice and more, and everything that follows from them.

    Raises
    ------
    InputError
        Frames of several specimens, fewer than 10 tracks, or LapTrack is not installed.

    References
    ----------
    Links: Jaqaman et al. 2008, doi:10.1038/nmeth.1237. Diffusion: Vestergaard, Blainey & Flyvbjerg 2014,
    doi:10.1103/PhysRevE.89.022726.

    Examples
    --------
    >>> from stemforge import Annotations
    >>> rng = np.random.default_rng(0)
    >>> places = rng.uniform(20, 480, (40, 2))
    >>> frames = [Annotations(places + [0.7 * n, 0] + rng.normal(0, 0.5, (40, 2))) for n in range(6)]
    >>> tracks = track_atoms(Series(frames, (512, 512), sampling=0.3))
    >>> len(tracks.tracks), round(float(tracks.drift[-1, 0]), 1), tracks.hops
    (40, 1.1, 0)
    """
    if reach is not None and not 0 < reach < np.inf:
        raise InputError(f"reach must be positive, not {reach}")
    found, drift = series.detections, coarse_drift(series)
    common = check_specimen(found, drift, series.name)
    model = LinkModel.first(found.moved(drift), reach)
    error, distortion = np.zeros(len(series)), Distortion.none(len(series), float(found.size[1]))
    for number in range(ROUNDS):
        placed = straightened(found, distortion).moved(drift)
        linked = [one for one in link(placed, model) if len(one) > 1]
        if len(linked) < LEAST_ATOMS:
            raise InputError(
                f"{series.name}: {len(linked)} atoms were found on more than one frame; statistics need {LEAST_ATOMS}"
            )
        split = [split_track(placed, one, model) for one in linked]
        if number < ROUNDS - 1:
            stays = [part for parts, _ in split for part in parts]
            drift, error, distortion = refine_alignment(found, stays, drift, model.motion / 2, distortion)
        presence = _presence(found, linked, placed, drift, distortion)
        model = _learnt(placed, linked, split, presence, model)
        advance(1)
    chances = LinkChances(model, found.frames)
    tracks = tuple(_track(placed, parts, aside, chances) for parts, aside in split)
    return Tracks(series, tracks, drift, error, presence, model, common, distortion)


def _presence(
    found: Detections,
    tracks: Sequence[NDArray[np.int64]],
    placed: Detections,
    drift: NDArray[np.float64],
    distortion: Distortion,
) -> Presence:
    """Say when each atom was present; nothing is known where frames are blank or its place was off the image."""
    on = np.zeros((len(tracks), found.frames), dtype=bool)
    visible = np.ones_like(on)
    frames = np.arange(found.frames)
    filled = np.isin(frames, found.filled)
    for number, track in enumerate(tracks):
        on[number, found.frame[track]] = True
        place = np.stack(
            [np.interp(frames, found.frame[track], placed.points[track, axis]) for axis in (0, 1)], 1
        )
        place += drift
        place += distortion.at(frames, place[:, 1])
        visible[number] = ((place >= 0) & (place <= found.size)).all(1) & filled
    return fit_presence(on, visible | on)


def _learnt(
    placed: Detections,
    tracks: Sequence[NDArray[np.int64]],
    split: Sequence[tuple[list[NDArray[np.int64]], list[int]]],
    presence: Presence,
    model: LinkModel,
) -> LinkModel:
    """Return what is believed of motion and detector after linking."""
    squares, variances, frames, hops = [], [], [], 0
    for parts, _ in split:
        hops += len(parts) - 1
        for part in parts:
            squares.append((np.diff(placed.points[part], axis=0) ** 2).sum(1))
            variances.append(placed.variance[part[1:]] + placed.variance[part[:-1]])
            frames.append(np.diff(placed.frame[part]))
    watched = sum(int(np.ptp(placed.frame[track])) for track in tracks)
    return replace(
        model,
        motion=step_excess(np.concatenate(squares), np.concatenate(variances), np.concatenate(frames)),
        recall=float(np.clip(sum(map(len, tracks)) / max(presence.whole, 1.0), *_RECALLS)),
        hop=float(np.clip((hops + 0.5) / max(watched, 1), *_CHANCES)),
        loss=float(np.clip(presence.loss, *_CHANCES)),
        density=presence.shown / placed.area,
    )


def _track(
    placed: Detections, parts: list[NDArray[np.int64]], aside: list[int], chances: LinkChances
) -> Track:
    index = np.concatenate(parts)
    part = np.repeat(np.arange(len(parts)), [len(one) for one in parts])
    hops = [chances.hop(placed, index, int(number) + 1) for number in np.flatnonzero(np.diff(part))]
    path = Path(placed.frame[index], placed.points[index], placed.variance[index], part)
    return Track(path, placed.score[index], index, np.array(aside, dtype=int), np.array(hops))
