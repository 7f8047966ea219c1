"""Every number of a series in words: value, interval, unit, and one sentence that says how to read it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from stemforge.evaluate.series.rates import Estimate

if TYPE_CHECKING:
    from stemforge.evaluate.series.result import Tracks


ATOM, FRAME = "per atom and frame", "per frame"
"""Units of rates."""


def describe(tracks: "Tracks") -> dict[str, dict[str, Any]]:
    """Return the numbers of a series by name, each with ``value``, ``low``, ``high``, ``unit`` and ``sentence``.

    Rates are per frame; where the time of a frame is known, ``per_time`` has the same per second.
    """
    series, unit, time = tracks.series, tracks.series.unit, tracks.series.time_unit
    frames, atoms = len(series), len(tracks.tracks)
    named = {
        "atoms": _entry(
            atoms,
            "atoms",
            f"{series.name}: {atoms} atoms were found twice and more on {frames} frames, on average "
            f"{tracks.present:.0f} of them are present on a frame; {tracks.single} of {len(series.detections)} "
            "detections belong to no track: false, or atoms found once.",
        ),
        "recall": _entry(
            tracks.recall,
            "",
            f"A present atom is found on {100 * tracks.recall:.0f} % of the frames; "
            f"{counted(tracks.missed, 'miss', 'misses')} within tracks are neither departure nor motion.",
        ),
        "coincidence": _entry(
            tracks.common,
            "",
            f"{100 * tracks.common:.0f} % of a frame's atoms coincide with those of the next one: one specimen "
            "is shown.",
        ),
        "drift": _drift(tracks),
        "distortion": _distortion(tracks),
        "localisation": _entry(
            tracks.localisation if np.isfinite(tracks.localisation) else None,
            unit,
            f"Places err by {tracks.localisation:.2g} {unit} in each coordinate, as steps in a row that go forth "
            "and back say."
            if np.isfinite(tracks.localisation)
            else "How far places err cannot be told from steps in a row.",
        ),
        "share_moved": _of(
            tracks.share_moved,
            "",
            f"{int(tracks.moved.sum())} of {atoms} atoms moved, {_percent(tracks.share_moved)}: they hopped, or "
            f"lie more than {tracks.model.least:.2g} {unit} away in the second half of their track, and further than "
            "errors of places allow; shorter ways are not told from errors.",
        ),
        "hop_rate": _rate(
            tracks.hop_rate,
            ATOM,
            tracks,
            f"{counted(tracks.hops, 'hop', 'hops')} found, {in_time(tracks.hop_rate, ATOM, tracks)}: steps of more "
            f"than {tracks.shortest_hop:.2g} {unit} ({_limit(tracks)}), and up to {tracks.model.reach:.2g} {unit}"
            f"{_found_again(tracks)}.",
        ),
        "loss_rate": _rate(
            tracks.loss_rate,
            ATOM,
            tracks,
            f"{_atoms(tracks.presence.losses)} disappeared, {in_time(tracks.loss_rate, ATOM, tracks)}, those not "
            f"counted that were only missed.",
        ),
        "arrival_rate": _rate(
            tracks.arrival_rate,
            FRAME,
            tracks,
            f"{_atoms(tracks.presence.arrivals)} appeared, {in_time(tracks.arrival_rate, FRAME, tracks)}.",
        ),
        "residence": _of(tracks.residence, time, _residence(tracks)),
    }
    return named | {"diffusion": _diffusion(tracks)}


def _drift(tracks: "Tracks") -> dict[str, Any]:
    unit = tracks.series.unit
    x, y = np.round(tracks.drift[-1], 1) + 0.0  # no -0.0
    error = drift_error(tracks)
    known = f"known to {error:.1g} {unit}" if error > 0 else "how well cannot be told"
    step = np.median(np.hypot(*np.diff(tracks.drift, axis=0).T))
    return _entry(
        float(np.hypot(*tracks.drift[-1])),
        unit,
        f"The frames drifted by {x:.1f}, {y:.1f} {unit} (x, y) in all, {step:.2g} {unit} from frame to frame, "
        f"{known}; motion of all atoms together would look the same.",
    )


def _distortion(tracks: "Tracks") -> dict[str, Any]:
    unit, corrected = tracks.series.unit, tracks.distortion.corrected
    if not corrected.any():
        return _entry(0.0, unit, "No frame is distorted along the slow scan direction beyond chance.")
    span = float(np.median(tracks.distortion.span[corrected]))
    number = f"{int(corrected.sum())} of {counted(len(corrected), 'frame', 'frames')}"
    return _entry(
        span,
        unit,
        f"{number} were straightened along the slow scan direction, by {span:.2g} {unit} from the first line to the "
        "last (median); what all frames have in common cannot be told.",
    )


def _residence(tracks: "Tracks") -> str:
    one, time = tracks.residence, tracks.series.time_unit
    if tracks.departures < 1:
        if not one.low > 0:
            return "How long an atom stays at its place cannot be told."
        return f"No atom left its place: it stays for longer than {lasting(one.low, time)} on average."
    ends = f"{one.low:.3g} to {one.high:.3g}"
    return (
        f"An atom stays at its place for {lasting(one.value, time)} ({ends}) on average"
        f", until it hops or disappears; those that stay "
        "to the end count by the time they were watched."
    )


def _diffusion(tracks: "Tracks") -> dict[str, Any]:
    one, unit = tracks.diffusion, f"{tracks.series.unit}²/{tracks.series.time_unit}"
    if not np.isfinite(one.value):
        return _entry(
            None, unit, "No atom was found on three frames in a row: no diffusion coefficient follows."
        )
    interval = f"({one.low:.3g} to {one.high:.3g})"
    text = f"The diffusion coefficient is {one.value:.3g} {interval} {unit}, hops included, errors of places taken off."
    if one.low <= 0:
        known = f"({one.value:.2g} ± {one.error:.2g})"
        text = f"No diffusion can be told from errors: it is below {max(one.high, 0):.3g} {unit} {known}."
    return {"value": one.value, "low": one.low, "high": one.high, "unit": unit, "sentence": text}


def drift_error(tracks: "Tracks") -> float:
    """Return the error of a coordinate's drift on a typical frame after the first [unit]; NaN where none is known."""
    variance = tracks.drift_variance[1:]
    variance = variance[np.isfinite(variance)]
    return float(np.sqrt(np.median(variance))) if len(variance) else np.nan


