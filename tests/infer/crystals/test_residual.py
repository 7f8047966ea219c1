import numpy as np
import pytest
from scipy import ndimage

from stemforge import InputError
from stemforge.infer import draw_residual, restoration_residual
from stemforge.infer.crystals.spectrum import ring_medians


@pytest.fixture(scope="module")
def crystal():
    """A lattice of discs at twice as many pixels as the image, and what is recorded: blurred, in other units, noisy."""
    y, x = np.indices((320, 384))
    truth = np.exp(4 * (np.cos(x / 6) + np.cos(y / 5)))
    truth = (truth / truth.max()).astype("float32")
    blurred = ndimage.gaussian_filter(truth, 3, mode="wrap").reshape(160, 2, 192, 2).mean((1, 3))
    rng = np.random.default_rng(0)
    # Noise as integration makes it: strong where it is slow.
    noise = ndimage.gaussian_filter(rng.normal(size=blurred.shape), 1) * 0.1
    noise += rng.normal(0, 0.01, blurred.shape)
    return truth, 300 + 70 * (blurred + noise), 70 * noise


def test_the_truth_leaves_noise_alone(crystal):
    truth, recorded, noise = crystal
    left = restoration_residual(recorded, 3 * truth - 1)
    assert 0.6 < left.structure < 1.6
    # Blur, gain and offset of the recording are found: what is left is the noise itself.
    assert np.corrcoef(left.difference.ravel(), noise.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("fault", ["moved", "lost", "invented"])
def test_faults_leave_structure(crystal, fault):
    truth, recorded, _ = crystal
    drawn = truth.copy()
    if fault == "moved":
        drawn[:, 160:] = np.roll(truth, 10, axis=1)[:, 160:]
    elif fault == "lost":
        drawn[:, 160:] = truth.mean()
    else:
        y, x = np.indices(truth.shape)
        drawn = truth + 0.2 * np.cos(x / 6 + y / 5).astype("float32")
    assert restoration_residual(recorded, drawn).structure > 4


def test_without_a_crystal_nothing_is_said():
    noise = np.random.default_rng(0).normal(size=(128, 128))
    left = restoration_residual(noise, ndimage.gaussian_filter(noise, 2))
    assert left.structure is None
    assert draw_residual(left).axes[2].get_title() == "recorded − restored"
    nothing = restoration_residual(noise, np.zeros_like(noise))
    assert nothing.structure is None
    assert np.ptp(draw_residual(nothing).axes[1].images[0].get_array()) == 0


def test_the_picture(crystal, tmp_path):
    truth, recorded, _ = crystal
    left = restoration_residual(recorded, truth)
    figure = draw_residual(left, tmp_path / "r.png", sampling=0.25, name="field$")
    assert figure.axes[0].get_title() == "field$, as recorded"
    low, high = figure.axes[2].images[0].get_clim()
    assert low == -high
    assert f"{left.structure:.1f}" in figure.axes[2].get_title()


def test_a_ring_without_frequencies_has_no_power():
    rings = np.array([[0, 0, 0], [2, 2, 3]])
    assert ring_medians(np.array([[5.0, 1, 3], [4, 2, 7]]), rings).tolist() == [3, 0, 3, 7]


@pytest.mark.parametrize("shape", [(100, 100), (64, 32), (32, 32), (64,)])
def test_shapes_that_do_not_fit(shape):
    with pytest.raises(InputError, match="does not fit"):
        restoration_residual(np.ones((64, 64)), np.ones(shape))


def test_an_image_too_small_for_a_spectrum():
    with pytest.raises(InputError, match="at least 32 × 32"):
        restoration_residual(np.ones((31, 64)), np.ones((62, 128)))
    assert restoration_residual(np.eye(32), np.eye(64)).expected.shape == (32, 32)
