"""Point defects: what is taken, how many, and where."""

import numpy as np
import pytest
from ase.build import bulk
from ase.data import covalent_radii
from scipy.spatial import cKDTree
from scipy.stats import binom, poisson

from stemforge.structures import (
    IMPURITY,
    SINGLE_ATOM,
    SUPPORT,
    add_interstitials,
    add_nanoparticles,
    layered_material,
    make_vacancies,
    scatter_single_atoms,
    substitute,
)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def sheet():
    return layered_material((60, 60), "MoS2", rng=rng())


@pytest.fixture(scope="module")
def bilayer():
    return layered_material((60, 60), num_layers=2, rng=rng())


def within(counts, distribution, *parameters):
    """Whether a sum over many seeds is one that chance gives in all but 2 of 10,000 cases."""
    low, high = distribution.ppf([1e-4, 1 - 1e-4], *parameters)
    return low <= sum(counts) <= high


def test_vacancies_are_the_atoms_that_are_gone(sheet):
    left = make_vacancies(sheet, element="S", fraction=0.1, rng=rng(1))
    missing = left.info["vacancies"]
    assert len(left) + len(missing["numbers"]) == len(sheet)
    assert set(missing["numbers"]) == {16}
    gone = cKDTree(left.positions).query(sheet.positions)[0] > 1e-9
    assert np.allclose(np.sort(missing["positions"], axis=0), np.sort(sheet.positions[gone], axis=0))
    assert "vacancies" not in sheet.info


def test_vacancies_add_up_and_move_with_the_atoms(sheet):
    left = make_vacancies(sheet, element="S", fraction=0.05, rng=rng(1))
    both = make_vacancies(left, element="Mo", fraction=0.05, rng=rng(2))
    assert set(both.info["vacancies"]["numbers"]) == {16, 42}
    # Atoms below the sheet move it up in its cell.
    carrying = scatter_single_atoms(both, "Pt", areal_density=0.3, rng=rng(3))
    lift = carrying.positions[0, 2] - both.positions[0, 2]
    assert lift > 1
    moved = carrying.info["vacancies"]["positions"] - both.info["vacancies"]["positions"]
    assert np.allclose(moved, [0, 0, lift])


