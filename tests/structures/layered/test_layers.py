"""Sheets against ASE's cells and published distances."""

import numpy as np
import pytest
from ase.build import graphene, mx2
from ase.geometry import get_distances
from ase.neighborlist import neighbor_list
from scipy.spatial import cKDTree

from stemforge.structures import SUPPORT, layered_material
from stemforge.structures.layered.grains import MERGED, merge_close
from stemforge.structures.layered.materials import MATERIALS

# Bond and interlayer distance [Å] of graphite, h-BN and molybdenite, and of WS₂: sources as in materials.py.
PUBLISHED = {
    "graphene": (1.421, 3.354),
    "h-BN": (1.446, 3.331),
    "MoS2": (2.417, 6.148),
    "WS2": (2.405, 6.162),
}
STACKS = [(name, stacking) for name, material in MATERIALS.items() for stacking in material.stackings]


def rng(seed=0):
    return np.random.default_rng(seed)


def bonds(atoms, material):
    """Number of bonds of each atom, and their lengths."""
    index, lengths = neighbor_list("id", atoms, 1.1 * MATERIALS[material].bond_length)
    return np.bincount(index, minlength=len(atoms)), lengths


@pytest.mark.parametrize("material", MATERIALS)
def test_a_sheet_is_ase_s_sheet(material):
    known = MATERIALS[material]
    sheet = layered_material((30, 28), material, rng=rng())
    build = mx2 if known.thickness else graphene
    unit = build(known.formula, a=known.lattice_constant, thickness=known.thickness)
    # The rectangular cell of two units, as many times as ASE repeats it.
    nx, ny = np.rint(sheet.cell.lengths()[:2] / known.lattice_constant / [1, np.sqrt(3)]).astype(int)
    unit.cell[2, 2] = 20.0
    other = unit.copy()
    other.positions += unit.cell[0] + unit.cell[1]
    whole = (unit + other).copy()
    whole.set_cell([known.lattice_constant, np.sqrt(3) * known.lattice_constant, 20.0])
    whole = whole.repeat((nx, ny, 1))
    whole.positions += sheet.positions[0] - whole.positions[0]
    assert np.allclose(sheet.cell.lengths()[:2], whole.cell.lengths()[:2], atol=1e-9)
    assert len(sheet) == len(whole)
    distances = get_distances(sheet.positions, whole.positions, cell=whole.cell, pbc=(True, True, False))[1]
    assert distances.min(axis=1).max() < 1e-6
    assert (sheet.numbers == whole.numbers[distances.argmin(axis=1)]).all()
    assert (sheet.get_tags() == SUPPORT).all()
    assert sheet.info["strain"] < 1e-9


@pytest.mark.parametrize("material", MATERIALS)
def test_bonds_are_those_published_across_the_border_too(material):
    count, lengths = bonds(sheet := layered_material((25, 40), material, rng=rng()), material)
    assert lengths == pytest.approx(PUBLISHED[material][0], abs=1e-3)
    metal = np.isin(sheet.get_chemical_symbols(), ["Mo", "W"])
    assert (count == np.where(metal, 6, 3)).all()


@pytest.mark.parametrize(("material", "stacking"), STACKS)
def test_stackings_put_the_right_atoms_over_each_other(material, stacking):
    stack = layered_material((12, 12), material, num_layers=4, stacking=stacking, rng=rng())
    distance = PUBLISHED[material][1]
    middle = stack.positions[:, 2].min() + MATERIALS[material].thickness / 2
    layer = np.rint((stack.positions[:, 2] - middle) / distance).astype(int)
    assert np.ptp(layer) == 3
    symbols = np.array(stack.get_chemical_symbols())

    def over(upper, lower):
        """Pairs of elements that lie over each other, upper first; an atom over a hole gives "–"."""
        a, b = (np.flatnonzero(layer == number) for number in (upper, lower))
        flat = stack.positions * [1, 1, 0]
        far = get_distances(flat[a], flat[b], cell=stack.cell, pbc=(True, True, False))[1]
        nearest = far.argmin(axis=1)
        return {
            (str(symbols[i]), str(symbols[b[j]]) if far[k, j] < 1e-6 else "–")
            for k, (i, j) in enumerate(zip(a, nearest, strict=True))
        }

    metal, other = {"graphene": "CC", "h-BN": "BN"}.get(material, (material[:-2], "S"))
    swapped, shifted = {(metal, other), (other, metal)}, {(metal, other), (other, "–")}
    same = {(metal, metal), (other, other)}
    one_up = {"AA": same, "AA'": swapped, "2H": swapped}.get(stacking, shifted)
    assert over(1, 0) == one_up
    assert over(2, 0) == (same if stacking in ("AA", "AA'", "2H", "AB") else {(metal, "–"), (other, metal)})
    assert over(3, 0) == (one_up if stacking in ("AA'", "2H", "AB") else same)


