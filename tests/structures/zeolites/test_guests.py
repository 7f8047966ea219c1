"""Guests: arrays, poses, clashes, occupancy, anchoring, variants, refusals, guests that a CIF holds."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule as ase_molecule

from stemforge.structures.tags import Tag
from stemforge.structures.zeolites.aluminium import substitute_aluminium
from stemforge.structures.zeolites.channels import find_channels
from stemforge.structures.zeolites.clashes import contact_radii
from stemforge.structures.zeolites.frameworks import mfi, zeolite
from stemforge.structures.zeolites.guests import guests_from_cell, place_guest
from stemforge.structures.zeolites.molecules import measure_pose, named_molecule, rotation
from stemforge.structures.zeolites.tiles import tile_offsets, translates

FILM = mfi(repeat=(2, 2))
FORMULA = {"pyridine": "C5H5N", "thiophene": "C4H4S", "benzene": "C6H6"}


def rng(seed=0):
    return np.random.default_rng(seed)


def distances(film, one, other):
    """Distances between two sets of atoms, periodic in x and y."""
    edges = film.cell.lengths() * (1, 1, 0)
    vectors = film.positions[one][:, None] - film.positions[other]
    vectors -= edges * np.round(vectors / np.where(edges > 0, edges, 1))
    return np.linalg.norm(vectors, axis=-1)


def closest_contact(film, index):
    """Smallest distance of a guest to other atoms, as a fraction of the sum of their radii."""
    mine, others = film.arrays["molecule"] == index, film.arrays["molecule"] != index
    radii = contact_radii(film.numbers[mine])[:, None] + contact_radii(film.numbers[others])
    return (distances(film, mine, others) / radii).min()


@pytest.mark.parametrize("name", [*FORMULA, "H2O", "CO2"])
def test_guests_are_tagged_listed_whole_and_clear_of_everything(name):
    film = place_guest(FILM, name, rng=rng())
    new = film[len(FILM) :]
    assert np.array_equal(film.positions[: len(FILM)], FILM.positions)
    assert set(new.get_tags()) == {Tag.GUEST}
    assert set(film.get_tags()[: len(FILM)]) == {Tag.SUPPORT}
    assert set(film.arrays["molecule"][: len(FILM)]) == {-1}
    assert len(film.info["molecules"]) == 8
    assert set(new.arrays["molecule"]) == set(range(8))
    assert sorted(np.unique(new.arrays["tile"]).tolist()) == [0, 1, 2, 3]
    assert set(new.arrays["site"]) == {0}
    assert set(new.arrays["thermal_sigma"]) == {0.15}
    reference = ase_molecule(FORMULA.get(name, name)).get_all_distances()
    for index, guest in enumerate(film.info["molecules"]):
        atoms = new[new.arrays["molecule"] == index]
        assert guest["name"] == name
        assert atoms.get_all_distances() == pytest.approx(reference, abs=1e-9)
        assert closest_contact(film, index) >= 0.8
        assert film.info["vacuum"] <= atoms.positions[:, 2].min()
        assert atoms.positions[:, 2].max() <= film.cell.lengths()[2] - film.info["vacuum"]
        heavy = atoms.positions[atoms.numbers > 1]
        assert guest["centre"] == pytest.approx(tuple(heavy.mean(axis=0)))
    assert FILM.info["molecules"] == []


def test_guests_lie_in_their_channel_and_tile():
    film = place_guest(mfi(repeat=(2, 2), mistilt=(15.0, 10.0), thickness=2), rng=rng(1))
    channels, offsets = find_channels(film), tile_offsets(film)
    assert channels[:, 2] == pytest.approx(3.8, abs=0.1)
    middle = film.cell.lengths()[2] / 2
    for index, guest in enumerate(film.info["molecules"]):
        x, y, z = guest["centre"]
        tile = film.arrays["tile"][film.arrays["molecule"] == index][0]
        axes = channels[:, :2] + offsets[tile, :2] + (z - middle) * np.tan([0.015, 0.010])
        assert np.linalg.norm(axes - (x, y), axis=1).min() < 2.0


@pytest.mark.parametrize(("orientation", "tilt"), [(30.0, 0.0), (-120.0, 40.0)])
def test_orientation_and_tilt_are_kept(orientation, tilt):
    film = place_guest(FILM, "thiophene", orientation=orientation, tilt=tilt, rng=rng(2))
    for guest in film.info["molecules"]:
        assert guest["angle_degrees"] == pytest.approx(orientation)
        assert guest["tilt_degrees"] == pytest.approx(tilt, abs=1e-5)


def test_guests_lie_nearly_flat_at_any_azimuth():
    """Their tilt's root mean square is 31° in the published structures, and 31° in a Rayleigh distribution of 22°."""
    film = place_guest(mfi(repeat=(6, 5)), "thiophene", rng=rng(3))
    tilt = np.array([guest["tilt_degrees"] for guest in film.info["molecules"]])
    angle = np.radians([guest["angle_degrees"] for guest in film.info["molecules"]])
    assert 26 < np.sqrt(np.mean(tilt**2)) < 36  # two and a half standard deviations
    assert np.abs(np.exp(1j * angle).mean()) < 0.35


