"""Depths of atoms of made focal series: how right they are, how well their errors are known, and what has none."""

import csv
import json

import numpy as np
import pytest
from ase import Atoms
from scipy import ndimage
from scipy.spatial import cKDTree

from stemforge.errors import InputError
from stemforge.evaluate import FocalOptics, FocalSeries, measure_depths
from stemforge.simulate import Kernels
from stemforge.simulate.microscope import FWHM
from stemforge.simulate.scan import Scan
from tests.evaluate.depth.conftest import DEPTHS, FOCI, LEVEL, MICROSCOPE, PLACES, SAMPLING, SOURCE

OPTICS = FocalOptics("Pt", MICROSCOPE, SOURCE)


@pytest.fixture(scope="module")
def found(focal):
    return measure_depths(focal[0], OPTICS)


def paired(found, places=PLACES):
    """Return the atom that stands at each place."""
    distance, atom = cKDTree(found.points * SAMPLING).query(places)
    assert distance.max() < 0.6
    return atom


def bound(z, dose, foci=FOCI):
    """Return the Cramér–Rao bound of a depth on a flat background, from numerical derivatives [Å]."""
    size, side = 57, 57 * SAMPLING

    def images(x, depth):
        atom = Atoms("Pt", positions=[[side / 2 + x, side / 2, depth]], cell=[side, side, 1.0])
        scan = Scan.of_any_size((size, size), SAMPLING)
        made = [Kernels(broadening=False).image(atom, MICROSCOPE, scan, float(focus))[0] for focus in foci]
        sigma = SOURCE / FWHM / SAMPLING
        return ndimage.gaussian_filter(np.array(made, dtype=float), (0, sigma, sigma), mode="wrap")

    made, by_x = images(0, z), (images(0.05, z) - images(-0.05, z)) / 0.1
    by_z = (images(0, z + 2) - images(0, z - 2)) / 4
    flat = np.eye(len(foci))[:, :, None, None] * np.ones((size, size))
    columns = np.concatenate([[made, by_x, by_x.swapaxes(1, 2), by_z], flat]).reshape(4 + len(foci), -1)
    information = dose * SAMPLING**2 * (columns / (made + LEVEL).ravel()) @ columns.T
    return float(np.sqrt(np.linalg.inv(information)[3, 3]))


def test_depths_are_right_within_their_errors(found, focal):
    assert len(found) == 4
    assert found.states == ("depth",) * 4
    order = paired(found)
    pulls = (found.depths[order] - DEPTHS) / found.errors[order]
    assert np.abs(pulls).max() < 3.5
    assert found.errors.max() < 3
    for atom, depth in zip(order, DEPTHS, strict=True):
        low, high = found.atoms[atom].profile.interval
        assert low < found.depths[atom] < high
        assert high - low == pytest.approx(3.92 * found.errors[atom], rel=0.25)
        assert abs(depth - found.depths[atom]) < 10
    assert found.amplitudes == pytest.approx(1, abs=0.15)
    moved = found.drift - focal[1]
    assert np.abs(moved - moved.mean(0)).max() < 0.25
    assert found.order_chance < 0.01


def test_stated_errors_are_those_that_counting_allows(found):
    """The bound knows background and noise; the fit measures them."""
    order = paired(found)
    bounds = np.array([bound(z, 5e4) for z in DEPTHS])
    assert found.errors[order] / bounds == pytest.approx(np.full(4, 1.15), abs=0.25)


@pytest.mark.slow
def test_a_source_that_nobody_knows_is_found(focal, found):
    fitted = measure_depths(focal[0], FocalOptics("Pt", MICROSCOPE))
    assert fitted.source_size == pytest.approx(SOURCE, abs=0.25)
    order = paired(fitted)
    assert np.abs(fitted.depths[order] - found.depths[paired(found)]).max() < 1


def test_of_an_atom_beyond_the_foci_a_limit_is_known(make_focal, tmp_path):
    series, _ = make_focal(depths=np.array([-22.0, 5.0, 14.0, 80.0]))
    found = measure_depths(series, OPTICS)
    deep = paired(found)[3]
    assert found.states[deep] == "limit"
    assert found.atoms[deep].profile.interval[0] > 50
    assert "1 atom is sharpest outside the foci -60 to 60 Å" in "\n".join(found.lines())
    found.to_csv(tmp_path / "depths.csv")
    row = list(csv.DictReader((tmp_path / "depths.csv").open()))[deep]
    assert row["depth_angstrom"] == ""
    assert float(row["depth_low_angstrom"]) > 50


