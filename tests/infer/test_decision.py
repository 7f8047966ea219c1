"""The threshold that an image's own likelihoods choose."""

import numpy as np
import pytest
from scipy.special import expit

from stemforge.infer import best_expected_f1, choose_atoms, decide
from stemforge.micrograph.annotations import Annotations
from stemforge.train import Calibration, Card, log_odds

CARD = Card("atom-net", threshold=0.7, calibration=Calibration(), min_expected_f1=0.4)


def simulated_f1(likelihoods, threshold, draws=4000, seed=0):
    """Mean F1 over worlds in which candidates are atoms with their likelihood."""
    atoms = np.random.default_rng(seed).random((draws, len(likelihoods))) < likelihoods
    message = likelihoods >= threshold
    return np.mean(2 * (atoms & message).sum(1) / (message.sum() + atoms.sum(1)))


@pytest.mark.parametrize("seed", range(5))
def test_the_threshold_has_the_highest_f1_of_simulated_worlds(seed):
    likelihoods = np.random.default_rng(seed).beta(0.5, 1.5, 80)
    chosen = best_expected_f1(likelihoods)
    others = [simulated_f1(likelihoods, threshold) for threshold in np.sort(likelihoods)]
    reached = simulated_f1(likelihoods, chosen.threshold)
    assert reached > max(others) - 0.005
    assert chosen.expected_f1 == pytest.approx(reached, abs=0.02)


def test_the_threshold_is_half_the_f1():
    likelihoods = np.random.default_rng(0).beta(0.5, 1.5, 20_000)
    chosen = best_expected_f1(likelihoods)
    assert chosen.threshold == pytest.approx(chosen.expected_f1 / 2, abs=1e-3)


@pytest.mark.parametrize("seed", range(20))
def test_few_clear_atoms_do_not_raise_the_threshold(seed):
    """A further atom had to be as sure as the least sure of these."""
    rng = np.random.default_rng(seed)
    likelihoods = np.append(rng.uniform(0.95, 1, 5), rng.uniform(0.02, 0.05, 3))
    chosen = best_expected_f1(likelihoods)
    assert (likelihoods >= chosen.threshold).sum() == 5
    assert chosen.threshold == pytest.approx(0.5, abs=0.05)
    further = best_expected_f1(np.append(likelihoods, 0.6))
    assert (likelihoods >= further.threshold).sum() == 5
    assert 0.6 > further.threshold == pytest.approx(chosen.threshold, abs=0.05)


def test_order_does_not_matter():
    assert best_expected_f1([0.1, 0.9, 0.1, 0.8]) == best_expected_f1([0.9, 0.8, 0.1, 0.1])


def test_nothing_there():
    assert best_expected_f1([]).expected_f1 == 0
    assert decide([], CARD).threshold == 0.7


def test_an_image_that_promises_little_gets_the_cards_threshold():
    faint = np.full(30, 0.1)
    assert decide(faint, CARD).threshold == 0.7
    assert decide(faint, CARD).expected_f1 == pytest.approx(2 * 3 / 33)
    clear = [0.9, 0.5, 0.3]
    # 0.9 and 0.5 are taken: 2 (0.9 + 0.5) / (2 + 1.7).
    assert decide(clear, CARD).threshold == pytest.approx(1.4 / 3.7)
    assert decide(clear, Card("atom-net", threshold=0.7)).expected_f1 is None


def test_log_odds_and_back():
    likelihood = np.array([0.0, 0.2, 1.0])
    assert Calibration().likelihood(log_odds(likelihood)) == pytest.approx(likelihood, abs=2e-6)
    assert Calibration(2.0, 0.5).likelihood(log_odds(0.2)) == pytest.approx(expit(2 * np.log(0.25) + 0.5))


def test_candidates_below_the_threshold_stay_candidates():
    scores = np.array([0.9, 0.5, 0.3, 0.05, 0.001])

    def find(least):
        kept = scores >= least
        return Annotations(np.zeros((kept.sum(), 2)), columns={"score": scores[kept]})

    chosen = choose_atoms(find, CARD)
    assert len(chosen.candidates) == 4
    assert 0.3 < chosen.decision.threshold < 0.5
    assert chosen.atoms["score"].tolist() == [0.9, 0.5]
    assert choose_atoms(find, Card("atom-net", threshold=0.2)).atoms["score"].tolist() == [0.9, 0.5, 0.3]
