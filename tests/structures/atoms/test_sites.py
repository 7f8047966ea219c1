"""Single atoms on sites: as many as the lattice has, at the right distances, and refused where there are none."""

import numpy as np
import pytest
from ase import Atoms

from stemforge.structures import SINGLE_ATOM, crystal_slab
from stemforge.structures.atoms.columns import column_heights, outer_depths
from stemforge.structures.atoms.sites import SITE_PLACEMENTS, scatter_at_sites, surface_sites
from stemforge.structures.tags import SITE_ARRAY, Site


@pytest.fixture(scope="module")
def slab():
    return crystal_slab("mgo", (20, 20), face=(0, 0, 1), thickness=12, rng=np.random.default_rng(0))


@pytest.fixture(scope="module")
def stepped():
    return crystal_slab("mgo", (20, 20), face=(0, 0, 1), thickness=12, steps=2, rng=np.random.default_rng(0))


@pytest.fixture(scope="module")
def sheet():
    """Graphene, 4 × 4 rectangles of four atoms."""
    edge, length = 2.46, 2.46 * np.sqrt(3)
    bond = 2.46 / np.sqrt(3)
    places = [(0, 0, 2), (0, bond, 2), (edge / 2, 1.5 * bond, 2), (edge / 2, 2.5 * bond, 2)]
    return Atoms("C4", positions=places, cell=(edge, length, 4), pbc=(1, 1, 0)).repeat((4, 4, 1))


def offsets(atoms, site):
    """Vectors from a site to all atoms, by the shortest way."""
    edges = atoms.cell.lengths()[:2]
    away = atoms.positions - site
    away[:, :2] -= edges * np.round(away[:, :2] / edges)
    return away


def test_numbers_of_sites_are_those_of_the_lattice(slab, sheet):
    # Each of 5 × 5 cells shows 2 Mg and 2 O on each face; a square lattice has 2 bridges and 1 hollow an atom.
    assert [len(surface_sites(slab, one)) for one in ("top", "bridge", "hollow", "step")] == [
        200,
        400,
        200,
        0,
    ]
    # A honeycomb has 3 bonds for 2 atoms, and a hexagon for 2 atoms.
    assert [len(surface_sites(sheet, one)) for one in ("top", "bridge", "hollow", "step")] == [
        128,
        192,
        64,
        0,
    ]


@pytest.mark.parametrize(("placement", "nearest"), [("top", 1), ("bridge", 2), ("hollow", 4)])
def test_sites_touch_the_surface(slab, placement, nearest):
    for site in surface_sites(slab, placement)[::7]:
        distances = np.sort(np.linalg.norm(offsets(slab, site), axis=1))
        assert distances[:nearest] == pytest.approx(2.0)
        assert distances[nearest] > 2.05


def test_a_hexagon_s_middle_touches_six(sheet):
    site = surface_sites(sheet, "hollow")[0]
    distances = np.sort(np.linalg.norm(offsets(sheet, site), axis=1))
    assert distances[:6] == pytest.approx(2.0, abs=1e-6)
    assert distances[6] > 3


def test_steps_are_found_at_their_lower_side(stepped):
    sites = surface_sites(stepped, "step")
    assert len(sites) == 40, "ten along each of two edges on two faces"
    for site in sites:
        away = offsets(stepped, site)
        touching = away[np.linalg.norm(away, axis=1) < 2.4]
        rise = touching[:, 2] if site[2] > stepped.positions[:, 2].mean() else -touching[:, 2]
        assert rise.max() > 0, "beside it the upper terrace"
        assert rise.min() < -1, "under it the lower one"


