"""MFI and CIFs: composition, bonds, sites, zone axes, tiles, mistilt, refusals."""

import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list

from stemforge.structures.zeolites.film import crystal_film, tile_cell
from stemforge.structures.zeolites.frameworks import DEFAULT_THERMAL_SIGMA, mfi, zeolite
from stemforge.structures.zeolites.tiles import translates

# A made-up primitive silica, P2/m, with every feature that the reader looks at.
CIF = """data_made
_cell_length_a 8.0
_cell_length_b 9.0
_cell_length_c 7.0
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
{symmetry}
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_occupancy
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_U_iso_or_equiv
Si1 {silicon} {occupancy} 0.20 0.10 0.30 0.0100
Al1 Al3+ 1.0 0.70 0.25 0.25 ?
O1 O2- 1.0 {x} 0.25 0.30 0.04(1)
"""
OPERATORS = "loop_\n_symmetry_equiv_pos_as_xyz\n'x,y,z'\n'-x,-y,-z'"


def write(path, **changes):
    values = {"symmetry": OPERATORS, "silicon": "Si", "occupancy": "1.0", "x": "0.20"} | changes
    path.write_text(CIF.format(**values))
    return path


def density(film):
    x, y, z = film.cell.lengths()
    return len(film) / (x * y * (z - 2 * film.info["vacuum"]))


def test_mfi_is_si96_o192_with_eight_of_each_t_site():
    film = mfi()
    assert film.get_chemical_formula() == "O192Si96"
    sites = film.arrays["site"]
    assert np.bincount(sites).tolist() == [192] + [8] * 12
    assert np.array_equal(sites > 0, film.symbols == "Si")


def test_mfi_bonds():
    film = mfi()
    crystal = Atoms(film.numbers, film.positions, cell=film.cell.lengths() - (0, 0, 4), pbc=True)
    i, d = neighbor_list("id", crystal, {("Si", "O"): 2.2})
    assert 1.55 <= d.min() <= d.max() <= 1.66
    bonded = np.bincount(i, minlength=len(film))
    assert set(bonded[film.symbols == "Si"]) == {4}
    assert set(bonded[film.symbols == "O"]) == {2}


