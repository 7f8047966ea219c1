"""What occupancy stands on: scattering, transfer, coefficients, noise, registration, mixture."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms

from stemforge.errors import InputError
from stemforge.infer.occupancy.crystal import ChannelCrystal, potential_spectrum
from stemforge.infer.occupancy.mixture import posterior_of, tempered
from stemforge.infer.occupancy.noise import Noise
from stemforge.infer.occupancy.registration import Registration, noise_of_cells
from stemforge.infer.occupancy.scores import EVERY, Scores
from stemforge.infer.occupancy.templates import Surroundings, Templates
from stemforge.infer.occupancy.transfer import (
    Transfer,
    cell_coefficients,
    fit_transfer,
    transfer_functions,
)
from tests.infer.conftest import SAMPLING, WIDTH


def test_scattering_factors_are_the_published_ones():
    at = np.array([[0.0, 0.0], [1.0, 0.0]])
    # International Tables C, 4.3.1: silicon 5.828 Å at s = 0; at s = ½ (k = 1/Å) 0.74 Å.
    found = potential_spectrum(Atoms("Si", [(0, 0, 0)]), at).real
    assert found == pytest.approx([5.83, 0.74], abs=0.02)


def test_thermal_motion_fades_and_places_turn_the_phase():
    atoms = Atoms("Si", [(1.0, 0.5, 7.0)])
    atoms.set_array("thermal_sigma", np.array([0.2]))
    k = np.array([[0.6, 0.3]])
    still = potential_spectrum(Atoms("Si", [(0, 0, 0)]), k)
    factor = np.exp(-2 * (np.pi * 0.2) ** 2 * 0.45) * np.exp(-2j * np.pi * (0.6 + 0.15))
    assert potential_spectrum(atoms, k) == pytest.approx(still * factor)


def test_coefficients_of_a_turned_crystal_that_no_cell_fits(crystal, film):
    micrograph, lattice, _, _ = film(0.0, 0.0, turn=0.37, shape=(200, 231))
    hk = crystal.indices(1.1)
    measured, _ = cell_coefficients(micrograph.image.astype(float), lattice, hk)
    expected = crystal.coefficients(hk) * np.exp(-((hk / crystal.cell) ** 2).sum(1) / WIDTH)
    assert np.abs(measured - expected).max() < 0.003 * np.abs(expected).max()


def test_coefficients_know_their_noise(crystal, film):
    micrograph, lattice, _, _ = film(0.0, 0.0)
    hk = crystal.indices(1.5)
    clean, _ = cell_coefficients(micrograph.image.astype(float), lattice, hk)
    pulls = []
    for seed in range(4):
        noise = np.random.default_rng(seed).normal(0, 8.0, micrograph.shape)
        measured, variance = cell_coefficients(micrograph.image + noise, lattice, hk)
        pulls.append(np.abs(measured - clean) ** 2 / variance)
    assert np.mean(pulls) == pytest.approx(1.0, abs=0.15)


def test_transfer_is_found_again(crystal):
    hk = crystal.indices(1.1)
    k = hk / crystal.cell
    potential = crystal.coefficients(hk)
    truth = np.exp(-(k**2).sum(1) / WIDTH) * (
        1 + 0.2 * np.cos(4 * np.arctan2(k[:, 1], k[:, 0])) * (k**2).sum(1)
    )
    measured = truth * potential
    variance = np.full(len(k), (1e-3 * np.abs(measured).max()) ** 2)
    transfer, products = fit_transfer(measured, variance, k, potential, crystal.powers(hk))
    left = measured - transfer.at(k) * potential - products
    assert np.sum(np.abs(left) ** 2) < 1e-3 * np.sum(np.abs(measured) ** 2)
    near = np.hypot(*k.T) < 0.5
    assert np.abs(transfer.at(k) - truth)[near].max() < 0.1


def test_transfer_functions_are_those_of_a_real_image():
    k = np.random.default_rng(0).uniform(-0.8, 0.8, (50, 2))
    assert transfer_functions(-k) == pytest.approx(transfer_functions(k).conj())


def test_noise_is_measured_and_made_white():
    rng = np.random.default_rng(1)
    white = rng.normal(0, 2.0, (256, 256))
    noise = Noise.of(white, 0.25)
    assert noise.at(np.arange(0.3, 1.2, 0.1)).mean() == pytest.approx(4 * 0.25**2, rel=0.1)
    flat = noise.divided(white, 0.25, 0.51, 0.5) * 0.25
    assert flat.std() == pytest.approx(np.sqrt(np.pi / 4), rel=0.05)  # a circle of the square of frequencies


@pytest.mark.parametrize("shape", [(256, 256), (180, 200)])
def test_an_error_that_is_alike_in_all_cells_is_no_noise(crystal, film, shape):
    """In thick films it is stronger than the noise, and there is no frequency without it."""
    micrograph, lattice, _, _ = film(0, 0.0, shape=shape)
    hk = crystal.indices(1.1)
    alike = np.asarray(micrograph.image, dtype=float)
    noise = np.random.default_rng(1).normal(0, alike.std() / 2, shape)
    registration = Registration.none(shape)
    k = np.array([0.1, 0.2, 0.3, 0.5])
    true = Noise.of(noise, SAMPLING).at(k)
    assert (Noise.of(noise + alike, SAMPLING).at(k[:3]) > 2 * true[:3]).all()
    assert noise_of_cells(noise + alike, lattice, registration, hk).at(k) == pytest.approx(true, rel=0.2)


@pytest.mark.slow
def test_few_cells_do_not_make_noise_too_small(crystal, film):
    """Their average would take half of it: an error that is alike in all cells counts as noise then."""
    shape = (96, 128)
    _, lattice, _, _ = film(0, 0.0, shape=shape)
    hk = crystal.indices(1.1)
    noise = [np.random.default_rng(seed).normal(0, 1, shape) for seed in range(20)]
    measured = [
        noise_of_cells(one, lattice, Registration.none(shape), hk).at(np.array([0.3])) for one in noise
    ]
    assert np.mean(measured) == pytest.approx(SAMPLING**2, rel=0.1)


def test_guests_keep_a_doubt():
    found = tempered(np.array([[0.5, 1.0, 0.9], [0.5, 0.0, 0.1]]))
    assert found.sum(0) == pytest.approx(1)
    assert found[0] == pytest.approx([0.5, 0.9, 0.627], abs=0.01)


def test_registration_finds_a_shift(crystal, film):
    straight, *_ = film(0.0, 0.0)
    moved, _, _, _ = film(0.0, 1.0, shift=(0.7, -0.4))
    left = moved.image.astype(float) - straight.image
    noise = Noise(np.array([0.0, 2.0]), np.full(2, SAMPLING**2))
    found = Registration.none(moved.shape).moved_by(left, straight.image.astype(float), noise, SAMPLING, 1.1)
    middle = found.shift_at(np.array([[128.0, 128.0]]))[0]
    assert middle == pytest.approx([0.7, -0.4], abs=0.12)
    assert found.strength[128, 128] == pytest.approx(1.0, abs=0.05)


def _scores(contrast, error):
    """Scores of one template by each channel's contrast and its error."""
    norm = error**-2.0
    products = contrast * norm
    return Scores(products[:, None], np.array([norm]), products, norm, np.array([norm]))