@pytest.mark.parametrize("turns", [{"rotation": 17.3}, {"twist": 7.0, "num_layers": 2, "rotation": 33.0}])
@pytest.mark.parametrize("material", ["graphene", "MoS2"])
def test_turned_sheets_stay_whole_at_the_border(material, turns):
    stack = layered_material((120, 100), material, **turns, rng=rng())
    strain = stack.info["strain"]
    assert 0 < strain < 0.01
    for number in range(turns.get("num_layers", 1)):
        low = 2.0 - 0.1 + number * PUBLISHED[material][1]
        z = stack.positions[:, 2]
        count, lengths = bonds(sheet := stack[(z > low) & (z < low + 3.4)], material)
        metal = np.isin(sheet.get_chemical_symbols(), ["Mo", "W"])
        assert (count == np.where(metal, 6, 3)).all()
        assert np.abs(lengths / MATERIALS[material].bond_length - 1).max() <= 2 * strain
        assert not np.allclose(lengths, lengths[0], atol=1e-9)


@pytest.mark.parametrize(("rotation", "twist"), [(0.0, 0.0), (11.0, 0.0), (4.0, 9.0)])
def test_sheets_are_turned_by_the_angles_asked(rotation, twist):
    stack = layered_material((150, 150), "h-BN", num_layers=2, rotation=rotation, twist=twist, rng=rng())
    for number in (0, 1):
        z = stack.positions[:, 2]
        sheet = stack[np.abs(z - 2.0 - number * PUBLISHED["h-BN"][1]) < 0.1]
        nitrogen = sheet[sheet.symbols == "N"]
        lattice = neighbor_list("D", nitrogen, 1.05 * MATERIALS["h-BN"].lattice_constant)
        sixth = np.angle(np.exp(6j * np.arctan2(lattice[:, 1], lattice[:, 0])).mean(), deg=True) / 6
        off = (sixth - rotation - number * twist + 30) % 60 - 30
        assert abs(off) < np.degrees(stack.info["strain"]) + 1e-6


@pytest.mark.parametrize("size", [(20, 20), (61.5, 80.2), (150, 90)])
def test_the_cell_covers_what_is_asked_and_little_more(size):
    for rotation in (0.0, 13.0, 29.0):
        edges = layered_material(size, "WS2", rotation=rotation, rng=rng()).cell.lengths()[:2]
        assert (edges >= np.array(size) - 1e-6).all()
        assert (edges <= np.array(size) + 24 + 1e-6).all()


def test_strain_is_small_on_most_fields():
    draws = rng(5).uniform(0, 60, 40)
    strains = [
        layered_material((150, 150), rotation=float(angle), rng=rng()).info["strain"] for angle in draws
    ]
    assert np.median(strains) <= 0.002
    assert max(strains) < 0.01


def test_ripples_have_the_height_asked_and_a_flat_sheet_has_none():
    flat = layered_material((150, 150), rng=rng())
    assert np.ptp(flat.positions[:, 2]) < 1e-9
    for amplitude in (0.3, 1.0):
        waves = layered_material((150, 150), ripple_amplitude=amplitude, ripple_wavelength=50, rng=rng())
        assert waves.positions[:, 2].std() == pytest.approx(amplitude, rel=0.05)
        assert np.allclose(np.sort(waves.positions[:, 0]), np.sort(flat.positions[:, 0]))


