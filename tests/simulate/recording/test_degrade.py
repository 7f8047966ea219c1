"""Degradation: counting statistics, optics and scan against what their parameters say."""

import numpy as np
import pytest

from stemforge import InputError, RecipeError
from stemforge.simulate import Degradation, degrade

SAMPLING = 0.3


def flat(value=0.02, shape=(1, 512, 512)):
    return np.full(shape, value, dtype=np.float32)


def run(signal, seed=0, sampling=SAMPLING, **settings):
    settings = {"source_size": 0.0, "dose": 1e4, **settings}
    return degrade(signal, Degradation(**settings), sampling, np.random.default_rng(seed))


def spot(x, y, shape=(96, 128), sigma=2.5):
    rows, columns = np.indices(shape)
    return np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * sigma**2)).astype(np.float32)[None]


def centroid(image):
    rows, columns = np.indices(image.shape)
    return np.array([(image * columns).sum(), (image * rows).sum()]) / image.sum()


@pytest.mark.parametrize(("dose", "value"), [(1e4, 0.02), (6e4, 0.05), (2e5, 0.005), (5e3, 0.01)])
def test_counts_are_poisson(dose, value):
    """Mean and variance of the counts within 1 % of dose × area × signal."""
    expected = dose * SAMPLING**2 * value
    images = np.stack([run(flat(value), seed, dose=dose).image for seed in range(2)])
    assert images.mean() == pytest.approx(expected, rel=0.01)
    assert images.var() == pytest.approx(expected, rel=0.01)
    np.testing.assert_array_equal(images, np.rint(images))


@pytest.mark.slow
def test_counts_of_a_textured_signal():
    signal = (0.01 + 0.02 * np.random.default_rng(1).random((1, 16, 16))).astype(np.float32)
    expected = signal * 2e4 * SAMPLING**2
    images = np.stack([run(signal, seed, dose=2e4).image for seed in range(4000)])
    assert (images.mean(0) / expected).mean() == pytest.approx(1, rel=0.01)
    assert (images.var(0) / expected).mean() == pytest.approx(1, rel=0.01)
    assert np.corrcoef(images.mean(0).ravel(), expected.ravel())[0, 1] > 0.99


def test_a_dose_replaces_whatever_set_it():
    current = Degradation(beam_current=20, dwell_time=8, counting=False)
    assert current.at_dose(2e4) == Degradation(dose=2e4)
    assert current.at_dose((1e3, 1e4)).dose.bounds == (1e3, 1e4)
    assert not Degradation(dose=1e4).at_dose(None).counting
    for bad in (0.0, -1.0, np.inf, np.nan, (0.0, 1e4)):
        with pytest.raises(InputError, match="dose must be a positive number"):
            current.at_dose(bad)


def test_beam_current_and_dwell_time_are_a_dose():
    # 20 pA for 8 µs: 20e-12 A × 8e-6 s / 1.602176634e-19 C = 998.6 electrons.
    electrons = 20e-12 * 8e-6 / 1.602176634e-19
    current = Degradation(beam_current=20, dwell_time=8)
    assert current.electrons_per_pixel(SAMPLING) == pytest.approx(electrons, rel=1e-6)
    dose = Degradation(dose=electrons / SAMPLING**2)
    assert dose.electrons_per_pixel(SAMPLING) == pytest.approx(electrons, rel=1e-6)
    images = [
        degrade(flat(shape=(1, 64, 64)), d, SAMPLING, np.random.default_rng(3)).image for d in (current, dose)
    ]
    np.testing.assert_array_equal(*images)


