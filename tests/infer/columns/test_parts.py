"""Parts of the columns' fit: noise between reflections, the average cell, how far copies are from each other."""

import numpy as np
import pytest

from stemforge.infer.columns.between import noise_between
from stemforge.infer.columns.fit import _spread
from stemforge.infer.columns.sites import column_sites
from stemforge.infer.columns.structure import CellFit, fit_cell
from stemforge.infer.crystals.lattice import Lattice
from stemforge.infer.occupancy.crystal import finest_spacing
from stemforge.infer.occupancy.noise import Noise
from tests.infer.conftest import SAMPLING, WIDTH, lattice_of

WAY = 0.1  # Å


def test_noise_is_measured_beside_what_all_cells_have():
    shape = (140, 208)
    lattice = lattice_of(shape, 0.2)
    rng = np.random.default_rng(0)
    y, x = np.indices(shape)
    fractional = lattice.to_fractional(np.column_stack([x.ravel(), y.ravel()])).reshape(*shape, 2)
    waves = [np.cos(2 * np.pi * (fractional @ rng.integers(-6, 7, 2) + rng.random())) for _ in range(60)]
    left = rng.normal(0, 1, shape) + 0.1 * np.sum(waves, axis=0)
    radius = np.linspace(0.1, 0.4, 16)
    expected = SAMPLING**2
    assert noise_between(left, lattice).at(radius) == pytest.approx(np.full(16, expected), rel=0.6)
    assert noise_between(left, lattice).at(radius).mean() == pytest.approx(expected, rel=0.15)
    assert Noise.of(left, SAMPLING).at(radius).mean() > 1.5 * expected


def test_noise_of_cells_side_by_side():
    """On three by three cells no frequency is far from all reflections: the furthest are taken."""
    lattice = Lattice((0, 0), (60, 0), (0, 40), 0.3, 0.0, 0.0, 1.0, "oblong", (18.0, 12.0))
    left = np.random.default_rng(1).normal(0, 2, (120, 180))
    assert noise_between(left, lattice).at(np.array([0.3, 0.6])) == pytest.approx(
        np.full(2, 4 * 0.09), rel=0.4
    )


def average_cell(crystal, noise: float, seed: int, model: float = 0.0) -> tuple[CellFit, np.ndarray]:
    """Fit the coefficients of a cell whose columns are moved; return the fit, and the errors of its places [Å]."""
    rng = np.random.default_rng(seed)
    sites = column_sites(crystal.atoms)
    moves = rng.normal(0, WAY, (len(sites), 2))
    hk = crystal.indices(finest_spacing(SAMPLING))
    k, area = hk / crystal.cell, float(crystal.cell.prod())
    places = np.array([site.place for site in sites]) + moves
    shapes = np.array([site.spectrum(k) for site in sites]) * np.exp(-2j * np.pi * places @ k.T)
    truth = shapes.sum(0) / area * np.exp(-(k**2).sum(1) / WIDTH)

    def draw(deviation: np.ndarray | float) -> np.ndarray:
        return deviation * (rng.normal(size=len(k)) + 1j * rng.normal(size=len(k))) / np.sqrt(2)

    measured = truth + draw(noise) + draw(model * np.abs(truth))
    fit = fit_cell(measured, np.full(len(k), noise**2), k, sites, crystal.powers(hk), area)
    error = fit.moved - moves
    return fit, error - error.mean(0)


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "model"), [(2e-2, 0.0), (5e-3, 0.0), (5e-4, 0.03)])
def test_an_average_cell_is_as_sure_as_it_says(crystal, noise, model):
    pulls = []
    for seed in range(3):
        fit, error = average_cell(crystal, noise, seed, model)
        pulls.append(error / np.sqrt(fit.doubt[:, 1:]))
        assert fit.way == pytest.approx(WAY, abs=0.03)
        assert error.std() < 0.7 * WAY
    assert np.std(pulls) == pytest.approx(1.0, abs=0.15)


def test_an_error_of_the_model_is_told_from_noise(crystal):
    alone, _ = average_cell(crystal, 5e-4, 0)
    beside, _ = average_cell(crystal, 5e-4, 0, model=0.03)
    assert alone.misfit < 0.01 < beside.misfit
    assert beside.doubt[:, 1:].mean() > 2 * alone.doubt[:, 1:].mean()


@pytest.mark.parametrize("truth", [0.0, 0.05, 0.15])
@pytest.mark.parametrize("width", [0.03, 0.1])
def test_how_far_copies_are_from_each_other_is_learnt_whatever_was_expected(truth, width):
    rng = np.random.default_rng(0)
    error = rng.uniform(0.03, 0.1, 2000)
    measured = rng.normal(0, truth, 2000) + rng.normal(0, error)
    variance = 1 / (error**-2 + width**-2)
    assert _spread(measured * variance / error**2, variance, width) == pytest.approx(truth, abs=0.012)
