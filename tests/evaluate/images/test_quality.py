import numpy as np
import pytest
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from stemforge import InputError
from stemforge.evaluate import image_quality, summed_absolute_error
from stemforge.evaluate.images.quality import comparable

TARGET = ndimage.gaussian_filter(np.random.default_rng(0).random((70, 80)), 3)
TARGET = (TARGET - TARGET.min()) / np.ptp(TARGET)
NOISY = TARGET + np.random.default_rng(1).normal(0, 0.1, TARGET.shape)


def test_equal_images_are_perfect():
    quality = image_quality(TARGET, TARGET, scaling="none")
    assert (quality.mse, quality.psnr) == (0, np.inf)
    assert quality.ssim == pytest.approx(1)
    assert quality.vif == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("scaling", ["affine", "minmax", "none"])
def test_against_scikit_image(scaling):
    image, target = comparable(NOISY, TARGET, scaling)
    quality = image_quality(NOISY, TARGET, scaling=scaling)
    assert quality.psnr == pytest.approx(peak_signal_noise_ratio(target, image, data_range=1), abs=1e-6)
    assert quality.mse == pytest.approx(np.mean((255 * (image - target)) ** 2), rel=1e-6)
    options = {"data_range": 1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    _, everywhere = structural_similarity(target, image, full=True, **options)
    assert quality.ssim == pytest.approx(everywhere.mean(), abs=0.002)


def test_the_affine_fit_takes_the_grey_scale_away():
    first = image_quality(NOISY, TARGET)
    other = image_quality(-3000 + 17 * NOISY, 40 + 2 * TARGET)
    assert other.to_dict() == pytest.approx(first.to_dict(), rel=1e-4)
    assert first.mse <= image_quality(NOISY, TARGET, scaling="none").mse


def test_an_inverted_image_gains_nothing_by_the_fit():
    fitted, _ = comparable(-TARGET, TARGET)
    assert np.ptp(fitted) == 0


def test_less_noise_is_better():
    values = [image_quality(TARGET + s * (NOISY - TARGET), TARGET) for s in (0.3, 1, 3)]
    for name, sign in (("psnr", -1), ("ssim", -1), ("vif", -1), ("mse", 1)):
        assert np.all(sign * np.diff([getattr(v, name) for v in values]) > 0), name


def test_a_raw_image_is_enlarged_to_its_target():
    fine = ndimage.zoom(TARGET, 2, order=3, grid_mode=True, mode="reflect")
    assert image_quality(TARGET, fine).ssim > 0.98


@pytest.mark.parametrize(
    ("image", "target", "scaling", "message"),
    [
        (NOISY, TARGET[:30, :30], "affine", "41"),
        (NOISY[:50], TARGET, "affine", "does not fit"),
        (NOISY, np.ones((70, 80)), "affine", "contrast"),
        (np.full((70, 80), np.nan), TARGET, "affine", "not finite"),
        (NOISY[None], TARGET, "affine", "shape"),
        (NOISY, TARGET, "log", "scaling"),
    ],
)
def test_what_cannot_be_compared(image, target, scaling, message):
    with pytest.raises(InputError, match=message):
        image_quality(image, target, scaling=scaling)


def test_the_published_error_is_a_sum_of_mean_absolute_differences():
    targets = [np.zeros((128, 128)), np.full((128, 128), 0.5)]
    images = [targets[0] + 0.1, targets[1] - 0.3]
    assert summed_absolute_error(images, targets, count=2) == pytest.approx(0.1 + 0.3)
    assert summed_absolute_error(images, targets) == pytest.approx(896 * 0.2)
    # The published 51.68 is 14.7 grey levels of 255 in the mean: as a constant difference, an MSE of 216.
    shift = 51.68 / 896
    assert summed_absolute_error([targets[0] + shift], targets[:1]) == pytest.approx(51.68)
    assert 255 * shift == pytest.approx(14.7, abs=0.05)


@pytest.mark.parametrize(
    ("images", "targets", "options", "message"),
    [
        ([], [], {}, "0 images"),
        ([TARGET], [], {}, "1 images do not fit 0"),
        ([TARGET], [TARGET[:30]], {}, "does not fit"),
        ([TARGET], [np.full_like(TARGET, np.nan)], {}, "target .* between 0 and 1"),
        ([255 * TARGET], [TARGET], {}, "image .* between 0 and 1"),
        ([TARGET], [TARGET], {"count": 0}, "count"),
    ],
)
def test_what_has_no_published_error(images, targets, options, message):
    with pytest.raises(InputError, match=message):
        summed_absolute_error(images, targets, **options)
