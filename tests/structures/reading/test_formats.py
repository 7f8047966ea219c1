"""Formats that number types, name atoms, hold frames, symmetry or alternatives: read right, or refused."""

from pathlib import Path

import numpy as np
import pytest

from stemforge.errors import StructureError, StructureWarning
from stemforge.sandbox.child import ChildError
from stemforge.structures import structure_from_file
from stemforge.structures.reading import files

DATA = """LAMMPS data file via write_data, version 2 Aug 2023, timestep = 0, units = metal

3 atoms
2 atom types

0.0 10.0 xlo xhi
0.0 10.0 ylo yhi
0.0 10.0 zlo zhi
{masses}
Atoms # {style}

{rows}

Velocities

1 0 0 0
2 0 0 0
3 0 0 0
"""
STYLES = {
    "atomic": "1 1 1 1 1\n2 2 5 5 5\n3 1 3 1 1",
    "charge": "1 1 0.5 1 1 1\n2 2 0 5 5 5\n3 1 0 3 1 1",
    "full": "1 7 1 0.5 1 1 1\n2 7 2 0 5 5 5\n3 7 1 0 3 1 1",
    "molecular": "1 7 1 1 1 1\n2 7 2 5 5 5\n3 7 1 3 1 1",
}
DUMP = """ITEM: TIMESTEP
0
ITEM: NUMBER OF ATOMS
3
ITEM: BOX BOUNDS pp pp pp
0 10
0 10
0 10
ITEM: ATOMS {columns}
{rows}
"""
PLACES = [(1, 1, 1), (5, 5, 5), (3, 1, 1)]


def data(style="atomic", masses=""):
    return DATA.format(style=style, rows=STYLES[style], masses=masses)


def dump(columns="id type x y z", extra=("", "", ""), scale=1):
    rows = [
        f"{number} {kind}{more} " + " ".join(str(v * scale) for v in place)
        for number, kind, more, place in zip((1, 2, 3), (1, 2, 1), extra, PLACES, strict=True)
    ]
    return DUMP.format(columns=columns, rows="\n".join(rows))


def masses(first, second):
    return f"\nMasses\n\n1 {first}\n2 {second}\n\nPair Coeffs # lj\n\n1 1 1\n2 1 1\n"


def check(atoms):
    assert atoms.get_chemical_symbols() == ["C", "Pt", "C"]
    assert atoms.positions == pytest.approx(np.array(PLACES) + np.array([0, 0, 1]))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", ["carbon.lmp", "data.carbon", "carbon.data"])
def test_types_of_a_data_file_are_the_elements_that_are_given(save, style, name):
    path = save(name, data(style))
    check(structure_from_file(path, species=["C", "Pt"]))
    with pytest.raises(
        ValueError, match=r"species must be given, as .* numbers its 2 types.*species: \[C, Pt\]"
    ):
        structure_from_file(path)


@pytest.mark.parametrize("name", ["a.lammpstrj", "dump.carbon"])
def test_types_of_a_dump_are_the_elements_that_are_given(save, name):
    path = save(name, dump())
    check(structure_from_file(path, species=["C", "Pt"]))
    with pytest.raises(ValueError, match="species must be given"):
        structure_from_file(path)


@pytest.mark.parametrize(
    "content",
    [
        data(masses=masses(12.011, "195.08  # Pt")),
        data(masses="\nAtom Type Labels\n\n1 C\n2 Pt\n"),
        dump("id type element x y z", (" C", " Pt", " C")),
        dump("id type element xs ys zs", (" C", " Pt", " C"), 0.1),
        dump("id type mass x y z", (" 12.011", " 195.084", " 12.011")),
    ],
)
def test_elements_or_their_masses_in_the_file_are_enough(save, content):
    check(structure_from_file(save("stated.lammps", content)))


@pytest.mark.parametrize(
    ("content", "species", "message"),
    [
        (data(masses=masses(1.0, 1.0)), [], "species must be given"),
        (
            data(masses=masses(14.027, 195.08)),
            [],
            r"species must be given.*species: \[…, Pt\]",
        ),  # CH2 is no nitrogen
        (data(masses=masses(12.011, 195.08)), ["Pt", "C"], "Type 1 weighs 12.011, which is C"),
        (data(), ["C"], "species must be an element for each of the 2 types"),
        (data(), ["C", "Xx"], "species must be chemical symbols"),
        (data(), "CPt", "species must be a sequence of symbols"),
        (data().replace("metal", "lj"), ["C", "Pt"], "in Å .*Its units are lj"),
        ("ITEM: UNITS\nelectron\n" + dump(), ["C", "Pt"], "in Å .*Its units are electron"),
        (dump("id type element x y z", (" C", " Pt", " C")), ["C", "Pt"], "species must be left out"),
        (dump("id mol x y z"), ["C", "Pt"], "whose atoms have types or elements"),
    ],
)
def test_types_that_stay_unknown_or_contradict(save, content, species, message):
    with pytest.raises(ValueError, match=message):
        structure_from_file(save("bad.lammps", content), species=species)


