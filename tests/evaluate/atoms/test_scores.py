from functools import partial

import numpy as np
import pytest

from stemforge.errors import InputError
from stemforge.evaluate import (
    AtomScore,
    best_threshold,
    match_distance,
    score_atoms,
    summarise,
    threshold_curve,
)


@pytest.mark.parametrize(
    ("counts", "precision", "recall", "f1"),
    [
        ((3, 1, 2), 0.75, 0.6, 2 / 3),
        ((5, 0, 0), 1, 1, 1),
        ((0, 4, 3), 0, 0, 0),
        ((0, 0, 3), 0, 0, 0),  # silence is not precise
        ((0, 2, 0), 0, 0, 0),  # atoms invented on an empty image
        ((0, 0, 0), 1, 1, 1),  # no atom, no prediction
    ],
)
def test_measures_and_their_conventions(counts, precision, recall, f1):
    score = AtomScore(*counts)
    assert (score.precision, score.recall, score.f1) == pytest.approx((precision, recall, f1))


def test_localisation_error_by_hand():
    predicted = [[10, 10], [50, 53], [200, 200]]
    truth = [[14, 10], [50, 50], [100, 100]]
    score = score_atoms(predicted, truth, sampling=0.2)
    assert (score.true_positives, score.false_positives, score.false_negatives) == (2, 1, 1)
    assert score.rmse_px == pytest.approx(np.sqrt((16 + 9) / 2))
    assert score.rmse_angstrom == pytest.approx(0.2 * np.sqrt((16 + 9) / 2))
    near = score_atoms(predicted, truth, match=partial(match_distance, tolerance=3))
    assert (near.true_positives, near.rmse_px, near.rmse_angstrom) == (1, 3.0, None)


def test_summary_by_hand():
    scores = [AtomScore(3, 1, 1, 2.0, 0.6), AtomScore(1, 1, 1, 1.0, 0.3), AtomScore(0, 0, 2)]
    summary = summarise(scores)
    assert summary.images == 3
    assert summary.mean["f1"] == pytest.approx((0.75 + 0.5 + 0) / 3)
    assert summary.sd["f1"] == pytest.approx(np.std([0.75, 0.5, 0], ddof=1))
    assert summary.mean["rmse_px"] == pytest.approx(1.5)  # of the two images on which something matched
    assert (summary.pooled.true_positives, summary.pooled.false_positives) == (4, 2)
    assert summary.pooled.false_negatives == 4
    assert summary.pooled.rmse_px == pytest.approx(np.sqrt((3 * 4 + 1 * 1) / 4))


def test_summary_of_one_image_has_no_deviation():
    assert summarise([AtomScore(1, 0, 0)]).sd["f1"] is None


def test_pooled_error_in_angstrom_needs_every_image_calibrated():
    assert summarise([AtomScore(1, 0, 0, 1.0, 0.3), AtomScore(1, 0, 0, 1.0)]).pooled.rmse_angstrom is None


def test_nothing_to_summarise():
    with pytest.raises(InputError, match="at least one image"):
        summarise([])


def test_curve_by_hand():
    predicted = [[[10, 10], [100, 10], [50, 50]], [[10, 10]]]
    scores = [[0.9, 0.2, 0.6], [0.4]]
    truth = [[[10, 12], [50, 52]], [[90, 90]]]
    curve = threshold_curve(predicted, scores, truth)
    np.testing.assert_allclose(curve.thresholds, [0.2, 0.3, 0.5, 0.75])
    np.testing.assert_allclose(curve.precision, [2 / 4, 2 / 3, 1, 1])
    np.testing.assert_allclose(curve.recall, [2 / 3, 2 / 3, 2 / 3, 1 / 3])
    np.testing.assert_allclose(curve.f1, [4 / 7, 4 / 6, 4 / 5, 2 / 4])
    np.testing.assert_allclose(curve.f1_mean, [0.4, 0.5, 0.5, 1 / 3])
    assert curve.f1_sd[1] == pytest.approx(np.sqrt(0.5))
    assert best_threshold(curve) == pytest.approx(0.3)  # the lower middle of the two that share the best mean
    assert best_threshold(curve, by="f1") == 0.5


def test_a_prediction_at_the_threshold_counts():
    curve = threshold_curve([[[1, 1]]], [[0.5]], [[[1, 1]]], thresholds=[0.6, 0.5])
    assert curve.thresholds.tolist() == [0.5, 0.6]
    assert curve.recall.tolist() == [1, 0]


@pytest.mark.parametrize("seed", range(5))
def test_recall_never_rises_with_the_threshold(seed):
    rng = np.random.default_rng(seed)
    truth = [rng.uniform(0, 200, (60, 2)) for _ in range(4)]  # crowded: atoms compete for predictions
    predicted = [rng.uniform(0, 200, (80, 2)) for _ in truth]
    scores = [rng.beta(0.3, 0.3, 80) for _ in truth]
    curve = threshold_curve(predicted, scores, truth)
    assert len(curve.thresholds) == 101
    assert np.all(np.diff(curve.recall) <= 0)
    every = threshold_curve(predicted, scores, truth, thresholds=[0])
    assert curve.recall[0] == every.recall[0]  # the curve begins with all predictions


def test_the_middle_of_a_plateau_is_chosen():
    curve = threshold_curve([[[1, 1], [60, 60]]], [[0.9, 0.1]], [[[1, 1]]], thresholds=np.linspace(0, 1, 11))
    assert best_threshold(curve) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([[[1, 1]]], [[0.5]], []), "one entry an image, not 1, 1 and 0"),
        (([], [], []), "one entry an image"),
        (([[[1, 1]]], [[0.5, 0.6]], [[[1, 1]]]), "column 'score' must have 1 rows"),
        (([[[1, 1]]], [[np.nan]], [[[1, 1]]]), "scores of image 1: must be finite"),
        (([[]], [[]], [[[1, 1]]]), "no image has a prediction"),
        (([[[1, 1]]], [[0.5]], [[[1, 1]]], [np.inf]), "thresholds must be finite"),
    ],
)
def test_bad_curves(arguments, says):
    with pytest.raises(InputError, match=says):
        threshold_curve(*arguments)
