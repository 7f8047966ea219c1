"""Which share of hops is found, and rates that are corrected for it."""

import numpy as np
import pytest

from stemforge import Annotations
from stemforge.evaluate import Series, track_atoms
from stemforge.evaluate.series.hop_recall import ADDED, HopRecall
from stemforge.evaluate.series.rates import rate

SIDE, SAMPLING = 256, 0.3


@pytest.fixture
def falling():
    """Hops of which fewer are found the longer they are: from all at 1 to three of ten at 5."""
    rng = np.random.default_rng(0)
    lengths = rng.uniform(1, 5, 4000)
    return HopRecall(lengths, rng.random(4000) < 1 - 0.175 * (lengths - 1))


@pytest.mark.parametrize("within", [(1, 5), (1, 2.5), (3.5, 5)])
def test_a_rate_is_right_whatever_the_lengths_of_the_hops(falling, within):
    rng = np.random.default_rng(1)
    true = rng.uniform(*within, 1000)
    found = true[rng.random(len(true)) < 1 - 0.175 * (true - 1)]
    assert len(found) < 900  # as counted it is too low
    one = falling.rate(found, np.ones(len(found)), 50_000)
    assert one.value == pytest.approx(0.02, rel=0.08)  # the kernel smooths
    assert one.low < 0.02 < one.high


def test_a_doubtful_hop_counts_by_its_chance(falling):
    lengths = np.full(40, 2.0)
    sure = falling.rate(lengths, np.ones(40), 1000)
    half = falling.rate(lengths, np.full(40, 0.5), 1000)
    assert half.value == pytest.approx(sure.value / 2)
    assert half.high / half.value > sure.high / sure.value


def test_of_no_hop_the_upper_end_rises(falling):
    one = falling.rate(np.empty(0), np.empty(0), 1000)
    assert (one.value, one.low) == (0, 0)
    assert one.high == pytest.approx(rate(0, 1000).high / falling.mean)


def test_nothing_is_corrected_where_no_hop_could_be_added():
    recall = HopRecall(np.empty(0), np.empty(0, dtype=bool))
    assert recall.rate(np.array([2.0]), np.ones(1), 100) == rate(1, 100)
    assert np.isnan(recall.mean)


def test_few_added_hops_widen_the_interval():
    lengths, ends = np.full(400, 2.0), []
    for number in (20, 2000):
        recall = HopRecall(np.linspace(1, 3, number), np.arange(number) % 2 == 0)
        one = recall.rate(lengths, np.ones(400), 10000)
        assert one.value == pytest.approx(0.08, rel=0.1)
        ends.append(one.high / one.value)
    assert ends[0] > ends[1] > 1.05


def _series(density: float, reach: float | None = None):
    """Follow atoms that stay, at a density [1/nm²], found to 0.25 Å on 17 of 20 frames, with two false ones a frame."""
    rng = np.random.default_rng(3)
    side = SIDE * SAMPLING
    places = rng.uniform(0, side, (round(density * side**2 / 100), 2))
    tables = []
    for _ in range(8):
        shown = places[rng.random(len(places)) < 0.85]
        shown = shown + rng.normal(0, 0.25, shown.shape)
        points = np.concatenate([shown, rng.uniform(0, side, (2, 2))]) / SAMPLING
        errors = dict.fromkeys(("x_error_px", "y_error_px"), np.full(len(points), 0.25 / SAMPLING))
        score = np.concatenate([rng.beta(8, 1.2, len(shown)), rng.beta(4, 2.5, 2)])
        tables.append(Annotations(points, columns={"score": score, **errors}))
    return track_atoms(Series(tables, (SIDE, SIDE), SAMPLING), reach=reach)


@pytest.mark.slow
def test_hops_among_near_neighbours_are_found_less_often():
    """Thin atoms with the reach of thin ones; and four times as many, whose neighbours stand within it."""
    few, many = _series(0.3, 5.5), _series(1.2, 5.5)
    for tracks in (few, many):
        recall = tracks.hop_recall
        assert len(recall.found) >= ADDED
        assert recall.lengths.min() >= tracks.shortest_hop
        assert recall.lengths.max() <= 5.5
        assert tracks.hop_rate.high > rate(tracks.hops, tracks.watched).high
    assert few.hop_recall.mean > 0.5
    assert many.hop_recall.mean < few.hop_recall.mean - 0.1
    # Where neighbours stand nearer than a hop is long, the hop ends at another atom as often.
    assert many.hop_recall.at(np.array([2.0])) > many.hop_recall.at(np.array([5.0]))


@pytest.mark.slow
def test_the_same_hops_are_added_again():
    one, two = (_series(0.3).hop_recall for _ in range(2))
    np.testing.assert_array_equal(one.lengths, two.lengths)
    np.testing.assert_array_equal(one.found, two.found)
