"""The weights that ship."""

import pytest

from stemforge.errors import WeightsError
from stemforge.train import find_weights, load_weights

SHIPPED = {"atom-net": 0.293, "sac-cnn": 0.293, "divaesr": 0.25, "unet": 0.25, "faster-rcnn": 0.25}


@pytest.mark.parametrize("name", SHIPPED)
def test_weights_are_small_and_say_where_they_come_from(name):
    path = find_weights(name)
    assert path.stat().st_size < 25e6
    model, card = load_weights(path)
    assert card.architecture == name
    assert card.sampling == pytest.approx(SHIPPED[name])
    assert card.command.startswith("stemforge train")
    assert card.date >= "2026-11"
    assert card.recipe
    assert card.data
    assert card.metrics
    assert not model.training
    assert path.name in (path.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["atom-net", "sac-cnn"])
def test_likelihoods_of_atoms_are_calibrated(name):
    card = load_weights(name)[1]
    assert card.metrics["calibration_error"] < 0.05
    assert card.counting.spread > 0
    assert card.calibration.scale > 0
    assert card.min_expected_f1 >= 0.4


def test_hardly_an_atom_is_found_where_there_is_none():
    assert load_weights("atom-net")[1].metrics["false_per_nm2"] <= 0.003


def test_likelihoods_of_boxes_are_calibrated():
    card = load_weights("faster-rcnn")[1]
    assert card.metrics["calibration_error"] < 0.05
    assert card.metrics["false_per_nm2"] <= 0.003
    assert card.min_expected_f1 >= 0.4
    # The same score is worth less in a channel that looks empty; where nothing is known of it, it is worth what it was.
    empty, unknown, filled = card.box_likelihood([0.9] * 3, [-4.0, float("nan"), 4.0])
    assert empty < 0.1 < unknown < filled
    assert filled > 0.9


def test_the_detectors_restorer_ships_with_it():
    restorer = load_weights("faster-rcnn")[1].inputs.restorer
    assert restorer is None or (find_weights("faster-rcnn").parent / restorer.file).is_file()


def test_an_architecture_that_does_not_ship():
    with pytest.raises(
        WeightsError,
        match=r"resnet: no such weights file; the names of weights that come with stemforge are any-atom, ",
    ):
        find_weights("resnet")