@pytest.mark.parametrize("error", [0.1, 0.25, 0.5])
def test_nothing_is_found_in_noise(error):
    called = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found = posterior_of(_scores(rng.normal(0, error, 30), error))
        called.append((found.filled > 0.9) & (found.evidence > 1))
    assert np.mean(called) < 0.01


def test_what_is_wrong_in_all_channels_is_no_molecule():
    rng = np.random.default_rng(3)
    found = posterior_of(_scores(rng.normal(0.2, 0.05, 30), 0.05))
    assert found.offset == pytest.approx(np.full(30, 0.2), abs=0.05)
    assert (found.filled < 0.5).all()


@pytest.mark.slow
def test_probabilities_mean_what_they_say():
    """Where films are drawn as the mixture expects them."""
    given, true = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        share = rng.choice([0.0, 1.0, rng.uniform(0.05, 0.95)], p=[0.2, 0.1, 0.7])
        filled = rng.random(40) < share
        content = rng.choice([0.125, 0.18, 0.25, 0.35, 0.5, 0.7, 1.0]) * np.exp(rng.normal(0, 0.3, 40))
        offset = np.clip(rng.normal(0, 0.15), -0.35, 0.35)
        contrast = np.where(filled, content, 0.0) + offset + rng.normal(0, 0.04, 40)
        found = posterior_of(_scores(rng.normal(contrast, 0.15), 0.15))
        given.append(found.filled)
        true.append(filled)
    given, true = np.concatenate(given), np.concatenate(true)
    place = np.minimum((given * 5).astype(int), 4)
    for one in range(5):
        assert given[place == one].mean() == pytest.approx(true[place == one].mean(), abs=0.08)


