"""Whether an image shows a lattice."""

import numpy as np
import pytest

from stemforge.micrograph.flaws.periodic import shows_lattice
from stemforge.micrograph.readers import read_micrograph

Y, X = np.mgrid[:192, :192]


def waves(*frequencies):
    """Sum of waves of frequencies (x, y) [1/pixel]."""
    return sum(np.cos(2 * np.pi * (fx * X + fy * Y)) for fx, fy in frequencies)


def hexagonal(length, turn):
    """Frequencies of the first three reflections of a hexagonal lattice."""
    angles = np.radians([turn, turn + 60, turn + 120])
    return list(zip(length * np.cos(angles), length * np.sin(angles), strict=True))


def recorded(image, contrast, seed=0, electrons=30):
    return np.random.default_rng(seed).poisson(electrons * (1 + contrast * image))


@pytest.mark.parametrize("turn", [0, 7, 15, 30])
@pytest.mark.parametrize("length", [0.06, 0.12, 0.3])
def test_a_lattice_is_noticed_however_it_lies(length, turn):
    assert shows_lattice(recorded(waves(*hexagonal(length, turn)), 0.05))


def test_hundreds_of_reflections_show_one():
    comb = np.zeros(X.shape)
    comb[::12, ::12] = 1
    assert shows_lattice(recorded(comb, 50))


def test_noise_hides_one():
    assert not shows_lattice(recorded(waves(*hexagonal(0.12, 7)), 0.002))


@pytest.mark.parametrize("seed", range(20))
def test_noise_and_grains_show_none(seed):
    rng = np.random.default_rng(seed)
    grains = np.fft.irfft2(np.fft.rfft2(rng.normal(size=X.shape)) * np.exp(-((np.arange(97) / 12) ** 2)))
    assert not shows_lattice(recorded(grains / grains.std(), 0.15, seed))
    assert not shows_lattice(recorded(0 * X, 0, seed))


def test_interferences_show_none():
    """Two of one current and of its overtone, as on recorded images of Re complexes."""
    assert not shows_lattice(recorded(waves((0.082, 0.02)), 0.1))
    assert not shows_lattice(recorded(waves((0.082, 0.02), (0.18, -0.045)), 0.1))


def test_flicker_of_lines_shows_none():
    lines = np.random.default_rng(1).normal(size=(192, 1)) + 0 * X
    assert not shows_lattice(recorded(lines, 0.1))


def test_small_images_say_nothing():
    assert not shows_lattice(recorded(waves(*hexagonal(0.12, 7)), 0.1)[:60])


@pytest.mark.parametrize("folder", ["pt-nc", "strangers"])
def test_recorded_images_of_carbon_show_none(data_dir, folder):
    paths = [*(data_dir / folder).rglob("*.tif"), *(data_dir / folder).rglob("*.png")]
    assert len(paths) >= 11
    assert [path.name for path in paths if shows_lattice(read_micrograph(path).image)] == []
