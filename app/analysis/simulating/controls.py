"""What can be moved on the page: fields of the settings, with their words and bounds, and a range that is useful."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stemforge.errors import InputError
from stemforge.settings import Description, Settings, describe
from stemforge.simulate import Microscope, RecipeRequest, SimulationRecipe
from stemforge.simulate.recording.degrade import Degradation
from stemforge.simulate.specimen.films import AmorphousCarbon
from stemforge.simulate.specimen.layers import Layers

SUPPORTS = {
    "carbon": "Carbon, N-doped",
    "c3n4": "Carbon nitride, g-C₃N₄",
    "graphene": "Graphene",
    "hbn": "Boron nitride, h-BN",
    "mos2": "MoS₂",
    "ws2": "WS₂",
    "mgo:001": "MgO (001)",
}
"""Supports as :class:`RecipeRequest` knows them, and how the page calls them."""
ELEMENTS = ("Si", "Ti", "Fe", "Co", "Ni", "Cu", "Zn", "Mo", "Ru", "Rh", "Pd", "Ag", "W", "Ir", "Pt", "Au")
SHEETS = ("graphene", "hbn", "mos2", "ws2")
CRYSTALS = ("mgo:001",)
OTHERS = tuple(name for name in SUPPORTS if name not in CRYSTALS)

_FACTORS = {("Å", "nm"): 10.0, ("Å", "µm"): 1e4, ("eV", "keV"): 1e3, ("1/nm²", "nm⁻²"): 1.0}


@dataclass(frozen=True)
class Control:
    """A number of a recipe that the page can move.

    Parameters
    ----------
    name
        Under which requests state it: a field of :class:`RecipeRequest`, or of the recipe by dotted name.
    settings, field
        Whose docstring and bounds it has.
    label, group
        On the page.
    low, high, default, step
        In the settings' unit; the range is cut to what the settings allow. A step of 0 moves by equal ratios.
    unit
        That the page shows; empty for the settings'.
    choices
        The only values that it takes.
    supports
        That have it; empty for all.
    measures
        Whether a value that was not used before has the engine work out single atoms anew: a second at 300 keV.
    """

    name: str
    settings: type[Settings]
    field: str
    label: str
    group: str
    low: float
    high: float
    default: float
    step: float
    unit: str = ""
    choices: tuple[float, ...] = ()
    supports: tuple[str, ...] = ()
    measures: bool = False

    @property
    def described(self) -> Description:
        """What the settings say of it."""
        return describe(self.settings, self.field)

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and greatest value."""
        described = self.described
        return max(self.low, described.low), min(self.high, described.high)

    @property
    def shown_unit(self) -> tuple[str, float]:
        """Unit on the page, and how much of the settings' it is."""
        unit = self.described.unit
        return (self.unit, _FACTORS[unit, self.unit]) if self.unit else (unit, 1.0)

    def public(self) -> dict[str, Any]:
        """Return it as the page gets it, in the unit of the page."""
        unit, factor = self.shown_unit
        low, high = self.bounds
        numbers = {"low": low, "high": high, "default": self.default, "step": self.step}
        return {
            **{name: _plain(value / factor) for name, value in numbers.items()},
            "choices": [_plain(value / factor) for value in self.choices],
            "name": self.name,
            "label": self.label,
            "group": self.group,
            "unit": unit,
            "explanation": f"{self.described.text}.",
            "supports": list(self.supports or SUPPORTS),
            "measures": self.measures,
        }

    def read(self, shown: float) -> float:
        """Return a value of the page in the settings' unit.

        Raises
        ------
        InputError
            It is out of range.
        """
        unit, factor = self.shown_unit
        low, high = self.bounds
        value = shown * factor
        if self.choices and not any(math.isclose(value, one) for one in self.choices):
            allowed = ", ".join(f"{one / factor:g}" for one in self.choices)
            raise InputError(f"{self.label} must be one of {allowed} {unit}, not {shown:g}.")
        # What the page rounds may pass a bound by a hair.
        slack = 1e-9 * max(abs(low), abs(high))
        if not low - slack <= value <= high + slack:
            allowed = f"{low / factor:g} to {high / factor:g} {unit}".strip()
            raise InputError(f"{self.label} must be {allowed}, not {shown:g}.")
        return min(max(value, low), high)


def _plain(value: float) -> float:
    """Without the last bits of a division: 4.2 and not 4.200000000000001."""
    return float(f"{value:.10g}")


