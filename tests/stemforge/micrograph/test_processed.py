"""Images that are not as they were recorded."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from stemforge.micrograph.flaws.processed import cut_off_share, noise_fades


def recorded(seed=0, electrons=30.0):
    """Blobs of 4 pixels on a wavy support, counted."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:160, :160]
    expected = 1 + 0.3 * np.sin(x / 25) * np.cos(y / 30)
    for cx, cy in rng.uniform(10, 150, (20, 2)):
        expected += 0.3 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 32)
    return rng.poisson(electrons * expected).astype(np.float32)


def jpeg(image, quality):
    stream = io.BytesIO()
    grey = (255 * (image - image.min()) / np.ptp(image)).astype(np.uint8)
    Image.fromarray(grey).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream), np.float32)


@pytest.mark.parametrize("electrons", [0.5, 5.0, 30.0, 300.0])
def test_counted_images_are_as_recorded(electrons):
    assert not any(noise_fades(recorded(seed, electrons)) for seed in range(10))


def test_flicker_of_lines_is_recorded():
    lines = np.random.default_rng(1).normal(1, 0.05, (160, 1)).astype(np.float32)
    assert not noise_fades(recorded() * lines)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: ndimage.gaussian_filter(image, 0.6),
        lambda image: ndimage.gaussian_filter(image, 2),
        lambda image: ndimage.median_filter(image, 3),
        lambda image: np.kron(image, np.ones((2, 2))),
        lambda image: ndimage.zoom(image, 1.5, order=3),
        lambda image: jpeg(image, 20),
        lambda image: np.add.outer(np.arange(64.0), np.arange(64.0)),
    ],
    ids=["gaussian", "wide gaussian", "median", "nearest", "spline", "jpeg", "noise-free"],
)
def test_processed_images_are_not(change):
    assert all(noise_fades(change(recorded(seed))) for seed in range(5))


def test_small_images_say_nothing():
    assert not noise_fades(ndimage.gaussian_filter(recorded()[:20, :20], 1))


@pytest.mark.parametrize("electrons", [0.05, 0.5, 30.0])
def test_counts_do_not_pile_up_by_themselves(electrons):
    assert cut_off_share(recorded(0, electrons)) == 0


def test_a_cut_off_is_noticed():
    image = recorded()
    assert cut_off_share(np.minimum(image, np.percentile(image, 90))) == pytest.approx(0.12, abs=0.04)
    assert cut_off_share(np.ones((8, 8))) == 1