@pytest.mark.parametrize("placement", SITE_PLACEMENTS)
def test_scattered_atoms_are_tagged_by_their_site(stepped, placement):
    replaces = "Mg" if placement == "substitutional" else None
    values = {"areal_density": 1.0, "min_distance": 4.0, "replaces": replaces}
    atoms, again, other = (
        scatter_at_sites(stepped, "Ir", placement, **values, rng=np.random.default_rng(seed))
        for seed in (0, 0, 1)
    )
    assert atoms == again
    assert atoms != other
    single = atoms.get_tags() == SINGLE_ATOM
    assert single.sum() == 4
    assert (atoms.arrays[SITE_ARRAY][single] == Site[placement.upper()]).all()
    assert (atoms.arrays[SITE_ARRAY][~single] == Site.UNKNOWN).all()
    for number in np.flatnonzero(single):
        others = np.flatnonzero(single & (np.arange(len(atoms)) != number))
        assert np.linalg.norm(offsets(atoms, atoms.positions[number])[others], axis=1).min() >= 4.0
    lost = len(stepped) - (~single).sum()
    assert lost == (4 if placement == "substitutional" else 0)


def test_substitutional_atoms_are_where_their_element_was(slab):
    rng = np.random.default_rng(0)
    values = {"areal_density": 2.0, "min_distance": 3.0, "replaces": "Mg", "rng": rng}
    deep = scatter_at_sites(slab, "Ni", "substitutional", **values)
    places = deep.positions[deep.symbols == "Ni"]
    magnesium = slab[slab.symbols == "Mg"]
    assert len(np.unique(places[:, 2].round(2))) > 2, "anywhere"
    shift = deep.positions[:, 2].min() - slab.positions[:, 2].min()
    for place in places:
        assert np.linalg.norm(offsets(magnesium, place - [0, 0, shift]), axis=1).min() < 1e-6
    outer = scatter_at_sites(slab, "Ni", "substitutional", depth_range=(0, 0.5), **values)
    z = outer.positions[outer.symbols == "Ni"][:, 2]
    ends = outer.positions[:, 2].min(), outer.positions[:, 2].max()
    assert {float(end) for end in z.round(2)} <= {round(end, 2) for end in ends}


def test_earlier_atoms_keep_their_distance_and_their_sites(slab):
    rng = np.random.default_rng(0)
    first = scatter_at_sites(slab, "Ir", "top", areal_density=1.0, rng=rng)
    both = scatter_at_sites(first, "Rh", "hollow", areal_density=1.0, rng=rng)
    sites = both.arrays[SITE_ARRAY]
    assert set(sites[both.symbols == "Ir"]) == {Site.TOP}
    assert set(sites[both.symbols == "Rh"]) == {Site.HOLLOW}
    for place in both.positions[both.symbols == "Rh"]:
        assert np.linalg.norm(offsets(both, place)[both.symbols == "Ir"], axis=1).min() >= 5.0


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            {"placement": "step"},
            "placement must be one that the support has sites for.*Give the support steps",
        ),
        ({"placement": "surface"}, "placement must be one of top, bridge"),
        ({"placement": "substitutional", "replaces": "Ca"}, r"replaces must be an element of .*It has Mg, O"),
        ({"replaces": "Mg"}, "replaces must be left out"),
        ({"depth_range": (0, 1)}, "depth_range must be left out"),
        ({"areal_density": 40.0}, r"areal_density must be at most .* per nm² here"),
    ],
)
def test_what_a_placement_cannot_do_is_refused(slab, values, says):
    given = {"placement": "top", "areal_density": 1.0, **values}
    with pytest.raises(ValueError, match=says):
        scatter_at_sites(slab, "Ir", given.pop("placement"), **given, rng=np.random.default_rng(0))


def test_columns_and_depths(slab):
    middle = int(np.argmin(np.linalg.norm(slab.positions - slab.cell.lengths() / 2, axis=1)))
    assert column_heights(slab, np.array([middle])).tolist() == [6], "Mg and O in turn, six layers"
    depth = outer_depths(slab, slab.positions[[middle]])[0]
    assert depth.sum() == pytest.approx(5 * 2.1056)
    assert depth[0] == pytest.approx(slab.positions[middle, 2] - slab.positions[:, 2].min())
