import numpy as np
import pytest

from stemforge import Annotations
from stemforge.evaluate import Series

SIDE, SAMPLING = 256, 0.3


@pytest.fixture(scope="session")
def make_series():
    """Function that makes a series of tables, and says which atom each detection is (−1: false)."""

    def make(frames=12, atoms=25, recall=0.85, false=2, drift=0.8, moves=None, seed=0, errors=True):
        rng = np.random.default_rng(seed)
        side = SIDE * SAMPLING
        places = rng.uniform(8, side - 8, (atoms, 2))
        shift = np.cumsum(rng.normal(0, drift, (frames, 2)), 0)
        shift -= shift[0]
        tables, names = [], []
        for frame in range(frames):
            shown = (places if moves is None else moves(places, frame)) + shift[frame]
            hit = rng.random(atoms) < recall
            points = np.concatenate([shown[hit], rng.uniform(0, side, (false, 2))])
            points[: hit.sum()] += rng.normal(0, 0.25, (hit.sum(), 2))
            score = np.concatenate([rng.beta(8, 1.2, hit.sum()), rng.beta(4, 2.5, false)])
            columns = {"score": score}
            if errors:
                columns |= dict.fromkeys(("x_error_px", "y_error_px"), np.full(len(points), 0.25 / SAMPLING))
            tables.append(Annotations(points / SAMPLING, columns=columns))
            names.append(np.concatenate([np.flatnonzero(hit), np.full(false, -1)]))
        return Series(tables, (SIDE, SIDE), SAMPLING), np.concatenate(names), shift

    return make
