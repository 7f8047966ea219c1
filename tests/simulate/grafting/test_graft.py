"""Grafts are what would have been recorded: their mean, their noise, their place, and where they may not lie."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from stemforge.errors import InputError, MicrographError
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate import Host, Microscope, Spots, atom_image, free_places, graft, visibility

SAMPLING = 0.3


def recorded(rng, gain=40.0, offset=500.0, level=(20, 70), size=160):
    """Return an uneven image in detector units, and its expectation in electrons."""
    electrons = np.tile(np.linspace(*level, size), (size, 1))
    return gain * rng.poisson(electrons) + offset, electrons


@pytest.fixture(scope="module")
def host():
    return Host.of(recorded(np.random.default_rng(0))[0], SAMPLING)


def test_gain_offset_and_background_are_measured(host):
    assert host.gain == pytest.approx(40, rel=0.1)
    assert host.offset == pytest.approx(500, abs=300)
    assert host.background[80, 80] == pytest.approx(45, rel=0.2)
    assert host.counted
    assert host.whole


def test_a_graft_has_the_mean_and_the_noise_of_an_atom_that_was_recorded():
    """Against images in which the atom was before counting: mean and variance of the sum over its spot agree."""
    rng = np.random.default_rng(1)
    spots = Spots.gaussian([1.2], SAMPLING)
    points, total = np.array([[80.3, 79.6]]), 3000.0
    spot = spots.put((160, 160), points, np.zeros(1, int), np.array([total]))
    window = np.s_[72:88, 72:88]
    grafted, truth = [], []
    # Gain and offset as they are: that they can be measured is another test.
    exact = replace(Host.of(recorded(rng, level=(5, 15))[0], SAMPLING), gain=40.0, offset=500.0)
    for _ in range(300):
        image, electrons = recorded(rng, level=(5, 15))
        measured = replace(exact, image=image.astype(np.float32))
        after = graft(measured, spots, points, np.zeros(1, int), rng, electrons=total).image
        grafted.append((after[window].sum() - 500 * 256) / 40)
        truth.append(rng.poisson((electrons + spot)[window]).sum())
    assert np.mean(grafted) == pytest.approx(np.mean(truth), rel=0.01)
    assert np.std(grafted) == pytest.approx(np.std(truth), rel=0.12)
    assert np.std(truth) > 1.2 * np.sqrt(10 * 256)  # the background's alone


def test_contrast_to_noise_is_that_of_labels(host):
    spots = Spots.gaussian([0.9, 1.4], SAMPLING)
    points, chosen = np.array([[40.0, 50], [90, 100]]), np.array([0, 1])
    atoms = graft(host, spots, points, chosen, np.random.default_rng(0), cnr=[5.0, 9.0]).atoms
    assert atoms["cnr"] == pytest.approx([5, 9], rel=1e-3)
    again = visibility(Annotations(points, columns=atoms.columns), host.dose, 0.0, host.texture)[1]
    assert again == pytest.approx([5, 9], rel=1e-3)


def test_in_vacuum_the_wanted_contrast_to_noise_is_reached_too():
    host = Host.of(np.random.default_rng(0).poisson(0.3, (128, 128)), SAMPLING)
    spots = Spots.gaussian([1.0], SAMPLING)
    place = np.array([[60.0, 60.0]])
    atoms = graft(host, spots, place, np.zeros(1, int), np.random.default_rng(0), cnr=20.0).atoms
    assert atoms["cnr"] == pytest.approx([20], rel=1e-3)


def test_spots_of_an_element_are_the_engines_and_keep_their_sum_between_pixels():
    microscope = Microscope()
    spots = Spots.of_atom("Pt", microscope, [0.0, 80.0], SAMPLING, source_size=1.0)
    alone = atom_image("Pt", microscope, "HAADF", 0.0, SAMPLING, float(np.hypot(1 / 2.3548, 0.08)))
    put = spots.put((81, 81), np.array([[40.0, 40.0]]), np.array([0]), spots.scattering[:1])
    reach = len(alone) // 2
    middle = put[40 - reach : 41 + reach, 40 - reach : 41 + reach] / SAMPLING**2
    assert np.abs(middle - alone).max() < 0.01 * alone.max()
    shifted = spots.put((81, 81), np.array([[40.4, 39.7]]), np.array([0]), np.ones(1))
    y, x = np.indices((81, 81))
    assert shifted.sum() == pytest.approx(1, abs=0.01)
    assert [(shifted * x).sum(), (shifted * y).sum()] == pytest.approx([40.4, 39.7], abs=0.05)
    assert spots.noise_width[1] > 1.3 * spots.noise_width[0]
    assert spots.scattering == pytest.approx(0.0315, rel=0.1)  # Å², as in docs


def test_a_dose_gives_the_electrons_of_an_element_only(host):
    rng = np.random.default_rng(0)
    place, first = np.array([[80.0, 80.0]]), np.zeros(1, int)
    atom = Spots.of_atom("Pt", Microscope(), [0.0], SAMPLING)
    assert graft(host, atom, place, first, rng, dose=2e4).atoms["electrons"] == pytest.approx(630, rel=0.1)
    with pytest.raises(InputError, match="those of an element"):
        graft(host, Spots.gaussian([1.0], SAMPLING), place, first, rng, dose=2e4)
    with pytest.raises(InputError, match="one of cnr, electrons and dose"):
        graft(host, atom, place, first, rng)


def test_places_keep_their_distances_and_the_area():
    area = np.zeros((120, 150), dtype=bool)
    area[20:100, 30:140] = True
    taken = np.array([[80.0, 60.0], [100.0, 40.0]])
    places = free_places(area, 40, np.random.default_rng(3), spacing=9, taken=taken, clearance=12)
    assert len(places) == 40
    assert cKDTree(places).query(places, k=2)[0][:, 1].min() >= 9
    assert cKDTree(taken).query(places)[0].min() >= 12
    columns, rows = np.rint(places).astype(int).T
    assert area[rows, columns].all()
    again = free_places(area, 40, np.random.default_rng(3), spacing=9, taken=taken, clearance=12)
    assert np.array_equal(places, again)
    assert len(free_places(area, 5000, np.random.default_rng(3), spacing=9)) < 200


def test_vacuum_and_unusable_areas_take_no_graft():
    rng = np.random.default_rng(0)
    image = rng.poisson(40.0, (160, 160)).astype(float)
    image[:, :60] = rng.poisson(1.0, (160, 60))
    image[-30:] = 0
    host = Host.of(image, SAMPLING)
    assert host.specimen[60, 100]
    assert not host.specimen[:, :50].any()
    assert not host.specimen[-30:].any()


def test_an_image_without_counting_noise_is_told_from_one_with_it():
    from scipy import ndimage

    image = recorded(np.random.default_rng(0))[0]
    smooth = Host.of(ndimage.gaussian_filter(image, 1.0), SAMPLING)
    assert not smooth.counted
    spots = Spots.gaussian([1.2], SAMPLING)
    place, first = np.array([[80.0, 80.0]]), np.zeros(1, int)
    once, twice = (
        graft(smooth, spots, place, first, np.random.default_rng(seed), cnr=8.0).image for seed in (0, 1)
    )
    assert np.array_equal(once, twice)  # no noise of its own
    assert (once - smooth.image).max() > 0
    with pytest.raises(MicrographError, match=r"no signal|no noise"):
        Host.of(np.tile(np.arange(128.0), (128, 1)), SAMPLING)


def test_grey_values_stay_whole_and_below_the_ceiling():
    rng = np.random.default_rng(0)
    image = np.minimum(rng.poisson(120.0, (128, 128)), 125)
    host = Host.of(image, SAMPLING)
    assert host.ceiling == 125
    spots = Spots.gaussian([1.2], SAMPLING)
    grafted = graft(host, spots, np.array([[64.0, 64.0]]), np.zeros(1, int), rng, cnr=15.0)
    assert grafted.image.max() == 125
    assert (grafted.image == np.rint(grafted.image)).all()


@pytest.mark.parametrize("place", [(-9.0, 20.0), (20.0, 43.2), (64.0, 20.0), (1e3, 1e3)])
def test_spots_outside_the_image_are_left_out(place):
    spots = Spots.gaussian([1.0], SAMPLING)
    both = np.array([place, (20.3, 20.0)])
    one = spots.put((40, 60), both[1:], np.zeros(1, int), np.array([9.0]))
    two = spots.put((40, 60), both, np.zeros(2, int), np.array([9.0, 9.0]))
    assert two == pytest.approx(one, abs=1e-6)