def _limit(tracks: "Tracks") -> str:
    """Say why a step is no hop below the shortest one."""
    if tracks.shortest_hop > tracks.model.least:
        return "shorter ones are errors or ordinary motion"
    return "by less, fits move where a neighbour comes or leaves"


def _found_again(tracks: "Tracks") -> str:
    """Say which share of hops is found."""
    recall = tracks.hop_recall
    if not len(recall.found):
        return ""
    return (
        f"; of hops that were added to the series {100 * recall.mean:.0f} % were found, and the rate counts those "
        "that were missed"
    )


def _atoms(events: float) -> str:
    """Say an expected number of atoms."""
    return counted(round(events), "atom", "atoms")


def counted(number: int, one: str, several: str) -> str:
    """Say a number of things."""
    return f"{number} {one if number == 1 else several}"


def lasting(duration: float, unit: str) -> str:
    """Say a time; frames are whole ones."""
    if unit != "frame":
        return f"{duration:.3g} {unit}"
    return counted(round(duration), "frame", "frames")


def _percent(one: Estimate) -> str:
    return f"{100 * one.value:.0f} % ({100 * one.low:.0f} to {100 * one.high:.0f})"


def _entry(value: float | None, unit: str, sentence: str) -> dict[str, Any]:
    return {"value": value, "low": None, "high": None, "unit": unit, "sentence": sentence}


def in_time(one: Estimate, unit: str, tracks: "Tracks") -> str:
    """Say a rate per frame, and per second where the time of a frame is known, as diffusion coefficients are."""
    later = per_time(one, unit, tracks)
    return f"{one} {unit}" + (f", {later[0]} {later[1]}" if later else "")


def per_time(one: Estimate, unit: str, tracks: "Tracks") -> tuple[Estimate, str] | None:
    """Return a rate per frame as one per second, and its unit; None where the time of a frame is not known."""
    series = tracks.series
    return (
        None if series.frame_time is None else (one.per(series.step), unit.replace("frame", series.time_unit))
    )


def _rate(one: Estimate, unit: str, tracks: "Tracks", sentence: str) -> dict[str, Any]:
    """Return an entry with the rate per frame, as ever, and per second beside it."""
    later = per_time(one, unit, tracks)
    ends = None if later is None else {**vars(later[0]), "unit": later[1]}
    return _of(one, unit, sentence) | {"per_time": ends}


def _of(one: Estimate, unit: str, sentence: str) -> dict[str, Any]:
    return {"value": one.value, "low": one.low, "high": one.high, "unit": unit, "sentence": sentence}