def test_one_atom_alone_is_measured_and_told_as_one(make_focal):
    series, _ = make_focal(places=PLACES[2:3], depths=DEPTHS[2:3])
    found = measure_depths(series, OPTICS)
    assert len(found) == 1
    assert abs(found.depths[0] - DEPTHS[2]) < 4 * found.errors[0]
    assert found.lines()[0] == "film: 1 atom on 7 frames: depth known of 1"
    assert found.lines()[1].startswith("depth 1")
    assert found.figure().get_suptitle() == "film: 1 Pt atom on 7 frames, depth of 1 known"


def test_atoms_that_overlap_are_named(make_focal):
    places = np.array([*PLACES, PLACES[3] - [2.2, 0.0]])
    series, _ = make_focal(places=places, depths=np.array([*DEPTHS, 25.0]), dose=2e5)
    found = measure_depths(series, OPTICS)
    order = paired(found, places)
    assert [found.states[atom] for atom in order] == ["depth"] * 3 + ["overlap"] * 2
    assert np.abs(found.depths[order[3:]] - [31, 25]).max() < 6


def test_two_atoms_in_line_are_not_taken_for_one(make_focal):
    places = np.array([*PLACES, PLACES[3]])
    series, _ = make_focal(places=places, depths=np.array([*DEPTHS, -25.0]), dose=2e5)
    found = measure_depths(series, OPTICS)
    order = paired(found)
    assert [found.states[atom] for atom in order[:4]] == ["depth"] * 3 + ["brightness"]
    assert found.amplitudes[order[3]] == pytest.approx(1.9, abs=0.15)
    assert "1 atom is much brighter or fainter than the others" in "\n".join(found.lines())


@pytest.mark.slow
def test_frames_in_another_order_have_no_depths(focal):
    series, _ = focal
    order = [3, 0, 5, 1, 6, 2, 4]
    shuffled = FocalSeries(series.images[order], series.foci, SAMPLING, "film")
    with pytest.raises(InputError, match=r"do not sharpen and blur as the foci say|are not on frame"):
        measure_depths(shuffled, OPTICS)
    together = FocalSeries(series.images[order], series.foci[order], SAMPLING, "film")
    assert np.abs(measure_depths(together, OPTICS).depths[:4]).max() < 40


def test_the_order_tells_where_each_frame_shows_the_atoms(focal, monkeypatch):
    """Frames that all show them, at foci that are not theirs."""
    monkeypatch.setattr("stemforge.evaluate.depth.analysis._LEAST_SHARE", 0)
    series, _ = focal
    shuffled = FocalSeries(series.images[[3, 0, 5, 1, 6, 2, 4]], series.foci, SAMPLING, "film")
    with pytest.raises(
        InputError, match=r"do not sharpen and blur as the foci say: \d+ % of random orders suit them better"
    ):
        measure_depths(shuffled, OPTICS)


def test_noise_holds_no_atom(make_focal):
    series, _ = make_focal(places=np.empty((0, 2)), depths=np.empty(0))
    with pytest.raises(InputError, match="film: no atom stands out by 6 standard deviations"):
        measure_depths(series, OPTICS)


def test_a_frame_of_another_place_is_named(focal, make_focal):
    series, _ = focal
    places = np.array([[9.3, 26.1], [19.0, 12.0], [26.0, 12.5]])
    images = series.images.copy()
    images[3] = make_focal(places=places, depths=np.array([0.0, 10.0, 5.0]), seed=5)[0].images[3]
    with pytest.raises(InputError, match=r"are not on frame 3 \(counted from 0\)"):
        measure_depths(FocalSeries(images, series.foci, SAMPLING, "film"), OPTICS)


@pytest.mark.parametrize(
    ("frames", "foci", "message"),
    [
        (3, [5, 5, 5], "all frames have the same focus"),
        (2, [0, 10], "2 different foci; depth needs 3"),
        (4, [0, 10, 10, 0], "2 different foci; depth needs 3"),
        (3, [0, 10], "3 frames, 2 foci"),
        (3, [0, 10, np.nan], "NaN or infinite"),
    ],
)
def test_foci_that_cannot_be_are_refused(frames, foci, message):
    with pytest.raises(InputError, match=message):
        FocalSeries(np.ones((frames, 32, 32)), foci, SAMPLING)


