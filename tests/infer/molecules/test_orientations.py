"""Boxes of all eight orientations of an image, brought together."""

import numpy as np
import pytest

from stemforge.infer.molecules.orientations import ORIENTATIONS, in_all_orientations


def _brightest(image, score=0.8):
    """Find the one bright rectangle."""
    y, x = np.argwhere(image > 0.5).T
    if not len(x):
        return np.empty((0, 4)), np.empty(0, np.int64), np.empty(0)
    return np.array([[x.min(), y.min(), x.max() + 1.0, y.max() + 1.0]]), np.array([2]), np.array([score])


@pytest.mark.parametrize("corner", [(0, 0), (20, 3), (39, 24)])
def test_what_turns_with_the_image_is_found_in_all_orientations(corner):
    image = np.zeros((30, 50), dtype="float32")
    x, y = corner
    image[y : y + 6, x : x + 11] = 1
    boxes, labels, scores, agreement = in_all_orientations(_brightest, image)
    assert boxes == pytest.approx(np.array([[x, y, x + 11, y + 6]]))
    assert labels.tolist() == [2]
    assert scores == pytest.approx([0.8])
    assert agreement.tolist() == [1]


def test_what_does_not_turn_with_the_image_is_hardly_believed():
    """A detector that draws the same box on the corner of whatever it is shown."""

    def corner(image):
        return np.array([[1.0, 2, 9, 7]]), np.array([1]), np.array([0.9])

    boxes, _, scores, agreement = in_all_orientations(corner, np.zeros((40, 60), dtype="float32"))
    assert len(boxes) == ORIENTATIONS
    assert scores == pytest.approx(0.9 / ORIENTATIONS)
    assert agreement == pytest.approx(1 / ORIENTATIONS)
    # Two in each corner of the image, turned or mirrored.
    assert {(x0 < 30, y0 < 20) for x0, y0 in boxes[:, :2]} == {
        (a, b) for a in (True, False) for b in (True, False)
    }


def test_two_orientations_that_miss_it_lower_the_score():
    image = np.zeros((30, 50), dtype="float32")
    image[10:16, 20:31] = 1
    calls = []

    def forgetful(image):
        calls.append(image.shape)
        return _brightest(image * (len(calls) > 2))

    boxes, _, scores, agreement = in_all_orientations(forgetful, image)
    assert boxes == pytest.approx(np.array([[20, 10, 31, 16]]))
    assert scores == pytest.approx([0.6])
    assert agreement.tolist() == [0.75]
    assert sorted(set(calls)) == [(30, 50), (50, 30)]


def test_nothing_at_all():
    boxes, labels, scores, agreement = in_all_orientations(_brightest, np.zeros((20, 20), dtype="float32"))
    assert (boxes.shape, len(labels), len(scores), len(agreement)) == ((0, 4), 0, 0, 0)
