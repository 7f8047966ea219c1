import numpy as np
import pytest
from scipy import ndimage

from stemforge import InputError
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate import Texture, visibility
from stemforge.simulate.labels.limits import bandwidth, ideal_recall, localisation_bound
from stemforge.simulate.microscope import FWHM


def _labels(scattering, width, background=0.01):
    """Gaussian atoms without source."""
    values = np.broadcast_arrays(scattering, width, width, background)
    names = ("scattering", "noise_width_angstrom", "peak_width_angstrom", "background")
    columns = {name: np.atleast_1d(value).astype(float) for name, value in zip(names, values, strict=True)}
    return Annotations(np.zeros((len(columns["scattering"]), 2)), columns=columns)


def _gaussian(side, width):
    """Gaussian of sum 1 in the middle of an odd square, and its derivative along x; width [pixel]."""
    y, x = np.indices((side, side)) - side // 2
    spot = np.exp(-(x**2 + y**2) / (2 * width**2)) / (2 * np.pi * width**2)
    return spot, spot * x / width**2


@pytest.mark.parametrize("source_size", [0.0, 2.0])
def test_against_counting_noise_it_is_the_width_over_the_contrast_to_noise(source_size):
    labels = _labels(0.03, [0.6, 1.0, 4.0, 20.0])
    cnr = visibility(labels, 3e4, source_size)[1]
    width = np.hypot(labels["noise_width_angstrom"], source_size / FWHM)
    np.testing.assert_allclose(
        localisation_bound(labels, 3e4, source_size), np.sqrt(2) * width / cnr, rtol=1e-4
    )


def test_texture_that_is_white_is_as_counts_are():
    labels = _labels(0.03, [0.8, 1.2])
    texture = Texture(np.array([0.0, 2.0]), np.full(2, 1e-4))
    np.testing.assert_allclose(
        localisation_bound(labels, 1e4, 0.0, texture), localisation_bound(labels, 5e3, 0.0), rtol=2e-3
    )


def test_slow_texture_costs_less_in_place_than_in_visibility():
    labels = _labels(0.03, 1.0)
    q = np.linspace(0, 2, 200)
    texture = Texture(q, 1e-3 * np.exp(-((q / 0.1) ** 2)))
    assert bandwidth(labels, 1e4, 0.0, texture) > 1.05 * bandwidth(labels, 1e4, 0.0)
    assert localisation_bound(labels, 1e4, 0.0, texture) > localisation_bound(labels, 1e4, 0.0)


@pytest.mark.parametrize("guided", [1.0, 2.1])
@pytest.mark.parametrize("field", [16.0, 40.0])
def test_atoms_on_columns_of_a_crystal_are_no_texture(guided, field):
    """A column that guides the probe doubles an atom's light, heat moves it off its label; the lattice is texture."""
    sampling, width, scattering = 0.2, 0.4, 0.025
    side = round(field / sampling)
    y, x = np.indices((side, side)) * sampling
    columns = np.arange(1.0, field, 2.1)
    grid = [(a, b) for a in columns for b in columns]
    lattice = sum(1e-3 * np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * 0.45**2)) for a, b in grid)
    chosen = np.array(grid)[:: max(len(grid) // 3, 1)][:3]
    peak = scattering / (2 * np.pi * width**2)
    moved = chosen + np.array([0.08, -0.08])
    atoms = sum(guided * peak * np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * width**2)) for a, b in moved)
    labels = _labels(np.full(len(chosen), scattering), width, float(lattice.mean()))
    labels = Annotations(chosen / sampling, columns=labels.columns)
    seen_on = [Texture.of(lattice, sampling), Texture.of(lattice + atoms, sampling, labels)]
    without, with_atoms = (visibility(labels, 5e4, 1.0, texture)[1] for texture in seen_on)
    np.testing.assert_allclose(with_atoms, without, rtol=0.25)
    hidden = visibility(labels, 5e4, 1.0, Texture.of(lattice + atoms, sampling))[1]
    assert (hidden < 0.5 * without).all()  # as if they were clutter


@pytest.mark.parametrize("beside", [0.0, 0.05], ids=["vacuum", "smooth film"])
def test_texture_where_faint_atoms_are_stays(beside):
    """A rough flake has all the atoms: what varies there is no atom's light, though it is smooth beside it."""
    rng = np.random.default_rng(0)
    rough = 0.05 * (1 + 0.15 * _unit(ndimage.gaussian_filter(rng.normal(size=(256, 256)), 2.5)))
    flake = np.zeros((256, 256), dtype=bool)
    flake[70:190, 70:190] = True
    places = np.array([(x, y) for x in range(80, 190, 14) for y in range(80, 190, 14)], dtype=float)
    labels = _labels(np.full(len(places), 1e-6), 0.8, 0.05)
    labels = Annotations(places, columns=labels.columns)
    image = np.where(flake, rough, beside)
    np.testing.assert_allclose(Texture.of(image, 0.2, labels).power, Texture.of(image, 0.2).power, rtol=0.02)


