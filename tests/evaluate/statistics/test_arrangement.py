"""Statistics of places against laws and against plain counting."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist, squareform

from stemforge.errors import InputError
from stemforge.evaluate import (
    PointPattern,
    Window,
    clark_evans,
    nearest_neighbours,
    pair_correlation,
    ripley,
    voronoi_areas,
)
from stemforge.evaluate.statistics.cell_moments import cell_moments


@pytest.fixture(scope="module")
def patterns(specimen):
    """Random places in an irregular mask: 120 patterns of about 50."""
    rng = np.random.default_rng(5)
    return [PointPattern(specimen.draw(n, rng), specimen) for n in rng.poisson(50, 120)]


def _mean_and_error(values):
    return np.mean(values, axis=0), np.std(values, axis=0) / np.sqrt(len(values))


def test_k_in_a_rectangle_is_translation_correction_by_hand():
    rng = np.random.default_rng(3)
    window = Window.frame((200, 300))
    points = window.draw(70, rng)
    radii = [5, 10, 20, 40, 60.0]
    shift = points[:, None] - points
    distance = squareform(pdist(points))
    np.fill_diagonal(distance, np.inf)
    weight = 200 * 300 / ((300 - abs(shift[..., 0])) * (200 - abs(shift[..., 1])))
    by_hand = [200 * 300 * weight[distance <= r].sum() / (70 * 69) for r in radii]
    # astropy's RipleysKEstimator(mode="translation") gives the same for these points.
    assert by_hand == pytest.approx([25.09874393, 180.42309618, 1156.43870414, 5212.01355198, 11259.71060629])
    k, l_curve = ripley(PointPattern(points, window), radii, simulations=0)
    np.testing.assert_allclose(k.values, by_hand)
    np.testing.assert_allclose(l_curve.values, np.sqrt(k.values / np.pi))


def test_random_places_give_the_laws_of_random_places(patterns, specimen):
    radii = np.array([4.0, 8.0, 16.0])
    k = [ripley(one, radii, simulations=0)[0].values for one in patterns]
    mean, error = _mean_and_error(k)
    assert np.all(abs(mean - np.pi * radii**2) < 3.5 * error)
    assert np.all(error < 0.1 * mean)  # it can tell
    g, error = _mean_and_error([pair_correlation(one, radii, simulations=0).values for one in patterns])
    assert np.all(abs(g - 1) < 3.5 * error)
    near = [nearest_neighbours(one, simulations=0) for one in patterns]
    ratio, error = _mean_and_error([clark_evans(one).index for one in near])
    assert abs(ratio - 1) < 3.5 * error + 0.005
    raw, error = _mean_and_error([one.distances.mean() / one.expected for one in near])
    assert raw > 1 + 3.5 * error  # without correction it is wrong, and this test sees it


@pytest.mark.slow
def test_voronoi_cells_of_random_places_are_unbiased(specimen):
    rng = np.random.default_rng(10)
    patterns = [PointPattern(specimen.draw(n, rng), specimen) for n in rng.poisson(150, 30)]
    cells = [voronoi_areas(one, simulations=0) for one in patterns]
    mean, error = _mean_and_error([one.mean * 150 / specimen.area for one in cells])
    assert abs(mean - 1) < 3.5 * error
    variation, error = _mean_and_error([one.variation for one in cells])
    assert abs(variation - 0.529) < 3.5 * error
    whole = [one.areas[one.complete].mean() * 150 / specimen.area for one in cells]
    assert np.mean(whole) < 0.9  # whole cells, unweighted, are the small ones


@pytest.mark.slow
def test_voronoi_cells_of_few_random_places_are_unbiased():
    """Where 60 atoms are all there is, what varies over the image's width is not seen: 7 % were missing."""
    window, rng = Window.frame((256, 256)), np.random.default_rng(3)
    moments = np.array([cell_moments(window.draw(n, rng), window) for n in rng.poisson(60, 120)])
    for ratio in (moments[:, 0] * 60 / window.pixels, moments[:, 1] / 0.5293):
        mean, error = _mean_and_error(ratio)
        assert abs(mean - 1) < 0.02 + 2 * error


def test_a_mask_too_narrow_for_whole_cells_says_so(tmp_path):
    mask = np.zeros((200, 200), dtype=bool)
    mask[:, 90:110] = True
    window = Window(mask, sampling=0.5)
    cells = voronoi_areas(PointPattern(window.draw(12, np.random.default_rng(0)), window), simulations=39)
    assert np.isnan(cells.variation)
    assert "too narrow" in cells.sentence
    cells.figure().savefig(tmp_path / "cells.png", dpi=30)


def test_a_lattice_is_ordered_and_dimers_are_clustered(specimen):
    y, x = np.mgrid[5:256:14, 5:320:14]
    lattice = PointPattern.inside(np.stack([x.ravel(), y.ravel()], axis=1), specimen)
    near = nearest_neighbours(lattice, simulations=199)
    assert near.mean == pytest.approx(7.0)
    assert near.mean > near.high > near.low > 3
    assert "avoid each other" in near.sentence
    assert not near.distribution.envelope.random
    assert voronoi_areas(lattice, simulations=0).variation < 0.06  # 0 but for the grid's scatter
    rng = np.random.default_rng(6)
    centres = specimen.draw(30, rng)
    dimers = PointPattern.inside(np.concatenate([centres, centres + np.array([0, 5.6])]), specimen)
    curve = pair_correlation(dimers, simulations=199)
    assert curve.radii[np.argmax(curve.values)] == pytest.approx(2.8, abs=0.5)
    assert not curve.envelope.random
    index = clark_evans(nearest_neighbours(dimers, simulations=199))
    assert index.index < index.low
    assert index.p <= 0.01


