"""The detector's decay against single electrons and equations, and as the image itself tells it."""

import numpy as np
import pytest

from stemforge import RecipeError
from stemforge.simulate import Degradation, SimulationRecipe, degrade
from stemforge.simulate.recording.correlation import (
    counted_share,
    measured_decay_time,
    noise_autocovariance,
)
from stemforge.simulate.recording.decay import decay_kernels, noise_autocorrelation
from stemforge.simulate.recording.response import detector_response

SAMPLING = 0.3
COUNTS = 2e4 * SAMPLING**2 * 0.02


def recorded(shape=(1, 300, 400), seed=0, value=0.02, **settings):
    degradation = Degradation(**{"source_size": 0.0, "dose": 2e4, **settings})
    signal = np.full(shape, value, "float32") if np.isscalar(value) else value
    return degrade(signal, degradation, SAMPLING, np.random.default_rng(seed))


def single_electrons(decay_time, seed=0, width=80_000):
    """Signal of each pixel of one line, of electrons that come at random times and decay one by one."""
    rng = np.random.default_rng(seed)
    at = rng.uniform(0, width, rng.poisson(COUNTS * width))
    pixel = at.astype(int)
    line = np.zeros(width + 200)
    for n in range(int(12 * decay_time) + 2):  # between the two ends of pixel n after the electron's
        start = np.maximum(pixel + n - at, 0)
        share = np.exp(-start / decay_time) - np.exp(-(pixel + n + 1 - at) / decay_time)
        np.add.at(line, pixel + n, share)
    return line[100:width]


@pytest.mark.slow
@pytest.mark.parametrize("decay_time", [0.05, 0.3, 1.0, 4.0])
def test_noise_is_that_of_electrons_whose_signals_decay_one_by_one(decay_time):
    line = single_electrons(decay_time)
    varying = line - line.mean()
    found = np.array([(varying[: len(varying) - n] * varying[n:]).mean() for n in range(4)]) / COUNTS
    expected = noise_autocorrelation(decay_time, 3)
    assert found == pytest.approx(expected, abs=4 / np.sqrt(len(line)) * np.sqrt(1 + 2 * decay_time))
    # The image has it, too, from the first pixel of a line on.
    image = np.concatenate([recorded(seed=s, decay_time=decay_time).image[0] for s in range(4)]) - COUNTS
    error = 6 / np.sqrt(image.size) * np.sqrt(1 + 2 * decay_time)
    for lag in range(4):
        pairs = image[:, : image.shape[1] - lag] * image[:, lag:] / COUNTS
        assert pairs.mean() == pytest.approx(expected[lag], abs=error)
    assert image[:, 0].var() / COUNTS == pytest.approx(expected[0], rel=0.15)
    assert abs((image[1:] * image[:-1]).mean()) / COUNTS < error  # nothing is left to the next line


@pytest.mark.parametrize("decay_time", [0.02, 0.1, 0.5, 2.0, 32.0])
def test_kernels_keep_the_total_and_have_the_mean_and_noise_of_an_exponential(decay_time):
    mean, noise = decay_kernels(decay_time)
    assert mean.sum() == pytest.approx(1)
    assert noise.sum() == pytest.approx(1)
    assert (mean >= 0).all()
    assert mean @ np.arange(len(mean)) == pytest.approx(decay_time, rel=1e-3)
    autocovariance = np.array([noise[: len(noise) - n] @ noise[n:] for n in range(3)])
    assert autocovariance == pytest.approx(noise_autocorrelation(decay_time, 2), abs=1e-4)


def test_what_decays_goes_along_the_line_and_nothing_is_lost():
    signal = np.zeros((1, 20, 60), "float32")
    signal[0, 7, 30] = 1.0
    image = recorded(value=signal, decay_time=0.5, counting=False, dose=1 / SAMPLING**2).image[0]
    assert image.sum() == pytest.approx(1, rel=1e-6)
    assert image[7, 31] > 0.2
    assert not image[7, :30].any()
    assert not np.delete(image, 7, axis=0).any()


def test_lines_begin_as_if_the_beam_had_come_from_pixels_as_bright():
    signal = np.full((1, 4, 40), 0.02, "float32")
    image = recorded(value=signal, decay_time=3.0, counting=False).image
    np.testing.assert_allclose(image, COUNTS, rtol=1e-5)


@pytest.mark.parametrize("decay_time", [0.0, 0.4, 2.0])
def test_labels_follow_the_centre_of_what_is_smeared(decay_time):
    rows, columns = np.indices((40, 90))
    spot = np.exp(-((rows - 20) ** 2 + (columns - 30) ** 2) / 18).astype("float32")
    found = recorded(value=spot[None], decay_time=decay_time, counting=False)
    centre = (found.image[0] * columns).sum() / found.image[0].sum()
    assert found.move(np.array([[30.0, 20.0]]))[0] == pytest.approx([centre, 20], abs=0.01)


