"""Acid sites, poses of guests at them, channels, and clusters: composition, distances, what is refused."""

import numpy as np
import pytest
from ase import Atoms
from ase.geometry import get_distances
from ase.spacegroup import crystal
from scipy import ndimage

from stemforge.errors import StructureError
from stemforge.structures import CandidateSearch, acid_sites, dock_guest, make_acid, zeolite_cell
from stemforge.structures.candidates.cluster import cut_cluster
from stemforge.structures.candidates.docking import Docking, matched_deviation
from stemforge.structures.candidates.images import enlarged, images_near, least_separation
from stemforge.structures.candidates.pores import Pores, _percolating
from stemforge.structures.candidates.search import _roomiest_of
from stemforge.structures.candidates.settings import read_framework
from stemforge.structures.candidates.table import cif_text
from stemforge.structures.tags import Tag

MFI = zeolite_cell()
SITES = {site.name: site for site in acid_sites(MFI)}
# Sodalite: cages behind windows of six T atoms only.
SODALITE = crystal(
    ["Si", "O"], [(0.25, 0.5, 0), (0.1467, 0.1467, 0.5)], spacegroup=229, cellpar=[8.83] * 3 + [90] * 3
)
SODALITE.set_array("kind", (SODALITE.numbers == 8).astype(int))
SODALITE.set_array("site", (SODALITE.numbers == 14).astype(int))
SODALITE.set_array("thermal_sigma", np.full(len(SODALITE), 0.1))


def docked(name="T12-O20", **options):
    return dock_guest(make_acid(MFI, SITES[name]), rng=np.random.default_rng(0), **options)


def test_every_t_site_has_its_four_oxygens():
    assert len(SITES) == 48
    for t in range(1, 13):
        assert sum(site.t == t for site in SITES.values()) == 4
    # Bonds of MFI as in van Koningsveld, Acta Cryst. B43, 127 (1987).
    assert {name for name in SITES if name.startswith("T12-")} == {f"T12-O{o}" for o in (11, 12, 20, 24)}
    assert {name for name in SITES if name.startswith("T1-")} == {f"T1-O{o}" for o in (1, 15, 16, 21)}


@pytest.mark.slow
def test_sites_are_found_without_symmetry_by_distances():
    plain = MFI.copy()
    plain.set_array("kind", np.arange(len(plain)))
    assert len(acid_sites(plain)) == 48


def test_sites_of_a_small_cell_without_symmetry_are_told_before_it_is_repeated(tmp_path):
    path = tmp_path / "sodalite.cif"
    path.write_text(cif_text(SODALITE))
    cell = enlarged(read_framework(path)[0], 12.0)
    assert len(cell) == 8 * len(SODALITE)
    assert [site.name for site in acid_sites(cell)] == ["T1-O1"]


@pytest.mark.parametrize(
    ("rooms", "best"),
    [
        ({200: (0.1, 0.3, 0.2)}, 1),
        ({200: (0.1, 0.3, 0.3)}, 1),
        ({200: (0.0, 0.0, 0.0), 800: (0.0, 0.0, 0.001)}, 2),
        ({200: (0.0, 0.0, 0.0), 800: (0.0, 0.0, 0.0), 2000: (0.0, 0.0, 0.0)}, 0),
    ],
)
def test_the_best_oxygen_is_no_closed_one_where_few_poses_fit(rooms, best):
    class Docking:
        def __init__(self):
            self.asked = {}

        def room(self, acid, tries, rng):
            number = self.asked[tries] = self.asked.get(tries, -1) + 1
            return rooms[tries][number]

    three = [SITES[name] for name in ("T12-O11", "T12-O20", "T12-O24")]
    assert _roomiest_of(MFI, three, Docking(), CandidateSearch()) == three[best]


def channel(direction, n=12):
    """Return a map with a channel that leads from the origin to its image in the cell of these numbers."""
    found = np.zeros((n, n, n), dtype=bool)
    for place in np.linspace(0, 1, 20 * n)[:, None] * direction * n:
        found[tuple(np.round(place).astype(int) % n)] = True
    return ndimage.binary_dilation(np.tile(found, (3, 3, 3)))[n : 2 * n, n : 2 * n, n : 2 * n]


@pytest.mark.parametrize("direction", [(0, 0, 1), (1, 1, 0), (1, -1, 0), (0, 1, -1), (1, -1, 1), (2, -1, 0)])
def test_a_channel_is_found_in_whatever_direction_it_runs(direction):
    empty = channel(np.array(direction))
    assert np.array_equal(_percolating(empty), empty)
    cut = (
        empty & (np.arange(12) != 6)[:, None, None]
        if direction[0]
        else empty & (np.arange(12) != 6)[None, None]
    )
    assert not _percolating(cut).any()


@pytest.mark.parametrize("name", ["T1-O15", "T7-O23", "T12-O20"])
def test_an_acid_site_has_one_aluminium_and_one_proton(name):
    acid = make_acid(MFI, SITES[name])
    assert acid.get_chemical_formula() == "HAlO192Si95"
    index = acid.info["acid"]
    lengths = acid.get_distances(index["proton"], range(len(MFI)), mic=True)
    assert np.argmin(lengths) == index["oxygen"]
    assert lengths.min() == pytest.approx(0.97)
    near = np.argsort(lengths)[1:3]
    assert sorted(acid.symbols[near]) == ["Al", "Si"]
    assert acid.get_distance(index["aluminium"], index["oxygen"], mic=True) < 1.8


