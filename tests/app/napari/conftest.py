"""A film with atoms at known places."""

import numpy as np
import pytest

SAMPLING = 0.293
EMPTY = (108.0, 20.0)
"""A place (x, y) [pixel] without an atom, far from all."""


@pytest.fixture(scope="session")
def places():
    """Places (x, y) of 15 atoms [pixel], shape (15, 2)."""
    grid = np.stack(np.meshgrid(*[np.arange(20.0, 120, 30)] * 2), -1).reshape(-1, 2)
    moved = grid + np.random.default_rng(1).uniform(-5, 5, grid.shape)
    return moved[np.hypot(*(grid - (110, 20)).T) > 1]


@pytest.fixture(scope="session")
def film(blobs, places):
    """An image of 128 × 128 pixels of 0.293 Å."""
    return blobs(places, (128, 128), sigma=3.7, height=30, noise=6)
