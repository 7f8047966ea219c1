"""Particles: ASE's clusters, and where they come to rest."""

import numpy as np
import pytest
from ase.cluster import Icosahedron
from ase.data import covalent_radii
from scipy.spatial import cKDTree
from scipy.stats import binom

from stemforge.structures import (
    PARTICLE,
    SINGLE_ATOM,
    SUPPORT,
    add_nanoparticles,
    amorphous_carbon,
    layered_material,
    nanoparticle,
    scatter_single_atoms,
)
from stemforge.structures.nanoparticles.shapes import SHAPES, volume_diameter

# Nearest neighbours in the bulk [Å], from ASE's lattice constants: a/√2, √3a/2, a.
NEIGHBOURS = {"Au": 4.08 / np.sqrt(2), "Pt": 3.92 / np.sqrt(2), "Fe": 2.87 * np.sqrt(3) / 2, "Co": 2.51}


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def film():
    return amorphous_carbon((70, 70, 20), rng=rng())


@pytest.fixture(scope="module")
def sheet():
    return layered_material((70, 70), rng=rng())


def of_particles(atoms):
    return atoms[atoms.get_tags() == PARTICLE]


def nearest(one, other, cell):
    edges = cell.lengths()[:2]
    place = [np.column_stack([np.mod(p[:, :2], edges) % edges, p[:, 2]]) for p in (one, other)]
    return cKDTree(place[1], boxsize=(*edges, 0)).query(place[0])[0].min()


@pytest.mark.parametrize(
    ("element", "shape"), [(e, s) for e in ("Au", "Pt") for s in SHAPES] + [("Fe", "wulff"), ("Co", "wulff")]
)
def test_size_and_distances_are_those_asked(element, shape):
    for diameter in (15.0, 25.0):
        particle = nanoparticle(element, diameter, shape)
        # Closed shells come in steps of about a neighbour's distance in radius.
        assert abs(volume_diameter(element, len(particle)) - diameter) < NEIGHBOURS[element] + 1.2
        assert set(particle.get_chemical_symbols()) == {element}
        distances = cKDTree(particle.positions).query(particle.positions, k=2)[0][:, 1]
        # Along an icosahedron's radii bonds are 5 % shorter than around it (Mackay 1962); ASE keeps the mean.
        assert distances == pytest.approx(NEIGHBOURS[element], rel=0.06 if shape == "icosahedron" else 0.02)


def test_an_icosahedron_is_ase_s():
    found, known = nanoparticle("Au", 21.0, "icosahedron"), Icosahedron("Au", 5)
    assert len(found) == len(known) == 309
    assert np.allclose(found.positions, known.positions - known.positions.mean(axis=0))


def test_a_wulff_shape_shows_the_facets_of_its_energies():
    def facets(energies):
        positions = nanoparticle("Au", 40.0, surface_energies=energies).positions
        return [(positions @ (np.array(n) / np.linalg.norm(n))).max() for n in ((1, 1, 1), (1, 0, 0))]

    for ratio in (0.9, 1.1547):
        octahedral, cubic = facets({"111": 1.0, "100": ratio})
        assert cubic / octahedral == pytest.approx(ratio, abs=0.08)


@pytest.mark.parametrize("support", ["film", "sheet"])
def test_particles_rest_on_the_surface(support, request):
    support = request.getfixturevalue(support)
    specimen = add_nanoparticles(
        support, "Au", diameter=15, areal_density=0.05, contact_distance=2.4, rng=rng(3)
    )
    particles, below = of_particles(specimen), specimen[specimen.get_tags() == SUPPORT]
    assert len(set(particles.arrays["particle"])) in (2, 3)
    assert len(below) == len(support)  # nothing was in the way
    for number in set(particles.arrays["particle"]):
        one = particles[particles.arrays["particle"] == number]
        assert nearest(one.positions, below.positions, specimen.cell) == pytest.approx(2.4, abs=0.01)


def test_sunk_particles_push_the_support_away(film):
    rest, sunk = (
        add_nanoparticles(film, "Au", diameter=15, areal_density=0.05, sunk_fraction=share, rng=rng(3))
        for share in (0.0, 0.5)
    )
    support = sunk[sunk.get_tags() == SUPPORT]
    assert len(support) < len(rest[rest.get_tags() == SUPPORT]) == len(film)
    assert nearest(of_particles(sunk).positions, support.positions, sunk.cell) >= 0.999 * 2.5 - 1e-6
    assert np.ptp(of_particles(sunk).positions[:, 2]) < np.ptp(of_particles(rest).positions[:, 2])


def test_inside_they_lie_between_the_surfaces():
    film = amorphous_carbon((60, 60, 60), rng=rng())
    specimen = add_nanoparticles(film, "Pt", diameter=10, areal_density=0.1, placement="volume", rng=rng(1))
    particles, support = of_particles(specimen), specimen[specimen.get_tags() == SUPPORT]
    middles = [
        particles.positions[particles.arrays["particle"] == n, 2].mean()
        for n in set(particles.arrays["particle"])
    ]
    assert len(middles) in (3, 4)
    assert support.positions[:, 2].min() < min(middles) < max(middles) < support.positions[:, 2].max()
    assert nearest(particles.positions, support.positions, specimen.cell) >= 0.999 * 2.5 - 1e-6


