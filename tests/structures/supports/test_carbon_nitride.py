"""Carbon nitride: stoichiometry, bonds, coordination, stacking, patches, disorder, refusals."""

import numpy as np
import pytest
from ase.neighborlist import neighbor_list
from scipy.spatial import cKDTree

from stemforge.structures.supports.carbon_nitride import carbon_nitride


def nitride(size=(40.0, 40.0), seed=0, **settings):
    return carbon_nitride(size, **{"rng": np.random.default_rng(seed), "corrugation": 0.0} | settings)


@pytest.mark.parametrize("stacking", ["AA", "AB", "random"])
def test_perfect_crystal(stacking):
    atoms = nitride(num_layers=3, stacking=stacking)
    assert atoms.symbols.formula.count()["C"] * 4 == atoms.symbols.formula.count()["N"] * 3
    i, j, d = neighbor_list("ijd", atoms, 1.8)
    assert d.min() == pytest.approx(1.33, abs=1e-3)
    assert d.max() == pytest.approx(1.47, abs=1e-3)
    assert np.all(atoms.numbers[i] != atoms.numbers[j])  # only C–N bonds
    neighbours = np.bincount(i)
    assert np.all(neighbours[atoms.numbers == 6] == 3)
    # Of the 8 nitrogens of a cell the 6 at the rim have two neighbours, the central and bridging ones three.
    assert np.mean(neighbours[atoms.numbers == 7] == 2) == pytest.approx(6 / 8)
    assert np.mean(neighbours[atoms.numbers == 7] == 3) == pytest.approx(2 / 8)


def test_one_patch_takes_whole_cells():
    atoms = nitride((50, 50), num_layers=1)
    assert atoms.cell.lengths()[:2] == pytest.approx([7 * 7.13, 4 * np.sqrt(3) * 7.13])
    assert len(atoms) == 7 * 4 * 28


def test_ab_stacking_fills_the_holes():
    def largest_hole(stacking):
        atoms = nitride((20, 20), num_layers=2, stacking=stacking)
        edges = atoms.cell.lengths()[:2]
        grid = np.stack(np.meshgrid(*(np.arange(0, edge, 0.25) for edge in edges)), -1).reshape(-1, 2)
        xy = np.mod(atoms.positions[:, :2], edges)
        return cKDTree(xy, boxsize=edges).query(np.mod(grid, edges))[0].max()

    assert largest_hole("AA") > 2.3
    assert largest_hole("AB") < 1.6


def test_layers_and_margins():
    atoms = nitride(num_layers=4, interlayer_distance=3.3, vacuum=5.0)
    assert np.unique(atoms.positions[:, 2].round(6)) == pytest.approx([5, 8.3, 11.6, 14.9])
    assert atoms.cell.lengths()[2] == pytest.approx(19.9)


def test_corrugation_is_a_root_mean_square_shared_by_the_layers():
    atoms = nitride((80, 80), num_layers=2, corrugation=0.4)
    lower, upper = np.split(atoms.positions[:, 2], 2)
    assert lower.std() == pytest.approx(0.4, rel=0.1)
    assert (upper.mean() - lower.mean()) == pytest.approx(3.2, abs=0.05)
    assert neighbor_list("d", atoms, 1.8).max() < 1.6


@pytest.mark.parametrize("stacking", ["AB", "random"])
def test_patches_cover_the_exact_cell_without_overlap(stacking):
    atoms = nitride((70, 55), num_layers=2, patches=5, stacking=stacking)
    assert atoms.cell.lengths()[:2] == pytest.approx([70, 55])
    assert neighbor_list("d", atoms, 2.0).min() >= 1.2
    perfect = 2 * 70 * 55 * 14 / (7.13**2 * np.sqrt(3) / 2)
    assert 0.93 < len(atoms) / perfect <= 1.0
    edges = atoms.cell.lengths()[:2]
    grid = np.stack(np.meshgrid(np.arange(70), np.arange(55)), -1).reshape(-1, 2)
    layer = atoms.positions[atoms.positions[:, 2] < 4][:, :2]
    assert cKDTree(layer, boxsize=edges).query(grid)[0].max() < 5.0


def test_patches_are_turned():
    def bond_angles(patches):
        atoms = nitride((70, 70), num_layers=1, patches=patches)
        vectors = neighbor_list("D", atoms, 1.36)
        return np.histogram(np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0])) % 60, bins=30)[0]

    assert np.count_nonzero(bond_angles(1)) < np.count_nonzero(bond_angles(6))


def test_disorder_and_losses():
    perfect, shaken = nitride(num_layers=2), nitride(num_layers=2, disorder=0.1)
    step = (shaken.positions - perfect.positions)[:, :2]
    edges = perfect.cell.lengths()[:2]
    step -= edges * np.round(step / edges)
    assert step.std() == pytest.approx(0.1, rel=0.1)
    assert len(nitride(num_layers=2, lost_fraction=0.25)) == round(0.75 * len(perfect))


def test_the_same_seed_gives_the_same_bytes():
    settings = {"patches": 3, "disorder": 0.1, "lost_fraction": 0.1, "corrugation": 0.3}
    first, second, other = (nitride(seed=seed, **settings) for seed in (1, 1, 2))
    assert first.positions.tobytes() == second.positions.tobytes()
    assert first.positions.tobytes() != other.positions.tobytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": (0, 10)}, "size must be 2 positive lengths"),
        ({"num_layers": 0}, "num_layers must be a whole number, at least 1, got 0"),
        ({"num_layers": 1.5}, "num_layers must be a whole number"),
        ({"stacking": "ABC"}, r"stacking must be one of \('AA', 'AB', 'random'\), got 'ABC'"),
        ({"patches": 0}, "patches must be a whole number"),
        ({"disorder": -0.1}, "disorder must be between 0 and 2"),
        ({"lost_fraction": 2}, "lost_fraction must be between 0 and 1"),
    ],
)
def test_bad_input_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        nitride(**change)
