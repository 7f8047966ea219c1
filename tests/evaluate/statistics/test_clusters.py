import numpy as np
import pytest
from scipy.spatial import cKDTree

from stemforge.errors import InputError
from stemforge.evaluate import PointPattern, Window, bond_length, bonded_fraction, clusters
from stemforge.evaluate.statistics.bonds import _avoided, empty_space, linked
from stemforge.evaluate.statistics.clusters import _large, _shapes, _widened, _with_missed

LENGTH = 3.2


def _pairs(specimen, rng, lone, pairs):
    """Return lone atoms and dimers of 5.6 pixels (2.8 Å), of which the mask shows what lies in it."""
    wide = rng.uniform(-20, 340, (int(pairs * 360 * 360 / specimen.pixels), 2))
    angle = rng.uniform(0, 2 * np.pi, len(wide))
    other = wide + 5.6 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return PointPattern.inside(np.concatenate([specimen.draw(lone, rng), wide, other]), specimen)


def test_bond_lengths_are_twice_the_covalent_radius():
    assert bond_length("Pt", tolerance=1.0) == pytest.approx(2 * 1.36)
    with pytest.raises(InputError, match="element must be a chemical symbol"):
        bond_length("Ptx")


def test_single_linkage_joins_chains():
    points = np.array([[0, 0], [3, 0], [6, 0], [20, 0], [20, 2.9]])
    members = linked(points, 3.0)
    assert members[0] == members[1] == members[2] != members[3] == members[4]


def _spaced(rng, number, thick, least):
    """Return atoms of a film so thick, none nearer than that to another one in space, in projection [pixel]."""
    atoms = np.empty((0, 3))
    while len(atoms) < number:
        new = rng.uniform(0, [320, 256, thick])
        if not len(atoms) or np.hypot.reduce(atoms - new, axis=1).min() >= least:
            atoms = np.concatenate([atoms, new[None]])
    return atoms[:, :2]


def test_atoms_that_keep_a_distance_in_space_have_fewer_neighbours_by_chance(specimen):
    rng = np.random.default_rng(8)
    patterns = [PointPattern.inside(_spaced(rng, 150, 60, 16), specimen, f"{i}") for i in range(20)]
    found = bonded_fraction(patterns, LENGTH)
    random = np.mean([empty_space(one, LENGTH / 0.5) for one in patterns])
    assert found.observed - random < -0.04  # what random places would give, far from the truth
    assert found.fraction == pytest.approx(0, abs=0.03)


def test_second_neighbours_of_a_cluster_are_not_taken_for_chance(specimen):
    """Rows of three: the ends stand two bonds from each other, where pairs of atoms by chance are looked for."""
    rng = np.random.default_rng(10)
    rows = []
    for number in range(20):
        turn = rng.uniform(0, 2 * np.pi, (25, 1, 1))
        along = np.arange(3)[:, None] * 4.5 * np.concatenate([np.cos(turn), np.sin(turn)], axis=2)
        points = (rng.uniform(0, [320, 256], (25, 1, 2)) + along).reshape(-1, 2)
        rows.append(PointPattern.inside(points, specimen, f"{number}"))
    found = bonded_fraction(rows, LENGTH)
    empty = np.mean([empty_space(one, LENGTH / 0.5) for one in rows])
    # A standard error more; by the pairs themselves it would be four times as much.
    assert empty < found.by_chance < 1.15 * empty
    assert found.fraction > 0.93


def test_empty_space_of_random_places_is_that_of_neighbours(specimen):
    rng = np.random.default_rng(0)
    values = [empty_space(PointPattern(specimen.draw(60, rng), specimen), 8.0) for _ in range(60)]
    assert np.mean(values) == pytest.approx(1 - np.exp(-np.pi * 64 * 60 / specimen.pixels), rel=0.02)


@pytest.mark.parametrize("radius", [0.8, 3.3, 10.9, 30.0])
def test_empty_space_counts_the_places_near_an_atom(specimen, radius):
    pattern = PointPattern(specimen.draw(25, np.random.default_rng(12)), specimen)
    step = max(1, int(radius / 4))
    row, column = np.nonzero(specimen.border[::step, ::step] >= radius)
    nearest = cKDTree(pattern.points).query(np.stack([column, row], axis=1) * step)[0]
    assert empty_space(pattern, radius) == pytest.approx(np.mean(nearest <= radius), abs=1e-12)


