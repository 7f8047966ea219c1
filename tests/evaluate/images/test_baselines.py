import sys

import numpy as np
import pytest
from scipy import ndimage

from stemforge import InputError
from stemforge.evaluate import denoise_bm3d, denoise_noise2self, image_quality, tune_baselines
from stemforge.evaluate.images.baselines import ALL_BASELINES


def _pair(seed, noise=0.15, shape=(64, 72)):
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    target = 0.5 + 0.25 * (np.cos(x / 3 + seed) + np.cos(y / 4))
    return (target + rng.normal(0, noise, shape)).astype("float32"), target.astype("float32")


@pytest.fixture(scope="module")
def tuned():
    return tune_baselines([_pair(0)], ALL_BASELINES)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL_BASELINES)
def test_each_baseline_betters_an_image_it_was_not_tuned_on(tuned, name):
    noisy, target = _pair(5)
    better = tuned[name](noisy)
    assert better.shape == noisy.shape
    assert better.dtype == np.float32
    assert image_quality(better, target).ssim > image_quality(noisy, target).ssim + 0.05


def test_more_noise_more_smoothing():
    names = ["gaussian", "tv"]
    little, much = (tune_baselines([_pair(0, noise)], names) for noise in (0.05, 0.5))
    for name in names:
        assert little[name].parameter < much[name].parameter


def test_wiener_is_the_best_linear_filter():
    rng = np.random.default_rng(0)
    noise = ndimage.gaussian_filter(rng.normal(size=(128, 128)), 8) * 5  # clouds, as integration makes
    y, x = np.indices(noise.shape)
    target = 0.5 + 0.2 * np.cos(x / 2) * np.cos(y / 2)
    image = (target + noise).astype("float32")
    tuned = tune_baselines([(image, target.astype("float32"))], ["gaussian", "wiener"])
    scores = {name: image_quality(method(image), target).mse for name, method in tuned.items()}
    assert scores["wiener"] < 0.3 * scores["gaussian"]


def test_what_cannot_be_tuned():
    with pytest.raises(InputError, match="median"):
        tune_baselines([_pair(0)], ["median"])
    with pytest.raises(InputError, match="at least one"):
        tune_baselines([])
    noisy, target = _pair(0)
    with pytest.raises(InputError, match="one shape"):
        tune_baselines([(noisy, target[1:])])


@pytest.mark.parametrize("sigma", [0.05, 0.2])
def test_bm3d_takes_noise_off_and_keeps_edges(sigma):
    clean = np.zeros((48, 50), dtype="float32")
    clean[12:30, 8:40] = 1
    noisy = clean + np.random.default_rng(0).normal(0, sigma, clean.shape).astype("float32")
    found = denoise_bm3d(noisy, sigma)
    assert np.isfinite(found).all()
    assert np.mean((found - clean) ** 2) < 0.12 * sigma**2


def test_bm3d_covers_every_pixel_of_an_image_all_of_whose_blocks_are_alike():
    image = np.full((40, 41), 0.3, dtype="float32")
    np.testing.assert_allclose(denoise_bm3d(image, 0.3), image, atol=1e-3)


@pytest.mark.parametrize(("shape", "sigma"), [((7, 20), 0.1), ((20, 20), 0), ((2, 20, 20), 0.1)])
def test_bm3d_refuses(shape, sigma):
    with pytest.raises(InputError):
        denoise_bm3d(np.zeros(shape), sigma)


def test_noise2self_needs_noise_without_memory():
    """Independent noise is taken off; noise that neighbours share is foretold with the image and stays."""
    rng = np.random.default_rng(0)
    _, target = _pair(5, shape=(96, 96))
    white = rng.normal(0, 0.15, target.shape)
    shared = ndimage.gaussian_filter(rng.normal(size=target.shape), 3)
    shared *= white.std() / shared.std()
    left = [
        np.std(denoise_noise2self((target + noise).astype("float32")) - target) for noise in (white, shared)
    ]
    assert left[0] < 0.5 * white.std()
    assert left[1] > 0.85 * white.std()


def test_noise2self_does_not_look_at_the_pixel_itself():
    _, target = _pair(5)
    noisy = target + np.random.default_rng(1).normal(0, 0.2, target.shape).astype("float32")
    other = noisy.copy()
    other[30, 33] += 0.3
    assert abs(float(denoise_noise2self(other)[30, 33] - denoise_noise2self(noisy)[30, 33])) < 0.02
    assert np.abs(denoise_noise2self(other) - denoise_noise2self(noisy))[28:33, 31:36].max() > 0.02


def test_noise2self_refuses_a_strip():
    with pytest.raises(InputError, match="at least 8 × 8"):
        denoise_noise2self(np.zeros((7, 50), "float32"))


def test_components_without_scikit_learn_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(InputError, match=r"stemforge\[components\]"):
        tune_baselines([_pair(0)], ["pca"])


@pytest.mark.parametrize("name", ["pca", "ica"])
def test_components_keep_noise_featureless(name):
    """Noise alone loses contrast and gains no structure: its grey is Gaussian before and after."""
    noise = np.random.default_rng(0).normal(0.5, 0.1, (64, 64)).astype("float32")
    better = tune_baselines([_pair(0)], [name])[name](noise)
    assert better.std() < 0.6 * noise.std()
    assert abs(better.mean() - noise.mean()) < 0.01
