"""Units of length, as microscopes, image programs and users write them."""

import re

from stemforge.errors import InputError

_ANGSTROM = {
    "fm": 1e-5,
    "pm": 1e-2,
    "Å": 1.0,
    "A": 1.0,
    "Ang": 1.0,
    "angstrom": 1.0,
    "ångström": 1.0,
    "nm": 10.0,
    "nanometer": 10.0,
    "µm": 1e4,
    "um": 1e4,
    "micron": 1e4,
    "micrometer": 1e4,
    "mm": 1e7,
    "millimeter": 1e7,
    "cm": 1e8,
    "centimeter": 1e8,
    "m": 1e10,
    "meter": 1e10,
}
# Words are read in any case; of symbols the case matters (pm, PM) but for those that mean nothing else.
_WORDS = {unit.lower(): factor for unit, factor in _ANGSTROM.items() if len(unit) > 2}
# Inches are what ImageJ says of images whose resolution is meant for print.
_NO_UNIT = {
    "",
    "inch",
    "<undefined>",
    "undefined",
    "none",
    "unknown",
    "pixel",
    "pixels",
    "px",
    "unit",
    "a.u.",
}


def clean_unit(text: object) -> str:
    r"""Return a unit as it was meant: escapes such as ``\u00C5`` decoded, one character for each of Å and µ.

    Parameters
    ----------
    text
        As it stands in a file; None is an empty unit.

    Examples
    --------
    >>> clean_unit("\\u00C5"), clean_unit(" \u212b "), clean_unit("\u03bcm"), clean_unit("<undefined>")
    ('Å', 'Å', 'µm', '')
    """
    unit = "" if text is None else str(text).strip().strip("\0")
    # ImageJ and some exporters write characters beyond ASCII as escapes.
    unit = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), unit)
    # The Ångström sign and the Greek mu stand for the letters Å and µ (Unicode 15, 22.2); so does A with a ring above.
    unit = unit.replace("\u212b", "Å").replace("A\u030a", "Å").replace("\u03bc", "µ")
    return "" if unit.lower() in _NO_UNIT else unit


def angstroms(unit: object) -> float | None:
    """Return how many ångström a unit of length is; None for what is no unit of length.

    Parameters
    ----------
    unit
        Symbol or English word, singular or plural: ``nm``, ``Å``, ``Angstrom``, ``nanometers``, ``microns``.

    Examples
    --------
    >>> angstroms("nm"), angstroms("Angstroms"), angstroms("microns"), angstroms("1/nm"), angstroms(None)
    (10.0, 1.0, 10000.0, None, None)
    """
    name = clean_unit(unit)
    if name in _ANGSTROM:
        return _ANGSTROM[name]
    word = name.lower().replace("metre", "meter")
    return _WORDS.get(word, _WORDS.get(word.removesuffix("s")))


def length_unit(unit: str) -> float:
    """Return how many ångström a unit is that a user gave.

    Raises
    ------
    InputError
        No unit of length.
    """
    factor = angstroms(unit)
    if factor is None:
        raise InputError(f"'{unit}' is no unit of length; known are pm, Å (or A), nm, µm (or um), mm, cm, m")
    return factor


def is_reciprocal(unit: object) -> bool:
    """Say whether a unit is one of reciprocal space, or of angle: that of a diffraction pattern.

    Examples
    --------
    >>> is_reciprocal("1/nm"), is_reciprocal("nm^-1"), is_reciprocal("mrad"), is_reciprocal("nm")
    (True, True, True, False)
    """
    name = clean_unit(unit).replace(" ", "")
    if name.lower() in {"rad", "mrad", "µrad", "urad", "deg", "°", "degree", "degrees"}:
        return True
    found = re.fullmatch(r"1/(.+)|(.+?)(?:\^|\*\*)?\(?[-−]1\)?|(.+)⁻¹", name)
    return found is not None and angstroms(next(filter(None, found.groups()))) is not None