def test_particles_keep_their_gap_from_those_before(sheet):
    specimen = add_nanoparticles(sheet, "Au", diameter=12, areal_density=0.1, min_gap=4, rng=rng(0))
    specimen = add_nanoparticles(specimen, "Pt", diameter=10, areal_density=0.1, min_gap=4, rng=rng(1))
    particles = of_particles(specimen)
    number = particles.arrays["particle"]
    assert len(set(number)) >= 8
    for one in set(number):
        mine, others = particles[number == one], particles[number != one]
        assert len(set(mine.get_chemical_symbols())) == 1
        assert nearest(mine.positions, others.positions, specimen.cell) >= 4 - 1e-6


@pytest.mark.slow
def test_the_number_is_as_asked_over_many_fields(sheet):
    area = np.prod(sheet.cell.lengths()[:2]) / 100
    counts = []
    for seed in range(60):
        specimen = add_nanoparticles(sheet, "Au", diameter=8, areal_density=0.4 / area, rng=rng(seed))
        counts.append(len(set(of_particles(specimen).arrays.get("particle", []))))
    assert set(counts) == {0, 1}
    low, high = binom.ppf([1e-4, 1 - 1e-4], 60, 0.4)
    assert low <= sum(counts) <= high


def test_a_zone_axis_lies_along_the_beam(sheet):
    def columns(seed, **orientation):
        """Distinct places in projection, as a share of the atoms."""
        specimen = add_nanoparticles(
            sheet, "Au", diameter=25, areal_density=0.021, rng=rng(seed), **orientation
        )
        xy = of_particles(specimen).positions[:, :2]
        xy = xy - xy[0] - 70 * np.round((xy - xy[0]) / 70)
        tree = cKDTree(xy)
        return 1 / np.mean([len(found) for found in tree.query_ball_point(xy, 0.05)])

    assert columns(1, zone_axis=(0, 1, 1)) < 0.2  # seven atoms and more behind each other
    assert columns(1) > 0.9  # control: turned at random, hardly two


@pytest.mark.slow
def test_sizes_scatter_as_asked(sheet):
    sizes = []
    for seed in range(40):
        atoms = add_nanoparticles(
            sheet,
            "Au",
            diameter=14,
            diameter_spread=0.2,
            areal_density=0.02,
            rng=rng(seed),
            contact_distance=2.6,
        )
        number = of_particles(atoms).arrays.get("particle", np.zeros(0, int))
        sizes += [volume_diameter("Au", int(count)) for count in np.bincount(number) if count]
    assert np.median(sizes) == pytest.approx(14, rel=0.12)
    assert 0.1 < np.log(sizes).std() < 0.3


def test_single_atoms_keep_away_and_keep_their_tags(film):
    specimen = add_nanoparticles(film, "Au", diameter=15, areal_density=0.05, rng=rng(3))
    both = scatter_single_atoms(specimen, "Pt", areal_density=0.3, rng=rng(4))
    tags = both.get_tags()
    assert (tags == PARTICLE).sum() == (specimen.get_tags() == PARTICLE).sum()
    single = both[tags == SINGLE_ATOM]
    assert set(single.get_chemical_symbols()) == {"Pt"}
    assert nearest(single.positions, both[tags == PARTICLE].positions, both.cell) >= 5.0 - 1e-6
    assert 2 * covalent_radii[78] < 5


def test_the_same_generator_gives_the_same_atoms(film):
    one, again, other = (
        add_nanoparticles(film, "Au", diameter=12, areal_density=0.05, rng=rng(seed)) for seed in (1, 1, 2)
    )
    assert one == again
    assert one != other


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"element": "C"}, "element must be a metal"),
        ({"element": "Xx"}, "element must be a metal"),
        ({"element": "Fe", "shape": "icosahedron"}, "element must be an fcc metal for the shape icosahedron"),
        ({"diameter": 2.0}, "diameter must be between 6 and 200"),
        ({"diameter": 90.0}, "diameter must be such that particles fit"),
        ({"shape": "cube"}, "shape must be one of"),
        ({"surface_energies": {"11": 1.0}}, "surface_energies must be facets of 3"),
        ({"zone_axis": (0, 0, 0)}, "zone_axis must be"),
        ({"areal_density": 3.0}, "areal_density must be such that"),
        ({"placement": "beside"}, "placement must be"),
    ],
)
def test_bad_values_are_named(film, values, message):
    with pytest.raises(ValueError, match=message):
        add_nanoparticles(
            film, **{"element": "Au", "diameter": 15.0, "areal_density": 0.05, "rng": rng(), **values}
        )
