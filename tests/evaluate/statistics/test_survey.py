import json
import warnings

import numpy as np
import pytest

from stemforge import Annotations
from stemforge.errors import InputError
from stemforge.evaluate import Count, PointPattern, Survey, Window, shared_areas, survey_patterns


@pytest.fixture(scope="module")
def survey(specimen):
    rng = np.random.default_rng(0)
    patterns = [PointPattern(specimen.draw(n, rng), specimen, f"image {n}") for n in (30, 40, 41, 52)]
    counts = [*(Count(one.name, len(one), specimen.area) for one in patterns), Count("few", 3, specimen.area)]
    return survey_patterns(patterns, counts, length=3.2, simulations=199)


@pytest.mark.slow
def test_densities_count_every_image(survey, specimen):
    values = np.array([30, 40, 41, 52, 3]) / specimen.area
    assert survey.densities == pytest.approx((values.mean(), values.std(ddof=1)))
    spread, p = survey.counting
    assert spread == pytest.approx(np.sqrt(166 / 5) / specimen.area)
    assert p < 1e-4  # one with 3 beside one with 52
    assert "few: 3 atoms" in survey.lines()[-1]


def test_counting_alone_is_no_difference(specimen):
    rng = np.random.default_rng(1)
    values = []
    for _ in range(300):
        counts = tuple(Count(str(i), int(n), specimen.area) for i, n in enumerate(rng.poisson(30, 6)))
        values.append(_counted(counts)[1])
    assert np.mean(np.array(values) < 0.1) == pytest.approx(0.1, abs=0.05)


def _counted(counts):
    return Survey((), counts, None, None, None, (), {}).counting


def test_index_of_all_images(survey):
    weights = np.array([30, 40, 41, 52])
    indices = [one.clark_evans.index for one in survey.images]
    assert survey.clark_evans.index == pytest.approx(np.average(indices, weights=weights))
    narrow = survey.clark_evans.high - survey.clark_evans.low
    assert narrow < 0.7 * min(one.clark_evans.high - one.clark_evans.low for one in survey.images)