@pytest.mark.parametrize(("fwhm", "sampling"), [(1.0, 0.1), (2.0, 0.1), (1.5, 0.2)])
def test_source_size_is_a_full_width_at_half_maximum(fwhm, sampling):
    delta = np.zeros((1, 201, 201), dtype=np.float32)
    delta[0, 100, 100] = 1
    image = run(delta, sampling=sampling, source_size=fwhm, counting=False, dose=1 / sampling**2).image[0]
    assert image.sum() == pytest.approx(1, rel=1e-3)
    for profile in (image[100], image[:, 100]):
        half = profile.max() / 2
        right = np.interp(-half, -profile[100:], np.arange(101))
        left = np.interp(-half, -profile[100::-1], np.arange(101))
        assert (left + right) * sampling == pytest.approx(fwhm, rel=0.02)


def test_without_counting_the_image_is_the_expectation():
    signal = spot(40, 30)
    np.testing.assert_allclose(run(signal, counting=False).image, signal * 1e4 * SAMPLING**2, rtol=1e-6)


def test_zero_dose_is_zero():
    assert not run(flat(shape=(1, 32, 32)), dose=0.0).image.any()


@pytest.mark.parametrize("rms", [0.003, 0.014, 0.1])
def test_flicker_rms(rms):
    images = np.stack(
        [run(flat(1.0), seed, counting=False, dose=1 / SAMPLING**2, flicker=rms).image for seed in range(4)]
    )
    assert images.mean() == pytest.approx(1, abs=rms / 5)
    assert images.std() == pytest.approx(rms, rel=0.05)


def test_flicker_makes_streaks_along_the_lines():
    image = run(flat(1.0), counting=False, dose=1 / SAMPLING**2, flicker=0.01, flicker_time=0.5).image[0] - 1
    along = (image[:, 1:] * image[:, :-1]).mean() / image.var()
    # A pixel lasts 1/512 of a line and the memory half a line.
    assert along == pytest.approx(np.exp(-1 / 256), abs=0.01)
    across = (image[1:] * image[:-1]).mean() / image.var()
    assert across == pytest.approx(np.exp(-2), abs=0.05)


DISTORTIONS = [
    {"drift": 6.0},
    {"drift": 6.0, "drift_angle": np.pi / 2},
    {"drift": 6.0, "drift_angle": -np.pi / 2},
    {"drift": 9.0, "drift_angle": 0.7},
    {"tear": 4.0, "tear_position": 0.2},
    {"tear": -4.0, "tear_position": 0.2},
    {"line_jitter": 0.05},
    {"drift": 6.0, "drift_angle": 2.5, "tear": 2.0, "tear_position": 0.1, "line_jitter": 0.05},
]


@pytest.mark.parametrize("settings", DISTORTIONS, ids=str)
@pytest.mark.parametrize("place", [(40.0, 35.0), (90.25, 70.5), (30.6, 80.3)])
def test_labels_go_where_the_image_content_goes(settings, place):
    degraded = run(spot(*place), counting=False, **settings)
    moved = degraded.move(np.array([place]))[0]
    assert np.abs(centroid(degraded.image[0]) - moved).max() < 0.2
    if "line_jitter" not in settings:
        assert np.hypot(*(moved - place)) > 0.5  # something was moved at all


def test_a_tear_moves_only_what_comes_after_it():
    degraded = run(spot(40, 30), counting=False, tear=3.0, tear_position=0.5)
    points = np.array([[40.0, 20.0], [40.0, 80.0]])
    np.testing.assert_allclose(degraded.move(points), [[40, 20], [40 + 3 / SAMPLING, 80]])


def test_what_drifts_out_of_the_frame_is_outside_it():
    degraded = run(spot(40, 30), counting=False, drift=12.0, drift_angle=np.pi / 2)
    shift = 12 / 2 / SAMPLING  # half of the drift, at either end of the frame
    moved = degraded.move(np.array([[40.0, 2.0], [40.0, 94.0]]))
    assert moved[0, 1] < -shift / 2
    assert moved[1, 1] > 95 + shift / 2


