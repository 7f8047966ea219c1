"""The parts of a calibration, each against what is known: shares, statistics, density, population, checks."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from stemforge import InputError, Micrograph
from stemforge.adapt import Parameters, fit_population
from stemforge.adapt.posterior.checks import check_images, check_size
from stemforge.adapt.posterior.density import BINS, PosteriorDensity
from stemforge.adapt.posterior.fitting import covered, fit_posterior
from stemforge.adapt.posterior.patches import SIDE, Patches, cut_patches, vacuum_share
from stemforge.evaluate.corpora.patch_statistics import patch_statistics, statistic_names
from stemforge.settings import Choice, Quantiles, Uniform
from stemforge.simulate import Degradation, SimulationRecipe, degrade

PT_NC = SimulationRecipe.shipped("pt-nc")


def statistics(counts):
    return dict(zip(statistic_names(), patch_statistics(counts), strict=True))


def test_parameters_are_the_recipe_s_distributions_without_gain_and_offset():
    recipe = PT_NC.replace(
        degradation=PT_NC.degradation.replace(gain=Uniform(uniform=(1, 2)), offset=Uniform(uniform=(0, 9)))
    )
    fields = Parameters.of(recipe).fields
    assert {"support.porosity", "single_atoms.1.areal_density", "degradation.dose", "focus"} <= set(fields)
    assert not {"degradation.gain", "degradation.offset"} & set(fields)


def test_shares_of_draws_are_even_and_lead_back_to_the_values():
    parameters = Parameters.of(PT_NC)
    rng = np.random.default_rng(0)
    draws = [PT_NC.draw(rng) for _ in range(300)]
    shares = np.array([parameters.shares(drawn.model_dump(), rng) for drawn in draws])
    # Kolmogorov–Smirnov by hand: 1.9 / sqrt(n) is passed by one in a thousand.
    steps = (np.arange(300) + 0.5) / 300
    assert np.abs(np.sort(shares, axis=0) - steps[:, None]).max() < 1.9 / np.sqrt(300)
    for field in ("degradation.dose", "support.vacuum_fraction"):
        column = shares[:, parameters.fields.index(field)]
        node, name = field.split(".")
        truth = [getattr(getattr(drawn, node), name) for drawn in draws]
        np.testing.assert_allclose(parameters.values(field, column), truth)


def test_a_distribution_made_of_shares_has_their_shape():
    parameters = Parameters.of(PT_NC)
    heights = np.r_[np.zeros(12), np.ones(12)]
    found = parameters.distribution("degradation.dose", heights)
    assert isinstance(found, Quantiles)
    low, high = PT_NC.degradation.dose.bounds
    np.testing.assert_allclose(found.bounds, (np.sqrt(low * high), high), rtol=2e-3)
    chosen = parameters.distribution("support.vacuum_fraction", heights)
    assert isinstance(chosen, Choice)
    assert set(chosen.choice) == {0.2, 0.3}


def test_statistics_follow_what_they_are_named_after():
    rng = np.random.default_rng(1)
    flat = rng.poisson(50, (SIDE, SIDE)).astype(float)
    plain = statistics(flat)
    assert abs(plain["noise at level middle"]) < 0.05
    assert abs(plain["power ring 12"]) < 0.25  # white noise of variance 1
    brighter = statistics(rng.poisson(200, (SIDE, SIDE)))
    assert brighter["level p50"] == pytest.approx(2 * plain["level p50"], rel=0.02)
    lines = statistics(rng.poisson(50 * (1 + 0.05 * rng.normal(size=(SIDE, 1))), (SIDE, SIDE)))
    assert lines["line noise over a line"] > plain["line noise over a line"] + 1.5
    spots = np.zeros((SIDE, SIDE))
    spots[rng.integers(SIDE, size=30), rng.integers(SIDE, size=30)] = 1
    assert abs(plain["noise correlation at lag 1"]) < 0.03
    decaying = Degradation(dose=5e4, source_size=0.0, decay_time=0.2)
    leaking = statistics(degrade(np.full((1, SIDE, SIDE), 0.011, "float32"), decaying, 0.3, rng).image[0])
    assert leaking["noise correlation at lag 1"] == pytest.approx(0.125, abs=0.03)  # ½ · 0.2 / (1 − 0.2)
    assert abs(leaking["noise correlation at lag 2"]) < 0.03
    atoms = statistics(rng.poisson(50 * (1 + 15 * ndimage.gaussian_filter(spots, 2.5, mode="wrap"))))
    assert atoms["skewness at 2 px"] > plain["skewness at 2 px"] + 0.5


def test_the_density_is_one_over_the_unit_interval_and_its_samples_follow_it():
    torch.manual_seed(0)
    density = PosteriorDensity(4, 3).eval()
    with torch.no_grad():
        density.bias += torch.randn(3, BINS)
        density.heads += 0.5 * torch.randn_like(density.heads)
        density.from_values += torch.randn_like(density.from_values)
    given = torch.randn(1, 4)
    values = torch.rand(20_000, 3)
    with torch.no_grad():
        # Each conditional is normalised, so that the mean over the unit cube of the joint density is 1.
        joint = density.log_density(given.expand(20_000, -1), values).sum(1).exp()
        assert float(joint.mean()) == pytest.approx(1, abs=0.1)
    drawn = density.sample(given, 20_000, torch.Generator().manual_seed(0))[0]
    expected = (values * joint[:, None]).mean(0) / joint.mean()
    np.testing.assert_allclose(drawn.mean(0), expected, atol=0.03)


def linear(number, rng, parameters=3):
    """Patches whose first parameter can be read off a statistic, with known error; the last one leaves no trace."""
    shares = rng.uniform(size=(number, parameters))
    found = rng.normal(size=(number, 6)).astype(np.float32)
    found[:, 0] = shares[:, 0] + rng.normal(0, 0.1, number)
    found[:, 1] = shares[:, 0] + shares[:, 1] + rng.normal(0, 0.1, number)
    return Patches(np.zeros((number, 2, 2), np.float16), found, np.arange(number), shares)


@pytest.fixture(scope="module")
def fitted():
    return fit_posterior(linear(1600, np.random.default_rng(0)))


@pytest.mark.slow
def test_the_posterior_covers_the_truth_and_knows_what_it_cannot_know(fitted):
    fresh = linear(400, np.random.default_rng(5))
    found = covered(fitted, fresh.statistics, fresh.shares).mean(0)
    assert ((found > 0.83) & (found < 0.97)).all()
    samples = fitted.sample(fresh.statistics, 300)
    width = np.quantile(samples, 0.95, axis=1) - np.quantile(samples, 0.05, axis=1)
    first, second, traceless = width.mean(0)
    assert first < 0.45  # 3.3 times the error, and the bins
    assert second < 0.6
    assert traceless > 0.85
    assert fitted.information[0] > 0.6
    assert abs(fitted.information[2]) < 0.03
    # The control: an interval of half the prior's width, wherever the patch, would hold half of the truths.
    assert ((fresh.shares > 0.25) & (fresh.shares < 0.75)).mean() == pytest.approx(0.5, abs=0.06)


@pytest.mark.slow
def test_a_population_is_narrower_than_the_mean_of_its_posteriors(fitted):
    rng = np.random.default_rng(8)
    patches = linear(60, rng)
    shares = np.column_stack([rng.normal(0.6, 0.04, 60), rng.uniform(size=(60, 2))])
    patches.statistics[:, 0] = shares[:, 0] + rng.normal(0, 0.1, 60)
    patches.statistics[:, 1] = shares[:, 0] + shares[:, 1] + rng.normal(0, 0.1, 60)
    samples = fitted.sample(patches.statistics, 1000)
    places = (np.arange(24) + 0.5) / 24
    spreads = []
    for steps in (1, 5):
        heights = fit_population(samples, np.arange(60), steps)[0][0]
        mean = heights @ places
        assert mean == pytest.approx(0.6, abs=0.05)
        spreads.append(np.sqrt(heights @ (places - mean) ** 2))
    assert spreads[1] < 0.8 * spreads[0]


def test_every_image_counts_once_in_a_population():
    samples = np.concatenate([np.full((9, 50, 1), 0.2), np.full((1, 50, 1), 0.8)])
    heights, _ = fit_population(samples, np.array([0] * 9 + [1]))
    assert heights[0, :12].sum() == pytest.approx(0.5, abs=0.01)


def image(number, *, sampling=0.293, shape=(256, 256), modality=None, seed=0):
    rng = np.random.default_rng(seed)
    ramp = 20 + 60 * np.linspace(0, 1, shape[1])[None]
    counts = rng.poisson(np.broadcast_to(ramp, shape))
    return Micrograph(9e3 * counts + 1.7e5, sampling, modality, name=f"image-{number}")


def test_images_that_can_be_calibrated_on_pass():
    assert check_images([image(k, seed=k) for k in range(3)], PT_NC) == (0.293, SIDE)
    open_scale = PT_NC.replace(scan=PT_NC.scan.replace(sampling=Uniform(uniform=(0.2, 0.4))))
    unknown = [image(k, sampling=None, shape=(150, 200)) for k in range(3)]
    assert check_images(unknown, open_scale) == (None, 150)


def filtered(number):
    plain = image(number)
    return Micrograph(ndimage.gaussian_filter(plain.image, 1.0), plain.sampling, name="filtered")


SMOOTH = Micrograph(np.add.outer(np.arange(256.0), np.arange(256.0)), 0.293, name="smooth")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([image(0), image(1)], "2 given, calibration needs at least 3"),
        ([image(0), image(1), image(2, sampling=0.4)], "mixed scale, image-0 has 0.293 Å .* image-2 0.4 Å"),
        ([image(0), image(1), image(2, sampling=None)], "image-2: has no pixel size"),
        ([image(0, modality="HAADF"), image(1, modality="BF"), image(2)], r"mixed kinds \(BF, HAADF\)"),
        ([image(0), image(1), image(2, shape=(100, 256))], "100 × 256 pixels, at least 128"),
        ([image(0), image(1), filtered(2)], "filtered: has no noise from pixel to pixel"),
        ([image(0), image(1), SMOOTH], "smooth: "),
    ],
)
def test_other_images_are_refused_before_work(images, message):
    with pytest.raises(InputError, match=message):
        check_images(images, PT_NC)


def test_recipes_that_cannot_be_calibrated_are_refused():
    with pytest.raises(InputError, match="segmented detector"):
        check_images([image(k) for k in range(3)], SimulationRecipe.shipped("zsm5-idpc"))
    with pytest.raises(InputError, match="every field is a plain number"):
        check_size(100, PT_NC.draw(np.random.default_rng(0)))
    with pytest.raises(InputError, match="num must be at least 64"):
        check_size(10, PT_NC)


def test_patches_are_cut_where_the_specimen_is_and_counted_in_electrons():
    rng = np.random.default_rng(3)
    expected = np.where(np.arange(512)[None] < 180, 0.5, 60.0) * np.ones((512, 1))
    micrograph = Micrograph(9e3 * rng.poisson(expected) + 1.7e5, 0.293, name="edge")
    found = cut_patches([micrograph], SIDE)
    assert 0 < len(found.counts) < 9
    assert np.quantile(found.counts.astype(float), 0.7) == pytest.approx(60, rel=0.15)
    assert vacuum_share(micrograph) == pytest.approx(180 / 512, abs=0.03)
    assert found.statistics.shape == (len(found.counts), len(statistic_names()))