def test_numbers_are_as_asked_over_many_seeds(sheet):
    area, seeds = np.prod(sheet.cell.lengths()[:2]) / 100, range(50)
    sulphur = int((sheet.symbols == "S").sum())
    counts = [len(sheet) - len(make_vacancies(sheet, element="S", fraction=0.02, rng=rng(s))) for s in seeds]
    assert within(counts, binom, 50 * sulphur, 0.02)
    counts = [
        len(sheet) - len(make_vacancies(sheet, element="S", areal_density=0.2, rng=rng(s))) for s in seeds
    ]
    assert within(counts, binom, 50 * sulphur, 0.2 * area / sulphur)
    counts = [
        (substitute(sheet, "W", element="Mo", areal_density=0.1, rng=rng(s)).symbols == "W").sum()
        for s in seeds
    ]
    assert within(counts, binom, 50 * (sulphur // 2), 0.1 * area / (sulphur // 2))
    # Control: the bounds tell half as many more.
    assert not within([1.5 * sum(counts)], binom, 50 * (sulphur // 2), 0.1 * area / (sulphur // 2))


def test_substitutions_change_the_element_alone(sheet):
    changed = substitute(sheet, "W", element="Mo", fraction=0.1, rng=rng(1))
    assert np.array_equal(changed.positions, sheet.positions)
    other = changed.numbers != sheet.numbers
    assert set(sheet.symbols[other]) == {"Mo"}
    assert set(changed.symbols[other]) == {"W"}
    assert (changed.get_tags() == np.where(other, SINGLE_ATOM, SUPPORT)).all()
    quiet = substitute(sheet, "W", element="Mo", fraction=0.1, label=False, rng=rng(1))
    assert np.array_equal(quiet.numbers, changed.numbers)
    assert (quiet.get_tags() == SUPPORT).all()


def test_sites_are_on_the_surface_or_inside(sheet):
    def taken(site):
        return set(
            make_vacancies(sheet, site=site, fraction=0.2, rng=rng(1)).info["vacancies"]["numbers"].tolist()
        )

    assert taken("surface") == {16}
    assert taken("volume") == {42}
    assert taken("any") == {16, 42}


def test_other_atoms_than_the_support_s_are_left_alone(sheet):
    specimen = add_nanoparticles(sheet, "Au", diameter=12, areal_density=0.05, rng=rng())
    specimen = scatter_single_atoms(specimen, "Pt", areal_density=0.3, rng=rng())
    left = make_vacancies(specimen, fraction=0.5, rng=rng())
    for element in ("Au", "Pt"):
        assert (left.symbols == element).sum() == (specimen.symbols == element).sum() > 0


def test_interstitials_lie_in_voids_between_the_layers(bilayer):
    specimen = add_interstitials(bilayer, "Li", areal_density=0.5, rng=rng(1))
    added = specimen[len(bilayer) :]
    assert len(added) > 5
    assert (added.get_tags() == SINGLE_ATOM).all()
    low, high = bilayer.positions[:, 2].min(), bilayer.positions[:, 2].max()
    assert low + 1 < added.positions[:, 2].min() <= added.positions[:, 2].max() < high - 1
    tree = cKDTree(bilayer.positions * [1, 1, 1])
    assert tree.query(added.positions)[0].min() >= 0.75 * (covalent_radii[3] + covalent_radii[6]) - 1e-6
    quiet = add_interstitials(bilayer, "Li", areal_density=0.5, label=False, rng=rng(1))
    assert (quiet[len(bilayer) :].get_tags() == IMPURITY).all()


def test_interstitials_of_a_crystal_take_its_octahedral_and_tetrahedral_sites():
    gold = bulk("Au", cubic=True).repeat((6, 6, 4))
    gold.pbc = (True, True, False)
    added = add_interstitials(gold, "C", areal_density=3.0, rng=rng())[len(gold) :].positions
    sites = np.mod(
        added / 4.08 * 4, 2
    )  # quarters: octahedral (even sum, one or three at 2), tetrahedral (odd)
    assert len(added) > 5
    assert np.allclose(sites, np.rint(sites), atol=1e-6)
    distance = cKDTree(gold.positions).query(added)[0]
    assert ((np.abs(distance - 2.04) < 1e-6) | (np.abs(distance - 4.08 * np.sqrt(3) / 4) < 1e-6)).all()


@pytest.mark.slow
def test_the_number_of_interstitials_is_poisson_s(bilayer):
    area = np.prod(bilayer.cell.lengths()[:2]) / 100
    counts = [
        len(add_interstitials(bilayer, "Li", areal_density=0.1, rng=rng(s))) - len(bilayer) for s in range(20)
    ]
    assert within(counts, poisson, 20 * 0.1 * area)


def test_the_same_generator_gives_the_same_defects(bilayer):
    for make in (
        lambda g: make_vacancies(bilayer, fraction=0.1, rng=g),
        lambda g: substitute(bilayer, "N", fraction=0.1, rng=g),
        lambda g: add_interstitials(bilayer, "Li", areal_density=0.3, rng=g),
    ):
        one, again, other = make(rng(1)), make(rng(1)), make(rng(2))
        assert one == again
        assert one != other


@pytest.mark.parametrize(
    ("make", "values", "message"),
    [
        (make_vacancies, {"fraction": 1.5}, "fraction must be between 0 and 1"),
        (make_vacancies, {}, "fraction must be given, or else areal_density"),
        (make_vacancies, {"fraction": 0.1, "areal_density": 0.1}, "and not both"),
        (
            make_vacancies,
            {"fraction": 0.1, "element": "S"},
            r"element must be one of the support's \['C'\], got 'S'",
        ),
        (make_vacancies, {"areal_density": 500.0}, "areal_density must be at most the 7.* sites per nm²"),
        (make_vacancies, {"fraction": 0.1, "site": "edge"}, "site must be one of"),
        (substitute, {"by": "Xx", "fraction": 0.1}, "by must be a chemical symbol"),
        (add_interstitials, {"element": "Xx", "areal_density": 0.1}, "element must be a chemical symbol"),
    ],
)
def test_bad_values_are_named(bilayer, make, values, message):
    with pytest.raises(ValueError, match=message):
        make(bilayer, **values, rng=rng())


def test_a_single_sheet_has_no_room_for_interstitials():
    with pytest.raises(ValueError, match="A single sheet has none"):
        add_interstitials(layered_material((40, 40), rng=rng()), "Li", areal_density=0.5, rng=rng())
