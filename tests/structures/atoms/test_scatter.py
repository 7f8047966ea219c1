"""Scattered atoms: number, distances, placement, clusters, ligands, regions, refusals."""

import numpy as np
import pytest
from ase import Atoms
from scipy.spatial import cKDTree

from stemforge.structures.atoms.scatter import scatter_single_atoms
from stemforge.structures.atoms.surface import covered_pixels
from stemforge.structures.supports.carbon import amorphous_carbon
from stemforge.structures.supports.carbon_nitride import carbon_nitride
from stemforge.structures.supports.particle import carbon_particle
from stemforge.structures.tags import CLUSTER_ATOM, IMPURITY, LIGAND, SINGLE_ATOM, SUPPORT

EDGES = (70.0, 60.0)


@pytest.fixture(scope="module")
def film():
    return amorphous_carbon((*EDGES, 30.0), rng=np.random.default_rng(0))


def scatter(support, seed=1, **settings):
    return scatter_single_atoms(
        support, "Pt", **{"areal_density": 0.5, "rng": np.random.default_rng(seed)} | settings
    )


def of(atoms, tag):
    return atoms.positions[atoms.get_tags() == tag]


def nearest(points, others, edges=EDGES, k=1):
    distances = cKDTree(others, boxsize=(*edges, 0)).query(points, k=k)[0]
    return distances if k == 1 else distances[:, k - 1]


@pytest.mark.parametrize("placement", ["surface", "volume"])
@pytest.mark.parametrize("areal_density", [0.0, 0.5, 1.5])
def test_number_and_distances(film, placement, areal_density):
    atoms = scatter(film, areal_density=areal_density, placement=placement)
    single = of(atoms, SINGLE_ATOM)
    assert len(single) == round(areal_density * 42)
    if len(single):
        assert nearest(single, single, k=2).min() >= 5.0
        assert nearest(single, of(atoms, SUPPORT)).min() >= 2.0 - 1e-9
    assert set(atoms.symbols[atoms.get_tags() == SINGLE_ATOM]) <= {"Pt"}
    assert set(atoms.symbols[atoms.get_tags() == SUPPORT]) == {"C"}


def test_surface_atoms_touch_and_are_outermost(film):
    atoms = scatter(film, areal_density=1.0)
    single, support = of(atoms, SINGLE_ATOM), of(atoms, SUPPORT)
    assert len(support) == len(film)
    assert nearest(single, support) == pytest.approx(np.full(len(single), 2.0), abs=1e-6)
    sides = []
    for x, y, z in single:
        step = np.abs(support[:, :2] - (x, y))
        below = np.hypot(*np.minimum(step, np.array(EDGES) - step).T) < 1.9
        column = support[below, 2]
        assert z > column.max() or z < column.min()
        sides.append(z > column.max())
    assert 0.25 < np.mean(sides) < 0.75


def test_volume_atoms_spread_through_the_depth(film):
    atoms = scatter(film, areal_density=2.0, placement="volume")
    z, support = of(atoms, SINGLE_ATOM)[:, 2], of(atoms, SUPPORT)
    counts, _ = np.histogram(z, bins=3, range=(support[:, 2].min(), support[:, 2].max()))
    assert counts.min() > 0.2 * len(z)
    assert len(support) < len(film)


def test_atoms_sink_into_the_pores_of_a_sheet():
    sheet = carbon_nitride((60, 60), num_layers=1, corrugation=0.0, rng=np.random.default_rng(0))
    atoms = scatter(sheet, areal_density=1.5, contact_distance=1.7)
    edges = sheet.cell.lengths()[:2]
    single, support = of(atoms, SINGLE_ATOM), of(atoms, SUPPORT)
    height = np.abs(single[:, 2] - support[0, 2])
    assert height.max() <= 1.7 + 1e-9
    in_plane = height < 1e-9
    assert in_plane.any()
    assert not in_plane.all()
    assert nearest(single, support, edges).min() >= 1.7 - 1e-9


def test_vacuum_holds_no_atoms_and_does_not_count():
    particle = carbon_particle((80, 80), mean_thickness=30, vacuum_fraction=0.4, rng=np.random.default_rng(3))
    atoms = scatter(particle, areal_density=1.0)
    single = of(atoms, SINGLE_ATOM)
    assert len(single) == round(covered_pixels(particle).mean() * 64)
    assert len(single) == pytest.approx(0.6 * 64, abs=3)
    gap = nearest(
        np.column_stack([single[:, :2], 0 * single[:, 0]]), particle.positions * (1, 1, 0), (80, 80)
    )
    assert gap.max() < 3.0


def test_clusters(film):
    atoms = scatter(film, areal_density=0.8, cluster_fraction=0.5, cluster_size=(2, 7), bond_distance=2.6)
    cluster, single = of(atoms, CLUSTER_ATOM), of(atoms, SINGLE_ATOM)
    assert len(cluster) > 10
    assert len(single) > 5
    assert nearest(cluster, cluster, k=2) == pytest.approx(np.full(len(cluster), 2.6), abs=1e-6)
    assert nearest(single, np.concatenate([single, cluster]), k=2).min() >= 5.0
    pairs = cKDTree(cluster, boxsize=(*EDGES, 0)).query_pairs(20, output_type="ndarray")
    step = np.abs(cluster[pairs[:, 0]] - cluster[pairs[:, 1]])
    step[:, :2] = np.minimum(step[:, :2], np.array(EDGES) - step[:, :2])
    distances = np.linalg.norm(step, axis=1)
    # Atoms of one raft are at most two bonds apart, those of two rafts at least min_distance.
    assert not np.any((distances > 2.6 + 1e-6) & (distances < 2.6 * np.sqrt(3) - 1e-6))
    assert nearest(cluster, of(atoms, SUPPORT)).min() >= 2.0 - 1e-9


