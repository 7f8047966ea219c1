"""iDPC images from four segments."""

import numpy as np
import pytest

from stemforge.errors import InputError
from stemforge.simulate import idpc_image


def hill(shape=(48, 64), at=(30.0, 20.0), width=4.0):
    """Return a Gaussian at (x, y) and its gradient as differences of opposite segments."""
    y, x = np.indices(shape).astype(float)
    x, y = x - at[0], y - at[1]
    image = np.exp(-(x**2 + y**2) / (2 * width**2))
    nothing = np.zeros(shape)
    return image, np.stack([-x * image / width**2, -y * image / width**2, nothing, nothing])


@pytest.mark.parametrize("periodic", [False, True])
def test_integrates_a_gradient(periodic):
    image, segments = hill()
    found = idpc_image(segments, 1.0, periodic=periodic)
    np.testing.assert_allclose(found, image - image.mean(), atol=5e-3)
    assert found.dtype == np.float32


def test_scales_with_the_pixel_size():
    segments = hill()[1]
    np.testing.assert_allclose(idpc_image(segments, 0.25), 0.25 * idpc_image(segments, 1.0), atol=1e-6)


def test_an_object_at_the_border_does_not_wrap():
    image, segments = hill(at=(62.0, 20.0))
    mirrored, wrapped = (idpc_image(segments, 1.0, periodic=p) for p in (False, True))
    # Continued by itself, the field has a cliff at its seam, which shows on the far side.
    assert np.ptp(mirrored[:, 0]) < 0.2 * np.ptp(wrapped[:, 0])
    assert (
        np.corrcoef(mirrored.ravel(), image.ravel())[0, 1] > np.corrcoef(wrapped.ravel(), image.ravel())[0, 1]
    )


def test_equal_segments_and_a_mean_deflection_leave_nothing():
    rng = np.random.default_rng(0)
    same = np.repeat(rng.random((1, 20, 30)), 4, axis=0)
    assert np.abs(idpc_image(same, 1.0)).max() < 1e-6
    unequal = same.mean() * np.array([1.1, 1, 1, 1])[:, None, None] * np.ones((4, 20, 30))
    assert np.abs(idpc_image(unequal, 1.0)).max() < 1e-6


def test_high_pass_damps_what_is_stated():
    size, q0 = 64, 0.05
    x = np.arange(size)
    for waves in (1, 3, 8):
        q = waves / size
        ramp = 2 * np.pi * q * np.cos(2 * np.pi * q * x) * np.ones((size, 1))
        segments = np.stack([ramp, 0 * ramp, 0 * ramp, 0 * ramp])
        found = idpc_image(segments, 1.0, high_pass=q0, periodic=True)
        assert np.ptp(found) / 2 == pytest.approx(1 - np.exp(-(q**2) / (2 * q0**2)), rel=0.01)


def test_noise_grows_towards_low_frequencies_as_one_over_q():
    rng = np.random.default_rng(1)
    images = [idpc_image(rng.normal(size=(4, 64, 64)), 1.0, periodic=True) for _ in range(40)]
    power = np.mean(np.abs(np.fft.fft2(images)) ** 2, axis=0)
    steps = np.rint(np.hypot(*np.meshgrid(*[np.fft.fftfreq(64, 1 / 64)] * 2)))
    ratio = power[steps == 3].mean() / power[steps == 12].mean()
    assert ratio == pytest.approx(16, rel=0.15)  # 1/(2πq)²


@pytest.mark.parametrize(
    ("segments", "options", "message"),
    [
        (np.zeros((3, 8, 8)), {}, "shape \\(4, height, width\\), not \\(3, 8, 8\\)"),
        (np.zeros((8, 8)), {}, "shape"),
        ([np.zeros((8, 8))] * 3 + [np.zeros((8, 9))], {}, "four images of one shape"),
        (np.zeros((4, 8, 8)), {"high_pass": -1.0}, "high_pass must not be negative"),
    ],
)
def test_bad_input(segments, options, message):
    with pytest.raises(InputError, match=message):
        idpc_image(segments, 0.2, **options)
