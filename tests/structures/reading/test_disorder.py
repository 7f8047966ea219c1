"""Sites that are written twice, shared by elements, split, or partly empty."""

import numpy as np
import pytest
from ase.build import fcc100
from ase.io import read, write

from stemforge.errors import StructureWarning
from stemforge.structures import structure_from_file, zeolite

FCC = "_symmetry_space_group_name_H-M 'F m -3 m'"
CERIA = ("Ce1 Ce4+ 0.95 0 0 0", "Pt1 Pt2+ 0.05 0 0 0", "O1 O2- 1 .25 .25 .25")


def draws(path, number, **options):
    for seed in range(number):
        yield structure_from_file(path, rng=np.random.default_rng(seed), **options)


def test_a_shared_site_holds_each_element_as_often_as_the_file_says(cif, save):
    path = save("ceria.cif", cif(*CERIA, symmetry=FCC, edge=5.41))
    counts = {"Ce": 0, "Pt": 0, "O": 0}
    for atoms in draws(path, 20, single_atoms=["Pt"], repeat=(5, 5)):
        assert len(atoms) == 25 * 12  # one atom a site, and none empty
        for symbol in counts:
            counts[symbol] += atoms.get_chemical_symbols().count(symbol)
        assert np.array_equal(atoms.get_tags() == 1, atoms.numbers == 78)
    sites = 20 * 25 * 4
    assert counts["O"] == 2 * sites
    assert counts["Pt"] + counts["Ce"] == sites
    # Three standard deviations of a binomial number.
    assert counts["Pt"] / sites == pytest.approx(0.05, abs=3 * (0.05 * 0.95 / sites) ** 0.5)


def test_repeated_cells_are_drawn_one_by_one_and_again_the_same(cif, save):
    path = save("half.cif", cif("C1 C 1 0 0 0", "Pt1 Pt 0.5 .5 .5 .5"))
    first, again, other = (
        structure_from_file(path, repeat=(6, 6), rng=np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    assert np.array_equal(first.positions, again.positions)
    assert not np.array_equal(first.positions, other.positions)
    held = first.positions[first.numbers == 78, :2] // 5
    assert 6 < len(held) < 30
    assert len({tuple(cell) for cell in held}) == len(held)


def test_split_sites_exclude_each_other(cif, save):
    rows = ("C1 C 1 0 0 0", "Pt1 Pt 0.6 .5 .5 .5", "Pt2 Pt 0.3 .6 .5 .5")
    sites = {2.5: 0, 3.0: 0}
    for atoms in draws(save("split.cif", cif(*rows)), 300):
        platinum = atoms.positions[atoms.numbers == 78, 0]
        assert len(platinum) <= 1
        for x in platinum:
            sites[round(x, 3)] += 1
    assert sites[2.5] / 300 == pytest.approx(0.6, abs=3 * (0.24 / 300) ** 0.5)
    assert sites[3.0] / 300 == pytest.approx(0.3, abs=3 * (0.21 / 300) ** 0.5)


def test_alternatives_across_the_cell_s_face_exclude_each_other(cif, save):
    path = save("across.cif", cif("C1 C 1 .5 .5 .5", "Pt1 Pt 0.5 .05 .5 .5", "Pt2 Pt 0.5 .95 .5 .5"))
    assert {atoms.get_chemical_formula() for atoms in draws(path, 20)} == {"CPt"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (("Pt1 Pt 0.8 .5 .5 .5", "Pt2 Pt 0.5 .6 .5 .5"), "must be 1 at most in all, got 1.3. Pt1, Pt2"),
        (("C1 C 1 0 0 0", "Pt1 Pt 0.5 .05 0 0"), "C1 and Pt1 are nearer"),
    ],
)
def test_shares_that_contradict_each_other(cif, save, rows, message):
    with pytest.raises(ValueError, match=message):
        structure_from_file(save("much.cif", cif(*rows)), rng=np.random.default_rng(0))


def test_without_a_generator_nothing_is_drawn(cif, save):
    path = save("ceria.cif", cif(*CERIA, symmetry=FCC, edge=5.41))
    with pytest.raises(ValueError, match=r"must be 1, got 0.95. Ce1 is partly occupied: give rng"):
        structure_from_file(path)
    with pytest.raises(ValueError, match=r"must be 1, got 0\.95"):
        zeolite(path, zone_axis=(0, 0, 1))


def test_molecules_that_take_turns_are_not_mixed(cif, save):
    rows = [
        f"C{i} C 0.5 {x} .5 .5 {group}"
        for i, (x, group) in enumerate([(0.1, 1), (0.4, 1), (0.2, 2), (0.5, 2)])
    ]
    text = cif(*rows).replace("_atom_site_fract_z\n", "_atom_site_fract_z\n_atom_site_disorder_group\n")
    with pytest.raises(ValueError, match=r"disorder groups \./1, \./2 hold several atoms each"):
        structure_from_file(save("turns.cif", text), rng=np.random.default_rng(0))


@pytest.mark.parametrize("share", ["1", "0.5"])
def test_atoms_on_both_faces_of_a_cell_are_one(cif, save, share):
    corners = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
    rows = [f"Pt{i} Pt {share} {x} {y} {z}" for i, (x, y, z) in enumerate(corners)]
    path = save("faces.cif", cif(*rows, "C1 C 1 .5 .5 .5"))
    with pytest.warns(StructureWarning, match=r"faces\.cif: atoms that lie where another .*: 7"):
        found = [atoms.symbols.count("Pt") for atoms in draws(path, 200)]
    assert set(found) == ({1} if share == "1" else {0, 1})
    assert np.mean(found) == pytest.approx(float(share), abs=0.11)


def test_a_film_that_the_file_calls_open_keeps_both_faces(save):
    lattice = 'Lattice="9 0 0 0 9 0 0 0 9" pbc="T T F"'
    path = save("film.xyz", f"3\n{lattice}\nC 1 1 0\nC 1 1 9\nC 10 1 0\n")
    with pytest.warns(StructureWarning, match=": 1;"):
        atoms = structure_from_file(path)
    assert sorted(atoms.positions[:, 2].tolist()) == [2.0, 11.0]


def test_a_film_across_the_face_in_z_is_one_film(save):
    lattice = 'Lattice="9 0 0 0 9 0 0 0 20"'
    atoms = structure_from_file(save("film.xyz", f"3\n{lattice}\nC 1 1 19.9\nC 3 3 0.1\nPt 5 5 1.5\n"))
    assert atoms.positions[:, 2] == pytest.approx([2.0, 2.2, 3.6])
    assert atoms.cell.lengths()[2] == pytest.approx(5.6)


def test_shares_that_ase_wrote_from_a_cif_are_read(cif, save, tmp_path):
    source = save("ceria.cif", cif(*CERIA, symmetry=FCC, edge=5.41))
    write(tmp_path / "ceria.traj", read(source))
    for seed in range(5):
        pairs = [
            structure_from_file(path, repeat=(3, 3), rng=np.random.default_rng(seed)).get_chemical_symbols()
            for path in (source, tmp_path / "ceria.traj")
        ]
        assert [len(symbols) for symbols in pairs] == [108, 108]
        assert all(symbols.count("O") == 72 for symbols in pairs)


def test_a_sound_crystal_is_left_as_it_is(tmp_path, recwarn):
    slab = fcc100("Pt", (2, 2, 3), vacuum=5.0, periodic=True)
    write(tmp_path / "slab.vasp", slab)
    atoms = structure_from_file(tmp_path / "slab.vasp")
    assert len(atoms) == 12
    assert not [one for one in recwarn if issubclass(one.category, StructureWarning)]
