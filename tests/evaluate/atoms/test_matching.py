import itertools

import numpy as np
import pytest

from stemforge.errors import InputError
from stemforge.evaluate import match_boxes, match_distance


def _box_iou(a, b, box=21):
    """Intersection over union of two squares, from their corners."""
    low = np.maximum(a - box / 2, b - box / 2)
    high = np.minimum(a + box / 2, b + box / 2)
    inter = np.prod(np.maximum(high - low, 0))
    return inter / (2 * box**2 - inter)


def _best(legal, gain):
    """Most pairs, then largest total gain, by trying every one-to-one assignment."""
    n, m = legal.shape
    best = (0, 0.0)
    for columns in itertools.permutations([*range(m), *[None] * n], n):
        pairs = [(i, j) for i, j in enumerate(columns) if j is not None]
        if all(legal[p] for p in pairs):
            best = max(best, (len(pairs), round(sum(gain[p] for p in pairs), 9)))
    return best


@pytest.mark.parametrize(
    ("shift", "matches"),
    [
        ((0, 0), 1),
        ((6, 0), 1),  # (21 - 6) / (21 + 6) = 0.556
        ((7, 0), 0),  # 14 / 28 = 0.5 exactly: not above it
        ((0, -7), 0),
        ((0, 6.99), 1),
        ((3, 3), 1),  # 324 / (882 - 324) = 0.58
        ((4, 4), 0),  # 289 / (882 - 289) = 0.487
        ((25, 0), 0),
    ],
)
@pytest.mark.parametrize("origin", [(0.0, 0.0), (100.1, 37.3)])
def test_boxes_match_at_the_published_geometry(shift, matches, origin):
    predicted = np.add([origin], [shift])
    match = match_boxes(predicted, [origin])
    assert match.true_positives == matches
    assert (match.false_positives, match.false_negatives) == (1 - matches, 1 - matches)
    np.testing.assert_allclose(match.distances, [np.hypot(*shift)] * matches)


@pytest.mark.parametrize(("distance", "matches"), [(4.999, 1), (5.0, 1), (5.001, 0)])
def test_distance_includes_its_limit(distance, matches):
    assert (
        match_distance([[10, 10]], [[10 + distance * 0.6, 10 + distance * 0.8]], 5).true_positives == matches
    )


@pytest.mark.parametrize("match", [match_boxes, lambda a, b: match_distance(a, b, 2.0)])
@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (2, 0)])
def test_zero_points(match, n, m):
    result = match(np.zeros((n, 2)), np.zeros((m, 2)))
    assert result.pairs.shape == (0, 2)
    assert result.distances.shape == (0,)
    assert (result.true_positives, result.false_positives, result.false_negatives) == (0, n, m)


def test_greedy_assignment_would_lose_a_pair():
    # The closest pair is prediction 1 with atom 0; taking it leaves prediction 0 and atom 1 alone.
    predicted, truth = [[0, 0], [5, 0]], [[4, 0], [10, 0]]
    for match in (match_boxes(predicted, truth), match_distance(predicted, truth, 5)):
        assert match.pairs.tolist() == [[0, 0], [1, 1]]
        assert match.distances.tolist() == [4, 5]


def test_two_predictions_of_one_atom_count_once():
    match = match_boxes([[10, 10], [12, 10]], [[11.5, 10]])
    assert match.pairs.tolist() == [[1, 0]]
    assert (match.false_positives, match.false_negatives) == (1, 0)


@pytest.mark.parametrize("seed", range(60))
def test_assignment_equals_enumeration(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 5, 2)
    a, b = rng.uniform(0, 20, (n, 2)), rng.uniform(0, 20, (m, 2))
    distance = np.hypot(*(a[:, None] - b[None]).transpose(2, 0, 1))
    overlap = np.array([[_box_iou(p, q) for q in b] for p in a])

    near = match_distance(a, b, 8.0)
    count, gain = _best(distance <= 8, -distance)
    assert near.true_positives == count
    assert near.distances.sum() == pytest.approx(-gain)

    boxes = match_boxes(a, b)
    count, gain = _best(overlap > 0.5, overlap)
    assert boxes.true_positives == count
    assert overlap[tuple(boxes.pairs.T)].sum() == pytest.approx(gain)


def test_thousands_of_points_stay_cheap_and_one_to_one():
    rng = np.random.default_rng(1)
    truth = rng.uniform(0, 4000, (5000, 2))
    predicted = rng.permutation(truth)[:4000] + rng.normal(0, 1, (4000, 2))
    match = match_boxes(predicted, truth)
    assert match.true_positives == 4000
    assert len(np.unique(match.pairs[:, 0])) == len(np.unique(match.pairs[:, 1])) == 4000


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: match_boxes([[0, 0]], [[0, 0]], box=0), "box must be a positive length"),
        (lambda: match_boxes([[0, 0]], [[0, 0]], iou=1), "iou must lie in"),
        (lambda: match_distance([[0, 0]], [[0, 0]], -1), "tolerance must be a positive length"),
        (lambda: match_distance([[0, 0]], [[0, 0]], np.nan), "tolerance must be a positive length"),
        (lambda: match_boxes([[0, 0, 0]], [[0, 0]]), r"predicted: .* shape \(n, 2\)"),
        (lambda: match_boxes([[0, 0]], [[0, np.nan]]), "truth: .* finite"),
    ],
)
def test_bad_input(call, says):
    with pytest.raises(InputError, match=says):
        call()
