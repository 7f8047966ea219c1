import numpy as np
import pytest

from stemforge.errors import InputError
from stemforge.evaluate import rank_envelope


def test_random_curves_leave_their_envelopes_as_often_as_stated():
    rng = np.random.default_rng(0)
    walks = rng.normal(size=(400, 40, 12)).cumsum(axis=-1)
    results = [rank_envelope(one[0], one[1:], level=0.9) for one in walks]
    values = walks[:, 0]
    at_each = np.mean([(v >= r.low) & (v <= r.high) for v, r in zip(values, results, strict=True)])
    outside = [
        bool(((v < r.global_low) | (v > r.global_high)).any()) for v, r in zip(values, results, strict=True)
    ]
    assert at_each == pytest.approx(0.9, abs=0.02)
    assert np.mean(outside) == pytest.approx(0.1, abs=0.045)
    # The curve leaves the global envelope where its p value is that small, and nowhere else.
    assert outside == [r.p <= 0.1 + 1e-9 for r in results]
    assert all(r.p_interval[0] <= r.p <= r.p_interval[1] for r in results)


def test_a_curve_that_stands_out_at_one_distance_is_found():
    rng = np.random.default_rng(1)
    curves = rng.normal(size=(999, 12))
    assert rank_envelope(np.zeros(12), curves).random
    assert not rank_envelope(np.where(np.arange(12) == 7, 6.0, 0.0), curves).random


def test_ties_do_not_make_a_curve_extreme():
    result = rank_envelope(np.zeros(5), np.zeros((99, 5)))
    assert (result.p, result.p_interval) == (1.0, (0.0, 1.0))


def test_too_few_simulations_are_refused():
    with pytest.raises(InputError, match="take 39 at least"):
        rank_envelope(0, np.zeros(38))
    assert rank_envelope(0, np.arange(-19.5, 19)).simulations == 39
