"""Reliability: Platt scaling, the curve, and numbers that follow from likelihoods."""

import numpy as np
import pytest
from scipy.special import expit, logit

from stemforge.errors import InputError
from stemforge.evaluate.likelihoods.reliability import Reliability, draw_reliability, fit_counting, fit_platt
from stemforge.train import log_odds


def candidates(number=40_000, scale=0.6, shift=-1.0, seed=0):
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.02, 0.98, number)
    return scores, rng.random(number) < expit(scale * logit(scores) + shift)


def test_calibration_makes_likelihoods_mean_what_they_say():
    scores, hits = candidates()
    fitted = fit_platt(scores, hits)
    assert fitted.scale == pytest.approx(0.6, abs=0.05)
    assert fitted.shift == pytest.approx(-1.0, abs=0.05)
    unseen, truth = candidates(seed=1)
    mended = fitted.likelihood(log_odds(unseen))
    before, after = Reliability.of(unseen, truth), Reliability.of(mended, truth)
    assert before.error > 0.15
    assert after.error < 0.015
    assert after.number.sum() == len(unseen)


@pytest.mark.parametrize("truth", [[0, 0, 0], [1, 1, 1]])
def test_one_kind_of_candidates_cannot_be_fitted(truth):
    with pytest.raises(InputError, match="some candidates are atoms"):
        fit_platt([0.2, 0.5, 0.8], truth)


def test_too_few_candidates_for_a_curve():
    with pytest.raises(InputError, match="10 bins"):
        Reliability.of([0.1, 0.9], [0, 1])


def test_numbers_with_their_error():
    """Intervals from the fit hold 95 in 100 of unseen images."""
    rng = np.random.default_rng(0)

    def images(number):
        rows = []
        for _ in range(number):
            p = rng.uniform(0, 1, rng.integers(20, 200))
            found = (rng.random(len(p)) < p).sum()
            # A tenth gave no candidate; and all likelihoods of an image are off by a common factor.
            rows.append((p.sum(), (p * (1 - p)).sum(), 1.1 * found * np.exp(rng.normal(0, 0.4))))
        return np.array(rows).T

    fitted = fit_counting(*images(400))
    assert fitted.scale == pytest.approx(1.1, abs=0.06)
    assert fitted.spread == pytest.approx(0.4, abs=0.03)
    expected, variance, atoms = images(400)
    error = np.hypot(fitted.spread, np.sqrt(variance) / (expected + 0.5))
    off = np.log((atoms + 0.5) / (fitted.scale * (expected + 0.5)))
    assert 0.92 < (np.abs(off) < 1.96 * error).mean() < 0.98
    with pytest.raises(InputError, match="two images"):
        fit_counting([3.0], [1.0], [4])


def test_picture(tmp_path):
    scores, hits = candidates(200)
    curve = Reliability.of(scores, hits)
    draw_reliability([("as trained", curve), ("calibrated", curve)], tmp_path / "r.png")
    assert (tmp_path / "r.png").stat().st_size > 5000


def test_a_name_is_no_formula(tmp_path):
    values = np.linspace(0.05, 0.95, 40)
    curve = Reliability.of(values, values > 0.5, bins=4)
    draw_reliability([("set$a_{$", curve)], tmp_path / "r.png")
    assert (tmp_path / "r.png").is_file()
