"""The microscope of a focal series, from a recipe or from what a user knows of it."""

from typing import Any

import numpy as np

from stemforge.errors import InputError
from stemforge.evaluate.depth.series import FocalOptics
from stemforge.simulate.microscope import PRESETS, Microscope
from stemforge.simulate.recipe import SimulationRecipe

_MIDDLE = np.array([0.5])


def focal_optics(
    element: str,
    *,
    recipe: str | None = None,
    energy: float | None = None,
    semiangle: float | None = None,
    detector: tuple[float, float] | None = None,
    source_size: float | None = None,
) -> FocalOptics:
    """Return what the image of one atom depends on.

    Parameters
    ----------
    element
        Chemical symbol of the atoms.
    recipe
        A recipe's name or file, or the name of a microscope that stemforge knows. Of what a recipe draws the middle is
        taken; astigmatism and coma that it draws are taken as 0, as nobody knows their directions.
    energy, semiangle, detector
        Beam energy [eV], convergence semiangle [mrad], inner and outer angle of the annular detector [mrad], in place
        of the recipe's. Without a recipe all three are needed.
    source_size
        Full width at half maximum of the effective source [Å]; None: the one that suits the atoms best.

    Raises
    ------
    InputError
        Neither a recipe nor all three numbers, or numbers that cannot be.

    Examples
    --------
    >>> focal_optics("Pt", recipe="nion-ultrastem-100").microscope.semiangle_cutoff
    32.0
    >>> focal_optics("Pt", energy=200e3, semiangle=24, detector=(80, 200)).microscope.energy
    200000.0
    """
    given: dict[str, Any] = {"energy": energy, "semiangle_cutoff": semiangle}
    if detector is not None:
        given["detectors"] = {"rings": {"HAADF": detector}}
    given = {name: value for name, value in given.items() if value is not None}
    if recipe is None:
        missing = [
            name
            for name, value in (("energy", energy), ("semiangle", semiangle), ("detector", detector))
            if value is None
        ]
        if missing:
            listed = ", ".join(f"({one})" for one in missing)
            raise InputError(f"the microscope is not known: give a recipe (recipe), or also {listed}")
        return FocalOptics(element, Microscope.from_mapping(given, source="microscope"), source_size)
    known = {"preset": recipe} if recipe in PRESETS else _middle(SimulationRecipe.load(recipe).microscope)
    microscope = Microscope.from_mapping({**known, **given}, source="microscope")
    return FocalOptics(element, microscope, source_size)


def read_angles(text: str) -> tuple[float, float]:
    """Read inner and outer angle of a detector [mrad].

    Raises
    ------
    InputError
        Not two rising numbers.

    Examples
    --------
    >>> read_angles("60,200")
    (60.0, 200.0)
    """
    try:
        inner, outer = (float(word) for word in text.split(","))
    except ValueError as error:
        raise InputError(f"detector must be two angles [mrad] such as 60,200, not '{text}'") from error
    return inner, outer


def _middle(microscope: Microscope) -> dict[str, Any]:
    """Return the settings of a microscope with the middle of what is drawn."""
    values: dict[str, Any] = {
        field: float(drawn.quantile(_MIDDLE)[0]) for field, drawn in microscope.distributions.items()
    }
    values |= {field: 0.0 for field in values if field in ("A1", "B2")}
    return microscope.with_distributions(values).model_dump()
