"""Pictures of what fields of a recipe do: the fields exist, and what is drawn of them shows something."""

import importlib

import numpy as np
import pytest
from PIL import Image

from stemforge.settings import fields_of
from stemforge.simulate import SimulationRecipe


@pytest.fixture
def effects(pytestconfig, monkeypatch):
    monkeypatch.syspath_prepend(pytestconfig.rootpath / "docs" / "_ext")
    return importlib.import_module("effects")


def test_all_are_fields_with_values_that_they_may_have(effects):
    known = {
        ".".join(filter(None, (*one.name.split(".")[:-1], one.of, one.name.split(".")[-1])))
        for one in fields_of(SimulationRecipe)
    }
    assert set(effects.EFFECTS) - known == set()
    for name, effect in effects.EFFECTS.items():
        assert len(effect.values) >= 2
        for value in effect.values:
            effect.recipe(effects.field_of(name), value)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["degradation.line_jitter", "microscope.A1", "support.layers.twist"])
def test_what_is_drawn(effects, name, tmp_path):
    effects.draw_effect(name, tmp_path / "effect.png")
    with Image.open(tmp_path / "effect.png") as picture:
        panels = np.array_split(np.asarray(picture.convert("L"), dtype=float), 3, axis=1)
    assert all(panel[60:200].std() > 10 for panel in panels)


def test_a_field_that_changes_nothing_has_no_picture(effects, tmp_path, monkeypatch):
    monkeypatch.setitem(effects.EFFECTS, "support.layers.grains", effects.Effect([1, 1]))
    monkeypatch.setattr(effects.Effect, "image", lambda *_: np.zeros((8, 8), dtype=np.float32))
    with pytest.raises(ValueError, match="make the same image"):
        effects.draw_effect("support.layers.grains", tmp_path / "effect.png")