def test_impurities_are_there_and_no_targets(film):
    pt = scatter(film, placement="volume")
    rng = np.random.default_rng(2)
    both = scatter_single_atoms(
        pt,
        "Zn",
        placement="volume",
        areal_density=1.0,
        min_distance=3.0,
        cluster_fraction=0.3,
        impurity=True,
        rng=rng,
    )
    assert of(both, SINGLE_ATOM) == pytest.approx(of(pt, SINGLE_ATOM))
    assert set(both[both.symbols == "Zn"].get_tags()) == {IMPURITY}
    assert len(of(both, IMPURITY)) > 42
    assert nearest(of(both, IMPURITY), of(both, SINGLE_ATOM)).min() >= 3.0


def test_default_bond_is_twice_the_covalent_radius(film):
    cluster = of(scatter(film, cluster_fraction=1.0, placement="volume"), CLUSTER_ATOM)
    assert nearest(cluster, cluster, k=2) == pytest.approx(np.full(len(cluster), 2.72), abs=1e-6)


@pytest.mark.parametrize("placement", ["surface", "volume"])
@pytest.mark.parametrize(("ligand", "symbol", "bond", "each"), [("Cl", "Cl", 2.38, 1), ("OH", "O", 2.02, 2)])
def test_ligands(film, placement, ligand, symbol, bond, each):
    atoms = scatter(film, placement=placement, ligand=ligand, ligand_fraction=0.5)
    single = of(atoms, SINGLE_ATOM)
    is_ligand = atoms.get_tags() == LIGAND
    assert is_ligand.sum() == each * round(0.5 * len(single))
    bonded = atoms.positions[is_ligand & (atoms.symbols == symbol)]
    assert nearest(bonded, single) == pytest.approx(np.full(len(bonded), bond), abs=0.01)
    assert nearest(atoms.positions[is_ligand], of(atoms, SUPPORT)).min() >= 1.5
    if ligand == "OH":
        hydrogen = atoms.positions[is_ligand & (atoms.symbols == "H")]
        assert nearest(hydrogen, bonded) == pytest.approx(np.full(len(hydrogen), 0.97), abs=1e-6)
        assert nearest(hydrogen, single).min() > 2.3


@pytest.mark.parametrize("placement", ["surface", "volume"])
def test_region(film, placement):
    atoms = scatter(film, region=(10.0, 20.0, 50.0, 55.0), areal_density=1.0, placement=placement)
    x, y, _ = of(atoms, SINGLE_ATOM).T
    assert len(x) == 14
    assert (x >= 10).all()
    assert (x < 50).all()
    assert (y >= 20).all()
    assert (y < 55).all()


def test_two_elements_one_after_the_other(film):
    first = scatter(film, areal_density=0.8)
    both = scatter_single_atoms(first, "Fe", areal_density=0.8, rng=np.random.default_rng(9))
    single = of(both, SINGLE_ATOM)
    assert len(single) == 2 * len(of(first, SINGLE_ATOM))
    assert nearest(single, single, k=2).min() >= 5.0


def test_the_cell_grows_with_margins(film):
    atoms = scatter(film, areal_density=1.0, ligand="Cl")
    z, height = atoms.positions[:, 2], atoms.cell.lengths()[2]
    assert z.min() >= 2.0
    assert height - z.max() >= 2.0
    assert np.all(atoms.positions[:, :2] >= 0)
    assert np.all(atoms.positions[:, :2] < EDGES)


def test_the_same_seed_gives_the_same_bytes(film):
    settings = {"cluster_fraction": 0.3, "ligand": "OH"}
    first, second, other = (scatter(film, seed, **settings) for seed in (5, 5, 6))
    assert first.positions.tobytes() == second.positions.tobytes()
    assert first.positions.tobytes() != other.positions.tobytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"areal_density": -1.0}, "areal_density must be a finite number, at least 0"),
        (
            {"areal_density": 20.0},
            r"areal_density must be at most about 5\.\d+ per nm² where sites lie 5 Å apart",
        ),
        ({"min_distance": 90.0}, r"min_distance must be such that sites \(90 Å apart .* fit into the cell"),
        ({"placement": "top"}, "placement must be 'surface' or 'volume', got 'top'"),
        ({"cluster_fraction": 1.2}, "cluster_fraction must be between 0 and 1"),
        ({"cluster_size": (1, 4)}, "cluster_size must be two numbers, fewest and most, between 2 and 7"),
        ({"ligand": "Br"}, r"ligand must be None or one of \('Cl', 'OH'\), got 'Br'"),
        ({"region": (0, 0, 99, 10)}, "region must be .* inside the cell of 70 × 60 Å"),
        ({"contact_distance": 0.0}, "contact_distance must be a finite number, at least 0.5"),
    ],
)
def test_bad_input_is_refused(film, change, message):
    with pytest.raises(ValueError, match=message):
        scatter(film, **change)


def test_bad_supports_and_elements_are_refused(film):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="element must be a chemical symbol such as 'Pt', got 'Platinum'"):
        scatter_single_atoms(film, "Platinum", areal_density=0.1, rng=rng)
    with pytest.raises(ValueError, match="support must be in a cell with three positive edges"):
        scatter_single_atoms(Atoms("C"), "Pt", areal_density=0.1, rng=rng)
    tilted = Atoms("C", cell=[(9, 0, 0), (4, 9, 0), (0, 0, 9)])
    with pytest.raises(ValueError, match="support must be in an orthogonal cell"):
        scatter_single_atoms(tilted, "Pt", areal_density=0.1, rng=rng)
