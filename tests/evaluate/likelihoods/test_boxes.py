"""Likelihoods of boxes of molecules."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from stemforge import Annotations, InputError
from stemforge.corpus.sample import Sample
from stemforge.corpus.writer import CorpusWriter
from stemforge.evaluate import calibrate_threshold
from stemforge.evaluate.likelihoods.boxes import BoxTrial, calibrated, fit_boxes, right_boxes
from stemforge.evaluate.likelihoods.reliability import fit_platt
from stemforge.train import Calibration, Card, FasterRCNN, FasterRCNNSettings, load_weights, save_weights

SETTINGS = FasterRCNNSettings(
    classes=("molecule",), backbone="resnet18", pyramid=4, head=4, anchors=((8,), (16,), (32,), (64,))
)
CARD = Card("faster-rcnn", 0.25, threshold=0.5)


def _trial(rng, filled, channels=True):
    """An image of a detector that errs in ten molecules of a hundred, and of channels that tell a little."""
    right = np.zeros(40, dtype=bool)
    right[:filled] = True
    score = expit(np.where(right, 1.0, -1.0) + rng.normal(0, 1.5, 40))
    odds = np.where(right, 2.0, -2.0) + rng.normal(0, 2.0, 40)
    boxes = Annotations.of_boxes(np.tile([0.0, 0, 9, 9], (40, 1)), {"score": score})
    return BoxTrial(boxes, odds if channels else np.full(40, np.nan), right, filled, 40.0)


def test_both_score_and_channel_count():
    rng = np.random.default_rng(0)
    odds, channel = rng.normal(0, 2, (2, 20_000))
    truth = rng.random(20_000) < expit(1.5 * odds + 0.5 * channel - 1)
    fitted = fit_platt(expit(odds), truth, channel)
    assert fitted.scale == pytest.approx(1.5, abs=0.1)
    assert fitted.channel == pytest.approx(0.5, abs=0.1)
    assert fitted.shift == pytest.approx(-1, abs=0.1)
    assert fitted.likelihood(0.0, 2.0) == pytest.approx(0.5, abs=0.05)


def test_a_card_takes_the_score_alone_where_no_channel_is_known():
    card = Card(
        "faster-rcnn", calibration=Calibration(1.0, 0.0), channel_calibration=Calibration(1.0, 0.0, 1.0)
    )
    likelihood = card.box_likelihood([0.5, 0.5, 0.5], [np.nan, 0.0, logit(0.9)])
    assert likelihood == pytest.approx([0.5, 0.5, 0.9])
    assert Card.from_json(card.to_json()) == card


def test_likelihoods_mean_what_they_say_and_beat_the_score():
    rng = np.random.default_rng(1)
    trials = [_trial(rng, 20) for _ in range(40)]
    empty = [_trial(rng, 0) for _ in range(40)]
    card, found = calibrated(CARD, trials, empty)
    assert found.after.error < 0.03 < found.before.error
    alone, _ = calibrated(CARD, [_trial(rng, 20, channels=False) for _ in range(40)], [])
    assert card.channel_calibration is not None
    assert alone.channel_calibration is None
    assert card.metrics["held_out_f1"] > alone.metrics["held_out_f1"] + 0.05
    assert card.threshold == found.best


def test_the_control_decides_which_thresholds_are_allowed():
    rng = np.random.default_rng(2)
    trials, empty = [_trial(rng, 20) for _ in range(20)], [_trial(rng, 0) for _ in range(20)]
    strict, loose = (calibrated(CARD, trials, empty, max_false=value)[1] for value in (0.0005, 1.0))
    assert strict.chosen_false <= 0.0005 < loose.chosen_false
    assert strict.best > loose.best
    assert strict.chosen_f1[0] < loose.chosen_f1[0]


def test_nothing_can_be_fitted_where_all_are_wrong():
    with pytest.raises(InputError, match="only where some candidates are molecules"):
        fit_boxes(CARD, [_trial(np.random.default_rng(0), 0)])


@pytest.mark.parametrize("filled", [(20,), (20, 0), (20, 40)])
def test_few_images_are_judged_by_the_fit_to_all(filled):
    rng = np.random.default_rng(3)
    trials = [_trial(rng, number) for number in filled]
    card, found = calibrated(CARD, trials, [])
    assert card.calibration == fit_boxes(CARD, trials).calibration
    assert card.threshold == found.best
    assert found.chosen_f1[0] > 0.3


def test_the_control_is_judged_by_images_that_nothing_was_fitted_to():
    rng = np.random.default_rng(4)
    trials, (clean, noisy) = [_trial(rng, 20) for _ in range(10)], [_trial(rng, 0) for _ in range(2)]
    clean = replace(
        clean, boxes=clean.boxes.where(np.zeros(40, bool)), odds=np.zeros(0), right=np.zeros(0, bool)
    )
    options = {"thresholds": (0.1,), "max_false": 1.0}
    first, second = (
        calibrated(CARD, trials, empty, **options)[1] for empty in ([clean, noisy], [noisy, clean])
    )
    assert first.chosen_false > 0.1
    assert second.chosen_false == 0.0
    assert calibrated(CARD, trials, [noisy], **options)[1].chosen_false > 0.05  # the only one has to judge


def test_a_molecule_has_one_box():
    truth = np.array([[10.0, 10, 20, 20], [30, 30, 40, 40]])
    boxes = np.array([[10.0, 10, 20, 21], [11, 10, 21, 20], [30, 33, 40, 43], [60, 60, 70, 70]])
    assert right_boxes(boxes, truth).tolist() == [True, False, True, False]
    assert right_boxes(boxes, np.empty((0, 4))).tolist() == [False] * 4
    assert right_boxes(np.empty((0, 4)), truth).tolist() == []


def _corpus(folder, boxes, number=12):
    """Four-segment signals of next to nothing, and where molecules would be."""
    writer = CorpusWriter(folder, {"name": "tiny", "degradation": {"dose": 1e4}}, "1" * 64)
    rng = np.random.default_rng(0)
    for index in range(number):
        signal = (0.04 + 0.001 * rng.normal(size=(4, 96, 96))).astype("float32")
        labels = Annotations.of_boxes(boxes, {"species": np.zeros(len(boxes), np.uint8)})
        metadata = {"name": f"tiny-{index}", "molecules": ["pyridine"]}
        channels = ("DPC_0", "DPC_1", "DPC_2", "DPC_3")
        writer.write(index, [Sample(index, signal, 0.25, channels, labels, metadata)])
    return folder


@pytest.mark.slow
def test_the_command_calibrates_detectors_of_molecules(tmp_path, monkeypatch):
    """A detector that says 0.9 of two boxes and 0.6 of eight others, of which two are right on films with guests."""
    places = np.array([[8.0 + 30 * (i % 3), 8 + 30 * (i // 3)] for i in range(9)] + [[70.0, 40.0]])
    given = np.column_stack([places, places + 12])

    rng = np.random.default_rng(0)

    def found(detector, image, **options):
        scores = np.where(np.arange(10) < 2, 0.9, 0.6) + rng.normal(0, 0.02, 10)
        return given + 0.5, np.ones(10, np.int64), scores

    monkeypatch.setattr("stemforge.infer.molecules.detection.detect_boxes", found)
    weights = tmp_path / "w.safetensors"
    save_weights(
        weights, FasterRCNN(SETTINGS), Card("faster-rcnn", 0.25, settings=SETTINGS.model_dump(mode="json"))
    )
    guests = _corpus(tmp_path / "guests", given[[0, 1, 2, 5]])
    result = calibrate_threshold(weights, [guests], validation=0.5, quiet=True)
    card = load_weights(weights)[1]
    low, high = card.calibration.likelihood(np.log([0.6 / 0.4, 9.0]))
    assert low == pytest.approx(0.25, abs=0.1)
    assert high > 0.9
    assert card.channel_calibration is None  # the card names no framework
    assert result.after.error < result.before.error
    assert card.metrics["held_out_recall"] == pytest.approx(0.5)
    with pytest.raises(InputError, match="hold no molecule"):
        calibrate_threshold(weights, [guests], validation=0.5, control=[guests], quiet=True)
    empty = _corpus(tmp_path / "empty", np.empty((0, 4)))
    with pytest.raises(InputError, match="not one molecule"):
        calibrate_threshold(weights, [empty], validation=0.5, quiet=True)
    # What is found as surely on empty films is not to be believed on others.
    strict = calibrate_threshold(weights, [guests], validation=0.5, control=[empty], quiet=True)
    assert strict.chosen_false <= 0.003
    assert strict.best > result.best