def _shown(filled, poses, strength, seed, content=1.0):
    """Scores of 60 poses at channels of two sites, and whether channels are filled; noise has a variance of one."""
    rng = np.random.default_rng(seed)
    site = np.arange(len(filled)) % 2
    templates = rng.normal(0, 1, (60, 40)) + 0.7 * rng.normal(0, 1, 40)
    templates *= strength / np.sqrt((templates**2).sum(1, keepdims=True))
    image = np.where(filled[:, None], content * templates[poses], 0) + rng.normal(0, 1, (len(filled), 40))
    mean = templates.mean(0)
    overlaps = templates @ mean
    products, norms = image @ templates.T, (templates**2).sum(1)
    return Scores(products, norms, image @ mean, float(mean @ mean), overlaps, site, np.full(60, EVERY))


def _called(posterior):
    return (posterior.filled > 0.9) & (posterior.evidence > 1)


@pytest.mark.slow
def test_an_ordered_crystal_is_told_from_a_disordered_one():
    ordered = np.arange(60) % 2 == 0
    found = [_shown(ordered, np.full(60, 17), 3.0, seed) for seed in range(3)]
    together = np.array([_called(posterior_of(scores)) for scores in found])
    alone = np.array([_called(posterior_of(Scores(*list(vars(s).values())[:5]))) for s in found])
    assert together[:, ordered].mean() > alone[:, ordered].mean() + 0.2
    assert together[:, ~ordered].mean() <= 0.01
    assert min(posterior_of(scores).order for scores in found) > 0.9


@pytest.mark.slow
def test_what_an_error_alike_in_all_copies_explains_is_no_order(monkeypatch):
    """Faint molecules in one pose in all copies of one channel: the framework's image may be off by that."""
    wrong = np.arange(40) % 2 == 0
    faint = [_shown(wrong, np.full(40, 17), 12.0, seed, content=0.3) for seed in range(3)]
    found = [posterior_of(scores) for scores in faint]
    assert max(one.order for one in found) < 0.05
    monkeypatch.setattr("stemforge.infer.occupancy.mixture._MISTAKEN", 1e-9)
    assert max(posterior_of(scores).order for scores in faint) > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("sites", [1, 2, 10])
def test_an_error_like_a_faint_molecule_in_every_channel_leaves_channels_open(sites):
    """Thick films out of focus show such errors; they had all their empty channels called filled."""
    alike, apiece = np.full(40, 17), np.random.default_rng(1).integers(0, 60, 40)
    every, half = np.ones(40, dtype=bool), np.arange(40) // 2 % 2 == 0
    for seed in range(3):
        error, molecules = (
            replace(_shown(filled, poses, 12.0, seed, content=0.4), site=np.arange(40) % sites)
            for filled, poses in ((every, alike), (half, apiece))
        )
        mistaken = posterior_of(error)
        assert mistaken.framework_error > 0.9
        assert mistaken.filled == pytest.approx(np.full(40, 0.45), abs=0.1)
        assert np.abs(mistaken.evidence).max() < 1
        # Molecules as faint, but each in a pose that nothing but chance gave it, are found as before.
        found = posterior_of(molecules)
        assert found.framework_error < 0.1
        assert _called(found)[half].mean() > 0.5
        assert not _called(found)[~half].any()


@pytest.mark.slow
def test_molecules_alike_in_channels_without_order_are_an_account_of_their_own():
    poses = np.full(40, 17)
    for seed in range(3):
        some = np.random.default_rng(50 + seed).random(40) < 0.3
        found = posterior_of(_shown(some, poses, 12.0, seed))
        assert found.alike > 0.9
        assert found.order < 0.05
        assert np.array_equal(_called(found), some)
        apiece = posterior_of(_shown(some, np.random.default_rng(seed).integers(0, 60, 40), 12.0, seed))
        assert apiece.alike < 0.1