def test_mfi_along_b_by_default():
    film = mfi(vacuum=3.0)
    assert film.cell.lengths() == pytest.approx([20.11351, 13.40977, 19.92999 + 6])
    assert film.info["tile_edges"] == [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    first = film.positions[film.arrays["site"] == 1]
    expected = np.mod([0.42458, 0.33132, 0.05687], 1) * (20.11351, 13.40977, 19.92999) + (0, 0, 3)
    assert np.linalg.norm(first - expected, axis=1).min() < 1e-6
    sigma = film.arrays["thermal_sigma"]
    assert sigma[film.symbols == "Si"] == pytest.approx(0.02077**0.5)
    assert sigma[film.symbols == "O"] == pytest.approx(0.04154**0.5)


@pytest.mark.parametrize(
    "axis",
    [(0, 1, 0), (0, -1, 0), (1, 0, 0), (0, 0, 1), (0, 0, 3), (1, 1, 0), (1, -1, 0), (1, 0, 1), (0, 1, 1)],
)
def test_every_zone_axis_keeps_density_and_handedness(axis):
    film = mfi(zone_axis=axis)
    assert density(film) == pytest.approx(density(mfi()), rel=1e-9)
    assert film.info["zone_axis"] == tuple(np.array(axis) // np.gcd.reduce(axis))
    assert np.linalg.det(film.info["tile_edges"]) > 0
    assert len(film) % 288 == 0
    assert neighbor_list("d", film, 1.4).size == 0


def test_a_hexagonal_lattice_gets_an_orthogonal_cell():
    a = 4.9
    cell = np.array([(a, 0, 0), (-a / 2, a * 3**0.5 / 2, 0), (0, 0, 5.4)])
    edges = tile_cell(cell, (0, 0, 1)) @ cell
    assert np.abs(edges @ edges.T - np.diag((edges**2).sum(axis=1))).max() < 1e-9
    assert np.linalg.det(edges) == pytest.approx(2 * np.linalg.det(cell))


def test_tiles_are_translates_and_cover_the_film():
    film = mfi(repeat=(3, 2), thickness=2, mistilt=(12.0, -7.0))
    assert film.info["tiles"] == (3, 2)
    assert film.info["tile_size"] == pytest.approx((20.11351, 13.40977))
    assert film.info["lattice"] == {"origin": (0, 0), "a": (20.11351, 0), "b": (0, 13.40977)}
    assert np.bincount(film.arrays["tile"]).tolist() == [576] * 6
    assert all(translates(film, 0, tile) for tile in range(6))
    assert len(mfi(thickness=2)) == 2 * len(mfi())
    flat = mfi(repeat=(3, 2), thickness=2)
    inner = flat.positions[flat.arrays["tile"] == 4, :2] / flat.info["tile_size"]
    assert set(map(tuple, np.floor(inner).astype(int))) == {(1, 1)}


def test_mistilt_is_a_shear_about_the_middle():
    flat, tilted = mfi(thickness=3), mfi(thickness=3, mistilt=(20.0, -5.0))
    edges = flat.cell.lengths()[:2]
    moved = tilted.positions - flat.positions
    height = flat.positions[:, 2:] - flat.cell.lengths()[2] / 2
    rest = moved[:, :2] - height * np.tan([0.020, -0.005])
    assert np.abs(rest - edges * np.round(rest / edges)).max() < 1e-9
    assert np.abs(moved[:, 2]).max() == 0
    assert tilted.info["mistilt"] == (20.0, -5.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"zone_axis": (0, 0, 0)}, "zone_axis must be three whole numbers that are not all zero"),
        ({"zone_axis": (0, 1)}, "zone_axis must be three whole numbers"),
        ({"zone_axis": (0, 0.5, 1)}, "zone_axis must be three whole numbers"),
        ({"zone_axis": (1, 2, 3)}, r"zone_axis must be a direction with an orthogonal cell.*got \(1, 2, 3\)"),
        ({"zone_axis": (1, 1, 0), "max_strain": 0.001}, "orthogonal cell.*max_strain=0.001"),
        ({"repeat": 2}, "repeat must be two whole numbers"),
        ({"repeat": (0, 1)}, "repeat must be a whole number, at least 1, got 0"),
        ({"thickness": 1.5}, "thickness must be a whole number"),
        ({"mistilt": (300.0, 0.0)}, "mistilt must be between -200 and 200, got 300"),
        ({"mistilt": 3.0}, "mistilt must be two angles in mrad"),
        ({"vacuum": -1.0}, "vacuum must be a finite number, at least 0"),
        ({"max_strain": 0.5}, "max_strain must be between 0 and 0.2"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        mfi(**{"max_length": 60.0} | settings)


@pytest.mark.parametrize(
    "symmetry",
    [
        OPERATORS,
        "_space_group_IT_number 2",
        "_symmetry_space_group_name_H-M 'P -1'",
        "loop_\n_space_group_symop_operation_xyz\n'x,y,z'\n'-x,-y,-z'",
    ],
)
def test_a_cif_is_expanded_by_its_symmetry(tmp_path, symmetry):
    film = zeolite(write(tmp_path / "made.cif", symmetry=symmetry))
    assert film.get_chemical_formula() == "Al2O2Si2"
    assert film.cell.lengths() == pytest.approx([8, 7, 13])
    order = [film.symbols == s for s in ("Si", "Al", "O")]
    assert [set(film.arrays["site"][s]) for s in order] == [{1}, {2}, {0}]
    sigma = [film.arrays["thermal_sigma"][s] for s in order]
    assert np.ravel(sigma) == pytest.approx([0.1, 0.1, *[DEFAULT_THERMAL_SIGMA] * 2, 0.2, 0.2])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"symmetry": ""}, "the symmetry of .*made.cif.* must be stated in the CIF.*IT_number"),
        ({"symmetry": "_symmetry_space_group_name_H-M ?"}, "the symmetry of .* must be stated"),
        (
            {"symmetry": "_symmetry_space_group_name_H-M 'P banana'"},
            "the symmetry of .*made.cif.* must be a space group in a setting of ASE's table, got 'P banana'",
        ),
        ({"occupancy": "0.5"}, "the occupancy of every site in .*made.cif.* must be 1, got 0.5.*disordered"),
        (
            {"silicon": "Wat"},
            "the species of every site in .*made.cif.* must be a chemical element, got 'Wat'",
        ),
        ({"silicon": "X1"}, "must be a chemical element, got 'X1'"),
        ({"x": "nonsense"}, "made.cif"),
        ({"x": "0.70"}, "the distance between atoms in .*made.cif.* must be at least 0.6 Å"),
    ],
)
def test_bad_cifs_are_refused_by_name(tmp_path, changes, message):
    path = write(tmp_path / "made.cif", **changes)
    with pytest.raises(ValueError, match=message):
        zeolite(path)


@pytest.mark.parametrize("content", ["", "not a CIF at all", "data_x\n_cell_length_a 1\nloop_\n", "data_x\n"])
def test_files_that_are_no_cif_are_refused_by_name(tmp_path, content):
    (tmp_path / "bad.cif").write_text(content)
    with pytest.raises(ValueError, match=r"path must be .*CIF.*bad\.cif"):
        zeolite(tmp_path / "bad.cif")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"path must be an existing CIF, got .*nowhere\.cif"):
        zeolite(tmp_path / "nowhere.cif")


def test_the_published_cif_gives_the_built_in_framework(data_dir):
    read, built = zeolite(data_dir / "mfi" / "silicalite-1_cod4115456.cif"), mfi()
    tables = []
    for film in (read, built):
        table = np.column_stack(
            [film.numbers, film.positions, film.arrays["site"], film.arrays["thermal_sigma"]]
        )
        tables.append(table[np.lexsort(table.round(4).T)])
    assert tables[0] == pytest.approx(tables[1], abs=1e-9)


def test_film_of_any_crystal_carries_its_arrays():
    crystal = Atoms("Si2", scaled_positions=[(0, 0, 0), (0.5, 0.5, 0.5)], cell=(5, 6, 7), pbc=True)
    crystal.set_array("thermal_sigma", np.array([0.1, 0.2]))
    crystal.set_array("site", np.array([1, 2]))
    film = crystal_film(crystal, zone_axis=(0, 0, 1), repeat=(2, 1), vacuum=0.0)
    assert film.arrays["site"].tolist() == [1, 2, 1, 2]
    assert film.arrays["thermal_sigma"].tolist() == [0.1, 0.2, 0.1, 0.2]
    assert film.positions.tolist() == [[0, 0, 0], [2.5, 3, 3.5], [5, 0, 0], [7.5, 3, 3.5]]