def test_occupancy_and_mixture():
    film = place_guest(mfi(repeat=(8, 6)), {"thiophene": 3, "H2O": 1}, occupancy=0.6, rng=rng(4))
    names = [guest["name"] for guest in film.info["molecules"]]
    assert abs(len(names) / 96 - 0.6) < 0.15  # three standard deviations
    assert abs(names.count("thiophene") / len(names) - 0.75) < 0.17
    assert len(place_guest(FILM, occupancy=0.0, rng=rng())) == len(FILM)


@pytest.mark.parametrize("anchored", [False, True])
def test_variants_are_exact_translates(anchored):
    film = mfi(repeat=(3, 3), mistilt=(5.0, 0.0))
    if anchored:
        film = substitute_aluminium(film, site=3, number=4, oxygen=1, variants=3, rng=rng(5))
    full = place_guest(film, occupancy=0.7, anchored=anchored, variants=3, rng=rng(6))
    variant = np.array(full.info["variants"])
    assert sorted(np.bincount(variant)) == [3, 3, 3]
    assert len(full.info["molecules"]) > 0
    for number in range(3):
        first, *others = np.flatnonzero(variant == number)
        assert all(translates(full, first, other, 1e-9) for other in others)
        poses = [
            [
                (guest["name"], round(guest["angle_degrees"], 6))
                for index, guest in enumerate(full.info["molecules"])
                if full.arrays["tile"][full.arrays["molecule"] == index][0] == tile
            ]
            for tile in (first, *others)
        ]
        assert poses[0] == poses[1] == poses[2]
    assert all(
        closest_contact(full, k) > (0.55 if anchored else 0.8) for k in range(len(full.info["molecules"]))
    )


@pytest.mark.parametrize(
    ("name", "symbol", "near", "far"), [("pyridine", "N", 1.7, 1.85), ("thiophene", "S", 2.15, 2.3)]
)
def test_anchored_guests_bind_to_a_proton(name, symbol, near, far):
    acid = substitute_aluminium(FILM, site=3, number=2, oxygen=1, rng=rng(7))
    film = place_guest(acid, name, anchored=True, rng=rng(8))
    assert len(film.info["molecules"]) >= 4
    guest = film.get_tags() == Tag.GUEST
    protons = (film.symbols == "H") & ~guest
    heads = np.flatnonzero(guest & (film.symbols == symbol))
    distance = distances(film, heads, protons)
    assert near <= distance.min(axis=1).min() <= distance.min(axis=1).max() <= far
    assert len(set(distance.argmin(axis=1))) == len(heads)
    for head, proton in zip(heads, np.flatnonzero(protons)[distance.argmin(axis=1)], strict=True):
        oxygens = np.flatnonzero((film.symbols == "O") & ~guest)
        owner = oxygens[distances(film, [proton], oxygens).argmin()]
        assert film.get_angle(owner, proton, head, mic=True) > 160
        # Nothing else of the guest is near to the framework.
        rest = (film.arrays["molecule"] == film.arrays["molecule"][head]) & (np.arange(len(film)) != head)
        radii = contact_radii(film.numbers[rest])[:, None] + contact_radii(film.numbers[~guest])
        assert (distances(film, rest, ~guest) / radii).min() >= 0.8


def test_a_second_species_keeps_clear_of_the_first_and_goes_on_counting():
    first = place_guest(mfi(thickness=2), "pyridine", rng=rng(9))
    both = place_guest(first, "H2O", rng=rng(10))
    assert [guest["name"] for guest in both.info["molecules"]] == ["pyridine"] * 2 + ["H2O"] * 2
    assert all(closest_contact(both, index) >= 0.8 for index in range(4))


