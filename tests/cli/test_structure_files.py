"""Structure files that cannot be used: one sentence and exit code 2, from simulate and from plan."""

import pytest

CIF = """data_made
_cell_length_a 8
_cell_length_b 8
_cell_length_c 8
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_IT_number 1
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Pt1 Pt .1 .1 .1
C1 C .5 .5 .5
"""
RECIPE = """name: own
num_samples: 1
support: {{kind: file, path: {path}, single_atoms: [Pt]}}
microscope: {{preset: nion-ultrastem-100, detectors: {{rings: {{HAADF: [90, 185]}}}}}}
scan: {{shape: [16, 16], sampling: 0.4, margin: 0}}
degradation: {{dose: 10000}}
"""
DATA = "own\n\n1 atoms\n1 atom types\n0 8 xlo xhi\n0 8 ylo yhi\n0 8 zlo zhi\n\nAtoms # atomic\n\n1 1 4 4 4\n"


@pytest.mark.parametrize("command", ["simulate", "plan"])
@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("wide.cif", CIF.encode("utf-16"), "wide.cif'. It is in UTF-16: save it as UTF-8"),
        ("dummy.cif", CIF.replace("C1 C", "X1 X").encode(), "must be a chemical element, got 'X'"),
        ("own.data", DATA.encode(), "species must be given, as"),
        ("zinc.cif", CIF.replace("Pt", "Au").encode(), "which are Au, C, got ['Pt']"),
        ("near.cif", CIF.replace(".5 .5 .5", ".1 .1 .12").encode(), "Pt1 and C1 are nearer"),
        ("noise.cif", bytes(range(256)), "noise.cif"),
        ("none.cif", None, "none.cif cannot be read"),
    ],
)
def test_structure_files_that_cannot_be_used(refuse, tmp_path, command, name, content, says):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    recipe = tmp_path / "own.yaml"
    recipe.write_text(RECIPE.format(path=path))
    words = [command, recipe, "--out", tmp_path / "out", "--workers", "1"]
    refuse(words, says)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_file_that_changed_since_the_corpus_was_begun_is_named(refuse, cli, tmp_path):
    path, recipe = tmp_path / "own.cif", tmp_path / "own.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + CIF.encode())
    recipe.write_text(RECIPE.format(path=path))
    words = ["simulate", recipe, "--out", tmp_path / "out", "--workers", "1", "--quiet"]
    assert cli(*words)[0] == 0
    path.write_text(CIF.replace(".5 .5 .5", ".5 .5 .6"))
    refuse(words, "own.cif", "was made with another content", "put the file back")
