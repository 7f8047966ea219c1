"""What a page's first screen says, against patterns and counts whose answer is known."""

import numpy as np
import pytest

from stemforge.evaluate import Count, PointPattern, Window, pooled_density, survey_patterns
from stemforge.evaluate.reports.answers import (
    Departure,
    answer_all,
    find_departures,
    judge_places,
    name_departures,
    pooled_neighbours,
)
from stemforge.evaluate.statistics.curves import Curve
from stemforge.evaluate.statistics.density import CorrectedDensity
from stemforge.evaluate.statistics.envelopes import Envelope

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


NEAR, GAP = Departure(True, 3.0, 10.0, ""), Departure(False, 1.0, 2.0, "")
FAR, LONG = Departure(True, 30.0, 40.0, ""), Departure(True, 3.0, 60.0, "")
WITHIN = Departure(True, 3.0, 10.0, "", cumulative=True)


@pytest.mark.parametrize(
    ("found", "side", "word"),
    [
        ([NEAR], 0, "clustered"),
        ([NEAR, Departure(False, 11.0, 14.0, "")], 0, "clustered"),
        ([LONG], 0, "uneven"),
        ([LONG], 1, "uneven"),
        ([LONG], -1, "clustered"),
        ([FAR], 0, "uneven"),
        ([FAR], -1, "uneven"),
        ([WITHIN], 0, "uneven"),
        ([WITHIN], -1, "clustered"),
        ([GAP], 0, "ordered"),
        ([GAP, NEAR], 1, "ordered"),
        ([GAP, FAR], 0, "not random"),
    ],
)
def test_the_nearest_distances_decide_what_it_is_called(found, side, word):
    assert name_departures(found, 15.0, side) == word


def _denser_right(rng):
    """Random places, seven times as many on the right half as on the left one."""
    x = np.concatenate([rng.uniform(0, 149, 15), rng.uniform(149, 299, 105)])
    return np.column_stack([x, rng.uniform(0, 299, 120)])


@pytest.mark.parametrize("seed", [3, 5])
def test_a_density_that_varies_is_not_called_clusters(seed):
    """Of these two g leaves its envelope near by, and stays out of it far beyond."""
    survey = _survey(_denser_right, seed=seed)
    assert find_departures(survey.g)[0].start < 10 / np.sqrt(120 / 81)
    assert judge_places(survey).word == "uneven"


@pytest.mark.parametrize(("name", "where"), [("L", "within 26 Å"), ("g", "at 18 to 26 Å")])
def test_l_is_told_as_what_lies_within_a_distance(name, where):
    radii = np.arange(1.0, 41.0)
    one = np.ones_like(radii)
    values = np.where((radii >= 18) & (radii <= 26), 2.0, 1.0)
    envelope = Envelope(0.5 * one, 1.5 * one, 0.5 * one, 1.5 * one, one, 0.01, (0.01, 0.01), 199, 0.95)
    (departure,) = find_departures(Curve(name, radii, values, one, "Å", envelope))
    assert departure.where == where
    assert (departure.start, departure.end, departure.cumulative) == (18, 26, name == "L")


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
