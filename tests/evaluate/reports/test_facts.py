"""What ``run.json`` says is taken as far as it can be so, and what it makes doubtful is said."""

import json

import numpy as np
import pytest
from PIL import Image

from stemforge import Annotations
from stemforge.evaluate import report_files
from stemforge.evaluate.reports.facts import estimated_errors, sound_facts
from stemforge.evaluate.statistics.density import CorrectedDensity
from stemforge.evaluate.statistics.files import Analysis
from stemforge.outputs.folder import ResultFolder

ESTIMATED = {"angstrom": 0.5, "estimated": True, "relative_error": 0.27}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("doubts", 5),
        ("doubts", "hello"),
        ("expected_f1", float("nan")),
        ("expected_f1", 7),
        ("threshold", True),
        ("threshold", "0.5"),
        ("weights", ["a"]),
        ("augment", "yes"),
        ("left_out", {"vacuum": 3}),
        ("specimen", {"share": float("inf")}),
        ("visible_atoms_per_nm2", {"expected": 0.3, "low": 0.4, "high": 0.5}),
        ("sampling", {"angstrom": -1.0}),
        ("sampling", {**ESTIMATED, "relative_error": "much"}),
    ],
)
def test_what_cannot_be_so_is_not_taken_and_named(name, value):
    sound = {"weights": "any-atom", "doubts": ["blurred"], "expected_f1": 1, "sampling": ESTIMATED}
    assert sound_facts(sound, 0.5) == (sound, [])
    facts, damaged = sound_facts({**sound, name: value}, 0.5)
    assert damaged == [name]
    assert facts == {key: known for key, known in sound.items() if key != name}


@pytest.mark.parametrize("ends", [(0.4, 0.5), (0.1, 0.2), (-0.1, 0.5), (0.2, float("inf"))])
def test_an_interval_that_does_not_hold_its_density_is_none(ends):
    low, high = ends
    assert (
        CorrectedDensity.recorded({"visible_atoms_per_nm2": {"expected": 0.3, "low": low, "high": high}})
        is None
    )


def test_a_pixel_size_that_is_given_is_not_the_estimated_one():
    assert estimated_errors([sound_facts({"sampling": ESTIMATED}, 0.5)[0]]) == [0.27]
    assert estimated_errors([sound_facts({"sampling": ESTIMATED}, 0.8)[0]]) == [None]
    assert estimated_errors([sound_facts({"sampling": {"angstrom": 0.5}}, 0.5)[0]]) == [None]


@pytest.fixture
def reported(tmp_path):
    """Function that reports a table whose run.json says something of it; returns page and content of report.json."""

    def report(**facts):
        rng = np.random.default_rng(0)
        image = tmp_path / "home" / "a.tif"
        image.parent.mkdir()
        Image.fromarray(rng.integers(90, 110, (200, 240), dtype=np.uint8)).save(image)
        found = tmp_path / "found"
        found.mkdir()
        Annotations(rng.uniform(5, [230, 190], (8, 2))).to_csv(found / "a.csv", 0.5)
        entry = {"file": str(image), "results": ["a.csv"], **facts}
        (found / "run.json").write_text(json.dumps({"infer atoms": {"a": entry}}), encoding="utf-8")
        out = ResultFolder(tmp_path / "out")
        page = report_files([found], out, analysis=Analysis(simulations=199), quiet=True)
        text = (out.path / "report.html").read_text(encoding="utf-8")
        return page, text

    return report


def test_a_damaged_record_gives_a_page_that_says_so(reported):
    page, _ = reported(doubts="hello", expected_f1=float("nan"), weights="any-atom")
    assert "a: run.json is damaged: not taken from it: expected_f1, doubts" in page.notes
    assert page.answers[-1].value == "not known"


def test_an_estimated_pixel_size_is_told_with_what_hangs_on_it(reported):
    page, text = reported(weights="any-atom", sampling=ESTIMATED)
    (note,) = [one for one in page.notes if "estimated" in one]
    assert "± 27 % (one standard deviation): densities ± 54 %, lengths ± 27 %" in note
    assert "Å per pixel (estimated from the atoms)" in text
    assert (
        "estimated from the atoms by a network (relative standard deviation 27 %)"
        in page.methods.paragraphs[0]
    )


@pytest.mark.parametrize("folder", ["/home/someone/secret/", "C:\\Users\\someone\\secret\\"])
def test_folders_of_weights_stay_at_home(reported, folder):
    page, text = reported(weights=f"{folder}net.safetensors")
    assert "atoms by net.safetensors" in text
    assert "weights net.safetensors" in page.methods.paragraphs[0]
    assert "someone" not in text
    assert page.data["images"][0]["weights"] == "net.safetensors"
