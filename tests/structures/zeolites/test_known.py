"""Built-in frameworks: composition, bonds, density, topology and channels, against what the Atlas has of them."""

import numpy as np
import pytest
from ase.neighborlist import neighbor_list

from stemforge.errors import InputError
from stemforge.structures import find_channels, zeolite, zeolite_cell
from stemforge.structures.zeolites.centring import primitive_cell
from stemforge.structures.zeolites.frameworks import FRAMEWORKS
from stemforge.structures.zeolites.known import KNOWN
from stemforge.structures.zeolites.viewing import channel_axis

# Of the Atlas of Zeolite Framework Types: T atoms in a cell, their number in 1000 Å³, T atoms in the first eight shells
# of bonded neighbours of each T site (two sites alike share a row in the Atlas).
ATLAS = {
    "fau": (192, 13.3, [(4, 9, 16, 25, 37, 53, 73, 96)]),
    "cha": (36, 15.1, [(4, 9, 17, 29, 45, 64, 85, 110)]),
    "mor": (
        48,
        17.0,
        [
            (4, 12, 22, 38, 60, 88, 115, 155),
            (4, 12, 20, 37, 64, 87, 114, 154),
            (4, 11, 24, 39, 54, 86, 126, 156),
            (4, 11, 24, 39, 60, 92, 122, 148),
        ],
    ),
    "bea": (
        64,
        15.1,
        [
            (4, 11, 18, 29, 48, 80, 107, 133),
            (4, 11, 18, 29, 48, 77, 106, 134),
            (4, 10, 21, 32, 49, 76, 109, 137),
            (4, 10, 21, 32, 49, 74, 105, 139),
            (4, 10, 19, 32, 51, 77, 105, 133),
            (4, 10, 19, 32, 51, 75, 102, 133),
            (4, 12, 17, 30, 54, 77, 106, 134),
            (4, 12, 18, 31, 51, 76, 109, 133),
            (4, 12, 19, 32, 48, 75, 112, 134),
        ],
    ),
}


def links(cell):
    """For each T atom the T atoms that share an oxygen with it, each with the cell that it lies in."""
    i, j, shifts = neighbor_list("ijS", cell, {("Si", "O"): 1.9})
    bonds = {n: [] for n in range(len(cell))}
    for first, second, shift in zip(i, j, shifts, strict=True):
        bonds[int(first)].append((int(second), tuple(shift.tolist())))
    found = {}
    for t in np.flatnonzero(cell.numbers == 14).tolist():
        pairs = [(q, s, r) for o, s in bonds[t] for q, r in bonds[o]]
        reached = [(q, tuple(np.add(s, r).tolist())) for q, s, r in pairs]
        found[t] = [one for one in reached if one != (t, (0, 0, 0))]
    return found


def coordination_sequence(links, start, shells=8):
    reached, front, numbers = {(start, (0, 0, 0))}, [(start, (0, 0, 0))], []
    for _ in range(shells):
        new = {(q, tuple(np.add(s, r).tolist())) for t, s in front for q, r in links[t]} - reached
        reached |= new
        front = list(new)
        numbers.append(len(new))
    return tuple(numbers)


@pytest.mark.parametrize("name", ATLAS)
def test_framework_is_what_the_atlas_has(name):
    cell = zeolite_cell(name)
    number, density, sequences = ATLAS[name]
    t = cell.numbers == 14
    assert (int(t.sum()), int((cell.numbers == 8).sum())) == (number, 2 * number)
    assert 1000 * number / cell.get_volume() == pytest.approx(density, abs=0.06)
    linked = links(cell)
    firsts = [int(np.flatnonzero(cell.arrays["site"] == k + 1)[0]) for k in range(len(sequences))]
    found = [coordination_sequence(linked, first) for first in firsts]
    assert found == sequences
    assert cell.arrays["site"].max() == len(sequences)


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_bonds(name):
    cell = zeolite_cell(name)
    i, d, vectors = neighbor_list("idD", cell, {("Si", "O"): 1.9})
    assert 1.58 <= d.min() <= d.max() <= 1.64
    bonded = np.bincount(i, minlength=len(cell))
    assert set(bonded[cell.numbers == 14]) == {4}
    assert set(bonded[cell.numbers == 8]) == {2}
    for oxygen in np.flatnonzero(cell.numbers == 8):
        one, other = vectors[i == oxygen]
        cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
        assert 130 < np.degrees(np.arccos(np.clip(cosine, -1, 1))) <= 180


# Radius of the hole in projection [Å]; 10- and 12-rings seen straight on, CHA's 8-rings.
@pytest.mark.parametrize(
    ("name", "radius", "number"),
    [("mfi", 3.8, 2), ("fau", 4.3, 2), ("cha", 3.1, 12), ("mor", 4.2, 2), ("bea", 4.4, 2)],
)
def test_channels_are_found_along_the_usual_view(name, radius, number):
    channels = find_channels(zeolite(name))
    assert len(channels) == number
    assert channels[:, 2] == pytest.approx(radius, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fau", "mor", "bea"])
def test_channel_axis_finds_a_direction_as_wide_as_the_usual_one(name):
    found = find_channels(zeolite(name, zone_axis=channel_axis(zeolite_cell(name))))
    assert found[0, 2] == pytest.approx(find_channels(zeolite(name))[0, 2], abs=0.06)


def test_a_framework_from_its_own_cif_is_the_same(tmp_path):
    cell = zeolite_cell("mor")
    cell.write(tmp_path / "own.cif")
    read = zeolite_cell(tmp_path / "own.cif")
    assert np.allclose(read.cell.lengths(), cell.cell.lengths(), atol=1e-3)
    assert read.get_chemical_formula() == cell.get_chemical_formula()
    assert channel_axis(read) == KNOWN["mor"].zone_axis


@pytest.mark.parametrize(("name", "share"), [("mfi", 1), ("fau", 4), ("cha", 3), ("mor", 2), ("bea", 1)])
def test_centred_cells_are_reduced(name, share):
    cell = zeolite_cell(name)
    primitive, basis = primitive_cell(cell)
    assert len(primitive) * share == len(cell)
    assert np.linalg.det(basis) == pytest.approx(1 / share)
    assert len(primitive) / primitive.get_volume() == pytest.approx(len(cell) / cell.get_volume())


def test_large_letters_and_unknown_names():
    assert zeolite_cell("FAU").get_chemical_formula() == "O384Si192"
    with pytest.raises(InputError, match="fau, cha, mor, bea"):
        zeolite_cell("fauna")
