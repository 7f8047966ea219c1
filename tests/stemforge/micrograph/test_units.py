"""Units of length in every spelling."""

import pytest

from stemforge import InputError
from stemforge.micrograph.units import angstroms, is_reciprocal, length_unit


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("nm", 10.0),
        ("nanometers", 10.0),
        ("Nanometre", 10.0),
        ("Å", 1.0),
        ("\u212b", 1.0),
        ("A\u030a", 1.0),
        ("\\u00C5", 1.0),
        ("A", 1.0),
        ("Angstrom", 1.0),
        ("angstroms", 1.0),
        ("µm", 1e4),
        ("\u03bcm", 1e4),
        ("\\u00B5m", 1e4),
        ("um", 1e4),
        ("microns", 1e4),
        ("pm", 0.01),
        ("m", 1e10),
        ("nm\0", 10.0),
        ("PM", None),
        ("1/nm", None),
        ("eV", None),
        ("pixel", None),
        ("inch", None),
        ("", None),
        (None, None),
        ("furlong", None),
    ],
)
def test_how_many_angstrom(unit, factor):
    assert angstroms(unit) == factor


@pytest.mark.parametrize("unit", ["1/nm", "1 / nm", "nm^-1", "nm**-1", "Å⁻¹", "1/Å", "A^(-1)", "mrad", "1/m"])
def test_reciprocal(unit):
    assert is_reciprocal(unit)


@pytest.mark.parametrize("unit", ["nm", "s", "1/s", "eV", "", None, "-1", "1/"])
def test_not_reciprocal(unit):
    assert not is_reciprocal(unit)


def test_a_users_unit_must_be_known():
    assert length_unit("Å") == 1.0
    with pytest.raises(InputError, match=r"'furlong' is no unit of length; known are pm, Å"):
        length_unit("furlong")