_R, _M, _D = RecipeRequest, Microscope, Degradation
CONTROLS = (
    Control("thickness", _R, "thickness", "Thickness", "Specimen", 20, 600, 150, 5, "nm", supports=("carbon",)),
    Control("thickness", _R, "thickness", "Thickness", "Specimen", 3.2, 96, 32, 3.2, "nm", supports=("c3n4",)),
    Control("thickness", _R, "thickness", "Thickness", "Specimen", 8.4, 21, 12.6, 4.2, "nm", supports=CRYSTALS),
    Control("layers", Layers, "num_layers", "Layers", "Specimen", 1, 6, 1, 1, supports=SHEETS),
    Control("support.nitrogen_fraction", AmorphousCarbon, "nitrogen_fraction", "Nitrogen", "Specimen", 0, 0.3, 0.05,
            0.01, supports=("carbon",)),
    Control("density", _R, "density", "Single atoms", "Specimen", 0.01, 3, 0.4, 0, "nm⁻²"),
    Control("seed", SimulationRecipe, "seed", "Specimen number", "Specimen", 0, 99, 0, 1),
    Control("energy", _R, "energy", "Energy", "Microscope", 30e3, 300e3, 60e3, 1e3, "keV",
            choices=(30e3, 60e3, 80e3, 100e3, 120e3, 200e3, 300e3), measures=True),
    Control("semiangle", _R, "semiangle", "Convergence", "Microscope", 10, 40, 32, 1, measures=True),
    Control("inner", _R, "detector", "Detector, inner angle", "Microscope", 30, 120, 90, 5, measures=True),
    Control("outer", _R, "detector", "Detector, outer angle", "Microscope", 100, 250, 185, 5, measures=True),
    Control("focus", SimulationRecipe, "focus", "Focal plane", "Microscope", 0, 1, 0, 0.05),
    Control("microscope.defocus", _M, "defocus", "Defocus", "Microscope", -300, 300, 0, 5, "nm"),
    Control("microscope.C3", _M, "C3", "C3 (Cs)", "Microscope", -1e5, 1e5, 0, 1e3, "µm"),
    Control("microscope.A1", _M, "A1", "Astigmatism", "Microscope", 0, 100, 0, 1, "nm"),
    Control("microscope.B2", _M, "B2", "Coma", "Microscope", 0, 1000, 0, 10, "nm"),
    Control("sampling", _R, "sampling", "Pixel size", "Image", 0.1, 0.5, 0.2, 0.005, "nm"),
    Control("size", _R, "shape", "Size", "Image", 256, 512, 256, 256, choices=(256, 512), supports=OTHERS),
    Control("size", _R, "shape", "Size", "Image", 48, 80, 64, 16, choices=(48, 64, 80), supports=CRYSTALS),
    Control("dose", _R, "dose", "Dose", "Recording", 1e3, 1e6, 4e4, 0),
    Control("source_size", _R, "source_size", "Source blur", "Recording", 0, 4, 1.2, 0.1, "nm"),
    Control("degradation.line_jitter", _D, "line_jitter", "Jitter along lines", "Recording", 0, 1, 0.05, 0.01, "nm"),
    Control("degradation.line_jitter_across", _D, "line_jitter_across", "Jitter across lines", "Recording", 0, 1, 0.05,
            0.01, "nm"),
    Control("degradation.flicker", _D, "flicker", "Flicker", "Recording", 0, 0.05, 0.005, 0.001),
    Control("degradation.drift", _D, "drift", "Drift", "Recording", 0, 20, 1, 0.5, "nm"),
)  # fmt: skip
"""All controls, in the order of the page; of one name there is one for a support."""


def controls_of(support: str) -> Iterator[Control]:
    """Yield the controls that a support has."""
    for control in CONTROLS:
        if support in (control.supports or SUPPORTS):
            yield control


def describe_controls() -> dict[str, Any]:
    """Return what the page needs to draw the controls."""
    return {
        "controls": [control.public() for control in CONTROLS],
        "supports": [
            {"name": name, "label": label, "slow": name in CRYSTALS} for name, label in SUPPORTS.items()
        ],
        "elements": list(ELEMENTS),
    }


def read_values(support: str, element: str | None, values: dict[str, float]) -> dict[str, float]:
    """Check what the page asks for, and return it in the settings' units, with defaults for what it leaves out.

    Parameters
    ----------
    support
        One of :data:`SUPPORTS`.
    element
        Of the single atoms, or None.
    values
        Of controls, by name, in the units of the page.

    Raises
    ------
    InputError
        A support, element or control that is not known, or a value out of range.

    Examples
    --------
    >>> read_values("carbon", "Pt", {"energy": 80})["energy"]
    80000.0
    """
    _require(support, list(SUPPORTS), "The support")
    if element is not None:
        _require(element, ELEMENTS, "The element")
    known = {control.name: control for control in controls_of(support)}
    for name in values:
        _require(name, list(known), f"What can be set of {SUPPORTS[support]}")
    found = {
        name: control.read(values[name]) if name in values else control.default
        for name, control in known.items()
    }
    if not found["inner"] < found["outer"]:
        raise InputError("The detector's inner angle must be smaller than its outer angle.")
    return found


def _require(value: str, known: Sequence[str], what: str) -> None:
    if value not in known:
        raise InputError(f"{what} must be one of {', '.join(known)}, not '{value[:40]}'.")