def test_points_on_the_outer_half_pixel_stay_where_they_are():
    degraded = run(spot(40, 30), counting=False, tear=3.0, tear_position=0.5)
    assert degraded.move(np.array([[5.0, -0.4]]))[0] == pytest.approx([5.0, -0.4])
    assert degraded.move(np.empty((0, 2))).shape == (0, 2)


def test_jitter_has_its_standard_deviation():
    degraded = run(flat(shape=(1, 4000, 16)), line_jitter=0.15)
    assert degraded.displacement[:, 0].std() * SAMPLING == pytest.approx(0.15, rel=0.05)
    assert not degraded.displacement[:, 1].any()


def test_gain_offset_and_read_noise():
    clean = run(flat(shape=(1, 256, 256)), counting=False).image
    image = run(flat(shape=(1, 256, 256)), counting=False, gain=3.0, offset=50.0).image
    np.testing.assert_allclose(image, 3 * clean + 50, rtol=1e-6)
    noisy = run(flat(shape=(1, 512, 512)), counting=False, offset=-20.0, read_noise=4.0, dose=0.0).image
    assert noisy.mean() == pytest.approx(-20, abs=0.05)
    assert noisy.std() == pytest.approx(4, rel=0.01)


@pytest.mark.parametrize(("bits", "top"), [(1, 1), (8, 255), (16, 65535)])
def test_quantisation(bits, top):
    image = run(flat(shape=(1, 64, 64)), gain=1000.0, offset=-20.0, read_noise=3000.0, bits=bits).image
    np.testing.assert_array_equal(image, np.rint(image))
    assert image.min() >= 0
    assert image.max() <= top
    assert run(flat(shape=(1, 16, 16)), gain=1e6, bits=bits).image.max() == top


def test_channels_are_counted_apart():
    image = run(np.concatenate([flat(0.02), flat(0.04)])).image
    assert image.shape == (2, 512, 512)
    assert image[1].mean() / image[0].mean() == pytest.approx(2, rel=0.01)
    assert abs(np.corrcoef(image[0].ravel(), image[1].ravel())[0, 1]) < 0.01


EVERYTHING = {
    "source_size": {"uniform": [0.5, 1.5]},
    "dose": {"loguniform": [1e3, 1e5]},
    "flicker": 0.01,
    "line_jitter": 0.1,
    "drift": 3.0,
    "drift_angle": {"uniform": [0, 6]},
    "tear": 1.0,
    "gain": {"choice": [1, 2]},
    "read_noise": 1.0,
}


def test_pure():
    degradation = Degradation.from_mapping(EVERYTHING)
    signal = spot(40, 30)
    before = signal.tobytes()
    first, second, other = (
        degrade(signal, degradation, SAMPLING, np.random.default_rng(s)) for s in (1, 1, 2)
    )
    assert first.image.tobytes() == second.image.tobytes()
    assert first.settings == second.settings
    assert first.image.tobytes() != other.image.tobytes()
    assert signal.tobytes() == before
    assert isinstance(first.settings.dose, float)
    assert first.image.dtype == np.float32


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"dose": -1}, "'dose': must be at least 0"),
        ({"dose": {"normal": [1, 1]}}, "'dose'"),
        ({"dose": 1, "beam_current": 1, "dwell_time": 1}, "not both"),
        ({"beam_current": 1}, "together"),
        ({"dwell_time": 1}, "together"),
        ({"beam_current": 0, "dwell_time": 1}, "beam_current"),
        ({"dose": 1, "source_size": -0.1}, "source_size"),
        ({"dose": 1, "flicker": -0.1}, "flicker"),
        ({"dose": 1, "flicker_time": 0}, "flicker_time"),
        ({"dose": 1, "gain": 0}, "gain"),
        ({"dose": 1, "read_noise": -1}, "read_noise"),
        ({"dose": 1, "bits": 0}, "1 to 32"),
        ({"dose": 1, "bits": 64}, "1 to 32"),
        ({"dose": 1, "tear_position": 1.5}, "tear_position"),
        ({"doze": 1}, "did you mean 'dose'"),
    ],
)
def test_bad_settings(values, says):
    with pytest.raises(RecipeError, match=says):
        Degradation.from_mapping(values)


