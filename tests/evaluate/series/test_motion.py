"""Diffusion, squared displacements, rates and presence against simulated truth."""

import numpy as np
import pytest

from stemforge.evaluate import diffusion, fit_presence
from stemforge.evaluate.series.detections import Detections
from stemforge.evaluate.series.motion import Path, diffusion_of, shift_p, squared_displacements
from stemforge.evaluate.series.rates import rate, residence, share
from stemforge.evaluate.series.truncation import unfollowed


def _walks(number=30, frames=25, step=0.5, error=0.4, seed=0, recall=1.0):
    rng = np.random.default_rng(seed)
    walks = rng.normal(0, step, (number, frames, 2)).cumsum(1) + rng.normal(0, error, (number, frames, 2))
    paths = []
    for walk in walks:
        frame = np.flatnonzero(rng.random(frames) < recall)
        paths.append(Path(frame, walk[frame], np.full(len(frame), error**2), np.zeros(len(frame), dtype=int)))
    return paths


@pytest.mark.parametrize("recall", [1.0, 0.8])
def test_the_interval_of_d_holds_it(recall):
    """D = 0.125, places err by as much as a step: 95 of 100 intervals hold it."""
    found = [diffusion(_walks(seed=seed, recall=recall)) for seed in range(100)]
    assert np.mean([one.value for one in found]) == pytest.approx(0.125, rel=0.05)
    assert 88 <= sum(one.low <= 0.125 <= one.high for one in found) <= 100
    assert np.mean([one.error for one in found]) == pytest.approx(
        np.std([one.value for one in found]), rel=0.25
    )
    assert np.mean([one.localisation for one in found]) == pytest.approx(0.16, rel=0.05)


def test_the_error_of_one_atom_s_d_is_that_of_theory():
    paths = _walks(number=600, frames=40)
    values, errors = np.array([diffusion_of(path) for path in paths]).T
    assert np.mean(values) == pytest.approx(0.125, rel=0.05)
    assert np.median(errors) == pytest.approx(np.std(values), rel=0.2)


def test_what_stays_does_not_diffuse():
    found = [diffusion(_walks(seed=seed, step=0.0)) for seed in range(60)]
    assert abs(np.mean([one.value for one in found])) < 0.004
    assert sum(one.low <= 0 <= one.high for one in found) >= 52


def test_drift_that_follows_the_atoms_is_made_up_for():
    paths = _walks(number=8, frames=400)
    mean = np.mean([path.points for path in paths], axis=0)
    less = [Path(path.frame, path.points - mean, path.variance, path.part) for path in paths]
    assert diffusion(less).value == pytest.approx(0.125 * 7 / 8, rel=0.08)
    assert diffusion(less, present=8).value == pytest.approx(0.125, rel=0.08)


def test_squared_displacements_lose_the_error_of_places():
    curve = squared_displacements(_walks(number=200, recall=0.9), 25)
    np.testing.assert_allclose(curve["msd"], 0.5 * curve["lag"], rtol=0.12)
    assert (curve["low"] < curve["msd"]).all()
    assert (curve["msd"] < curve["high"]).all()


def test_who_stays_is_hardly_ever_taken_for_one_that_moved():
    chances = np.array([shift_p(path, 0.0) for path in _walks(number=2000, step=0.0)])
    assert np.mean(chances < 0.05) == pytest.approx(0.05, abs=0.015)
    assert np.mean(chances < 1e-3) < 0.005
    moved = []
    for one in _walks(step=0.0):
        points = one.points + np.where(one.frame > 12, 1.0, 0.0)[:, None]
        moved.append(Path(one.frame, points, one.variance, one.part))
    assert np.mean([shift_p(path, 0.0) < 1e-3 for path in moved]) > 0.95


def test_rates_of_nothing_and_of_little():
    none = rate(0, 200)
    assert (none.value, none.low) == (0, 0)
    assert none.high == pytest.approx(3.69 / 200, rel=0.01)
    assert residence(none, 2.0).low == pytest.approx(2 / none.high)
    assert np.isinf(residence(none, 2.0).value)
    assert share(0, 20).high == pytest.approx(0.161, abs=0.01)
    draws = np.random.default_rng(0).poisson(4, 2000)
    assert np.mean([rate(int(n), 100).low <= 0.04 <= rate(int(n), 100).high for n in draws]) > 0.95


def test_hardly_an_event_is_none():
    assert rate(1e-4, 50) == rate(0, 50)
    assert rate(0.02, 50).value > 0


def test_what_was_not_compared_has_no_chance():
    still, short = _walks(number=1, step=0.0)[0], _walks(number=1, frames=3)[0]
    assert np.isnan(shift_p(still, 0.0, least=5.0))
    assert np.isnan(shift_p(short, 0.0))
    assert 0 < shift_p(still, 0.0) < 1


def test_a_long_miss_of_an_atom_that_is_often_missed_is_no_departure():
    """On each frame one in two is missed, of the first ten; the others are always found until they leave."""
    rng = np.random.default_rng(1)
    found = np.ones((40, 24), dtype=bool)
    found[:10] = rng.random((10, 24)) < 0.5
    found[:10, [3, 12]] = True
    found[10:16, 20:] = False
    found[:3, 20:] = False
    presence = fit_presence(found, np.ones_like(found))
    assert (presence.disappeared[10:16] > 0.95).all()
    assert (presence.disappeared[:3] < 0.8).all()
    assert (presence.disappeared[16:] < 0.05).all()
    # Where the place was off the image, nothing follows.
    visible = np.ones_like(found)
    visible[10:16, 20:] = False
    assert (fit_presence(found, visible).disappeared[10:16] < 0.2).all()


