"""Sets of recipes."""

import numpy as np
import pytest

from stemforge.__main__ import main
from stemforge.corpus.reader import Corpus
from stemforge.errors import RecipeError
from stemforge.simulate import RecipeSet, SimulationRecipe, load_recipes, shipped_recipes

SET = """
name: two
common:
  seed: 4
  scan: {shape: [32, 32], sampling: 0.3, margin: 2}
  support: {kind: amorphous_carbon, thickness: 8}
  single_atoms: [{element: Pt, areal_density: 2, placement: surface}]
recipes:
  thin: {}
  light:
    scan: {sampling: 0.25}
    single_atoms: [{element: Fe, areal_density: 3, placement: surface}]
"""


def simulate(recipe, out):
    return ["simulate", str(recipe), "--out", str(out), "--num", "1", "--workers", "1", "--quiet"]


def test_members_are_the_common_fields_and_their_own(tmp_path):
    (tmp_path / "two.yaml").write_text(SET)
    thin, light = load_recipes(tmp_path / "two.yaml", {"num_samples": 3}).values()
    assert (thin.name, light.name) == ("thin", "light")
    assert (thin.scan.sampling, light.scan.sampling) == (0.3, 0.25)
    assert thin.scan.shape == light.scan.shape == (32, 32)
    assert [recipe.single_atoms[0].element for recipe in (thin, light)] == ["Pt", "Fe"]
    assert thin.num_samples == light.num_samples == 3


def test_a_single_recipe_has_no_name_beside_its_own():
    assert load_recipes("pt-nc", {"seed": 5}) == {"": SimulationRecipe.load("pt-nc", {"seed": 5})}


def test_a_member_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "two.yaml").write_text(SET.replace("sampling: 0.25", "sampling: -1"))
    with pytest.raises(RecipeError, match="two, recipe light"):
        load_recipes(tmp_path / "two.yaml")
    with pytest.raises(RecipeError, match="no such recipe file"):
        load_recipes("nonsense")


def test_a_set_makes_a_corpus_of_each(tmp_path):
    (tmp_path / "two.yaml").write_text(SET)
    out = tmp_path / "corpora"
    assert main(simulate(tmp_path / "two.yaml", out)) == 0
    assert sorted(path.name for path in out.iterdir()) == ["light", "thin"]
    assert [Corpus(out / name)[0].sampling for name in ("light", "thin")] == [0.25, 0.3]


def test_a_member_that_fails_does_not_keep_the_others_from_being_made(tmp_path, capsys):
    crowded = SET.replace(
        "thin: {}", "thin: {single_atoms: [{element: Pt, areal_density: 90, min_distance: 3}]}"
    )
    (tmp_path / "two.yaml").write_text(crowded)
    out = tmp_path / "corpora"
    assert main(simulate(tmp_path / "two.yaml", out)) != 0
    assert len(Corpus(out / "light")) == 1
    messages = " ".join("".join(capsys.readouterr()).split())
    assert "no whole corpus of thin" in messages
    assert "1 of 2 are whole" in messages


def test_options_that_cannot_be_are_refused_once_for_the_whole_set(tmp_path, capsys):
    (tmp_path / "two.yaml").write_text(SET)
    assert main([*simulate(tmp_path / "two.yaml", tmp_path / "corpora"), "--retries", "-1"]) == 2
    assert "".join(capsys.readouterr()).count("retries must be") == 1


@pytest.mark.parametrize("name", shipped_recipes(sets=True))
def test_shipped_sets_can_be_read(name):
    members = RecipeSet.shipped(name).members()
    assert len(members) > 3
    # One pixel size, so that a detector can learn from them all.
    assert len({recipe.scan.sampling for recipe in members.values()}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped_recipes(sets=True))
def test_every_member_of_a_shipped_set_simulates(name, tmp_path):
    small = ["--num", "1", "--scan.shape", "[64,64]", "--shard_size", "1", "--workers", "1", "--quiet"]
    assert main(["simulate", name, "--out", str(tmp_path / "corpora"), *small]) == 0
    for member in RecipeSet.shipped(name).members():
        assert np.ptp(Corpus(tmp_path / "corpora" / member)[0].signal) > 0