@pytest.mark.parametrize("guest", ["pyridine", "thiophene", "benzene", "CH3OH"])
def test_the_guest_faces_the_proton_clear_of_the_wall(guest):
    crystal = docked(guest=guest)
    head, proton = crystal.info["acid"]["head"], crystal.info["acid"]["proton"]
    molecule = np.flatnonzero(crystal.get_tags() == Tag.GUEST)
    to_proton = crystal.get_distances(proton, molecule, mic=True)
    heavy = crystal.numbers[molecule] > 1
    assert molecule[heavy][np.argmin(to_proton[heavy])] == head
    others = np.setdiff1d(molecule, [head])
    assert (
        get_distances(crystal.positions[others], crystal.positions[: len(MFI)], cell=crystal.cell, pbc=True)[
            1
        ].min()
        > 1.8
    )
    assert len(crystal) == len(MFI) + 1 + len(molecule)


def test_a_protonated_guest_has_the_proton():
    crystal = docked(protonated=True)
    assert crystal.get_distance(
        crystal.info["acid"]["head"], crystal.info["acid"]["proton"]
    ) == pytest.approx(1.03)
    assert crystal.get_chemical_formula() == "C5H6AlNO192Si95"


def test_poses_differ_and_the_same_seed_gives_the_same():
    docking = Docking(MFI, "pyridine", 0.75)
    acid = make_acid(MFI, SITES["T12-O20"])
    one, two = (docking.poses(acid, 4, 2000, np.random.default_rng(3)) for _ in range(2))
    assert len(one) == 4
    assert np.array_equal(one, two)
    pairs = [(i, j) for i in range(4) for j in range(i)]
    numbers = docking.molecule.numbers
    assert min(matched_deviation(numbers, one[i], one[j]) for i, j in pairs) >= 1.0


@pytest.mark.parametrize("name", ["T2-O13", "T12-O12"])
def test_a_proton_that_points_into_no_channel_takes_no_guest(name):
    with pytest.raises(StructureError, match="none of 2000 poses: its proton points into no channel"):
        docked(name)


def test_a_cage_that_nothing_can_enter_is_no_channel():
    large = enlarged(SODALITE, 12.0)
    assert len(Pores(large).points) == 0
    acid = make_acid(large, acid_sites(large)[0])
    small = Atoms("N", positions=[(0, 0, 0)])
    with pytest.raises(StructureError, match="points into no channel"):
        dock_guest(acid, small, tolerance=0.3, max_tries=300, rng=np.random.default_rng(0))
    # Where rings of six count as open, the cages hang together: only their windows stood against it.
    assert len(Pores(large, 1.8).points)


def test_straight_and_sinusoidal_channels_are_one_system():
    pores = Pores(MFI)
    # Along a straight channel, and in the sinusoidal one between two straight ones.
    for place in ((0.5, 0.0, 0.0), (0.0, 0.0, 0.5), (0.5, 0.25, 0.0), (0.25, 0.25, 0.0)):
        assert pores.distance(np.array(place) @ MFI.cell.array) < 1.2, place
    assert pores.distance(np.array((0.25, 0.25, 0.33)) @ MFI.cell.array) > 3.0
    assert pores.distance(MFI.positions[0]) > 2.0


def test_images_are_all_within_reach():
    place = MFI.positions[:1]
    index, positions = images_near(MFI, place, 14.0)
    lengths = np.linalg.norm(positions - place, axis=1)
    assert lengths.max() <= 14.0
    cells = (positions - MFI.positions[index]) @ np.linalg.inv(MFI.cell.array)
    assert np.allclose(cells, cells.round(), atol=1e-6)
    density = len(MFI) / MFI.cell.volume
    assert len(index) == pytest.approx(density * 4 / 3 * np.pi * 14.0**3, rel=0.05)
    assert least_separation(MFI, np.array([0])) == pytest.approx(lengths[lengths > 1e-6].min())


@pytest.mark.parametrize("name", ["T12-O20", "T3-O2", "T9-O18"])
def test_a_cluster_is_whole_neutral_and_ended_by_hydrogen(name):
    crystal = docked(name)
    cluster = cut_cluster(crystal)
    atoms = cluster.atoms
    assert (atoms.symbols == "Al").sum() == 1
    lengths = atoms.get_all_distances()
    np.fill_diagonal(lengths, 9.0)
    assert lengths.min() == pytest.approx(0.97)
    framework = atoms.get_tags() == Tag.SUPPORT
    oxygen, t = framework & (atoms.symbols == "O"), framework & np.isin(atoms.numbers, (13, 14))
    caps = cluster.parent < 0
    bonds = lengths < 2.0
    assert (bonds[oxygen][:, t].sum(axis=1) == 2).all()
    assert (bonds[t][:, oxygen | caps].sum(axis=1) == 4).all()
    assert atoms.numbers.sum() % 2 == 0
    assert not cluster.free[caps].any()
    assert cluster.free[atoms.get_tags() == Tag.GUEST].all()
    moved = cluster.put_back(crystal, atoms.positions + 0.1)
    still = np.setdiff1d(np.arange(len(crystal)), cluster.parent[cluster.free])
    assert np.array_equal(moved.positions[still], crystal.positions[still])
    assert np.allclose(
        moved.positions[cluster.parent[cluster.free]] - 0.1, crystal.positions[cluster.parent[cluster.free]]
    )


def test_a_framework_that_is_not_bare_is_refused():
    with pytest.raises(StructureError, match="must hold Si and O alone, and it holds Al, H too"):
        acid_sites(make_acid(MFI, SITES["T1-O1"]))
    broken = MFI[np.arange(len(MFI)) != SITES["T1-O1"].oxygen]
    with pytest.raises(StructureError, match="2 T atoms have not four oxygens"):
        acid_sites(broken)
