"""Crystal slabs: composition, distances and periodicity are those of the published cells."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list

from stemforge.structures import crystal_slab
from stemforge.structures.crystals.known import KNOWN_CRYSTALS, known_crystal

# Shortest distances between unlike atoms [Å], by hand from the published cells.
BONDS = {
    "mgo": 4.2112 / 2,
    "nio": 4.1684 / 2,
    "ceo2": 5.411 * np.sqrt(3) / 4,
    # Four Ti–O of (1/2 - x) a √2 and half c, two of x a √2; the four are shorter.
    "tio2-rutile": np.hypot((0.5 - 0.3051) * 4.593 * np.sqrt(2), 2.959 / 2),
    "tio2-anatase": np.hypot(3.7842 / 2, (0.25 - 0.2081) * 9.5146),
    "srtio3": 3.905 / 2,
}
VIEWS = [
    ("mgo", {"face": (0, 0, 1)}),
    ("mgo", {"face": (1, 1, 1)}),
    ("mgo", {"zone_axis": (1, 1, 2)}),
    ("mgo", {"face": (0, 0, 1), "rotation": 0.3}),
    ("ceo2", {"face": (1, 1, 1)}),
    ("tio2-rutile", {"face": (1, 1, 0)}),
    ("tio2-anatase", {"face": (1, 0, 1)}),
    ("tio2-anatase", {"zone_axis": (0, 1, 0)}),
    ("al2o3-alpha", {"face": (0, 0, 1)}),
    ("srtio3", {"face": (0, 0, 1)}),
    ("Si", {"zone_axis": (1, 1, 0)}),
    ("Pt", {"face": (1, 1, 1)}),
    ("Co", {"face": (0, 0, 1)}),
    ("Fe", {"zone_axis": (1, 1, 1)}),
]


def slab(crystal, size=(24.0, 24.0), seed=0, **values):
    return crystal_slab(crystal, size, rng=np.random.default_rng(seed), **values)


def sorted_distances(atoms, reach=4.0):
    """Distances to all neighbours within reach of each atom, sorted, one list an atom."""
    i, d = neighbor_list("id", atoms, reach)
    return [tuple(np.sort(d[i == n]).round(4)) for n in range(len(atoms))]


@pytest.mark.parametrize("name", BONDS)
def test_bonds_are_those_of_the_published_cell(name):
    cell = known_crystal(name).atoms
    first = cell.symbols == cell.symbols[-1]
    i, j, d = neighbor_list("ijd", cell, 3.0)
    assert d[first[i] != first[j]].min() == pytest.approx(BONDS[name], abs=1e-9)


def test_aluminas_have_the_densities_of_their_papers():
    # g/cm³: corundum 3.99; the spinel of 21 1/3 Al (26.982 u) and 32 O (15.999 u) in (7.911 Å)³.
    spinel = (64 / 3 * 26.982 + 32 * 15.999) * 1.66054 / 7.911**3
    for name, density in (("al2o3-alpha", 3.99), ("al2o3-gamma", spinel)):
        cell = known_crystal(name).atoms
        mass = (cell.get_masses() * cell.arrays["occupancy"]).sum() * 1.66054
        assert mass / cell.get_volume() == pytest.approx(density, abs=0.01)


@pytest.mark.parametrize(("name", "view"), VIEWS)
def test_a_slab_is_its_crystal_whole_layers_of_it_and_periodic(name, view):
    atoms = slab(name, thickness=20, **view)
    unit = known_crystal(name).atoms
    assert atoms.cell.lengths()[0] >= 24
    assert atoms.cell.lengths()[1] >= 24
    assert atoms.info["crystal"]["strain"] < 1e-9, "these fit without strain"
    # Whole layers: exactly the composition of the cell.
    counts = [np.array([(a.numbers == z).sum() for z in np.unique(unit.numbers)]) for a in (atoms, unit)]
    assert (counts[0] * counts[1][0] == counts[1] * counts[0][0]).all()
    layers = atoms.info["crystal"]["layers"] * atoms.info["crystal"]["layer"]
    volume = np.prod(atoms.cell.lengths()[:2]) * layers
    assert len(atoms) / volume == pytest.approx(len(unit) / unit.get_volume(), rel=1e-9)
    assert layers == pytest.approx(20, abs=atoms.info["crystal"]["layer"] / 2 + 1e-6)
    # Across the edges of the field too, every atom far from both surfaces has the neighbours that ASE's bulk gives it.
    around = {(unit.numbers[n], d) for n, d in enumerate(sorted_distances(unit))}
    z = atoms.positions[:, 2]
    inner = np.flatnonzero((z > z.min() + 4.01) & (z < z.max() - 4.01))
    assert len(inner) > 20
    found = sorted_distances(atoms)
    assert {(atoms.numbers[n], found[n]) for n in inner} <= around


def test_a_slab_equals_ase_s_bulk_repeated():
    atoms = slab("Au", (16, 16), face=(0, 0, 1), thickness=8.2)
    repeated = bulk("Au", cubic=True).repeat((4, 4, 2))
    assert len(atoms) == len(repeated) == 128
    assert atoms.cell.lengths()[:2] == pytest.approx(repeated.cell.lengths()[:2])
    lowest = [one.positions[np.argmin(one.positions[:, 2])] for one in (atoms, repeated)]
    repeated.positions += lowest[0] - lowest[1]
    together = Atoms(
        positions=np.vstack([atoms.positions, repeated.positions]), cell=atoms.cell, pbc=(1, 1, 0)
    )
    i, d = neighbor_list("id", together, 0.01)
    assert len(i) == 2 * len(atoms), "each atom lies on one of the other"
    assert d.max() < 1e-9


def test_surfaces_end_where_nature_ends_them():
    for name, face, ends in [
        ("ceo2", (1, 1, 1), "OO"),
        ("tio2-rutile", (1, 1, 0), "OO"),
        ("al2o3-alpha", (0, 0, 1), {"Al"}),
    ]:
        atoms = slab(name, face=face, thickness=20)
        z = atoms.positions[:, 2]
        for end in (z.min(), z.max()):
            assert set(atoms.symbols[np.abs(z - end) < 0.05]) == set(ends)


def test_partly_occupied_sites_are_drawn():
    atoms, again, other = (slab("al2o3-gamma", face=(0, 0, 1), seed=seed) for seed in (0, 0, 1))
    assert atoms == again
    assert len(atoms) != len(other)
    share = (atoms.symbols == "Al").sum() / (atoms.symbols == "O").sum()
    assert share == pytest.approx(2 / 3, abs=0.02)


def test_mistilt_shears_the_slab_and_keeps_it_periodic():
    straight = slab("mgo", face=(0, 0, 1), thickness=40)
    tilted = slab("mgo", face=(0, 0, 1), thickness=40, mistilt=(20.0, 0.0))
    middle = straight.positions[:, 2].mean()
    moved = tilted.positions - straight.positions
    expected = (straight.positions[:, 2] - middle) * np.tan(0.02)
    width = straight.cell.lengths()[0]
    moved[:, 0] -= width * np.round((moved[:, 0] - expected) / width)
    assert np.abs(moved[:, 0] - expected).max() < 1e-9
    assert np.abs(moved[:, 1:]).max() < 1e-9


def test_steps_are_one_layer_high():
    flat = slab("mgo", (40, 40), face=(0, 0, 1), thickness=20)
    stepped = slab("mgo", (40, 40), face=(0, 0, 1), thickness=20, steps=2)
    heights = np.unique(stepped.positions[:, 2].round(3))
    assert np.diff(heights) == pytest.approx(2.1056, abs=1e-3)
    assert len(heights) == len(np.unique(flat.positions[:, 2].round(3))) + 2, "one more at each surface"
    top = stepped[stepped.positions[:, 2] > stepped.positions[:, 2].max() - 0.1]
    layer = len(flat) / flat.info["crystal"]["layers"]
    assert 0.1 * layer < len(top) < 0.9 * layer


def test_roughness_and_vacuum_take_what_they_say():
    flat = slab("mgo", (60, 60), face=(0, 0, 1), thickness=20)
    rough = slab("mgo", (60, 60), face=(0, 0, 1), thickness=20, roughness=2.0)
    assert len(rough) == pytest.approx(len(flat), rel=0.05)
    # Heights of the upper surface over squares of one cell.
    i, j = (rough.positions[:, :2] // 4.2).astype(int).T
    top = np.full((i.max() + 1, j.max() + 1), -np.inf)
    np.maximum.at(top, (i, j), rough.positions[:, 2])
    assert top.std() == pytest.approx(2.0, rel=0.3)
    half = slab("mgo", (60, 60), face=(0, 0, 1), thickness=20, vacuum_fraction=0.5, edge_angle=0.0)
    assert len(half) == pytest.approx(len(flat) / 2, rel=0.05)
    assert half.positions[:, 0].max() < 32
    ragged = slab(
        "mgo", (60, 60), face=(0, 0, 1), thickness=20, vacuum_fraction=0.5, edge_angle=0.0, edge_roughness=4.0
    )
    assert 34 < ragged.positions[:, 0].max() < 55


def test_a_cif_is_cut_as_the_table_is(tmp_path):
    path = tmp_path / "ceria.cif"
    known = known_crystal("ceo2").atoms
    Atoms(known.numbers, positions=known.positions, cell=known.cell, pbc=True).write(path)
    table, file = (slab(one, face=(1, 1, 1), thickness=15) for one in ("ceo2", path))
    assert table.get_chemical_formula() == file.get_chemical_formula()
    assert np.abs(np.sort(table.positions, axis=0) - np.sort(file.positions, axis=0)).max() < 1e-4


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"crystal": "unobtainium"}, r"crystal must be one of mgo, .*, got 'unobtainium'.*CIF"),
        ({"face": None}, "zone_axis must be given, or face"),
        ({"zone_axis": (0, 0, 1)}, "but not both"),
        ({"face": (0, 0, 0)}, "face must be three whole numbers"),
        ({"face": (0, 0.5, 1)}, "face must be three whole numbers"),
        ({"thickness": 0.0}, "thickness must be"),
        ({"mistilt": (300.0, 0.0)}, "Choose another zone_axis"),
        ({"vacuum_fraction": 1.0}, "vacuum_fraction must be between 0 and 0.95"),
        (
            {"face": None, "zone_axis": (1, 1, 1), "crystal": "tio2-rutile", "max_strain": 1e-5},
            "Its strain would be",
        ),
    ],
)
def test_bad_parameters_are_refused(values, says):
    given = {"crystal": "mgo", "face": (0, 0, 1), **values}
    with pytest.raises(ValueError, match=says):
        slab(given.pop("crystal"), **given)


def test_every_known_crystal_can_be_cut():
    for name in KNOWN_CRYSTALS:
        assert len(slab(name, (12, 12), face=(0, 0, 1), thickness=8)) > 20