def test_masses_of_one_do_not_stand_above_what_is_given(save):
    check(structure_from_file(save("a.data", data(masses=masses(1.0, 1.0))), species=["C", "Pt"]))
    columns = dump("id type mass x y z", (" 1.0", " 1.0", " 1.0"))
    check(structure_from_file(save("b.dump", columns), species=["C", "Pt"]))


BOX = 'Lattice="10 0 0 0 10 0 0 0 10"'


def test_of_several_frames_the_last_is_taken_with_a_remark(save):
    frame = f"2\n{BOX}\nC 1 1 1\nPt 5 5 5\n"
    path = save("frames.xyz", frame + frame.replace("Pt 5", "Pt 6"))
    with pytest.warns(StructureWarning, match="several structures; the last is taken"):
        assert structure_from_file(path).positions[1, 0] == 6
    path = save("frames.dump", dump() + dump().replace("2 2 5", "2 2 6"))
    with pytest.warns(StructureWarning, match="several structures"):
        assert structure_from_file(path, species=["C", "Pt"]).positions[1, 0] == 6


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1 1 1 1\n2 5 5 5", "an XYZ file with chemical symbols.*dump_modify element"),
        ("X 1 1 1\nPt 5 5 5", "a chemical element, got 'X of atom 1'"),
        ("D 1 1 1\nPt 5 5 5", "'D' is not known; atoms need chemical symbols"),
        ("C1 1 1 1\nPt 5 5 5", "'C1' is not known"),
        ("C nan 1 1\nPt 5 5 5", "positions and a cell below"),
        ("C 1 1 1\nC 1.3 1 1", "C of atom 1 and C of atom 2 are nearer"),
        ("C 1 1 1\nPt 1 1 1.02", "C of atom 1 and Pt of atom 2 are nearer"),
        ("C 1 1 1e9\nPt 5 5 5", "positions and a cell below"),
        ("C 1 1 1", "readable extxyz file.*should have 2 atoms, and the file ends after 1"),
        ("C 1 1 1\nPt 5 5 5\n999999999\n\nC 1 1 1", "should have 999999999 atoms"),
    ],
)
def test_xyz_files_that_cannot_be_right(save, rows, message):
    with pytest.raises(ValueError, match=message):
        structure_from_file(save("bad.xyz", f"2\n{BOX}\n{rows}\n"))


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ("", "cell with three positive edges"),
        ('Lattice="0 0 0 0 0 0 0 0 0"', "cell with three positive edges"),
        ('Lattice="nan 0 0 0 10 0 0 0 10"', "positions and a cell below"),
        ('Lattice="0.1 0 0 0 10 0 0 0 10"', "the cell of .* must be that of the structure.*placeholder"),
    ],
)
def test_cells_that_cannot_be_right(save, box, message):
    with pytest.raises(ValueError, match=message):
        structure_from_file(save("bad.xyz", f"2\n{box}\nC 1 1 1\nPt 5 5 5\n"))


def test_atomic_numbers_that_the_file_calls_so_are_read(save):
    path = save("z.xyz", f"2\n{BOX} Properties=Z:I:1:pos:R:3\n6 1 1 1\n78 5 5 5\n")
    assert structure_from_file(path).get_chemical_symbols() == ["C", "Pt"]


def test_a_byte_order_mark_is_no_part_of_a_number(save):
    path = save("mark.xyz", b"\xef\xbb\xbf" + f"2\n{BOX}\nC 1 1 1\nPt 5 5 5\n".encode())
    assert structure_from_file(path).get_chemical_symbols() == ["C", "Pt"]


def test_prismatic_files_have_occupancies(save):
    path = save("a.xyz", "made by hand\n10 10 10\n6 1 1 1 1.0 0.08\n78 5 5 5 0.25 0.08\n-1\n")
    found = [
        structure_from_file(path, rng=np.random.default_rng(seed)).get_chemical_formula()
        for seed in range(200)
    ]
    assert set(found) == {"C", "CPt"}
    assert found.count("CPt") / 200 == pytest.approx(0.25, abs=3 * (0.1875 / 200) ** 0.5)


CRYST = "CRYST1   10.000   10.000   10.000  90.00  90.00  90.00 P 1           1"


def pdb(*rows, cell=CRYST):
    lines = [
        f"ATOM  {i:5d} {name:<4s}{place}MOL A   1    {x:8.3f}{5:8.3f}{5:8.3f}{share:6.2f}  0.00          {symbol:>2s}"
        for i, (name, symbol, x, share, place) in enumerate(rows, 1)
    ]
    return "\n".join([cell, *lines, "END", ""])


