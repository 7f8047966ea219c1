import numpy as np
import pytest
from scipy import ndimage

from stemforge.errors import MicrographError
from stemforge.train import median_filter, subtract_background

rng = np.random.default_rng(0)

IMAGES = {
    "real numbers": rng.normal(size=(50, 37)),
    "wide": rng.normal(size=(9, 90)),
    "ties": rng.integers(0, 4, (45, 52)),
    "two values": rng.integers(0, 2, (30, 31)),
    "constant patch": np.pad(np.full((20, 20), 7.0), ((5, 15), (15, 5)), constant_values=-3),
    "constant": np.full((12, 13), 5.0),
    "ramp": np.add.outer(np.arange(40.0), np.arange(60.0)),
    "large counts": rng.integers(170_000, 180_000, (48, 48)),
    "tiny": rng.normal(size=(3, 5)),
    "one pixel": np.array([[2.5]]),
}


def _median_by_sorting(image, size):
    """Every window sorted: the definition. SciPy 1.17 reads foreign memory where the image is much smaller."""
    padded = np.pad(image, (size // 2, size - 1 - size // 2), mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size))
    return np.sort(windows.reshape(*image.shape, -1), axis=-1)[..., size * size // 2]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 40, 41])
@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES.keys())
def test_median_is_scipys_to_the_bit(image, size):
    image = image.astype(np.float32)
    fits = min(image.shape) * 2 > size
    expected = ndimage.median_filter(image, size) if fits else _median_by_sorting(image, size)
    got = median_filter(image, size)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, expected)


def test_prepared_image_by_its_definition():
    image = rng.normal(1e5, 1e3, (64, 80)).astype(np.float32)
    image[30, 40] += 2e4
    foreground = np.clip(image - ndimage.median_filter(image, 40), 0, None)
    prepared = subtract_background(image)
    assert prepared.dtype == np.float32
    np.testing.assert_allclose(prepared, foreground / foreground.max(), atol=1e-6)
    assert prepared.min() == 0
    assert prepared.max() == prepared[30, 40] == 1


def test_unit_and_offset_do_not_matter():
    image = rng.normal(size=(48, 48)).astype(np.float32)
    np.testing.assert_allclose(subtract_background(4 * image + 8), subtract_background(image), atol=1e-5)


def test_the_image_given_is_left_alone():
    image = rng.normal(size=(20, 20)).astype(np.float32)
    before = image.copy()
    subtract_background(image)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("value", [0.0, 1.7e5])
def test_a_constant_image_is_refused(value):
    with pytest.raises(MicrographError, match="no signal"):
        subtract_background(np.full((50, 50), value))


def test_as_published_on_a_real_image(data_dir):
    from stemforge import read_micrograph

    reference = np.load(data_dir / "pt-nc" / "sac-cnn-reference-021.npz")["preprocessed"]
    (path,) = (data_dir / "pt-nc" / "images").glob("021_*.tif")
    assert np.abs(subtract_background(read_micrograph(path).image) - reference).max() <= 1e-4
