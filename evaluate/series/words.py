"""Every number of a series in words: value, interval, unit, and one sentence that says how to read it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from stemforge.evaluate.series.rates import Estimate

if TYPE_CHECKING:
    from stemforge.evaluate.series.result import Tracks


def describe(tracks: "Tracks") -> dict[str, dict[str, Any]]:
    """Return the numbers of a series by name, each with ``value``, ``low``, ``high``, ``unit`` and ``sentence``."""
    series, unit, time = tracks.series, tracks.series.unit, tracks.series.time_unit
    frames, atoms = len(series), len(tracks.tracks)
    named = {
        "atoms": _entry(
            atoms,
            "atoms",
            f"{series.name}: {atoms} atoms were found twice and more on {frames} frames, {tracks.present:.1f} "
            "are present on a "
            f"frame; {tracks.single} of {len(series.detections)} detections belong to no track: false, or atoms "
            "found once.",
        ),
        "recall": _entry(
            tracks.recall,
            "",
            f"A present atom is found on {100 * tracks.recall:.0f} % of the frames; {tracks.missed} misses lie "
            "within tracks, "
            "and are neither departure nor motion.",
        ),
        "coincidence": _entry(
            tracks.common,
            "",
            f"{100 * tracks.common:.0f} % of a frame's atoms coincide with those of the next one: one specimen "
            "is shown.",
        ),
        "drift": _drift(tracks),
        "localisation": _entry(
            tracks.localisation,
            unit,
            f"Places err by {tracks.localisation:.2g} {unit} in each coordinate, as steps in a row that go forth "
            "and back say.",
        ),
        "share_moved": _of(
            tracks.share_moved,
            "",
            f"{int(tracks.moved.sum())} of {atoms} atoms moved, {_percent(tracks.share_moved)}: they hopped, or "
            "lie elsewhere in the second half of their track than errors of places and drift allow (2 % did so where "
            "nothing moved).",
        ),
        "hop_rate": _of(
            tracks.hop_rate,
            "per atom and frame",
            f"{tracks.hops} hops, {tracks.hop_rate} per atom and frame: steps of more than "
            f"{tracks.shortest_hop:.2g} {unit}, "
            f"which errors and ordinary motion do not explain, up to {tracks.model.reach:.2g} {unit}.",
        ),
        "loss_rate": _of(
            tracks.loss_rate,
            "per atom and frame",
            f"{tracks.presence.losses:.1f} atoms disappeared, {tracks.loss_rate} per atom and frame, those not "
            "counted that were "
            "only missed.",
        ),
        "arrival_rate": _of(
            tracks.arrival_rate,
            "per frame",
            f"{tracks.presence.arrivals:.1f} atoms appeared, {tracks.arrival_rate} per frame.",
        ),
        "residence": _of(tracks.residence, time, _residence(tracks)),
    }
    return named | {"diffusion": _diffusion(tracks)}


def _drift(tracks: "Tracks") -> dict[str, Any]:
    unit = tracks.series.unit
    x, y = tracks.drift[-1]
    error = float(np.sqrt(np.nanmedian(tracks.drift_variance[1:])))
    step = np.median(np.hypot(*np.diff(tracks.drift, axis=0).T))
    return _entry(
        float(np.hypot(x, y)),
        unit,
        f"The frames drifted by {x:.1f}, {y:.1f} {unit} (x, y) in all, {step:.2g} {unit} from frame to frame, known to "
        f"{error:.1g} {unit}; motion of all atoms together would look the same.",
    )


def _residence(tracks: "Tracks") -> str:
    one, time = tracks.residence, tracks.series.time_unit
    events = tracks.hops + tracks.presence.losses
    if events < 1:
        return f"No atom left its place: it stays for longer than {one.low:.3g} {time} on average."
    return (
        f"An atom stays at its place for {one} {time} on average, until it hops or disappears; those that stay "
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


def _percent(one: Estimate) -> str:
    return f"{100 * one.value:.0f} % ({100 * one.low:.0f} to {100 * one.high:.0f})"


def _entry(value: float | None, unit: str, sentence: str) -> dict[str, Any]:
    return {"value": value, "low": None, "high": None, "unit": unit, "sentence": sentence}


def _of(one: Estimate, unit: str, sentence: str) -> dict[str, Any]:
    return {"value": one.value, "low": one.low, "high": one.high, "unit": unit, "sentence": sentence}
