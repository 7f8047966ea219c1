import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from stemforge.evaluate import Window


@pytest.fixture(scope="session")
def specimen():
    """Window of 320 × 256 pixels: vacuum at an edge, holes, two parts."""
    rough = gaussian_filter(np.random.default_rng(4).normal(size=(256, 320)), 14)
    mask = np.linspace(-1, 3, 256)[:, None] + rough / rough.std() > 0
    mask[:, 200:206] = False
    return Window(mask, sampling=0.5)