C, PT = (" CA ", "C", 1, 1.0, " "), ("PT  ", "PT", 5, 1.0, " ")


def test_a_pdb_file_by_its_elements(save):
    assert structure_from_file(save("a.pdb", pdb(C, PT))).get_chemical_symbols() == ["C", "Pt"]
    nothing = pdb((*C[:3], 0.0, " "), (*PT[:3], 0.0, " "))
    with pytest.warns(StructureWarning, match="occupancies are all 0"):
        assert len(structure_from_file(save("vmd.pdb", nothing))) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pdb((" CA ", "", 1, 1.0, " ")), "states its elements.*columns 77 and 78"),
        (pdb((" C1 ", "C", 1, 0.5, "A"), (" C1 ", "C", 3, 0.5, "B")), "alternative locations.*It has A, B"),
        (pdb(C, PT, cell=CRYST.replace("P 1   ", "P 21 2")), "in P 1.*It is in P 21 2"),
        (pdb((" C1 ", "C", 1, 0.5, " ")), "must be 1, got 0.5.*give rng"),
    ],
)
def test_pdb_files_that_ase_would_read_wrong(save, content, message):
    with pytest.raises(ValueError, match=message):
        structure_from_file(save("bad.pdb", content))


POSCAR = "{}\n1.0\n10 0 0\n0 10 0\n0 0 10\n{}1 1\nDirect\n.1 .1 .1\n.5 .5 .5\n"


def test_a_poscar_without_elements_does_not_look_into_other_files(save):
    save("POTCAR", "   TITEL  = PAW_PBE H 15Jun2001\n   TITEL  = PAW_PBE He 05Jan2001\n")
    assert structure_from_file(save("POSCAR", POSCAR.format("x", "C Pt\n"))).get_chemical_symbols() == [
        "C",
        "Pt",
    ]
    with pytest.raises(ValueError, match=r"POSCAR.*Could not determine chemical symbols"):
        structure_from_file(save("POSCAR", POSCAR.format("mine", "")))
    with pytest.warns(StructureWarning, match="read off its first line, 'C Pt'"):
        assert structure_from_file(save("POSCAR", POSCAR.format("C Pt", ""))).get_chemical_symbols() == [
            "C",
            "Pt",
        ]


def test_files_that_name_atoms_only(save):
    path = save("a.gro", "t\n1\n    1ION     CL    1   0.126   0.624   0.679\n   1.0 1.0 1.0\n")
    with pytest.raises(ValueError, match=r"a file that states elements.*GRO names atoms only"):
        structure_from_file(path)


def test_single_atoms_must_be_in_the_file(save):
    path = save("a.xyz", f"2\n{BOX}\nC 1 1 1\nPt 5 5 5\n")
    with pytest.raises(
        ValueError,
        match=r"single_atoms must be among the elements in .*a\.xyz', which are C, Pt, got \['Zn'\]",
    ):
        structure_from_file(path, single_atoms=["Zn"])
    with pytest.raises(ValueError, match="single_atoms must be chemical symbols"):
        structure_from_file(path, single_atoms=["X"])


def test_a_file_that_takes_too_much_is_named(save):
    # ASE makes room for as many atoms as the header promises.
    path = save("large.data", data().replace("3 atoms", "99999999999999 atoms"))
    with pytest.raises(StructureError, match=r"path must be a readable .*large\.data"):
        structure_from_file(path, species=["C", "Pt"])


def test_a_reader_that_does_not_end_is_ended(save, monkeypatch):
    def for_ever(*_, **__):
        raise ChildError("takes more than 20 s")

    monkeypatch.setattr(files, "in_child", for_ever)
    with pytest.raises(
        StructureError, match=r"readable structure file, got '.*a\.xyz': takes more than 20 s"
    ):
        structure_from_file(save("a.xyz", f"1\n{BOX}\nC 1 1 1\n"))


def test_an_empty_file_and_a_folder(save, tmp_path):
    with pytest.raises(ValueError, match="It is empty"):
        structure_from_file(save("empty.xyz", b""))
    with pytest.raises(ValueError, match="a file, not a folder"):
        structure_from_file(tmp_path)


def test_nothing_is_left_of_a_child_that_was_ended(save, tmp_path, monkeypatch):
    made = []

    def ended(function, path, limits, *, folder, **options):
        made.append(folder)
        raise ChildError("takes more than 5 s")

    monkeypatch.setattr(files, "in_child", ended)
    with pytest.raises(ValueError, match=r"a\.cif.*takes more than 5 s"):
        structure_from_file(save("a.cif", "data_ended"))
    assert made
    assert not Path(made[0]).exists()
