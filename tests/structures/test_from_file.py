"""Structures from files: tags, margins, formats, refusals that name the file."""

import pickle

import numpy as np
import pytest
from ase import Atoms
from ase.build import fcc111
from ase.io import write

from stemforge.structures.from_file import structure_from_file

SLAB = Atoms("C3Pt", [(1, 1, 0), (-1, 2, -3), (5, 11, 4), (5, 5, 6)], cell=(10, 10, 30), pbc=True)


@pytest.mark.parametrize("name", ["slab.xyz", "slab.vasp", "slab.cif", "slab.traj", "slab.json", "a@1.xyz"])
def test_reads_tags_wraps_and_adds_margins(tmp_path, name):
    write(tmp_path / name, SLAB, **({"direct": False} if name.endswith("vasp") else {}))
    atoms = structure_from_file(tmp_path / name, single_atoms=["Pt"], vacuum=4.0)
    order = np.argsort(atoms.numbers, kind="stable")
    assert atoms.numbers[order].tolist() == [6, 6, 6, 78]
    assert atoms.get_tags()[order].tolist() == [0, 0, 0, 1]
    assert atoms.positions[:, 2].min() == pytest.approx(4.0)
    assert atoms.cell.lengths()[2] - atoms.positions[:, 2].max() == pytest.approx(4.0)
    assert np.all((atoms.positions[:, :2] >= 0) & (atoms.positions[:, :2] < 10))
    assert atoms.positions[order][1, :2] == pytest.approx([9, 2], abs=1e-5)


def test_without_single_atoms_all_is_support_whatever_the_file_says(tmp_path):
    tagged = SLAB.copy()
    tagged.set_tags([3, 3, 3, 3])
    write(tmp_path / "slab.traj", tagged)
    assert structure_from_file(tmp_path / "slab.traj").get_tags().tolist() == [0, 0, 0, 0]


class _Bomb:
    def __reduce__(self):
        return (pytest.fail, ("the pickle was loaded",))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("bad.cif", b"data_x\n_cell_length_a 1\nloop_\n", "bad.cif"),
        ("bad.xyz", b"2\n\nC 0 0 0\n", "path must be a readable extxyz file.*bad.xyz"),
        ("noise.bin", bytes(range(256)), "path must be .*format that ASE reads.*noise.bin"),
        (
            "box.pkl",
            pickle.dumps(_Bomb()),
            "path must be a file without Python pickles.*box.pkl.*extended XYZ",
        ),
        ("molecule.xyz", b"1\n\nC 0 0 0\n", "molecule.xyz.*cell with three positive edges.*center"),
    ],
)
def test_bad_files_are_refused_by_name(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        structure_from_file(tmp_path / name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.cif"):
        structure_from_file(tmp_path / "nowhere.cif")


def test_a_tilted_cell_is_refused(tmp_path):
    write(tmp_path / "tilted.xyz", fcc111("Pt", (2, 2, 2), vacuum=3.0))
    with pytest.raises(ValueError, match=r"tilted\.xyz.*orthogonal cell.*orthogonalize_cell"):
        structure_from_file(tmp_path / "tilted.xyz")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"single_atoms": "Pt"}, r"single_atoms must be a sequence of symbols such as \['Pt'\], got 'Pt'"),
        ({"single_atoms": ["Xx"]}, "single_atoms must be chemical symbols such as 'Pt', got 'Xx'"),
        ({"vacuum": -1.0}, "vacuum must be a finite number, at least 0"),
    ],
)
def test_bad_settings_are_refused(tmp_path, settings, message):
    write(tmp_path / "slab.xyz", SLAB)
    with pytest.raises(ValueError, match=message):
        structure_from_file(tmp_path / "slab.xyz", **settings)