def _lives(number, frames, begun, leave, recall, seed=0):
    """Return when atoms are present and found: as many come at each frame, and each leaves with one chance."""
    rng = np.random.default_rng(seed)
    first = np.where(rng.random(number) < begun, 0, rng.integers(1, frames, number))
    last = first + rng.geometric(leave, number)
    present = (np.arange(frames) >= first[:, None]) & (np.arange(frames) < last[:, None])
    return present, present & (rng.random((number, frames)) < recall)


def test_what_atoms_in_no_track_did_is_that_of_drawn_ones():
    """200,000 lives are drawn; of those found twice and more all follows that the others did."""
    frames, begun, leave, recall = 7, 0.7, 0.06, 0.6
    present, found = _lives(200_000, frames, begun, leave, recall)
    few = found.sum(1) < 2
    at = np.arange(frames)
    come = 1 / np.maximum(frames - at, 1)
    steps = np.zeros((frames, 3, 3))
    steps[:, 0] = np.stack([1 - come, come, 0 * come], 1)
    steps[:, 1], steps[:, 2] = [0, 1 - leave, leave], [0, 0, 1]
    visible = np.ones(((~few).sum(), frames), dtype=bool)
    expected = unfollowed(visible, np.array([recall]), np.ones(1), steps, begun)
    assert expected.atoms.sum() == pytest.approx(few.sum(), rel=0.02)
    assert expected.begun == pytest.approx(present[few, 0].sum(), rel=0.03)
    assert expected.coming == pytest.approx((~present[few, 0]).sum(), rel=0.03)
    assert expected.leaving == pytest.approx((present[few, :-1] & ~present[few, 1:]).sum(), rel=0.03)
    assert expected.staying == pytest.approx(present[few, :-1].sum(), rel=0.03)
    assert expected.log_followed == pytest.approx((~few).sum() * np.log(np.mean(~few)), rel=0.03)


@pytest.mark.slow
def test_rates_of_short_series_are_those_of_all_atoms():
    """On 8 frames a third of the atoms that come or leave is found less than twice."""
    present, found = _lives(1500, 8, 0.85, 0.03, 0.85)
    kept = found[found.sum(1) > 1]
    presence = fit_presence(kept, np.ones_like(kept))
    losses, steps = (present[:, :-1] & ~present[:, 1:]).sum(), present[:, :-1].sum()
    assert presence.loss == pytest.approx(losses / steps, rel=0.15)
    assert presence.losses < 0.9 * losses  # what is seen of them
    arrivals = (~present[:, 0]).sum()
    assert presence.arrivals / presence.followed == pytest.approx(arrivals, rel=0.15)
    assert presence.arrivals < 0.8 * arrivals


@pytest.mark.parametrize("recall", [1.0, 0.8])
@pytest.mark.parametrize("frames", [4, 8, 30])
def test_steady_atoms_have_limits_by_how_often_they_were_looked_at(frames, recall):
    """Of fifteen that stay nothing is lost: at most three losses in as many frames × atoms as were followed."""
    found = np.random.default_rng(3).random((15, frames)) < recall
    found = found[found.sum(1) > 1]
    presence = fit_presence(found, np.ones_like(found))
    steps = len(found) * (frames - 1)
    assert 0.3 * steps < presence.exposure <= steps
    assert 0.2 < presence.followed <= 1
    lost = rate(0, presence.exposure)
    assert (lost.value, lost.low) == (0, 0)
    assert 3 / steps < lost.high < 13 / steps


@pytest.mark.slow
def test_few_atoms_of_which_none_leaves_lose_hardly_any():
    """Half a loss that is believed in beforehand would make 0.007 of it, on 8 frames of 17 atoms."""
    rates, left = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        found = rng.random((17, 8)) < rng.beta(9.6, 2.4, (17, 1))
        found = found[found.sum(1) > 1]
        presence = fit_presence(found, np.ones_like(found))
        rates.append(presence.loss)
        left.append(presence.some_left)
    assert np.mean(rates) < 0.005
    assert sum(left) <= 2


def test_losses_are_told_from_none():
    """Of 20 atoms that are mostly found, six are not on the last five frames; and the same with all to the end."""
    found = np.random.default_rng(0).random((20, 10)) < 0.9
    stay = fit_presence(found, np.ones_like(found))
    gone = found.copy()
    gone[:6, 5:] = False
    gone[6:12, :5] = False
    presence = fit_presence(gone, np.ones_like(gone))
    assert presence.some_left
    assert presence.some_came
    assert not stay.some_left
    assert not stay.some_came
    assert rate(0.8, 100, certain=False).low == 0 < rate(0.8, 100).low


def test_the_area_that_drifting_frames_show():
    """A frame of 10 × 10 that moves by 5 along x, and another one by 5 along y: 1 + 1/2 + 1/2."""
    found = Detections(np.arange(3), np.zeros((3, 2)), np.ones(3), np.ones(3), np.array([10.0, 10.0]), 3)
    assert found.shown_area(np.zeros((3, 2))) == pytest.approx(1)
    assert found.shown_area(np.array([[0, 0], [5.0, 0], [0, -5.0]])) == pytest.approx(2, rel=0.02)
