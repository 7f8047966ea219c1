"""Microscope and raster: presets, wavelength, limits."""

import numpy as np
import pytest

from stemforge import InputError, RecipeError
from stemforge.simulate import PRESETS, Microscope, Scan


@pytest.mark.parametrize(("energy", "wavelength"), [(60e3, 0.04866), (300e3, 0.01969), (200e3, 0.02508)])
def test_wavelength(energy, wavelength):
    assert Microscope(energy=energy).wavelength == pytest.approx(wavelength, abs=5e-6)


@pytest.mark.parametrize(
    ("preset", "energy", "semiangle"),
    [("nion-ultrastem-100", 60e3, 32), ("nion-hermes", 60e3, 33), ("jeol-arm300cf", 60e3, 30.5)],
)
def test_presets(preset, energy, semiangle):
    microscope = Microscope(preset=preset)
    assert (microscope.energy, microscope.semiangle_cutoff) == (energy, semiangle)
    assert microscope.detectors.angles == {"HAADF": (90, 185), "MAADF": (55, 85)}
    assert Microscope(preset=preset, energy=80e3).energy == 80e3
    assert set(PRESETS) == {"nion-ultrastem-100", "nion-hermes", "jeol-arm300cf", "low-dose-idpc"}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"preset": "titan"}, "unknown preset 'titan'; known are nion-ultrastem-100"),
        ({"energy": 60}, "is it given in keV"),
        ({"energy": 1e7}, "1e3 to 1e6"),
        ({"semiangle_cutoff": 0}, "semiangle_cutoff"),
        ({"detectors": {}}, r"rings: \{HAADF: \[90, 185\]\}"),
        ({"detectors": {"rings": {}}}, "at least one"),
        ({"detectors": {"rings": {"HAADF": [90, 185]}, "segments": [4, 22]}}, "must be either"),
        ({"detectors": {"segments": [22, 4]}}, "segments must have 0 <= inner < outer"),
        ({"detectors": {"rings": {"HAADF": [185, 90]}}}, "HAADF must have 0 <= inner < outer"),
        ({"detectors": {"rings": {"HAADF": [-1, 90]}}}, "inner"),
        ({"detectors": {"rings": {"HAADF": [90]}}}, "HAADF"),
        ({"detectors": {"rings": {"HAADF": [90, 90]}}}, "inner < outer"),
        ({"A1": -1}, "'A1'.*at least 0"),
        ({"focal_spread": -1}, "focal_spread"),
        ({"C1": 1}, "unknown key 'C1'"),
    ],
)
def test_bad_microscopes(values, says):
    with pytest.raises(RecipeError, match=says):
        Microscope.from_mapping(values)


def test_detector_beyond_the_antialias_limit_says_what_would_do():
    microscope = Microscope()
    coarsest = microscope.coarsest_sampling
    # The limit of a grid: two thirds of its Nyquist frequency 1/2s.
    assert coarsest == pytest.approx(microscope.wavelength / (3 * 0.185))
    microscope.check_antialias(185.0, coarsest)
    with pytest.raises(
        InputError,
        match=r"detectors: outer angle 185 mrad of HAADF .* limit 92 mrad .*engine\.sampling to 0\.0\d+",
    ):
        microscope.check_antialias(92.5, 2 * coarsest)


def test_the_focal_series_has_the_spread_and_probe_positions_the_nyquist_distance():
    changes, weights = Microscope(focal_spread=20.0).focal_series
    assert (weights.sum(), (weights * changes).sum()) == pytest.approx((1, 0))
    assert np.sqrt((weights * changes**2).sum()) == pytest.approx(20)
    assert [each.tolist() for each in Microscope().focal_series] == [[0.0], [1.0]]
    assert Microscope(preset="low-dose-idpc").nyquist_sampling == pytest.approx(0.328, abs=1e-3)
    assert Microscope().potential_sampling < Microscope().coarsest_sampling


def test_scan_geometry():
    scan = Scan(shape=(100, 200), sampling=0.2, margin=5)
    assert scan.field_of_view == (40, 20)
    assert scan.cell == (50, 30)
    assert scan.origin(scan.cell) == pytest.approx((5, 5))
    assert scan.origin((60, 30)) == pytest.approx((10, 5))
    assert scan.origin((40, 20)) == (0, 0)


@pytest.mark.parametrize("cell", [(39.9, 30), (50, 19)])
def test_structure_smaller_than_the_field(cell):
    with pytest.raises(InputError, match=r"the field of view 40\.0 × 20\.0 Å"):
        Scan(shape=(100, 200), sampling=0.2).origin(cell)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"shape": [8, 64]}, "16 to 8192"),
        ({"shape": [64, 10000]}, "16 to 8192"),
        ({"shape": 64}, "shape"),
        ({"sampling": 0}, "at least 0.01"),
        ({"sampling": 20}, "at most 10"),
        ({"sampling": {"uniform": [0.2, 12]}}, "at most 10"),
        ({"margin": -1}, "negative"),
    ],
)
def test_bad_scans(values, says):
    with pytest.raises(RecipeError, match=says):
        Scan.from_mapping(values)