@pytest.mark.parametrize("share", [0.4, 0.6, 0.8, 1.0])
def test_coincidences_are_as_many_as_pairs_say_and_one_error_more_than_at_random_at_most(share):
    """Of 100 pairs that random places would have; in errors of their number."""
    counts = np.random.default_rng(13).poisson(100 * share, 20000)
    assert -0.12 < (_avoided(counts, 100).mean() - share) / (0.1 * share**0.5) < 0.03
    if share == 1:
        assert (np.minimum(counts / 100, 1).mean() - 1) / 0.1 < -0.37  # what a bound of 1 does
    assert _avoided(300, 100) == pytest.approx(1.1)  # clusters


@pytest.mark.slow
def test_bonded_fraction_is_without_coincidences(specimen):
    rng = np.random.default_rng(1)
    none = [bonded_fraction(_pairs(specimen, rng, 60, 0), LENGTH) for _ in range(60)]
    assert np.mean([one.observed for one in none]) > 0.1  # in projection, many seem bonded
    assert np.mean([one.fraction for one in none]) == pytest.approx(0, abs=0.02)
    assert np.mean([one.low == 0 for one in none]) > 0.9
    half = [bonded_fraction(_pairs(specimen, rng, 30, 15), LENGTH) for _ in range(60)]
    assert np.mean([one.fraction for one in half]) == pytest.approx(0.5, abs=0.035)
    assert np.mean([one.low <= 0.5 <= one.high for one in half]) > 0.85
    assert "are bonded" in half[0].sentence


def test_missed_and_false_atoms_are_corrected(specimen):
    rng = np.random.default_rng(2)
    found = []
    for _ in range(60):
        whole = _pairs(specimen, rng, 30, 25).points
        kept = whole[rng.random(len(whole)) < 0.7]
        found.append(bonded_fraction(PointPattern.inside(kept, specimen), LENGTH, recall=0.7))
    assert np.mean([one.fraction for one in found]) == pytest.approx(50 / 80, abs=0.05)
    plain = bonded_fraction(PointPattern.inside(whole, specimen), LENGTH)
    mended = bonded_fraction(PointPattern.inside(whole, specimen), LENGTH, purity=0.8)
    assert mended.fraction == pytest.approx(plain.fraction / 0.8)


@pytest.mark.slow
def test_dimers_are_counted_without_coincidences(specimen):
    rng = np.random.default_rng(3)
    found = [clusters(_pairs(specimen, rng, 40, 10), LENGTH, simulations=25, rng=rng) for _ in range(20)]
    mean, error = (f([one.dimers for one in found]) for f in (np.mean, np.std))
    assert abs(mean - 10) < 3 * error / np.sqrt(20) + 0.3
    # What is observed is not what is there: some lone atoms lie side by side, some dimers are cut by the edge or touch.
    none = [clusters(_pairs(specimen, rng, 60, 0), LENGTH, simulations=25, rng=rng) for _ in range(20)]
    assert np.mean([one.observed[1] for one in none]) > 2
    assert np.mean([one.observed[1] - one.placed[1] for one in none]) == pytest.approx(0, abs=1.0)


@pytest.mark.slow
def test_the_correction_goes_on_until_it_explains_what_was_found():
    # On average 0.4 neighbours by chance: three steps left 0.4 of these dimers.
    rng, window = np.random.default_rng(0), Window.frame((400, 400), sampling=1.0)
    patterns = [PointPattern(window.draw(2000, rng), window) for _ in range(4)]
    found = [clusters(one, 3.2, simulations=39, rng=rng) for one in patterns]
    chance = np.mean([one.observed[1] for one in found])
    assert chance > 150
    assert abs(np.mean([one.dimers for one in found])) < 0.15 * chance


