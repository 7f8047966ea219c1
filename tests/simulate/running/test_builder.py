"""A corpus that one builder began is not finished by another: its bytes would not be one recipe's."""

import pytest
import yaml

from stemforge import CorpusError
from stemforge.simulate import SimulationRecipe, simulate_corpus

SMALL = {"scan.shape": [32, 32], "shard_size": 1}


def recipe(number):
    return SimulationRecipe.load("fe-c3n4", {**SMALL, "num_samples": number})


def made_by_an_older_builder(folder):
    simulate_corpus(recipe(1), folder, workers=1, quiet=True)
    header = folder / "recipe.yaml"
    content = yaml.safe_load(header.read_text())
    assert content.pop("builder") > 1
    header.write_text(yaml.safe_dump(content))
    return folder


def test_the_same_builder_goes_on(tmp_path):
    folder = tmp_path / "corpus"
    simulate_corpus(recipe(1), folder, workers=1, quiet=True)
    assert len(simulate_corpus(recipe(2), folder, workers=1, quiet=True)) == 2
    assert yaml.safe_load((folder / "recipe.yaml").read_text())["builder"] > 1


def test_another_builder_is_refused_and_nothing_is_changed(tmp_path):
    folder = made_by_an_older_builder(tmp_path / "corpus")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(CorpusError, match="1 of 2 images were made by another version"):
        simulate_corpus(recipe(2), folder, workers=1, quiet=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_finished_older_corpus_is_read_as_it_is(tmp_path):
    folder = made_by_an_older_builder(tmp_path / "corpus")
    assert len(simulate_corpus(recipe(1), folder, workers=1, quiet=True)) == 1
    assert "builder" not in yaml.safe_load((folder / "recipe.yaml").read_text())
