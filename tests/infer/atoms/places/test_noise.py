"""The noise of images, measured on images whose noise is known."""

import numpy as np

from stemforge.infer.atoms.places.noise import measure_noise, noise_spectrum


def test_stripes_along_rows_are_power_at_low_frequency_along_them():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(128, 160)) + 0.5 * rng.normal(size=(128, 1))
    power = noise_spectrum(values.astype(np.float32))
    assert power[10:, 0].mean() > 20  # 1 + 160 · 0.25
    assert power[10:, 30:].mean() < 1.2


def test_white_noise_has_no_stripes():
    power = noise_spectrum(np.random.default_rng(1).normal(size=(128, 160)).astype(np.float32))
    assert abs(power[10:, 10:].mean() - 1) < 0.1
    assert power[10:, 0].max() < 2


def test_strength_follows_the_local_noise():
    rng = np.random.default_rng(2)
    level = np.repeat([100.0, 400.0], 128)[None, :]
    image = rng.poisson(np.broadcast_to(level, (128, 256))).astype(np.float32)
    strength = measure_noise(image, np.zeros_like(image)).strength
    assert abs(strength[:, :40].mean() / 10 - 1) < 0.1
    assert abs(strength[:, -40:].mean() / 20 - 1) < 0.1


def test_a_flat_image_has_no_noise():
    assert measure_noise(np.full((64, 64), 7, np.float32), np.zeros((64, 64), np.float32)) is None
