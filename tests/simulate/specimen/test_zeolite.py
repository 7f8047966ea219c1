"""Zeolite films as a recipe states them."""

import pytest

from stemforge.errors import RecipeError
from stemforge.settings import NamedFile
from stemforge.simulate.specimen.zeolite import Zeolite
from stemforge.structures import zeolite, zeolite_cell


@pytest.mark.parametrize("before", ["mfi", "fau", "bea"])
@pytest.mark.parametrize("after", ["mfi", "fau", "cha", "mor", "bea"])
def test_another_framework_is_seen_along_its_own_channels(before, after):
    changed = Zeolite(kind="zeolite", framework=before).replace(framework=after)
    assert changed == Zeolite(kind="zeolite", framework=after)
    assert changed.tile().info["tile_size"] == pytest.approx(zeolite(after).info["tile_size"])


def test_a_zone_axis_that_was_chosen_is_kept():
    film = Zeolite(kind="zeolite", zone_axis=(1, 0, 0))
    assert film.replace(framework="fau").zone_axis == (1, 0, 0)
    assert film.replace(framework="fau", zone_axis=(1, 1, 0)).zone_axis == (1, 1, 0)
    assert film.replace(thickness=4).zone_axis == (1, 0, 0)


def test_a_file_is_seen_along_b(tmp_path):
    zeolite_cell("mor").write(tmp_path / "own.cif")
    film = Zeolite(kind="zeolite", framework="fau").replace(framework=str(tmp_path / "own.cif"))
    assert isinstance(film.framework, NamedFile)
    assert film.zone_axis == (0, 1, 0)


def test_what_is_no_framework_is_refused():
    with pytest.raises(RecipeError, match="framework"):
        Zeolite(kind="zeolite").replace(framework=3)
