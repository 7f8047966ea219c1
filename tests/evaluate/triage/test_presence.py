"""The probability that an image shows an atom: what it grows with, and what chance alone must not give."""

import numpy as np
import pytest

from stemforge.evaluate.triage.presence import LAW, atoms_probability

AREAS = (0.0, 10.0, 60.0, 225.0, 900.0, 3600.0)  # nm²


@pytest.mark.parametrize("area", AREAS)
def test_nothing_found_is_no_atom_on_any_area(area):
    assert atoms_probability([], area) < 0.05
    assert atoms_probability(np.full(3, 0.1), area) < 0.1


@pytest.mark.parametrize("area", AREAS)
def test_many_clear_ones_are_atoms_on_any_area(area):
    assert atoms_probability(np.full(12, 0.97), area) > 0.95


def test_a_spot_that_may_be_chance_says_less_on_a_larger_area():
    found = [atoms_probability([0.9, 0.8, 0.6], area) for area in AREAS]
    assert found == sorted(found, reverse=True)
    assert found[1] > 0.9
    assert found[-1] < 0.1


def test_every_candidate_adds_and_clear_ones_most():
    faint, fair, clear = (atoms_probability([*np.full(8, 0.3), p], 225.0) for p in (0.1, 0.8, 0.97))
    assert atoms_probability(np.full(8, 0.3), 225.0) < faint < fair < clear
    assert faint < 0.1
    assert clear > 0.5


def test_texture_as_of_a_support_without_metal_is_no_certain_atom():
    # As many as nitride without metal gives on 15 nm × 15 nm; one of fifty such images has one of 0.9.
    texture = np.concatenate([np.linspace(0.02, 0.3, 80), np.linspace(0.3, 0.75, 18)])
    assert atoms_probability(texture, 225.0) < 0.5
    assert atoms_probability([*texture, 0.9], 225.0) < 0.9


def test_likelihoods_beyond_what_calibration_tells_count_alike():
    assert LAW.evidence([1.0], 100.0) == LAW.evidence([0.99], 100.0)
