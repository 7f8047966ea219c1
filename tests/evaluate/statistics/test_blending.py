"""Atoms too near each other are found as one: random patterns and bonds must know."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from stemforge.errors import InputError
from stemforge.evaluate import PointPattern, Window, bonded_fraction, nearest_neighbours
from stemforge.evaluate.statistics.reading import _resolved
from stemforge.evaluate.statistics.window import several
from stemforge.micrograph.annotations import Annotations


@pytest.fixture(scope="module")
def blending():
    return Window(np.ones((220, 220), dtype=bool), sampling=0.5, closest=4.0)


def test_random_patterns_are_as_found(blending):
    points = blending.draw_found(120, np.random.default_rng(0))
    assert points.shape == (120, 2)
    assert blending.contains(points).all()
    assert cKDTree(points).query(points, k=2)[0][:, 1].min() > 8
    drawn = PointPattern(points, blending).random(3, np.random.default_rng(1))
    assert drawn.shape == (3, 120, 2)


@pytest.mark.slow
def test_blending_is_no_order_where_it_is_known(blending):
    """Random atoms, near ones as one: known, Clark and Evans' index is as of random places; unknown, atoms avoid."""
    aware, unaware = [], []
    plain = Window(blending.mask, blending.sampling)
    for seed in range(8):
        points = blending.draw_found(120, np.random.default_rng(seed))
        for window, results in ((blending, aware), (plain, unaware)):
            one = nearest_neighbours(PointPattern(points, window), simulations=99)
            results.append(one.low <= one.mean <= one.high)
    assert sum(aware) >= 6
    assert sum(unaware) <= 3


def test_bonds_beside_blended_atoms(blending):
    """Where hardly any place is near an atom, none are bonded; unknown blending makes the fraction negative."""
    plain = Window(blending.mask, blending.sampling)
    known, unknown = [], []
    for seed in range(30):
        points = blending.draw_found(25, np.random.default_rng(seed))
        known.append(bonded_fraction(PointPattern(points, blending), 6.0).fraction)
        unknown.append(bonded_fraction(PointPattern(points, plain), 6.0).fraction)
    assert np.mean(known) == pytest.approx(0, abs=0.05)
    assert np.mean(unknown) < -0.1


def test_what_contradicts_the_distance_is_refused(blending):
    points = np.random.default_rng(0).uniform(0, 219, (60, 2))
    with pytest.raises(InputError, match=r"a: two atoms stand .* would have been found as one"):
        PointPattern(points, blending, "a")
    with pytest.raises(InputError, match="hardly ever that far"):
        blending.draw_found(1000, np.random.default_rng(0))
    with pytest.raises(InputError, match="closest must be 0 or a positive"):
        Window(blending.mask, 0.5, -1.0)
    other = Window(blending.mask, 0.5, 2.0)
    both = [PointPattern(one.draw_found(30, np.random.default_rng(1)), one) for one in (blending, other)]
    with pytest.raises(InputError, match="the same distance for all patterns"):
        several(both)


def test_rows_nearer_than_two_atoms_can_be_told_count_as_one():
    atoms = Annotations(
        np.array([[10, 10], [13, 10], [40, 40], [60, 60.0]]),
        columns={"score": np.array([0.6, 0.9, 0.5, 0.7])},
    )
    left = _resolved(atoms, 4.0)
    assert left.points.tolist() == [[13, 10], [40, 40], [60, 60]]
    assert len(_resolved(atoms, 0.0)) == len(_resolved(atoms, 2.0)) == 4
    bare = Annotations(atoms.points)
    assert _resolved(bare, 4.0).points.tolist() == [[10, 10], [40, 40], [60, 60]]
