"""Focus and jitter from an image's spectrum, against what was put in."""

import numpy as np
import pytest
from scipy import ndimage

from stemforge.errors import MicrographError
from stemforge.evaluate import image_spectrum

FWHM = 2.3548


def specimen(sigma, seed=0, size=256, atoms=600):
    """Atoms at random places under a Gaussian probe, twice as many lines and columns round the image."""
    rng = np.random.default_rng(seed)
    image = np.zeros((size + 64, size + 64))
    np.add.at(image, tuple(rng.integers(0, size + 64, (2, atoms))), 1.0)
    return ndimage.gaussian_filter(image, sigma) * 2 * np.pi * sigma**2


def recorded(clean, electrons=30.0, height=0.6, seed=0):
    return np.random.default_rng([seed, 1]).poisson(electrons * (1 + height * clean[32:-32, 32:-32]))


def jittered(clean, along, across, seed=0):
    """Each line displaced by normal amounts."""
    rng = np.random.default_rng([seed, 2])
    y, x = np.mgrid[: clean.shape[0], : clean.shape[1]].astype(float)
    y += rng.normal(0, across, (len(clean), 1)) if across else 0
    x += rng.normal(0, along, (len(clean), 1)) if along else 0
    return ndimage.map_coordinates(clean, [y, x], order=3, mode="nearest")


@pytest.mark.parametrize("sigma", [2.0, 3.0, 4.5])
def test_finest_detail_is_the_probe_s_width(sigma):
    found = image_spectrum(recorded(specimen(sigma))).finest_detail()
    assert found == pytest.approx(FWHM * sigma, rel=0.15)


@pytest.mark.parametrize(("along", "across"), [(0.5, 0.0), (1.5, 0.0), (1.0, 0.6)])
def test_jitter_of_lines(along, across):
    found = image_spectrum(recorded(jittered(specimen(3.0), along, across))).line_jitter()
    assert found == pytest.approx(np.hypot(along, across), rel=0.3)


def test_without_jitter_there_is_little():
    assert image_spectrum(recorded(specimen(3.0))).line_jitter() < 0.3


def test_the_detector_s_decay_is_no_jitter():
    smeared = recorded(specimen(3.0)).astype(float)
    smeared[:, 1:] += 0.15 * smeared[:, :-1]
    assert image_spectrum(smeared).line_jitter() < 0.4


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_has_neither(seed):
    spectrum = image_spectrum(np.random.default_rng(seed).poisson(20.0, (256, 256)))
    assert spectrum.finest_detail() is None
    assert spectrum.line_jitter() is None


def test_small_images_are_refused():
    with pytest.raises(MicrographError, match="64 × 64"):
        image_spectrum(np.eye(63))
