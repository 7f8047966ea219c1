"""Values for what a user did not state: wide, so that the truth lies inside."""

from typing import Any

from stemforge.settings.notes import Noted
from stemforge.simulate.composing.request import Span

ASSUMED = "not given"
"""Begins the note of every value that the user did not state."""

_AZIMUTH = {"uniform": [0.0, 6.2832]}


def uniform(value: Span | None, prior: tuple[float, float], note: str) -> Noted:
    """Return a stated number, a stated range, or the prior, each as a recipe writes it."""
    return _spread("uniform", value, prior, note)


def loguniform(value: Span | None, prior: tuple[float, float], note: str) -> Noted:
    """Return a stated number, a stated range, or the prior, for what spans orders of magnitude."""
    return _spread("loguniform", value, prior, note)


def assumed(value: float | None, default: float, note: str) -> Noted:
    """Return a stated number or a default, for what a recipe takes as one number only."""
    return Noted(default, f"{note}; {ASSUMED}: assumed") if value is None else Noted(value, note)


def _spread(kind: str, value: Span | None, prior: tuple[float, float], note: str) -> Noted:
    if value is None:
        return Noted({kind: [float(end) for end in prior]}, f"{note}; {ASSUMED}: wide")
    if isinstance(value, tuple):
        return Noted({kind: list(value)}, note)
    return Noted(value, note)


def aberrations() -> dict[str, Any]:
    """Residual aberrations of a corrected microscope, as its operator leaves them."""
    return {
        "defocus": Noted({"uniform": [-40.0, 40.0]}, "beside the focus below [Å]"),
        "A1": Noted({"uniform": [0.0, 40.0]}, "twofold astigmatism [Å]"),
        "A1_angle": {"uniform": [0.0, 3.1416]},
        "B2": Noted({"uniform": [0.0, 300.0]}, "coma [Å]"),
        "B2_angle": _AZIMUTH,
        "C3": Noted({"uniform": [-1e4, 1e4]}, "spherical aberration [Å]"),
        "focal_spread": Noted(20.0, "from the energy spread [Å]"),
    }


def instrument() -> dict[str, Any]:
    """Noise and distortions of a scan that are not those of counting."""
    return {
        "flicker": Noted({"uniform": [0.0, 0.02]}, "of the emission: lines differ in brightness"),
        "flicker_time": Noted({"loguniform": [0.3, 3.0]}, "[lines]"),
        "read_noise": Noted({"uniform": [0.0, 3.0]}, "dark counts"),
        "decay_time": Noted({"uniform": [0.0, 0.2]}, "of the detector's signal [dwell times]"),
        "pulse_spread": Noted({"uniform": [0.0, 0.8]}, "of electrons' signals, relative"),
        "line_jitter": Noted({"uniform": [0.0, 0.2]}, "lines displaced along the line [Å]"),
        "line_jitter_across": Noted({"loguniform": [0.02, 0.8]}, "… and across it [Å]"),
        "drift": Noted({"uniform": [0.0, 4.0]}, "[Å a frame]"),
        "drift_angle": _AZIMUTH,
    }