def _unit(values):
    return values / values.std()


def test_maximum_likelihood_on_counts_reaches_the_bound():
    # 4 px = 1.2 Å, an atom of 8 % contrast at a contrast-to-noise of about 10.
    sampling, width, background, count = 0.3, 4.0, 0.01, 600
    scattering = 0.08 * 2 * np.pi * (width * sampling) ** 2 * background
    labels = _labels(scattering, width * sampling, background)
    dose = 1e4 * (10 / visibility(labels, 1e4, 0.0)[1][0]) ** 2
    rng = np.random.default_rng(0)
    side = 41
    spot, _ = _gaussian(side, width)
    counts = rng.poisson(dose * (background * sampling**2 + scattering * spot), (count, side, side))

    place = np.zeros((count, 2))
    grid = np.indices((side, side))[::-1].reshape(2, 1, -1) - side // 2
    counts = counts.reshape(count, -1)
    for _ in range(6):  # Fisher's scoring
        offset = grid - place.T[:, :, None]
        atom = scattering * np.exp(-(offset**2).sum(0) / (2 * width**2)) / (2 * np.pi * width**2)
        expected = dose * (background * sampling**2 + atom)
        slope = dose * atom * offset / width**2
        place += ((counts / expected - 1) * slope).sum(-1).T / (slope**2 / expected).sum(-1).T
    # 1200 coordinates: their deviation is known to 2 %; the atom's own counts add up to 4 %.
    ratio = place.std() * sampling / localisation_bound(labels, dose, 0.0)[0]
    assert 0.95 < ratio < 1.1


def test_with_texture_the_prewhitened_estimate_reaches_the_bound_and_a_plain_one_does_not():
    sampling, width, background, dose, side, count = 0.3, 4.0, 0.01, 3e4, 65, 400
    q = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(side, sampling)], indexing="ij"))
    table = np.linspace(0, 2.5, 500)
    texture = Texture(table, 4e-4 * np.exp(-((table / 0.08) ** 2)))
    labels = _labels(0.05, width * sampling, background)
    power = background * (1 / dose + np.interp(q, texture.frequency, texture.power))
    rng = np.random.default_rng(1)
    white = np.fft.fft2(rng.normal(size=(count, side, side)))
    noise = np.fft.ifft2(white * np.sqrt(power) / sampling).real
    spot, slope = _gaussian(side, width)
    noisy = np.fft.fft2(noise + 0.05 * spot / sampling**2)

    def spread(weight):
        # Where the filtered image peaks, to first order: its slope there over its mean curvature.
        filtered = np.fft.fft2(slope) * weight
        score = (noisy * filtered.conj()).sum((1, 2)).real
        gain = (np.fft.fft2(slope) * filtered.conj()).sum().real * 0.05 / sampling**2
        return (score / gain).std() * sampling

    bound = localisation_bound(labels, dose, 0.0, texture)[0]
    assert spread(1 / power) / bound == pytest.approx(1, abs=0.1)
    assert spread(1.0) / bound > 1.1


def test_ideal_recall_is_that_of_a_matched_filter_in_noise():
    width, side, spacing, cnr = 4.0, 1024, 64, 5.0
    rng = np.random.default_rng(0)
    noise = (
        ndimage.gaussian_filter(rng.normal(size=(side, side)), width, mode="wrap")
        * 2
        * np.sqrt(np.pi)
        * width
    )
    spot, _ = _gaussian(spacing + 1, np.sqrt(2) * width)
    atoms = np.tile(cnr * spot[:-1, :-1] / spot.max(), (side // spacing, side // spacing))

    def peaks(image, threshold):
        return np.argwhere((image == ndimage.maximum_filter(image, 11, mode="wrap")) & (image >= threshold))

    for threshold in (3.0, 3.5, 4.0):
        false = len(peaks(noise, threshold))
        found = peaks(noise + atoms, threshold)
        near = np.hypot(*(found % spacing - spacing // 2).T) <= 6
        recall = len({(i, j) for i, j in found[near] // spacing}) / (side // spacing) ** 2
        expected = ideal_recall(cnr, false, 1 / (np.sqrt(2) * width), side**2)
        assert recall == pytest.approx(expected, abs=0.06)


def test_ideal_recall_rises_with_contrast_and_false_positives():
    recall = ideal_recall(np.linspace(0, 10, 101), 1.0, 0.6, 150.0**2)
    assert np.all(np.diff(recall) >= 0)
    assert recall[0] < 1e-3
    assert recall[-1] > 0.999
    more = [float(ideal_recall(4.0, false, 0.6, 150.0**2)) for false in (1e-3, 1, 100, 1e6)]
    assert more == sorted(more)
    assert np.isfinite(more).all()


@pytest.mark.parametrize(("false", "area"), [(0, 1), (1, 0), (float("nan"), 1)])
def test_no_threshold_without_false_positives_and_area(false, area):
    with pytest.raises(InputError, match="must be a positive number"):
        ideal_recall(4.0, false, 0.6, area)
