"""From which distance on two atoms are found as two."""

import numpy as np
import pytest
from scipy.special import expit

from stemforge.infer.completeness.pairs import FEWEST, PairRecall


def _pairs(rng, resolved, number, kept=0.95):
    distance = rng.uniform(1, 3, number)
    free = rng.uniform(0.2, 1.0, number)
    return distance, rng.random(number) < kept * free * expit((distance - resolved) / 0.15), free


@pytest.mark.parametrize("resolved", [1.5, 2.1, 2.6])
def test_the_distance_is_found_whatever_the_atoms_brightness(resolved):
    rng = np.random.default_rng(0)
    fits = [PairRecall.fit(*_pairs(rng, resolved, 60)) for _ in range(60)]
    assert np.mean([one.resolved for one in fits]) == pytest.approx(resolved, abs=0.08)
    assert np.mean([one.low <= resolved <= one.high for one in fits]) > 0.85
    assert np.mean([one.high - one.low for one in fits]) < 0.9


def test_more_pairs_say_it_better_and_few_say_nothing():
    rng = np.random.default_rng(1)
    few, many = (PairRecall.fit(*_pairs(rng, 2.1, number)) for number in (60, 1000))
    assert many.high - many.low < few.high - few.low
    assert PairRecall.fit(*_pairs(rng, 2.1, FEWEST - 1)) is None
