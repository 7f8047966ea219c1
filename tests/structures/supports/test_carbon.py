"""Amorphous carbon: density, hard core across the periodic boundary, nitrogen, determinism, refusals."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from stemforge.structures.packing import random_packing
from stemforge.structures.supports.carbon import amorphous_carbon

SIZE = (40.0, 33.0, 25.0)


def shortest_distance(positions, edges):
    tree = cKDTree(positions, boxsize=(*edges, 0))
    return tree.query(positions, k=2)[0][:, 1].min()


@pytest.mark.parametrize("density", [0.5, 2.0, 2.3, 3.5])
@pytest.mark.parametrize("nitrogen_fraction", [0.0, 0.2])
def test_density_and_hard_core(density, nitrogen_fraction):
    atoms = amorphous_carbon(
        SIZE, density=density, nitrogen_fraction=nitrogen_fraction, rng=np.random.default_rng(1)
    )
    grams = atoms.get_masses().sum() * 1.66054e-24
    assert grams / (np.prod(SIZE) * 1e-24) == pytest.approx(density, rel=0.01)
    assert shortest_distance(atoms.positions, SIZE[:2]) >= 1.35
    assert np.mean(atoms.symbols == "N") == pytest.approx(nitrogen_fraction, abs=1e-3)


def test_atoms_lie_inside_the_cell_with_margins():
    atoms = amorphous_carbon(SIZE, vacuum=3.0, rng=np.random.default_rng(1))
    assert atoms.cell.lengths() == pytest.approx([40, 33, 31])
    assert atoms.positions.min(axis=0) == pytest.approx([0, 0, 3], abs=0.1)
    assert atoms.positions.max(axis=0) == pytest.approx([40, 33, 28], abs=0.1)
    assert np.all(atoms.positions >= [0, 0, 3])
    assert np.all(atoms.positions < [40, 33, 28])


def test_the_film_is_homogeneous():
    atoms = amorphous_carbon((60, 60, 60), rng=np.random.default_rng(2))
    for axis in range(3):
        counts, _ = np.histogram(atoms.positions[:, axis], bins=6)
        assert counts / counts.mean() == pytest.approx(np.ones(6), abs=0.04)


def test_projected_speckle_is_finer_than_poisson_but_not_flat():
    atoms = amorphous_carbon((80, 80, 60), rng=np.random.default_rng(2))
    counts, _, _ = np.histogram2d(*atoms.positions[:, :2].T, bins=20)
    assert 0.2 < counts.var() / counts.mean() < 1.0


def test_the_same_seed_gives_the_same_bytes():
    first, second, other = (
        amorphous_carbon(SIZE, nitrogen_fraction=0.1, rng=np.random.default_rng(s)) for s in (3, 3, 4)
    )
    assert first.positions.tobytes() == second.positions.tobytes()
    assert first.numbers.tobytes() == second.numbers.tobytes()
    assert first.positions.tobytes() != other.positions.tobytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": (10, 10)}, "size must be 3 positive lengths"),
        ({"size": (10, 10, -1)}, "size must be 3 positive lengths"),
        ({"size": (10, 10, np.nan)}, "size must be 3 positive lengths"),
        ({"density": 9.0}, r"density must be at most 4\.64 g/cm³ at min_distance 1\.35 Å, got 9\.0"),
        ({"density": -1.0}, "density must be between 0 and 25"),
        ({"min_distance": 30.0}, "min_distance must be between 0 and 16.5"),
        ({"nitrogen_fraction": 1.5}, "nitrogen_fraction must be between 0 and 1"),
        ({"vacuum": -2.0}, "vacuum must be a finite number, at least 0"),
    ],
)
def test_bad_input_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        amorphous_carbon(**{"size": SIZE, "rng": np.random.default_rng(0)} | change)


def test_a_seed_is_not_a_generator():
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator, got int"):
        amorphous_carbon(SIZE, rng=0)


def test_packing_stops_when_nothing_fits():
    rng = np.random.default_rng(0)
    points = random_packing(lambda n: rng.random((n, 3)) * 4, 500, box=(4, 4, 4), min_distance=1.9)
    assert 3 < len(points) < 30
    assert shortest_distance(points, (4, 4)) >= 1.9


def test_packing_agrees_with_brute_force():
    candidates = np.random.default_rng(5).random((400, 3)) * (12, 9, 7)
    accepted = []
    for point in candidates:
        step = np.abs(np.array(accepted).reshape(-1, 3) - point)
        step[:, :2] = np.minimum(step[:, :2], np.array([12, 9]) - step[:, :2])
        if np.all(np.linalg.norm(step, axis=1) >= 2.0):
            accepted.append(point)
    packed = random_packing(lambda n: candidates, 400, box=(12, 9, 7), min_distance=2.0, max_draws=1)
    assert np.array_equal(packed, accepted)