def test_a_blank_frame_is_refused_and_named():
    images = np.random.default_rng(0).poisson(9, (5, 136, 136)).astype(np.float32)
    foci = [-60, -30, 0, 30, 60]
    FocalSeries(images, foci, SAMPLING).check(OPTICS)
    images[3] = 7.0
    with pytest.raises(InputError, match="frame 3 is blank"):
        measure_depths(FocalSeries(images, foci, SAMPLING), OPTICS)


@pytest.mark.parametrize(
    ("shape", "sampling", "message"),
    [
        ((3, 64, 64), 1.0, "too coarse for a probe of 32 mrad"),
        ((3, 40, 40), 0.25, "frames of 10 Å are too small"),
    ],
)
def test_frames_that_cannot_show_an_atom_are_refused(shape, sampling, message):
    images = np.random.default_rng(0).poisson(9, shape)
    with pytest.raises(InputError, match=message):
        measure_depths(FocalSeries(images, [-20, 0, 20], sampling), OPTICS)


@pytest.mark.parametrize("foci", [[-5000, 0, 5000], [0, 1, 1e30]])
def test_foci_in_another_unit_are_refused(foci):
    images = np.random.default_rng(0).poisson(9, (3, 136, 136))
    with pytest.raises(InputError, match="are they given in Å"):
        measure_depths(FocalSeries(images, foci, SAMPLING), OPTICS)


@pytest.mark.slow
@pytest.mark.parametrize("reach", [60, 90])
def test_foci_in_nm_are_asked_about(make_focal, reach):
    foci = np.linspace(-reach, reach, 7)
    series = FocalSeries(make_focal(foci=foci)[0].images, foci / 10, SAMPLING, "film")
    with pytest.raises(
        InputError, match=r"blur as if the foci, -\d to \d Å, were ten times .* are they in nm"
    ):
        measure_depths(series, OPTICS)


@pytest.mark.slow
@pytest.mark.parametrize(("reach", "last"), [(20, 1.0), (5, 0.6), (1, 0.6)])
def test_foci_near_each_other_are_no_foci_in_nm(make_focal, reach, last):
    """Also where the beam fades, which makes some frames brighter than others, as foci in nm would."""
    series, _ = make_focal(foci=np.linspace(-reach, reach, 7))
    fading = np.linspace(1, last, 7, dtype=np.float32)[:, None, None]
    faded = FocalSeries(series.images * fading, series.foci, SAMPLING, "film")
    assert len(measure_depths(faded, OPTICS)) == 4


def test_results_are_written(found, tmp_path):
    found.to_csv(tmp_path / "a.csv")
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert [float(row["depth_angstrom"]) for row in rows] == pytest.approx(found.depths, abs=0.01)
    found.to_json(tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text())
    assert content["atoms"]["depth"] == 4
    assert content["foci_angstrom"] == FOCI.tolist()
    assert content["source_fitted"] is False
    figure = found.figure()
    assert figure.get_suptitle() == "film: 4 Pt atoms on 7 frames, depth of 4 known"
    figure.savefig(tmp_path / "a.png")


@pytest.mark.slow
def test_errors_of_many_atoms_come_near_the_bound(make_focal):
    """Twelve series: rms within 1.5 times the bound, intervals that hold."""
    errors, stated, holds = [], [], []
    for seed in range(12):
        found = measure_depths(make_focal(seed=seed)[0], OPTICS)
        order = paired(found)
        errors.append(found.depths[order] - DEPTHS)
        stated.append(found.errors[order])
        ends = np.array([found.atoms[atom].profile.interval for atom in order])
        holds.append((ends[:, 0] <= DEPTHS) & (ends[:, 1] >= DEPTHS))
    bounds = np.array([bound(z, 5e4) for z in DEPTHS])
    assert np.sqrt(np.mean(np.square(errors)) / np.mean(bounds**2)) < 1.5
    assert np.std(np.array(errors) / stated) == pytest.approx(1, abs=0.25)
    assert np.mean(holds) > 0.85