def test_where_almost_all_atoms_touch_no_dimers_are_counted(tmp_path):
    rng, window = np.random.default_rng(0), Window.frame((200, 200), sampling=1.0)
    sizes = clusters(PointPattern(window.draw(1300, rng), window), 3.2, simulations=19, rng=rng)
    assert np.isnan(sizes.dimers)
    assert "Too many atoms touch by chance" in sizes.sentence
    sizes.to_csv(tmp_path / "sizes.csv")
    assert all(row.endswith(",") for row in (tmp_path / "sizes.csv").read_text().splitlines()[1:])


def test_missed_atoms_of_clusters_are_solved_for():
    solved = _with_missed(np.array([10 * 2 * 0.8 * 0.2, 10 * 0.64, 0, 0, 0]), 0.8)
    np.testing.assert_allclose(solved, [0, 10, 0, 0, 0], atol=1e-9)


def test_a_chain_among_lone_atoms_makes_no_small_clusters():
    found = np.zeros(12)
    found[[0, 9]] = 80, 1
    solved = _with_missed(found, 0.8)
    assert (solved >= 0).all()
    assert solved[1:8].sum() < 3
    assert solved[0] == pytest.approx(100, abs=3)
    assert np.isnan(_with_missed(found, 0.5)).all()


def test_tables_without_corrected_numbers_say_why(specimen, tmp_path):
    sizes = clusters(_pairs(specimen, np.random.default_rng(4), 30, 10), LENGTH, recall=0.5, simulations=39)
    assert "too many atoms are missing" in sizes.sentence
    sizes.to_csv(tmp_path / "sizes.csv")
    assert all(row.endswith(",") for row in (tmp_path / "sizes.csv").read_text().splitlines()[1:])
    sizes.figure().savefig(tmp_path / "sizes.png", dpi=30)


def test_clusters_of_chance_are_none_in_the_table(specimen, tmp_path):
    sizes = clusters(
        PointPattern(specimen.draw(60, np.random.default_rng(3)), specimen), LENGTH, simulations=39
    )
    sizes.to_csv(tmp_path / "sizes.csv")
    assert sizes.corrected.min() < 0
    assert np.genfromtxt(tmp_path / "sizes.csv", delimiter=",", names=True)["corrected"].min() == 0


def test_more_than_all_atoms_cannot_be_bonded(specimen):
    rng = np.random.default_rng(5)
    dimers = bonded_fraction(_pairs(specimen, rng, 0, 30), LENGTH, recall=0.6, purity=0.8)
    assert dimers.fraction == 1
    assert "recall × purity of 0.48 contradicts" in dimers.sentence
    assert not bonded_fraction(_pairs(specimen, rng, 40, 10), LENGTH).contradicted


def test_a_cluster_across_the_image_stays_in_place():
    window, rng = Window.frame((300, 300)), np.random.default_rng(6)
    chain = np.stack([np.arange(5, 295, 5.0), np.full(58, 150.0)], axis=1)
    points = np.concatenate([chain, rng.uniform([5, 5], [295, 100], (20, 2))])
    sizes = clusters(PointPattern(points, window), 6.0, simulations=39)
    assert sizes.corrected[57] == pytest.approx(1, abs=0.2)
    members = linked(points, 6.0)
    large = _large(points, members, window)
    assert large.tolist() == [True] * 58 + [False] * 20
    assert _widened(window, _shapes(points[~large], members[~large]))[1] < 30


def test_tables_figures_and_bad_input(specimen, tmp_path):
    pattern = _pairs(specimen, np.random.default_rng(4), 30, 10)
    sizes = clusters(pattern, LENGTH, simulations=39)
    sizes.to_csv(tmp_path / "sizes.csv")
    table = np.genfromtxt(tmp_path / "sizes.csv", delimiter=",", names=True)
    assert (table["atoms"] * table["observed"]).sum() == len(pattern)
    sizes.figure().savefig(tmp_path / "sizes.png", dpi=30)
    assert f"{sizes.observed[1]} dimers" in sizes.sentence
    for measure in (bonded_fraction, clusters):
        with pytest.raises(InputError, match="length must be positive"):
            measure(pattern, -1)
        with pytest.raises(InputError, match="recall must lie above 0"):
            measure(pattern, LENGTH, recall=0)
    with pytest.raises(InputError, match="no atom is further than that from the edge"):
        bonded_fraction(pattern, 200)