def test_pixels_and_angstrom_differ_by_the_pixel_size(specimen):
    points = specimen.draw(40, np.random.default_rng(7))
    scaled, bare = (PointPattern(points, Window(specimen.mask, s)) for s in (0.5, None))
    one, two = (nearest_neighbours(p, simulations=0) for p in (scaled, bare))
    assert one.mean == pytest.approx(two.mean / 2)
    assert (one.unit, two.unit) == ("Å", "px")
    one, two = (ripley(p, simulations=0)[0] for p in (scaled, bare))
    np.testing.assert_allclose(one.radii, two.radii / 2)
    np.testing.assert_allclose(one.values, two.values / 4)


def test_voronoi_cells_fill_the_mask_and_whole_ones_are_known(specimen):
    rng = np.random.default_rng(8)
    pattern = PointPattern(specimen.draw(60, rng), specimen)
    cells = voronoi_areas(pattern, simulations=0)
    assert cells.areas.sum() == pytest.approx(specimen.area)
    assert 0 < cells.complete.sum() < 60
    # Whatever lies beyond the mask: whole cells stay.
    beyond = rng.uniform(-60, 380, (400, 2))
    beyond = beyond[~specimen.contains(beyond)]
    labels = _nearest(np.concatenate([pattern.points, beyond]), specimen)
    areas = np.bincount(labels, minlength=60)[:60] * specimen.area_scale
    np.testing.assert_allclose(areas[cells.complete], cells.areas[cells.complete])
    assert np.any(areas[~cells.complete] < cells.areas[~cells.complete])


def _nearest(points, window):
    row, column = np.nonzero(window.mask)
    return cKDTree(points).query(np.stack([column, row], axis=1))[1]


def test_the_mask_matters(specimen):
    frame = Window.frame(specimen.mask.shape, specimen.sampling)
    points = [specimen.draw(60, np.random.default_rng(seed)) for seed in range(3)]
    whole, masked = (
        [PointPattern(p, window, str(i)) for i, p in enumerate(points)] for window in (frame, specimen)
    )
    # Where vacuum counts as specimen, atoms seem to cluster.
    assert ripley(whole, simulations=199)[1].envelope.p < 0.05
    assert ripley(masked, simulations=199)[1].envelope.p > 0.05


def test_images_are_pooled_by_their_pairs(specimen):
    rng = np.random.default_rng(12)
    patterns = [PointPattern(specimen.draw(n, rng), specimen) for n in (20, 60)]
    radii = np.array([5.0, 10.0])
    both, *each = (ripley(one, radii, simulations=0)[0].values for one in (patterns, *patterns))
    weights = np.array([20 * 19, 60 * 59])
    np.testing.assert_allclose(both, np.average(each, axis=0, weights=weights))
    bare = PointPattern(patterns[0].points, Window(specimen.mask), "bare")
    with pytest.raises(InputError, match="bare: has no pixel size, others have"):
        ripley([bare, patterns[1]], simulations=0)


def test_same_seed_same_envelopes(specimen):
    pattern = PointPattern(specimen.draw(30, np.random.default_rng(9)), specimen)
    one, two = (ripley(pattern, simulations=39)[1].envelope for _ in range(2))
    np.testing.assert_array_equal(one.low, two.low)


@pytest.mark.parametrize("radii", [[0.0, 3.0], [3.0, 2.0], [500.0], [np.nan]])
def test_bad_radii_are_refused(specimen, radii):
    pattern = PointPattern(specimen.draw(30, np.random.default_rng(9)), specimen)
    for measure in (ripley, pair_correlation):
        with pytest.raises(InputError, match=r"radii must be positive, increasing and below 64 Å"):
            measure(pattern, radii, simulations=0)


@pytest.mark.slow
def test_tables_and_figures(specimen, tmp_path):
    pattern = PointPattern(specimen.draw(30, np.random.default_rng(9)), specimen)
    k, l_curve = ripley(pattern, simulations=39)
    l_curve.to_csv(tmp_path / "l.csv")
    header, *rows = (tmp_path / "l.csv").read_text().splitlines()
    assert header == "r_Å,L,theory,mean_random,low,high,global_low,global_high"
    assert len(rows) == len(l_curve.radii)
    assert "p = " in k.sentence
    cells, near = voronoi_areas(pattern, simulations=39), nearest_neighbours(pattern, simulations=39)
    for one in (k, l_curve, cells, near):
        one.figure().savefig(tmp_path / "figure.png", dpi=30)
        assert one.sentence
    cells.to_csv(tmp_path / "cells.csv")
    near.to_csv(tmp_path / "near.csv")
    table = np.genfromtxt(tmp_path / "cells.csv", delimiter=",", names=True)
    assert len(table) == 30
    assert table["weight"].sum() == pytest.approx(1, abs=1e-4)
