"""What is an image, by the axes' units and names; and which of several is taken."""

from typing import NamedTuple

import numpy as np
import pytest

from stemforge import MicrographError
from stemforge.micrograph.reading.signals import Axis, Signal, choose_signal


class Case(NamedTuple):
    name: str
    axes: list[Axis]
    says: str = ""
    kind: str = ""
    dtype: type = float


def axes(*names_units, sizes=(3, 4, 5, 6), navigate=()):
    """Axes from "name unit"; the last are the image's."""
    split = [(*text.split(" "), "")[:2] for text in names_units]
    return [
        Axis(name, size, 0.2, unit, number in navigate)
        for number, ((name, unit), size) in enumerate(zip(split, sizes, strict=False))
    ]


CASES = [
    Case("image", axes("y nm", "x nm")),
    Case("image without names", axes("", "")),
    Case("stack", axes("frame s", "y nm", "x nm", navigate=[0])),
    Case("stack that says nothing of its axes", axes("", "", "")),
    Case("focal series", axes("z nm", "y nm", "x nm")),
    Case("channels over time", axes("time s", "channel", "y nm", "x nm")),
    Case("virtual image: both axes navigate", axes("y nm", "x nm", navigate=[0, 1])),
    Case("map of an element", axes("y nm", "x nm"), kind="EDS_TEM"),
    Case("row of pixels", axes("y nm", "x nm", sizes=(1, 2048)), "single line of values"),
    Case("spectrum", axes("Energy keV"), "is a spectrum"),
    Case("spectrum 1 × n", axes("y", "x eV", sizes=(1, 2048)), "is a spectrum"),
    Case("profile", axes("x nm"), "single line of values"),
    Case("linescan", axes("x nm", "Energy eV", navigate=[0]), "line of spectra"),
    Case("linescan by its flags", axes("", "", navigate=[0]), "line of spectra"),
    Case("spectrum image by unit", axes("y nm", "x nm", "loss eV"), "spectrum image"),
    Case("spectrum image by flags", axes("", "", "", navigate=[0, 1]), "spectrum image"),
    Case("spectrum image by kind", axes("", "", ""), "spectrum image", kind="EELS"),
    Case("wavelengths in nm", axes("y nm", "x nm", "Wavelength nm"), "spectrum image"),
    Case("one line of wavelengths", axes("x nm", "Wavelength nm"), "line of spectra"),
    Case("diffraction", axes("ky 1/nm", "kx 1/nm"), "diffraction pattern"),
    Case("diffraction by unit", axes("y 1/nm", "x 1/nm"), "diffraction pattern"),
    Case("diffraction in mrad", axes("y mrad", "x mrad"), "diffraction pattern"),
    Case("diffraction by kind", axes("", ""), "diffraction pattern", kind="electron_diffraction"),
    Case("4D-STEM", axes("y nm", "x nm", "ky 1/nm", "kx 1/nm", navigate=[0, 1]), "4D-STEM"),
    Case("4D-STEM without units", axes("", "", "", "", navigate=[0, 1]), "4 dimensions (3 × 4 × 5 × 6)"),
    Case("Fourier transform", axes("y nm", "x nm"), "complex", dtype=complex),
    Case("words", axes("y", "x"), "no numbers", dtype=object),
]


def signal_of(case: Case) -> Signal:
    shape = [axis.size for axis in case.axes]
    return Signal(np.zeros(shape, case.dtype), case.axes, case.name, case.kind)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_image_or_not(case):
    signal = signal_of(case)
    reason = signal.reason_against()
    assert case.says in reason
    if case.says:
        with pytest.raises(MicrographError, match="expected an image or a stack"):
            choose_signal([signal], None)
    else:
        assert reason == ""
        assert choose_signal([signal], None) is signal
        assert signal.frames().shape[1:] == signal.data.shape[-2:]


def test_a_given_pixel_size_overrides_a_unit_but_makes_no_image_of_spectra():
    diffraction = Signal(np.zeros((4, 4)), axes("y 1/nm", "x 1/nm"))
    assert diffraction.reason_against(calibrated=True) == ""
    spectra = Signal(np.zeros((3, 4, 5)), axes("y nm", "x nm", "E eV"))
    assert "spectrum image" in spectra.reason_against(calibrated=True)


def image(title, kind="", last="x nm"):
    return Signal(np.zeros((4, 4)), axes("y nm", last, sizes=(4, 4)), title, kind)


@pytest.mark.parametrize(
    ("titles", "wanted", "taken"),
    [
        (["DF2"], None, "DF2"),
        (["BF", "HAADF", "C"], None, "HAADF"),
        (["BF", "STEM HAADF", "C"], None, "STEM HAADF"),
        (["BF", "HAADF", "C"], "bf", "BF"),
        (["BF", "HAADF", "C"], "2", "C"),
        (["HAADF 1", "HAADF 2"], "HAADF 2", "HAADF 2"),
    ],
)
def test_chosen(titles, wanted, taken):
    spectrum = image("EDS", last="E keV")
    assert choose_signal([spectrum, *map(image, titles)], wanted).title == taken


@pytest.mark.parametrize(
    ("titles", "wanted", "says"),
    [
        (["BF", "DF4"], None, "2 images: BF, DF4; choose one"),
        (["HAADF 1", "HAADF 2"], None, "choose one"),
        (["BF", "HAADF"], "Pt", "no image is called 'Pt'; it holds BF, HAADF"),
        (["Pt", "Pt"], "Pt", "several are called 'Pt'"),
        (["BF"], "7", "no image is called '7'"),
        (["", ""], None, "number 0, number 1"),
    ],
)
def test_not_chosen(titles, wanted, says):
    with pytest.raises(MicrographError, match=says):
        choose_signal([*map(image, titles), image("EDS", last="E keV")], wanted)


@pytest.mark.parametrize(
    ("scale", "unit", "sampling", "remark"),
    [
        ((0.02, 0.02), "nm", 0.2, ""),
        ((0.02, 0.0201), "nm", 0.2005, ""),
        ((-0.02, 0.02), "nm", 0.2, ""),
        ((1.0, 1.0), "", None, ""),
        ((1.0, 1.0), "furlong", None, "its unit 'furlong' is no known unit of length"),
        ((0.0, 0.0), "nm", None, "its pixel size is 0 nm"),
        ((float("nan"), float("nan")), "nm", None, "its pixel size is nan nm"),
    ],
)
def test_pixel_size(scale, unit, sampling, remark):
    signal = Signal(np.zeros((4, 4)), [Axis(n, 4, s, unit) for n, s in zip("yx", scale, strict=True)])
    found, why = signal.sampling()
    assert found == (None if sampling is None else pytest.approx(sampling, rel=1e-4))
    assert why == remark


@pytest.mark.parametrize(
    ("scale", "says"),
    [((0.02, 0.03), "square pixels"), ((1e17, 1e17), "none of a micrograph"), ((1e-9, 1e-9), "none")],
)
def test_pixel_size_refused(scale, says):
    signal = Signal(np.zeros((4, 4)), [Axis(n, 4, s, "nm") for n, s in zip("yx", scale, strict=True)])
    with pytest.raises(MicrographError, match=says):
        signal.sampling()
