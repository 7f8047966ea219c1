"""Recipes with notes say the same as without."""

import pytest

from stemforge.files import plain_yaml
from stemforge.settings.notes import Noted, noted_yaml, plain

CASES = {
    "numbers": {
        "a": 20000.0,
        "b": 1e7,
        "c": 1e-7,
        "d": 123456.0,
        "e": 3.14159265358979,
        "f": 2e22,
        "g": -10000.0,
    },
    "whole": {
        "shape": [512, 512],
        "count": 3,
        "flag": True,
        "nothing": None,
        "text": "yes",
        "number as text": "1e4",
    },
    "range": {"dose": Noted({"loguniform": [3e3, 3.5e5]}, "[e/Å²]"), "t": {"uniform": [0.0, 6.2832]}},
    "blocks": {
        "scan": {"sampling": Noted(0.12, "[Å per pixel]"), "shape": [64, 64]},
        "engine": {"name": "kernels"},
    },
    "list": {"single_atoms": [{"element": "Ir", "density": Noted(0.3, "[1/nm²]")}, {"element": "Pt"}]},
    "a note too long for its line": {"a": {"b": Noted(1.5, "x" * 110)}},
    "characters": {"name": "Ir on MgO: 'a' #1", "note": Noted("ä: b", "# {}")},
}


@pytest.mark.parametrize("fields", CASES.values(), ids=CASES.keys())
def test_notes_change_nothing(fields):
    text = noted_yaml(fields)
    assert plain_yaml(text) == plain(fields)
    assert max(len(line) for line in text.splitlines()) <= 118


def test_notes_stand_beside_their_value():
    text = noted_yaml({"scan": {"sampling": Noted(0.12, "[Å per pixel]")}})
    assert text.splitlines()[1].split("#") == [
        "  sampling: 0.12                            ",
        " [Å per pixel]",
    ]