def test_the_same_seed_gives_the_same_atoms():
    one, two = (place_guest(FILM, rng=rng(11)) for _ in range(2))
    assert np.array_equal(one.positions, two.positions)
    assert one.info["molecules"] == two.info["molecules"]


def test_own_atoms_are_named_by_their_info():
    methanol = ase_molecule("CH3OH")
    methanol.info["name"] = "methanol"
    assert place_guest(mfi(), methanol, rng=rng()).info["molecules"][0]["name"] == "methanol"
    assert place_guest(mfi(), ase_molecule("CH4"), rng=rng()).info["molecules"][0]["name"] == "CH4"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"molecule": "unobtainium"}, "molecule must be one of .*'pyridine'.*got 'unobtainium'"),
        ({"molecule": Atoms()}, "molecule must be at least one atom"),
        ({"molecule": {}}, "molecule must be at least one name"),
        ({"molecule": {"pyridine": -1.0}}, "weight of a molecule must be a finite number, at least 0"),
        ({"molecule": {"pyridine": 0.0}}, "weights of the molecules must be positive in sum"),
        ({"molecule": 3}, "molecule must be one of"),
        ({"occupancy": 1.5}, "occupancy must be between 0 and 1, got 1.5"),
        ({"tilt": 100.0}, "tilt must be between 0 and 90"),
        ({"orientation": np.nan}, "orientation must be between -360 and 360"),
        ({"tolerance": -1.0}, "tolerance must be between 0 and 1.5"),
        ({"thermal_sigma": -0.1}, "thermal_sigma must be a finite number, at least 0"),
        ({"max_tries": 0}, "max_tries must be a whole number, at least 1"),
        ({"variants": 0}, "variants must be a whole number, at least 1"),
        ({"anchored": True}, "number of acid protons must be 1 or more.*substitute_aluminium"),
        ({"molecule": "benzene", "anchored": True}, "molecule must be one with N, O or S when anchored"),
        ({"molecule": "C60", "max_tries": 20}, "molecule must be one that fits into the channel.*got 'C60'"),
        ({"tolerance": 1.2, "max_tries": 20}, "which clashed in 20 poses. Take a smaller molecule"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        place_guest(FILM, **settings, rng=rng())


def test_films_that_do_not_suit_are_refused():
    with pytest.raises(ValueError, match=r"atoms must be a framework from mfi\(\) or zeolite\(\)"):
        place_guest(Atoms("Si", cell=(9, 9, 9)), rng=rng())
    with pytest.raises(ValueError, match=r"number of channels along the beam must be 1 or more.*zone_axis"):
        place_guest(mfi(zone_axis=(0, 0, 1)), rng=rng())
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator"):
        place_guest(FILM, rng=0)
    acid = substitute_aluminium(FILM, number=1, rng=rng())
    with pytest.raises(ValueError, match="variants must be at least the 4 drawn before, got 2"):
        place_guest(acid, variants=2, rng=rng())


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize(("angle", "tilt", "about"), [(0, 0, 0), (77, 35, 12), (-170, 88, 250)])
def test_a_pose_is_measured_as_it_was_made(angle, tilt, about, flipped):
    pyridine = named_molecule("pyridine")
    turn = rotation(angle, tilt, about, flipped)
    assert turn @ turn.T == pytest.approx(np.eye(3))
    assert np.linalg.det(turn) == pytest.approx(1)
    pose = measure_pose(pyridine.numbers, pyridine.positions @ turn.T + (1, 2, 3))
    assert (pose.name, pose.angle_degrees, pose.tilt_degrees) == (
        "pyridine",
        pytest.approx(angle),
        pytest.approx(tilt, abs=1e-5),
    )
    assert pose.centre == pytest.approx((1, 2, 3))


@pytest.mark.parametrize("shift", [(0.0, 0.0), (10.0, 6.5)])
def test_guests_in_a_cell_are_found_whole_wherever_they_are_cut(shift):
    made = place_guest(mfi(repeat=(2, 1)), {"pyridine": 1, "thiophene": 1}, rng=rng(12))
    bare = made.copy()
    bare.set_tags(0)
    bare.arrays["molecule"][:] = -1
    bare.positions[:, :2] = np.mod(bare.positions[:, :2] + shift, bare.cell.lengths()[:2])
    found = guests_from_cell(bare)
    assert np.array_equal(found.get_tags(), made.get_tags())
    assert np.array_equal(found.arrays["molecule"], made.arrays["molecule"])
    edges = made.cell.lengths()[:2]
    for one, other in zip(found.info["molecules"], made.info["molecules"], strict=True):
        assert one["name"] == other["name"]
        assert one["angle_degrees"] == pytest.approx(other["angle_degrees"], abs=1e-6)
        assert one["tilt_degrees"] == pytest.approx(other["tilt_degrees"], abs=1e-5)
        moved = np.array(one["centre"][:2]) - other["centre"][:2] - shift
        assert np.abs(moved - edges * np.round(moved / edges)).max() < 1e-9
    assert guests_from_cell(mfi()).info["molecules"] == []


@pytest.mark.parametrize("number", range(1, 6))
@pytest.mark.parametrize(("kind", "heavy"), [("pyridine", "C5N"), ("thiophene", "C4S")])
def test_the_published_structures_hold_one_nearly_flat_guest(data_dir, kind, heavy, number):
    film = guests_from_cell(zeolite(data_dir / "zsm5-idpc" / kind / f"{number}.cif"))
    (guest,) = film.info["molecules"]
    assert guest["name"] == kind
    assert guest["tilt_degrees"] < 66
    atoms = film[film.get_tags() == Tag.GUEST]
    assert atoms[atoms.numbers > 1].get_chemical_formula() == heavy
    assert np.bincount(film.numbers[film.get_tags() == Tag.SUPPORT], minlength=15)[[13, 14]].sum() % 96 == 0
    edges = np.array(film.info["tile_size"])
    away = find_channels(film)[:, :2] - guest["centre"][:2]
    away -= edges * np.round(away / edges)
    assert np.linalg.norm(away, axis=1).min() < 2.2
    assert film.arrays["thermal_sigma"] == pytest.approx(0.1125, abs=1e-3)


def test_a_column_is_one_molecule_in_every_cell_along_the_beam():
    tilted = mfi(thickness=3, mistilt=(8.0, -5.0))
    film = place_guest(tilted, "pyridine", columns=True, rng=rng(3))
    period = film.cell.lengths()[2] / 3 - 2 * film.info["vacuum"] / 3
    assert [entry["count"] for entry in film.info["molecules"]] == [3, 3]
    for number, entry in enumerate(film.info["molecules"]):
        copies = film.positions[film.arrays["molecule"] == number].reshape(3, 11, 3)
        assert np.allclose(np.diff(copies[..., 2], axis=0), period)
        assert np.allclose(np.diff(copies[..., :2], axis=0), period * np.tan([8e-3, -5e-3]))
        heavy = film.numbers[film.arrays["molecule"] == number].reshape(3, 11)[0] > 1
        assert np.allclose(copies[:, heavy].mean(axis=(0, 1)), entry["centre"])
        assert closest_contact(film, number) >= 0.8
    with pytest.raises(ValueError, match="columns must be False when anchored"):
        place_guest(tilted, "pyridine", columns=True, anchored=True, rng=rng())


def test_several_guests_share_a_channel_and_say_which():
    film = mfi(thickness=4, repeat=(2, 1))
    filled = place_guest(film, {"pyridine": 1, "thiophene": 1}, each=3, rng=np.random.default_rng(0))
    listed = filled.info["molecules"]
    channels = [entry["channel"] for entry in listed]
    assert sorted(set(channels)) == [0, 1, 2, 3]
    assert len(listed) == 12
    axes = find_channels(film)
    for entry in listed:
        tile, k = divmod(entry["channel"], len(axes))
        beside = np.array(entry["centre"][:2]) - axes[k, :2] - (tile * film.info["tile_size"][0], 0)
        beside -= film.cell.lengths()[:2] * np.round(beside / film.cell.lengths()[:2])
        assert np.hypot(*beside) < axes[k, 2]
    heights = [entry["centre"][2] for entry in listed if entry["channel"] == 0]
    assert np.diff(sorted(heights)).min() > 3


def test_guests_of_a_file_are_numbered_by_channel():
    filled = place_guest(mfi(repeat=(2, 1)), "thiophene", rng=np.random.default_rng(1))
    expected = [entry["channel"] for entry in filled.info["molecules"]]
    filled.set_tags(0)
    assert sorted(entry["channel"] for entry in guests_from_cell(filled).info["molecules"]) == sorted(
        expected
    )