@pytest.mark.parametrize("missing", [0, 2, 4])
def test_the_share_of_an_ordered_crystal_is_that_of_its_channels(missing):
    """One of two sites is filled but for a few copies."""
    filled = np.arange(40) % 2 == 0
    filled[: 2 * missing : 2] = False
    found = posterior_of(_shown(filled, np.full(40, 17), 12.0, missing))
    assert found.order > 0.99
    assert found.share == pytest.approx((filled.mean(), filled.mean(), found.filled.mean()), abs=1e-9)
    assert found.share[2] == pytest.approx(filled.mean(), abs=1e-3)


@pytest.mark.slow
def test_the_share_is_uncertain_by_what_channels_do_not_tell():
    held, widths = [], []
    for seed in range(12):
        rng = np.random.default_rng(1000 + seed)
        filled = rng.random(40) < np.where(np.arange(40) % 2 == 0, rng.choice([0.85, 0.95, 1.0, 1.0]), 0.02)
        low, high, mean = posterior_of(_shown(filled, np.full(40, 17), 3.0, seed)).share
        held.append(low <= filled.mean() <= high)
        widths.append(high - low)
        assert mean == pytest.approx(filled.mean(), abs=0.1)
    assert np.mean(held) >= 0.7  # two standard deviations below nine in ten
    assert 0.02 < np.mean(widths) < 0.1


@pytest.mark.parametrize("filled", [0, 13, 40])
def test_the_share_of_channels_filled_by_chance_is_that_of_these_channels(filled):
    truth = np.arange(40) < filled
    found = posterior_of(_scores(truth.astype(float), 0.02))
    assert found.share == pytest.approx((filled / 40, filled / 40, filled / 40), abs=1e-3)


@pytest.mark.parametrize("sites", [None, 1, 9])
def test_where_order_cannot_be_asked_it_has_no_probability(sites):
    rng = np.random.default_rng(0)
    scores = _shown(np.arange(54) % 2 == 0, rng.integers(60, size=54), 6.0, 0)
    asked = posterior_of(scores)
    found = posterior_of(replace(scores, site=None if sites is None else np.arange(54) % sites))
    assert asked.order is not None
    assert found.order is None


@pytest.mark.slow
def test_order_finds_nothing_in_empty_or_disordered_channels():
    called, alone, truth = [], [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        filled = rng.random(60) < (0.0 if seed < 2 else 0.5)
        scores = _shown(filled, rng.integers(60, size=60), 3.0, seed)
        found = posterior_of(scores)
        truth.append(filled)
        called.append(_called(found))
        alone.append(_called(posterior_of(Scores(*list(vars(scores).values())[:5]))))
    called, alone, truth = (np.concatenate(values) for values in (called, alone, truth))
    assert called[~truth].mean() < 0.02
    assert abs(called[truth].mean() - alone[truth].mean()) < 0.03


def test_poses_of_an_ordered_crystal_are_refined(crystal):
    """Towards one that is not among those that are tried first."""
    guest = crystal.guests[40]
    atoms = guest.atoms.copy()
    atoms.rotate(14, "z", center=atoms.positions.mean(0))
    atoms.positions[:, :2] += [0.3, -0.2]
    few = Templates.of(crystal.guests[32:48], 1.1)
    truth = few.with_molecules([type(guest)("pyridine", atoms)], 0)
    transfer = Transfer(np.r_[np.ones(12), np.zeros(18)])
    noise = Noise(np.array([0.0, 2.0]), np.full(2, 400.0))
    shown = truth.pictures(transfer)[-1] / 400.0
    around = Surroundings(np.tile(shown, (20, 1)), transfer, noise, np.zeros(20, dtype=int))
    refined = around.refined(few, 0.0)
    spectra = refined.potential.reshape(len(refined.molecules), -1)
    likeness = (spectra @ truth.potential[-1].ravel().conj()).real / np.linalg.norm(spectra, axis=1)
    likeness /= np.linalg.norm(truth.potential[-1])
    assert likeness[refined.site == 0].max() > 0.93 > likeness[refined.site == EVERY].max()


def test_unknown_frameworks_and_molecules_that_do_not_fit(tmp_path):
    with pytest.raises(InputError, match="CIF"):
        ChannelCrystal.named("faujasite")
    with pytest.raises(InputError, match="no-such"):
        ChannelCrystal.named("mfi", ("no-such",))
    with pytest.raises(InputError, match=r"missing\.cif"):
        ChannelCrystal.named(str(tmp_path / "missing.cif"))
