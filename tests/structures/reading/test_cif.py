"""CIFs: encodings, symmetry and its settings, rows that a reader would lose, labels that may be two elements."""

import gzip

import numpy as np
import pytest

from stemforge.structures import structure_from_file

FCC = "_symmetry_space_group_name_H-M 'F m -3 m'"
PT = "Pt1 Pt 1 0 0 0"


def content(cif, kind):
    text = cif(PT, symmetry=FCC, edge=3.92)
    return {
        "plain": text.encode(),
        "mark": b"\xef\xbb\xbf" + text.encode(),
        "latin": ("# Angström Å\n" + text).encode("latin-1"),
        "windows": text.replace("\n", "\r\n").encode(),
        "mac": text.replace("\n", "\r").encode(),
        "gz": gzip.compress(text.encode()),
    }[kind]


@pytest.mark.parametrize("kind", ["plain", "mark", "latin", "windows", "mac", "gz"])
def test_a_cif_is_the_same_however_it_is_encoded(cif, save, kind):
    path = save("pt.cif.gz" if kind == "gz" else "pt.cif", content(cif, kind))
    atoms = structure_from_file(path, vacuum=0.0)
    assert atoms.get_chemical_formula() == "Pt4"
    expected = np.array([(0, 0, 0), (0, 1.96, 1.96), (1.96, 0, 1.96), (1.96, 1.96, 0)])
    assert np.array(sorted(atoms.positions.tolist())) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("symmetry", "rows", "formula"),
    [
        ("_symmetry_space_group_name_H-M 'P 1 21/c 1'\n_space_group_IT_number 14", ["C1 C 1 .1 .2 .3"], "C4"),
        ("_symmetry_space_group_name_H-M 'F d -3 m S'", ["C1 C 1 0 0 0"], "C8"),
        ("_symmetry_space_group_name_H-M 'F d -3 m :2'", ["C1 C 1 .125 .125 .125"], "C8"),
        # On a threefold axis, written with three digits: one atom, not three beside each other.
        ("_symmetry_space_group_name_H-M 'R 3 2'", ["C1 C 1 0.333 0.333 0.333"], "C2"),
    ],
)
def test_symmetry_by_name(cif, save, symmetry, rows, formula):
    path = save("named.cif", cif(*rows, symmetry=symmetry))
    assert structure_from_file(path).get_chemical_formula() == formula


NAMED = "_symmetry_space_group_name_H-M"
HEXAGONAL = "loop_\n_symmetry_equiv_pos_as_xyz\n'x,y,z'\n'-y,x-y,z'\n'-x+y,-x,z'"


@pytest.mark.parametrize(
    ("symmetry", "message"),
    [
        ("", "the symmetry of .*bad.cif.* must be stated"),
        # Number 14 alone would be P 21/c, with other atoms.
        (f"{NAMED} 'P 1 21/n 1'\n_space_group_IT_number 14", "must be a space group in a setting"),
        (f"{NAMED} 'P n m a'\n_space_group_IT_number 63", "must be one space group, got 'P n m a and 63'"),
        (f"{NAMED} 'F d -3 m'", "must be given with its origin.*Two are in use"),
        ("_space_group_IT_number 227", "must be given with its origin"),
        (HEXAGONAL, "must be one that fits the cell"),
    ],
)
def test_symmetry_that_may_mean_several_structures(cif, save, symmetry, message):
    path = save("bad.cif", cif("C1 C 1 .1 .2 .3", symmetry=symmetry))
    with pytest.raises(ValueError, match=message):
        structure_from_file(path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["X1 X 1 0 0 0"], "a chemical element, got 'X'"),
        (["Wat Wat 1 0 0 0"], "a chemical element, got 'Wat'"),
        (["1 1 1 0 0 0"], "a chemical element, got '1'"),
        # ASE leaves such rows out with a warning.
        ([PT, "C1 C 1 .5 .5", "C2 C 1 .5 .5 .5"], "a CIF whose rows fit their columns"),
        ([PT, "C1 C 1 .5 .5 ?"], "sound symmetry and positions"),
        ([PT, "C1 C half .5 .5 .5"], "the occupancy of every site in .* must be a number, got 'half'"),
        ([PT, "C1 C 1.2 .5 .5 .5"], "must be between 0 and 1, got 1.2"),
        ([PT, "C1 C 1 .05 0 0"], r"at least 0.6 Å, got 0.25. Pt1 and C1 are nearer"),
    ],
)
def test_rows_that_cannot_be_right(cif, save, rows, message):
    with pytest.raises(ValueError, match=message):
        structure_from_file(save("bad.cif", cif(*rows)))


@pytest.mark.parametrize(
    ("row", "symbol"),
    [("OW1 O2- 1 0 0 0", "O"), ("Ca1 CA 1 0 0 0", "Ca"), ("D1 D 1 0 0 0", "H"), ("T1 Si 1 0 0 0", "Si")],
)
def test_types_say_the_element(cif, save, row, symbol):
    assert structure_from_file(save("typed.cif", cif(row))).get_chemical_symbols() == [symbol]


@pytest.mark.parametrize(
    ("label", "symbol"),
    [("Pt1A", "Pt"), ("O1W", "O"), ("OW1", "O"), ("CO1", None), ("T1", None), ("HOH", None)],
)
def test_labels_alone_are_read_where_they_leave_no_doubt(cif, save, label, symbol):
    text = cif(f"{label} 1 0 0 0").replace("_atom_site_type_symbol\n", "")
    path = save("labelled.cif", text)
    if symbol is None:
        with pytest.raises(ValueError, match=f"a chemical element, got '{label}'"):
            structure_from_file(path)
    else:
        assert structure_from_file(path).get_chemical_symbols() == [symbol]


def test_several_structures_are_not_chosen_from(cif, save):
    path = save("two.cif", cif(PT) + cif("C1 C 1 0 0 0", name="other"))
    with pytest.raises(ValueError, match=r"a CIF with one structure.*data_made, data_other"):
        structure_from_file(path)
    beside = save("one.cif", "data_global\n_journal_year 2020\n" + cif(PT))
    assert len(structure_from_file(beside)) == 1


@pytest.mark.parametrize("wide", ["utf-16", "utf-16-be"])
def test_utf_16_is_named(cif, save, wide):
    mark = b"\xfe\xff" if wide == "utf-16-be" else b""
    with pytest.raises(ValueError, match=r"wide\.cif'\. It is in UTF-16: save it as UTF-8"):
        structure_from_file(save("wide.cif", mark + cif(PT).encode(wide)))
