"""Likelihoods on images without labels."""

import numpy as np
import pytest
from scipy.special import expit

from stemforge.adapt.training.likelihoods import Candidates, fit_likelihoods


def _candidates(rng, atoms, false):
    """Scores whose log odds are right where there are as many atoms as false ones: two Gaussians, 2 apart."""
    odds = np.concatenate([rng.normal(2, 2, atoms), rng.normal(-2, 2, false)])
    return odds, np.arange(len(odds)) < atoms


@pytest.mark.parametrize(("atoms", "false"), [(2000, 2000), (400, 2000), (3000, 1500), (0, 2000)])
def test_likelihoods_follow_the_number_of_atoms(atoms, false):
    rng = np.random.default_rng(atoms)
    simulated, is_atom = _candidates(rng, 2000, 2000)
    odds, true = _candidates(rng, atoms, false)
    fitted = fit_likelihoods(Candidates(odds, 1.0), Candidates(simulated[~is_atom], 1.0))
    likelihood = fitted.calibration.likelihood(odds)
    assert abs(likelihood.sum() - atoms) < 0.06 * (atoms + false)
    for low, high in ((0.1, 0.4), (0.4, 0.7), (0.7, 0.95)):
        chosen = (likelihood > low) & (likelihood < high)
        if chosen.sum() > 100:
            assert true[chosen].mean() == pytest.approx(likelihood[chosen].mean(), abs=0.1)
    # The control: as they were, likelihoods are right for as many atoms as false ones only.
    if atoms != false:
        assert abs(expit(odds).sum() - atoms) > abs(likelihood.sum() - atoms)


def test_more_false_candidates_than_simulated_are_no_atoms():
    rng = np.random.default_rng(3)
    false = Candidates(rng.normal(-2, 2, 2000), 1.0)
    fitted = fit_likelihoods(Candidates(rng.normal(-2, 2, 2600), 1.0), false)
    assert fitted.excess == pytest.approx(1.3, abs=0.12)
    assert fitted.calibration.likelihood(0.0) < 0.2


def test_areas_count():
    rng = np.random.default_rng(4)
    false = Candidates(rng.normal(-2, 2, 2000), 2.0)
    fitted = fit_likelihoods(Candidates(rng.normal(-2, 2, 1000), 1.0), false)
    assert fitted.excess == pytest.approx(1.0, abs=0.1)


def test_what_does_not_tell_is_left_alone():
    rng = np.random.default_rng(5)
    false = Candidates(rng.normal(-2, 2, 2000), 1.0)
    assert fit_likelihoods(Candidates(np.zeros(10), 1.0), false) is None
    # Many candidates of one kind that simulation does not make.
    assert fit_likelihoods(Candidates(np.full(20000, -3.0), 1.0), false) is None


def test_images_full_of_what_the_recipe_does_not_make_are_told_from_images_full_of_atoms():
    """As on real images of a porphyrin on carbon, whose texture was not simulated: more at every likelihood."""
    edges = np.array([-5, -4, -3, -2, -1, 0, 1, 2, 3, 5])

    def candidates(densities, area):
        numbers = np.rint(np.array(densities) * area).astype(int)
        odds = [
            np.linspace(low, high, number)
            for low, high, number in zip(edges, edges[1:], numbers, strict=False)
        ]
        return Candidates(np.concatenate(odds), area)

    false = candidates([3.54, 2.26, 0.99, 0.56, 0.36, 0.18, 0.12, 0.05, 0.02], 66)
    textured = candidates([10.0, 10.0, 8.1, 6.6, 5.7, 4.7, 4.0, 2.8, 1.5], 88)
    crowded = candidates([3.8, 2.9, 2.0, 1.9, 2.4, 3.0, 3.6, 2.8, 1.5], 88)
    assert fit_likelihoods(textured, false) is None
    assert fit_likelihoods(crowded, false).calibration.likelihood(0.0) > 0.7
