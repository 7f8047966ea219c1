"""Classical detectors find isolated spots in noise, and fewer with a higher threshold."""

import numpy as np
import pytest

from stemforge.infer.atoms.classical import CLASSICAL, SIGMA

PLACES = np.array([[40.0, 30.0], [100.0, 60.0], [70.0, 110.0]])


def scene(seed=0):
    y, x = np.mgrid[:140, :150]
    spots = sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * SIGMA**2)) for a, b in PLACES)
    return np.random.default_rng(seed).poisson(60 * (1 + 0.5 * spots)).astype("float32")


@pytest.mark.parametrize(("name", "threshold"), [("template", 0.5), ("laplacian", 1.2), ("tophat", 2.2)])
def test_spots_are_found_where_they_are(name, threshold):
    found = CLASSICAL[name](scene(), threshold)
    best = found.points[:3]
    distance = np.linalg.norm(best[:, None] - PLACES, axis=2).min(1)
    assert (distance < 3).all()
    assert (np.diff(found["score"]) <= 0).all()


@pytest.mark.parametrize("name", CLASSICAL)
def test_a_higher_threshold_finds_no_more(name):
    thresholds = {"template": (0.1, 0.5), "laplacian": (0.3, 1.0), "tophat": (0.8, 2.0)}[name]
    low, high = (len(CLASSICAL[name](scene(1), t)) for t in thresholds)
    assert low > high >= 0


@pytest.mark.parametrize("name", CLASSICAL)
def test_an_image_of_noise_alone_has_nothing_strong(name):
    noise = np.random.default_rng(2).poisson(60, (140, 150)).astype("float32")
    assert len(CLASSICAL[name](noise, {"template": 0.55, "laplacian": 1.5, "tophat": 2.6}[name])) == 0
