"""Neighbours by cells against brute force, periodic in x and y."""

import numpy as np
import pytest

from stemforge.structures.neighbours import near_any
from stemforge.structures.packing import random_packing


@pytest.mark.parametrize("edges", [(20.0, 13.0), (5.0, 4.0), (2.5, 30.0)])
@pytest.mark.parametrize("number", [1, 40])
def test_near_any_agrees_with_brute_force(edges, number):
    rng = np.random.default_rng(number)
    positions, others = (
        rng.random((600, 3)) * [*edges, 25.0],
        rng.random((number, 3)) * [*edges, 15.0] + [0, 0, 3],
    )
    step = np.abs(positions[:, None] - others)
    step[..., :2] = np.minimum(step[..., :2], np.array(edges) - step[..., :2])
    expected = (np.linalg.norm(step, axis=2) < 2.0).any(axis=1)
    found = near_any(positions, others, 2.0, np.array(edges))
    assert 0 < expected.sum() < 600
    np.testing.assert_array_equal(found, expected)


def test_nothing_is_near_to_nothing():
    nothing = np.empty((0, 3))
    assert not near_any(np.ones((2, 3)), nothing, 1.0, np.array([5.0, 5.0])).any()
    assert len(near_any(nothing, np.ones((2, 3)), 1.0, np.array([5.0, 5.0]))) == 0


@pytest.mark.parametrize("candidates", [1.0, 1.7, 5.0])
def test_drawing_ahead_changes_neither_points_nor_generator(candidates):
    def pack(ahead):
        rng = np.random.default_rng(3)
        options = {"rng": rng, "candidates": candidates} if ahead else {}
        points = random_packing(
            lambda n: rng.random((n, 3)) * (12, 9, 10), 600, box=(12, 9, 10), min_distance=0.9, **options
        )
        return points, rng.random()

    (points, following), (expected, expected_following) = pack(True), pack(False)
    np.testing.assert_array_equal(points, expected)
    assert following == expected_following
