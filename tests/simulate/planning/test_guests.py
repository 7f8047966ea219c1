"""Doses too low for a recipe's guests: against the square root law and the published limits, and who is told."""

import numpy as np
import pytest

from stemforge.__main__ import main
from stemforge.simulate import GuestVisibility, SimulationRecipe, guest_visibility

SMALL = {
    "num_samples": 1,
    "scan": {"shape": [64, 64], "sampling": 0.25, "margin": 8},
    "engine": {"name": "prism", "sampling": 0.28, "slice_thickness": 8},
    "support": {"kind": "zeolite", "guests": {"pyridine": 1}, "variants": 1, "thickness": 1},
    "microscope": {"preset": "low-dose-idpc"},
    "degradation": {"dose": 500, "source_size": 0.9},
}


@pytest.fixture(scope="module")
def pyridine():
    (found,) = guest_visibility(SimulationRecipe.load("zsm5-idpc", SMALL))
    return found


def test_a_molecule_in_one_cell_is_as_visible_as_the_slower_benchmark_has_it(pyridine):
    # docs/performance.md, benchmarks/molecule_detectability.py: d' 0.8 at 500 e/Å² and a source of 0.9 Å.
    assert pyridine.detectability == pytest.approx((0.8, 0.8), abs=0.15)
    assert str(pyridine).startswith("at 500 e/Å² a pyridine in a film of 1 cell has d' 0.")
    assert "not to be told from none with certainty; from about 1" in str(pyridine)


@pytest.mark.parametrize(
    ("doses", "verdict"),
    [
        ((100, 200), "not to be told from none with certainty; from about 1600 e/Å²"),
        ((400, 6400), "with certainty below about 1600 e/Å²"),
        ((1700, 1700), "to be seen at every dose"),
    ],
)
def test_what_is_stated(doses, verdict):
    guest = GuestVisibility("pyridine", 4, 4, 0.1, doses)
    assert verdict in str(guest)
    assert guest.detectability == pytest.approx(tuple(0.1 * np.sqrt(doses)))
    assert guest.too_faint == (doses[0] < 1600)


@pytest.mark.parametrize(
    ("support", "degradation"),
    [
        ({"guests": {}}, {}),
        ({}, {"counting": False}),
        ({}, {"dose": None, "beam_current": 1.0, "dwell_time": 1.0}),
    ],
)
def test_where_no_guest_is_counted_nothing_is_stated(support, degradation):
    values = {
        **SMALL,
        "support": SMALL["support"] | support,
        "degradation": SMALL["degradation"] | degradation,
    }
    assert guest_visibility(SimulationRecipe.load("zsm5-idpc", values)) == ()


@pytest.mark.slow
def test_simulate_says_it(tmp_path, capsys):
    overrides = ["--scan.shape", "[48,48]", "--degradation.dose", "500", "--support.guests", "{pyridine: 1}"]
    coarse = ["--engine.slice_thickness", "8", "--support.variants", "1", "--workers", "1"]
    assert (
        main(["simulate", "zsm5-idpc", *overrides, *coarse, "--num", "1", "--out", str(tmp_path / "c")]) == 0
    )
    printed = capsys.readouterr()
    assert "not to be told from none with certainty" in " ".join((printed.out + printed.err).split())
