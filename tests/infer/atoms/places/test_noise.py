"""The noise of images, measured on images whose noise is known."""

import numpy as np
import pytest

from stemforge.infer.atoms.places.noise import measure_noise, noise_spectrum
from stemforge.simulate import Degradation, degrade


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


@pytest.mark.parametrize("decay_time", [0.0, 0.2, 0.5])
def test_noise_that_neighbours_share_has_its_power_where_atoms_are(decay_time):
    degradation = Degradation(dose=3e4, source_size=0.0, decay_time=decay_time)
    image = degrade(
        np.full((1, 256, 256), 0.02, "float32"), degradation, 0.3, np.random.default_rng(0)
    ).image[0]
    noise = measure_noise(image, np.zeros_like(image))
    waves = np.hypot(*np.meshgrid(np.arange(256) / 512, np.arange(256) / 512, indexing="ij"))
    power = (noise.power * noise.strength.mean() ** 2)[(waves > 0.02) & (waves < 0.1)]
    assert np.median(power) == pytest.approx(image.mean(), rel=0.08)  # what was counted
    if decay_time == 0.5:
        assert noise.strength.mean() ** 2 < 0.5 * image.mean()
