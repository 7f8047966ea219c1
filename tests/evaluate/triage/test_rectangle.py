"""The largest usable rectangle, against what was left out."""

import numpy as np
import pytest

from stemforge.evaluate.triage.rectangle import largest_rectangle


@pytest.mark.parametrize("seed", range(4))
def test_it_is_whole_and_no_other_is_larger(seed):
    rng = np.random.default_rng(seed)
    coarse = rng.random((6, 7)) < 0.7
    rows, columns = largest_rectangle(np.kron(coarse, np.ones((8, 8))).astype(bool))
    sizes = [
        (bottom - top) * (right - left)
        for top in range(6)
        for bottom in range(top + 1, 7)
        for left in range(7)
        for right in range(left + 1, 8)
        if coarse[top:bottom, left:right].all()
    ]
    part = np.kron(coarse, np.ones((8, 8)))[rows, columns]
    assert part.all()
    assert part.size == 64 * max(sizes)


def test_all_and_nothing():
    mask = np.ones((30, 45), bool)
    assert mask[largest_rectangle(mask)].shape == mask.shape
    assert mask[largest_rectangle(~mask)].size == 0