@pytest.mark.slow
def test_tables_and_figures(survey, tmp_path):
    survey.to_csv(tmp_path / "all.csv")
    table = np.genfromtxt(tmp_path / "all.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    assert table["atoms"].tolist() == [30, 40, 41, 52, 3]
    assert np.isfinite(table["density_per_nm2"]).all()
    survey.to_json(tmp_path / "all.json")
    content = json.loads((tmp_path / "all.json").read_text())
    assert content["all"]["atoms"] == 166
    assert content["few_atoms"] == [
        {"name": "few", "atoms": 3, "area": pytest.approx(survey.counts[0].area), "corrected": None}
    ]
    survey.curves_to_csv(tmp_path / "curves.csv")
    rows = (tmp_path / "curves.csv").read_text().splitlines()
    assert len(rows) == 1 + 60 * (2 + 3 * 4)
    survey.figure().savefig(tmp_path / "all.png", dpi=30)
    survey.images[0].figure().savefig(tmp_path / "one.png", dpi=30)


def test_shared_areas_are_found_and_random_ones_are_not(specimen):
    rng = np.random.default_rng(2)
    patterns = [PointPattern(specimen.draw(50, rng), specimen, str(i)) for i in range(12)]
    assert shared_areas(patterns) == []
    half = rng.random(50) < 0.6
    points = patterns[3].points[half] + np.array([30.0, -12.0]) + rng.normal(0, 0.6, (half.sum(), 2))
    extra = specimen.draw(20, rng)
    again = PointPattern.inside(np.concatenate([points, extra]), specimen, "again")
    (found,) = shared_areas([*patterns, again])
    assert (found.first, found.second) == ("3", "again")
    assert found.shift == pytest.approx((-15, 6), abs=0.5)
    assert "counted twice" in str(found)


def test_lattices_and_blobs_are_not_taken_for_one_area():
    window = Window.frame((1000, 1000), sampling=0.3)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        grid = np.stack(np.meshgrid(*[np.arange(5, 295, 9.0)] * 2), axis=-1).reshape(-1, 2)
        lattices = [grid + rng.uniform(0, 4, 2) + rng.normal(0, 0.45, grid.shape) for _ in range(2)]
        blobs = [rng.normal(150, 25, (150, 2)), rng.normal(130, 25, (150, 2))]
        several = [
            rng.normal(rng.uniform(50, 250, (6, 1, 2)), 6, (6, 25, 2)).reshape(-1, 2) for _ in range(2)
        ]
        for pair in (lattices, blobs, several):
            patterns = [PointPattern.inside(p / 0.3, window, n) for p, n in zip(pair, "ab", strict=True)]
            assert shared_areas(patterns) == []


def test_large_images_without_pixel_size_are_compared_coarsely_and_refined():
    window, rng = Window.frame((4096, 4096)), np.random.default_rng(0)
    one = PointPattern(window.draw(200, rng), window, "a")
    other = PointPattern.inside(one.points + np.array([801.3, -402.6]), window, "b")
    (found,) = shared_areas([one, other])
    assert found.shift == (-801.3, 402.6)
    assert found.atoms == len(other)


def test_published_images_of_one_area_are_found(data_dir):
    patterns = []
    for path in sorted((data_dir / "pt-nc" / "labels").glob("*.csv")):
        points = Annotations.from_csv(path).points
        window = Window.frame((512, 512), sampling=0.293)
        patterns.append(PointPattern.inside(points, window, path.name[:3]))
    (found,) = shared_areas(patterns)
    assert (found.first, found.second) == ("047", "048")
    assert found.atoms >= 19
    assert found.shift == pytest.approx((0, 3), abs=1)


@pytest.mark.slow
def test_a_dense_image_and_one_of_a_line_leave_the_others_their_bonds(specimen, tmp_path):
    rng = np.random.default_rng(3)
    line = np.stack([np.arange(10, 190, 8.0), np.full(23, 230.0)], axis=1)
    small = Window.frame((64, 64), sampling=0.5)
    patterns = [
        PointPattern(specimen.draw(40, rng), specimen, "good"),
        PointPattern(specimen.draw(40, rng), specimen, "also"),
        PointPattern(small.draw(200, rng), small, "dense"),
        PointPattern.inside(line, specimen, "line"),
    ]
    survey = survey_patterns(patterns, length=3.2, simulations=199)
    assert [one.sizes is None for one in survey.images] == [False, False, True, False]
    assert [one.cells is None for one in survey.images] == [False, False, False, True]
    assert survey.bonded is not None
    lines = survey.lines()
    assert any(line.startswith("dense: length: ") for line in lines)
    assert any(line.startswith("line: Voronoi cells need") for line in lines)
    survey.to_csv(tmp_path / "all.csv")
    survey.to_json(tmp_path / "all.json")
    survey.images[3].to_csv(tmp_path / "line.csv")
    survey.images[3].figure().savefig(tmp_path / "line.png", dpi=30)
    # What was computed of a mask is forgotten, as hundreds of images would not fit in memory.
    assert not {"border", "_autocorrelation", "_places"} & set(vars(specimen))


def test_images_of_different_magnification_are_pooled():
    rng = np.random.default_rng(4)
    wide, near = Window.frame((256, 256), sampling=4.0), Window.frame((256, 256), sampling=0.1)
    patterns = [PointPattern(one.draw(n, rng), one, f"{n}") for one, n in ((wide, 12), (near, 11))]
    survey = survey_patterns(patterns, simulations=199)
    assert survey.g.radii[-1] + near.reach * 0.1 / 4 <= near.reach * 0.1


def test_one_image_is_not_measured_twice(specimen):
    one = PointPattern(specimen.draw(30, np.random.default_rng(5)), specimen, "a")
    survey = survey_patterns([one], length=3.2, simulations=199)
    assert survey.g is survey.images[0].g
    assert survey.bonded is survey.images[0].bonded


@pytest.mark.slow
def test_masks_too_narrow_for_neighbours_say_so(tmp_path):
    mask = np.zeros((200, 200))
    mask[10:190:40] = mask[11:190:40] = mask[12:190:40] = 1
    window = Window(mask)
    patterns = [PointPattern(window.draw(12, np.random.default_rng(k)), window, f"{k}") for k in range(2)]
    survey = survey_patterns(patterns, simulations=199)
    near = survey.images[0].neighbours
    assert np.isnan([near.mean, near.low, survey.clark_evans.index]).all()
    assert "too narrow" in near.sentence
    assert "cannot be measured" in survey.clark_evans.sentence
    survey.figure().savefig(tmp_path / "all.png", dpi=30)
    survey.images[0].figure().savefig(tmp_path / "one.png", dpi=30)
    survey.to_json(tmp_path / "all.json")


def test_equal_densities_draw_no_distribution(specimen):
    counts = [Count(f"{k}", 30, 1.0) for k in range(5)]
    one = PointPattern(specimen.draw(30, np.random.default_rng(0)), specimen, "0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        axes = survey_patterns([one], counts, simulations=199).figure().axes[0]
    assert not axes.patches


def test_two_images_of_one_name_are_refused(specimen):
    one = PointPattern(specimen.draw(20, np.random.default_rng(0)), specimen, "a")
    with pytest.raises(InputError, match="two images have the same name"):
        survey_patterns([one, one])
