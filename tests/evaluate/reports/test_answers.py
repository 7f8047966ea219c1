"""What a page's first screen says, against patterns and counts whose answer is known."""

import numpy as np
import pytest

from stemforge.evaluate import Count, PointPattern, Window, pooled_density, survey_patterns
from stemforge.evaluate.reports.answers import (
    Departure,
    answer_all,
    judge_places,
    name_departures,
    pooled_neighbours,
)
from stemforge.evaluate.statistics.density import CorrectedDensity

WINDOW = Window.frame((300, 300), sampling=0.3)  # 81 nm²


def _survey(draw, images=1, seed=0):
    rng = np.random.default_rng(seed)
    patterns = [PointPattern(draw(rng), WINDOW, str(index)) for index in range(images)]
    return survey_patterns(patterns, simulations=199, seed=seed)


def _spaced(rng):
    """Places at least 12 pixels from each other."""
    points = np.empty((0, 2))
    while len(points) < 60:
        one = rng.uniform(0, 299, 2)
        if not len(points) or np.hypot(*(points - one).T).min() > 25:
            points = np.vstack([points, one])
    return points


def _clustered(rng):
    centres = rng.uniform(20, 279, (15, 2))
    return (np.repeat(centres, 4, axis=0) + rng.normal(0, 6, (60, 2))).clip(0, 299)


@pytest.mark.parametrize(("draw", "word"), [(_spaced, "ordered"), (_clustered, "clustered")])
def test_order_and_clusters_are_told(draw, word):
    verdict = judge_places(_survey(draw))
    assert verdict.word == word
    assert not verdict.random
    assert "Å" in verdict.sentence


NEAR, GAP, FAR = Departure(True, 3.0, ""), Departure(False, 1.0, ""), Departure(True, 30.0, "")


@pytest.mark.parametrize(
    ("found", "farther", "word"),
    [
        ([NEAR], False, "clustered"),
        ([NEAR, Departure(False, 9.0, "")], False, "clustered"),
        ([FAR], False, "uneven"),
        ([GAP], False, "ordered"),
        ([GAP, NEAR], True, "ordered"),
        ([GAP, FAR], False, "not random"),
    ],
)
def test_the_nearest_distances_decide_what_it_is_called(found, farther, word):
    assert name_departures(found, 15.0, farther) == word


@pytest.mark.slow
def test_random_places_are_seldom_taken_for_anything_else():
    verdicts = [judge_places(_survey(lambda rng: WINDOW.draw(30, rng), seed=seed)) for seed in range(24)]
    wrong = sum(not one.random for one in verdicts)
    assert (
        wrong <= 4
    )  # 5 in 100 at most, as corrected for three tests: 5 and more of 24 happen once in 200 times


def test_distances_to_neighbours_of_all_images():
    survey = _survey(lambda rng: WINDOW.draw(60, rng), images=2)
    mean, expected, low, high = pooled_neighbours(survey)
    assert expected == pytest.approx(10 / (2 * np.sqrt(60 / 81)), rel=1e-6)
    assert low < expected < high
    assert mean == pytest.approx(expected, rel=0.15)


def test_the_interval_of_a_density_holds_the_true_one():
    """Of images that differ by three tenths, and of images that differ by counting alone."""
    rng = np.random.default_rng(1)
    for sd in (1e-6, 0.3):
        held = 0
        for _ in range(400):
            area = rng.uniform(100, 220, 11)
            atoms = rng.poisson(0.22 * rng.gamma(sd**-2, sd**2, 11) * area)
            _, low, high = pooled_density([Count("", int(n), a) for n, a in zip(atoms, area, strict=True)])
            held += low <= 0.22 <= high
        assert 0.91 <= held / 400 <= 0.99


def test_one_image_has_the_interval_of_counting_and_none_without_atoms_a_bound():
    assert pooled_density([Count("a", 10, 20.0)]) == pytest.approx((0.5, 0.2398, 0.9195), abs=1e-3)
    assert pooled_density([Count("a", 0, 10.0), Count("b", 0, 10.0)]) == pytest.approx(
        (0, 0, 0.1844), abs=1e-3
    )


def test_without_likelihoods_trust_is_not_known():
    lead, answers = answer_all([Count("a", 3, 10.0)], None, [{}], "nm²", failed=2)
    assert "1 image shows 3 atoms on 10 nm² of specimen: 0.3 per nm²" in lead
    assert "Too few atoms" in lead
    assert answers[-1].doubtful
    assert answers[-1].value == "not known"
    assert "2 images left out" in answers[-1].detail


def test_errors_of_detection_stand_in_the_first_sentence():
    corrected = CorrectedDensity(0.35, 0.12, 0.61, "likelihoods")
    lead, _ = answer_all([Count("a", 3, 10.0, corrected)], None, [{}], "nm²", failed=0)
    assert "; with errors of detection 0.12 to 0.61." in lead
    assert "errors of detection" not in answer_all([Count("a", 3, 10.0)], None, [{}], "nm²", failed=0)[0]