def test_layers_share_their_ripples():
    stack = layered_material((60, 60), num_layers=2, stacking="AA", ripple_amplitude=1, rng=rng())
    half = len(stack) // 2
    assert np.allclose(np.ptp(stack.positions[half:, 2] - stack.positions[:half, 2]), 0, atol=1e-9)


@pytest.mark.parametrize("material", ["graphene", "MoS2"])
def test_grains_fill_the_cell_and_meet_without_collision(material):
    perfect = layered_material((100, 100), material, rng=rng())
    density = len(perfect) / perfect.cell.volume * perfect.cell.lengths()[2]
    sheet = layered_material((100, 100), material, grains=5, rng=rng(1))
    assert np.allclose(sheet.cell.lengths()[:2], 100)
    assert 0.9 < len(sheet) / 1e4 / density < 1.01
    assert len(merge_close(sheet)) == len(sheet)
    # Control: sheets of two grains laid over each other do collide.
    assert len(merge_close(sheet, share=1.3 * MERGED)) < len(sheet)
    count, _ = bonds(sheet, material)
    whole = count == np.where(np.isin(sheet.get_chemical_symbols(), ["Mo"]), 6, 3)
    assert 0.6 < whole.mean() < 1  # inside the grains the crystal is perfect, at their borders not
    # Perfect coordination says nothing of the orientations: there must be several.
    first = sheet[whole]
    lattice = neighbor_list(
        "D", first[first.numbers == first.numbers.max()], 1.05 * MATERIALS[material].lattice_constant
    )
    if material == "MoS2":
        sixth = np.exp(6j * np.arctan2(lattice[:, 1], lattice[:, 0]))
        assert abs(sixth.mean()) < 0.9


def test_holes_take_the_share_asked_on_average():
    whole = layered_material((100, 100), rng=rng())
    fractions = [
        1 - len(layered_material((100, 100), hole_fraction=0.2, hole_radius=6, rng=rng(seed))) / len(whole)
        for seed in range(60)
    ]
    # A Boolean model's covered fraction: here its standard deviation is about 0.04, so 0.005 for the mean.
    assert np.mean(fractions) == pytest.approx(0.2, abs=0.02)
    assert 0.01 < np.std(fractions) < 0.08


def test_a_hole_is_round_and_through_all_layers():
    holey = layered_material((60, 60), num_layers=3, hole_fraction=0.3, hole_radius=10, rng=rng(2))
    whole = layered_material((60, 60), num_layers=3, rng=rng(2))
    lost = whole.positions[cKDTree(holey.positions).query(whole.positions)[0] > 1e-6]
    assert len(lost) > 100
    for z in np.unique(whole.positions[:, 2].round(3)):
        assert (np.abs(lost[:, 2] - z) < 0.01).sum() == pytest.approx(len(lost) / 3, rel=0.15)


def test_the_same_generator_gives_the_same_atoms():
    values = {"grains": 3, "ripple_amplitude": 0.5, "hole_fraction": 0.1}
    one, again, other = (layered_material((60, 60), "MoS2", **values, rng=rng(seed)) for seed in (1, 1, 2))
    assert one == again
    assert len(one) != len(other) or not np.allclose(one.positions, other.positions)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"material": "gold"}, "material must be one of"),
        ({"stacking": "2H"}, "stacking must be one of .* for graphene"),
        ({"num_layers": 0}, "num_layers must be"),
        ({"twist": np.nan}, "twist must be"),
        ({"interlayer_distance": 1.0}, "interlayer_distance must be"),
        ({"hole_fraction": 1.0}, "hole_fraction must be between 0 and 0.9"),
        ({"grains": 2.5}, "grains must be"),
        ({"size": (0, 5)}, "size must be"),
    ],
)
def test_bad_values_are_named(values, message):
    with pytest.raises(ValueError, match=message):
        layered_material(**{"size": (20, 20), "rng": rng(), **values})