def test_bad_calls():
    with pytest.raises(InputError, match=r"give dose \[e/Å²\], or beam_current"):
        degrade(flat(shape=(1, 16, 16)), Degradation(), SAMPLING, np.random.default_rng(0))
    with pytest.raises(InputError, match="channels, height, width"):
        run(flat(shape=(16, 16)))


DISTORTED = {
    "source_size": 1.3,
    "dose": 2e4,
    "counting": False,
    "flicker": 0.01,
    "line_jitter": 0.4,
    "drift": 8.0,
    "drift_angle": 0.7,
    "tear": 2.0,
    "contamination": 0.05,
}


def scene(shape=(2, 60, 72)):
    return np.random.default_rng(0).random(shape).astype("float32") * 0.02


def torch_and_numpy(device, **changes):
    settings = Degradation(**{**DISTORTED, **changes})
    return [
        degrade(scene(), settings, 0.3, np.random.default_rng(5), device=d).image for d in (device, "cpu")
    ]


def test_a_torch_device_gives_the_same_expected_image():
    on_device, expected = torch_and_numpy("cpu:0")  # torch's name for the CPU; "cpu" is NumPy
    assert np.abs(on_device - expected).max() < 1e-4 * expected.mean()


def test_counting_on_a_torch_device_is_poisson_and_repeats():
    flat = np.full((1, 200, 200), 0.02, "float32")
    one, again = (
        degrade(flat, Degradation(dose=2e4), 0.3, np.random.default_rng(1), device="cpu:0").image
        for _ in range(2)
    )
    assert np.array_equal(one, again)
    assert one.mean() == pytest.approx(36, rel=0.01)
    assert one.var() == pytest.approx(36, rel=0.03)


@pytest.mark.gpu
def test_the_gpu_gives_the_cpu_s_expected_image():
    on_device, expected = torch_and_numpy("cuda", decay_time=0.2)
    assert np.abs(on_device - expected).max() < 1e-4 * expected.mean()


@pytest.mark.parametrize("memory", [0.2, 2.0])
def test_a_patch_flickers_and_drifts_as_part_of_its_frame(memory):
    """Correlations within a line and between lines are those of a patch cut from the whole frame."""

    def correlations(image):
        varying = image - 1
        pairs = (varying**2, varying[:, 40:] * varying[:, :-40], varying[1:] * varying[:-1])
        return np.array([pair.mean() for pair in pairs])

    settings = Degradation(source_size=0.0, dose=1e4, counting=False, flicker=0.02, flicker_time=memory)
    scale = 1e4 * SAMPLING**2 * 0.02
    whole, patch = [], []
    for seed in range(60):
        signals = flat(shape=(1, 48, 300)), flat(shape=(1, 48, 64))
        rngs = (np.random.default_rng((seed, part)) for part in range(2))
        frame = degrade(signals[0], settings, SAMPLING, next(rngs)).image[0]
        whole.append(correlations(frame[:, 100:164] / scale))
        part = degrade(signals[1], settings, SAMPLING, next(rngs), frame=(300, 300)).image[0]
        patch.append(correlations(part / scale))
    error = np.hypot(np.std(whole, axis=0), np.std(patch, axis=0)) / np.sqrt(60)
    assert (np.abs(np.mean(whole, axis=0) - np.mean(patch, axis=0)) < 4 * error).all()
    drifting = Degradation(source_size=0.0, dose=1e4, drift=3.0)
    moved = degrade(flat(shape=(1, 50, 64)), drifting, SAMPLING, np.random.default_rng(0), frame=(200, 64))
    assert np.ptp(moved.displacement[:, 0]) == pytest.approx(3.0 / SAMPLING / 4)