@pytest.mark.parametrize("decay_time", [0.05, 1.5])
def test_a_torch_device_does_the_same(decay_time):
    signal = np.random.default_rng(0).random((2, 40, 50)).astype("float32") * 0.02
    settings = Degradation(
        dose=2e4, counting=False, decay_time=decay_time, flicker=0.01, line_jitter_across=0.2
    )
    both = [degrade(signal, settings, SAMPLING, np.random.default_rng(1), device=d) for d in ("cpu", "cpu:0")]
    assert np.abs(both[0].image - both[1].image).max() < 1e-4 * both[0].image.mean()
    flat = np.full((1, 300, 400), 0.02, "float32")
    settings = Degradation(dose=2e4, source_size=0.0, decay_time=decay_time)
    image = degrade(flat, settings, SAMPLING, np.random.default_rng(1), device="cpu:0").image[0] - COUNTS
    found = [(image[:, : 400 - lag] * image[:, lag:]).mean() / COUNTS for lag in range(3)]
    assert found == pytest.approx(noise_autocorrelation(decay_time, 2), abs=0.02)


@pytest.mark.parametrize("bad", [-0.1, 33, {"uniform": [0, 40]}])
def test_a_decay_time_out_of_range_is_refused(bad):
    with pytest.raises(RecipeError, match="'decay_time': must be at least 0 and at most 32"):
        Degradation.from_mapping({"dose": 1, "decay_time": bad})


def test_recipes_without_a_decay_keep_their_hash():
    """Corpora know their recipe by its hash; this one is of before the fields were there."""
    plain = SimulationRecipe.shipped("quickstart")
    assert plain.hash == HASH_OF_QUICKSTART
    assert plain.replace(degradation=plain.degradation.replace(decay_time=0.1)).hash != HASH_OF_QUICKSTART


HASH_OF_QUICKSTART = "f3505391933a8bd74977676327dccbab433906330ac077e635971fb456d7e1a7"


def test_lines_that_jitter_across_share_what_they_show_and_labels_stay():
    signal = (0.02 + 0.01 * np.sin(np.arange(400) / 3.0)).astype("float32")
    signal = np.broadcast_to(signal[:, None], (1, 400, 300))
    found = recorded(value=signal, counting=False, line_jitter_across=0.3)
    still = recorded(value=signal, counting=False).image[0]
    assert not found.displacement.any()
    # To first order a line shows the slope times its displacement.
    slope = np.gradient(still[:, 0])
    moved = (still - found.image[0])[:, 0]
    steep = np.abs(slope) > 0.5 * np.abs(slope).max()
    assert (moved / slope)[steep].std() * SAMPLING == pytest.approx(0.3, rel=0.15)
    assert np.ptp(found.image[0], axis=1).max() < 1e-3 * still.mean()


@pytest.mark.parametrize("decay_time", [0.05, 0.2, 0.5])
def test_the_image_tells_the_decay_and_the_gain_is_not_fooled_by_it(decay_time):
    ramp = np.linspace(0.3, 1, 512, dtype="float32")[:, None] * np.full((1, 512, 512), 0.03, "float32")
    times, gains, fooled = [], [], []
    for seed in range(3):
        image = recorded(value=ramp, seed=seed, decay_time=decay_time, gain=40.0, offset=500.0, flicker=0.015)
        values = image.image[0].astype(float)
        times.append(measured_decay_time(values))
        gains.append(detector_response(values)[0])
        second = np.diff(values, 2, axis=1)
        fooled.append((second**2).mean() / 6 / (values.mean() - 500))
    assert np.mean(times) == pytest.approx(decay_time, abs=0.02)
    assert np.mean(gains) == pytest.approx(40, rel=0.06)
    # Without: as small as the equation says.
    assert np.mean(fooled) == pytest.approx(40 * counted_share(decay_time), rel=0.02)


def test_jitter_texture_and_flicker_are_no_decay():
    rng = np.random.default_rng(0)
    grains = rng.normal(size=(1, 300, 400))
    kernel = np.exp(-(np.fft.fftfreq(300)[:, None] ** 2 + np.fft.fftfreq(400) ** 2) * 2 * np.pi**2 * 2.2**2)
    texture = np.fft.ifft2(np.fft.fft2(grains) * kernel).real
    signal = (0.03 * (1 + 0.15 * texture / texture.std())).astype("float32")
    for settings in (
        {"line_jitter_across": 0.4},
        {"line_jitter": 0.3},
        {"flicker": 0.03, "flicker_time": 0.3},
        {},
    ):
        values = [recorded(value=signal, seed=s, **settings).image[0] for s in range(4)]
        assert np.mean([measured_decay_time(one) for one in values]) < 0.03, settings
    jittering = noise_autocovariance(recorded(value=signal, line_jitter_across=0.4).image[0], 3)
    assert jittering[2] > 0.02 * jittering[0]  # though neighbours do share noise
    assert measured_decay_time(np.ones((50, 50))) == 0.0


@pytest.mark.parametrize("device", ["cpu", "cpu:0"])
@pytest.mark.parametrize("spread", [0.4, 0.7, 1.2])
def test_pulses_of_different_height_make_counts_skewer_and_no_noisier(spread, device):
    flat = np.full((1, 600, 600), 0.01, "float32")
    settings = Degradation(dose=2e4, source_size=0.0, pulse_spread=spread)
    image = degrade(flat, settings, SAMPLING, np.random.default_rng(0), device=device).image
    counts = COUNTS / 2
    assert image.mean() == pytest.approx(counts, rel=0.005)
    assert image.var() == pytest.approx(counts, rel=0.01)
    skewness = ((image - counts) ** 3).mean() / counts**1.5
    assert skewness * np.sqrt(counts) == pytest.approx((1 + 2 * spread**2) / (1 + spread**2), rel=0.06)
    dark = degrade(0 * flat, settings, SAMPLING, np.random.default_rng(0), device=device).image
    assert not dark.any()
