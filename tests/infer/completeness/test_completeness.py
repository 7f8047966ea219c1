"""Completeness, purity and density, each where the truth is known."""

import json

import numpy as np
import pytest
from scipy import ndimage
from scipy.special import ndtr

from stemforge.infer import measure_completeness, refine_places
from stemforge.infer.completeness.brightness import USUAL_WIDTH, IdealObserver, typical_atom
from stemforge.infer.completeness.density import Density, corrected_density
from stemforge.infer.completeness.figure import draw_completeness
from stemforge.infer.completeness.files import write_completeness
from stemforge.infer.completeness.injection import Grafts, beside, inject, nearest_pairs, typical_spots
from stemforge.infer.completeness.purity import false_atoms, negative_image, surrogate_image
from stemforge.infer.completeness.recall import RecallCurve, recall_bins
from stemforge.infer.results import Results
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.image import Micrograph
from stemforge.simulate import Host, Spots, graft
from stemforge.train import load_weights

SAMPLING = 0.3
NONE = Annotations([], columns={"score": np.empty(0)})


@pytest.fixture(scope="module")
def host():
    rng = np.random.default_rng(0)
    return Host.of(rng.poisson(np.tile(np.linspace(30, 60, 256), (256, 1))), SAMPLING)


def observer_finds(host, limit, width=1.1):
    """A detector: peaks of the ideal observer's view above a limit."""
    observer = IdealObserver(host, width)

    def find(image):
        view = observer.view(image)
        rows, columns = np.nonzero(
            (view == ndimage.maximum_filter(view, 9)) & (view >= limit) & host.specimen
        )
        score = 1 - np.exp(-view[rows, columns] / 5)
        return Annotations(np.column_stack([columns, rows]), columns={"score": score})

    return find, observer


def test_the_observer_measures_contrast_to_noise(host):
    rng = np.random.default_rng(1)
    spots = Spots.gaussian([1.1], SAMPLING)
    places = np.stack(np.meshgrid(*2 * [np.arange(30, 230, 30.0)]), -1).reshape(-1, 2)
    observer = IdealObserver(host, 1.1)
    image = graft(host, spots, places, np.zeros(len(places), int), rng, cnr=7.0).image
    values = observer.at(image, places)
    assert values.mean() == pytest.approx(7, abs=1)
    assert values.std() == pytest.approx(1, abs=0.4)  # of 49, and the atoms' noise
    assert observer.view(host.image)[host.specimen].std() == pytest.approx(1, abs=0.15)


def test_the_typical_atom_has_the_width_and_brightness_that_was_put_in(host):
    spots = Spots.gaussian([1.3], SAMPLING)
    places = np.stack(np.meshgrid(*2 * [np.arange(30, 230, 30.0)]), -1).reshape(-1, 2)
    chosen = np.zeros(len(places), int)
    grafted = graft(host, spots, places, chosen, np.random.default_rng(2), electrons=1500.0)
    found = Annotations(places, columns={"score": np.ones(len(places))})
    atom = typical_atom(Host.of(grafted.image, SAMPLING), found)
    assert atom.width == pytest.approx(1.3, rel=0.1)
    assert atom.electrons == pytest.approx(1500, rel=0.15)
    assert typical_atom(host, NONE).width == USUAL_WIDTH


def test_clusters_are_no_typical_atoms(host):
    """A third of the spots have three times the electrons and are wider: the typical atom is that of the others."""
    spots = Spots.gaussian([1.1, 1.7], SAMPLING)
    places = np.stack(np.meshgrid(*2 * [np.arange(30, 230, 30.0)]), -1).reshape(-1, 2)
    cluster = np.arange(len(places)) % 3 == 0
    electrons = np.where(cluster, 4500.0, 1500.0)
    image = graft(
        host, spots, places, cluster.astype(int), np.random.default_rng(2), electrons=electrons
    ).image
    found = refine_places(image, Annotations(places), 1.1 / SAMPLING)
    full = Host.of(image, SAMPLING)
    atom = typical_atom(full, found)
    assert atom.electrons == pytest.approx(1500, rel=0.15)
    assert atom.width == pytest.approx(1.1, rel=0.1)
    blind = Annotations(places)  # the control: without intensities all spots are taken for atoms
    assert typical_atom(full, blind).electrons > 1900


def test_the_observers_response_is_what_it_measures(host):
    observer = IdealObserver(host, 1.1)
    # Far from each other: beside a spot the observer measures less than nothing.
    places = np.stack(np.meshgrid(*2 * [np.array([60.0, 190.0])]), -1).reshape(-1, 2)
    added = Spots.gaussian([1.5], SAMPLING).put((256, 256), places, np.zeros(4, int), np.full(4, 1000.0))
    # Without noise: what the image with spots shows more than without.
    shown = observer.at(host.image + np.float32(host.gain) * added, places) - observer.at(host.image, places)
    expected = 1000 * observer.response([1.5])[0] / np.sqrt(host.background_at(places))
    assert shown == pytest.approx(expected, rel=0.05)
    assert observer.response([1.1])[0] == pytest.approx(host.sensitivity(1.1)[0], rel=0.05)


def test_what_is_less_visible_is_wider(host):
    spots = Spots.gaussian(np.geomspace(0.9, 4, 20), SAMPLING)
    choose = typical_spots(host, spots, np.full(20, 1500.0))
    chosen = choose(np.full((3, 2), 100.0), np.array([3.0, 6.0, 9.0]))
    assert (np.diff(spots.noise_width[chosen]) < 0).all()


@pytest.mark.slow
def test_recall_of_injection_is_that_of_a_detector_whose_recall_is_known(host):
    """The observer with a limit z finds Φ(d + 1/d − z), and a little less for atoms of another width."""
    find, observer = observer_finds(host, 5.0)
    spots = Spots.gaussian([1.1], SAMPLING)
    rng = np.random.default_rng(3)
    before = find(host.image)
    grafts = inject(host, spots, np.array([1000.0]), find, before, observer, rng, number=500)
    assert len(grafts.found) == 500
    curve = RecallCurve.fit(grafts.cnr, grafts.found, rng)
    for d in (4.0, 5.0, 6.0, 8.0):
        assert curve(d) == pytest.approx(ndtr(d + 1 / d - 5), abs=0.12)
    low, high = curve.interval([5.0])
    assert 0.03 < high[0] - low[0] < 0.4


def test_a_detector_that_finds_the_same_whatever_is_there_has_no_recall(host):
    """The control: what was found before is no recovered graft."""
    rng = np.random.default_rng(4)
    fixed = Annotations(rng.uniform(20, 230, (60, 2)), columns={"score": np.ones(60)})
    spots, observer = Spots.gaussian([1.1], SAMPLING), IdealObserver(host, 1.1)
    grafts = inject(host, spots, np.array([1000.0]), lambda image: fixed, fixed, observer, rng, number=200)
    # A fixed point is taken from what was there before only where a graft lies nearer to it: never.
    assert grafts.found.mean() == 0


def test_grafts_beside_others_are_counted_with_these(host):
    """A detector that takes two atoms within 3 Å for one finds one of two: the graft, or the other again."""
    rng = np.random.default_rng(8)
    places = np.stack(np.meshgrid(*2 * [np.arange(30, 230, 25.0)]), -1).reshape(-1, 2)
    spots = Spots.gaussian([0.8], SAMPLING)
    image = graft(host, spots, places, np.zeros(len(places), int), rng, cnr=12.0).image
    full = Host.of(image, SAMPLING)
    before = Annotations(places, columns={"score": np.ones(len(places))})
    observer = IdealObserver(full, 0.8)
    area = beside(full, before)
    distance = np.hypot(*(np.argwhere(area)[:, None, ::-1] - places).transpose(2, 0, 1)).min(1) * SAMPLING
    assert distance.min() >= 1.0
    assert distance.max() <= 3.0
    wide, _ = observer_finds(full, 6.0, width=2.0)  # its peaks run together
    sharp, _ = observer_finds(full, 6.0, width=0.5)
    found = []
    for find in (wide, sharp):
        pairs = inject(
            full, spots, np.array([900.0]), find, before, observer, rng, number=60, area=area, clearance=0.0
        )
        found.append((pairs.found.sum() + pairs.kept.sum()) / (2 * len(pairs.found)))
    assert found[0] < 0.65
    assert found[1] > found[0] + 0.1
    assert not beside(full, NONE).any()


def test_bins_and_pairs():
    bins = recall_bins(np.array([1.5, 1.6, 3.5]), np.array([True, True, False]), [1, 2, 3, 4])
    assert [(one.low, one.grafts, one.found) for one in bins] == [(1, 2, 2), (3, 1, 0)]
    assert bins[0].lower < 0.5 < bins[0].upper <= 1
    pairs = nearest_pairs(np.array([[0.0, 0], [3, 0]]), np.array([[1.0, 0], [9, 9]]), 2.5)
    assert pairs.tolist() == [0, -1]


def test_false_atoms_of_noise_are_predicted(host):
    """On an image without an atom, surrogates and negative hold about as many false ones as the image itself."""
    find, _ = observer_finds(host, 2.0)
    found = find(host.image)
    known = host.visibility(np.empty((0, 2)), 1.0, 1.1, 1.1)
    false = false_atoms(host, known, find, found, np.random.default_rng(0), calibrated=False, surrogates=3)
    assert len(found) > 15
    # The steep flank of the noise: within the factor that the interval allows for.
    assert 0.4 * len(found) < false.surrogate < 2.5 * len(found)
    assert 0.4 * len(found) < len(false.negative) < 2.5 * len(found)
    number, low, high = false.expected()
    assert low <= number <= high
    assert false.true().mean() < 0.5


def test_atoms_are_no_false_atoms(host):
    """The control: bright atoms are neither on the negative nor on surrogates."""
    places = np.stack(np.meshgrid(*2 * [np.arange(30, 230, 30.0)]), -1).reshape(-1, 2)
    chosen = np.zeros(len(places), int)
    spots = Spots.gaussian([1.1], SAMPLING)
    image = graft(host, spots, places, chosen, np.random.default_rng(5), cnr=12.0).image
    full = Host.of(image, SAMPLING)
    observer = IdealObserver(full, 1.1)
    known = observer.electrons(places, observer.at(image, places))
    full = full.without(known)
    find, _ = observer_finds(full, 5.0)
    assert len(find(image)) >= len(places)
    assert len(find(negative_image(full, known))) <= 3
    assert len(find(surrogate_image(full, known, np.random.default_rng(0)))) <= 3


def _grafts(rng, brightest):
    """Return grafts of which half are found at a contrast-to-noise of 4, and which are measured with noise 1."""
    cnr = rng.uniform(1, brightest, 600)
    hit = rng.random(600) < ndtr(cnr - 4)
    values = np.where(hit, cnr + rng.normal(0, 1, 600), np.nan)
    return Grafts(
        Annotations(np.zeros((600, 2)), columns={"cnr": cnr}), hit, values, np.zeros((600, 2)), values, hit, 1
    )


@pytest.mark.parametrize("seed", range(4))
def test_corrected_density_holds_the_truth(seed):
    """Atoms of a steep distribution, found with known recall, measured with noise 1, and false ones among them."""
    rng = np.random.default_rng(seed)
    true = 2 + rng.exponential(2.5, 300)
    found = rng.random(300) < ndtr(true - 4)
    measured = true[found] + rng.normal(0, 1, found.sum())
    likely = np.full(len(measured), 1.0)
    grafts = _grafts(rng, 12)
    curve = RecallCurve.fit(grafts.cnr, grafts.found, rng)
    result = corrected_density(measured, likely, grafts, curve, cnr=4.0, brightest=12.0, area=100.0, rng=rng)
    truth = (true >= 4).sum()
    assert result.low < truth < result.high
    assert result.number == pytest.approx(truth, rel=0.3)
    assert result.per_area[0] == result.number / 100
    nothing = corrected_density(
        measured[:0], likely[:0], grafts, curve, cnr=4.0, brightest=12.0, area=100.0, rng=rng
    )
    assert nothing.number == 0
    assert nothing.high >= 3


def test_what_is_measured_of_atoms_is_not_known_better_than_grafts_resemble_them():
    """All atoms are a little less visible than what is counted: with grafts 8 % off, they may be more visible."""
    rng = np.random.default_rng(4)
    grafts = _grafts(rng, 30)
    measured = 18.5 + rng.normal(0, 1, 80)
    curve, sure = RecallCurve.fit(grafts.cnr, grafts.found, rng), np.ones(80)
    found = corrected_density(measured, sure, grafts, curve, cnr=20.0, brightest=30.0, area=100.0, rng=rng)
    assert found.number < 10
    assert found.high > 60
    far = corrected_density(measured, sure, grafts, curve, cnr=26.0, brightest=30.0, area=100.0, rng=rng)
    assert far.high < 10


@pytest.mark.parametrize(
    ("area", "found", "recall", "enough"),
    [
        (2.9, 0, 1.0, False),  # 3 atoms may hide there: more than 1 per nm²
        (3.1, 0, 1.0, True),
        (5.9, 2, 0.5, False),
        (6.1, 2, 0.5, True),
        (0.5, 2, 1.0, False),
        (0.5, 3, 1.0, True),  # so many were found that there are some
    ],
)
def test_an_image_may_be_too_small_for_a_density(area, found, recall, enough):
    density = Density(4.0, found, 0.0, 9.0, area, found, recall)
    assert (density.too_small is None) == enough


@pytest.mark.parametrize(("side", "small"), [(48, True), (144, False)])
def test_a_small_image_says_so_in_place_of_a_density(side, small, blobs, capsys, tmp_path):
    image = blobs([[3.0, side / 2]], (side, side), noise=10.0)  # at the edge
    micrograph = Micrograph(image, SAMPLING, name="crop")
    rng = np.random.default_rng(0)
    result = measure_completeness(micrograph, *load_weights("atom-net"), rng, number=12)
    summary = result.summary()["corrected"]
    assert (summary["atoms_per_nm2"] is None) == small
    (folder := tmp_path / "out").mkdir()
    write_completeness(result, Results("crop", lambda: folder))
    printed = capsys.readouterr().err
    title = draw_completeness(result).get_suptitle()
    assert f"{len(result.detection.atoms)} atoms found, {len(result.false.scores)} of them away" in title
    for text in (printed, title):
        assert ("too small for a density: only" in text) == small
        assert ("nm² from contrast-to-noise" in text) != small


@pytest.mark.slow
def test_command_writes_table_figure_and_record(tmp_path, spot_weights, blobs):
    from stemforge.__main__ import main
    from stemforge.micrograph.writers import write_tiff

    places = np.stack(np.meshgrid(*2 * [np.arange(20, 150, 24.0)]), -1).reshape(-1, 2)
    write_tiff(tmp_path / "spots.tif", blobs(places, (160, 160), noise=10.0), SAMPLING)
    arguments = ["evaluate", "completeness", str(tmp_path / "spots.tif"), "--weights", str(spot_weights)]
    assert main([*arguments, "--grafts", "20", "--out", str(tmp_path / "out"), "--quiet"]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"run.json", *(f"spots_completeness.{kind}" for kind in ("csv", "json", "png"))}
    result = json.loads((tmp_path / "out/spots_completeness.json").read_text())
    assert result["grafts"]["number"] == 20
    record = json.loads((tmp_path / "out/run.json").read_text())["evaluate completeness"]["spots"]
    assert record["completeness"]["corrected"]["from_cnr"] >= 4
    assert main([*arguments, "--grafts", "0", "--out", str(tmp_path / "none")]) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("copies", "side", "flag", "measured"),
    [
        (1, 128, None, True),  # few images: without being asked
        (1, 128, "--no-completeness", False),
        (4, 128, None, False),  # many
        (1, 140, None, False),  # large, where 130 × 130 pixels are
        (1, 140, "--completeness", True),
    ],
)
def test_infer_atoms_adds_it_to_few_images_or_on_request(
    copies, side, flag, measured, tmp_path, spot_weights, blobs, monkeypatch, capsys
):
    from stemforge.__main__ import main
    from stemforge.infer.completeness import files
    from stemforge.micrograph.writers import write_tiff

    monkeypatch.setattr(files, "SMALL", 130**2)
    places = np.stack(np.meshgrid(*2 * [np.arange(20, 100, 24.0)]), -1).reshape(-1, 2)
    image = blobs(places, (side, side), noise=10.0)
    names = [f"spots-{number}" for number in range(copies)]
    for name in names:
        write_tiff(tmp_path / f"{name}.tif", image, SAMPLING)
    words = [str(tmp_path / f"{name}.tif") for name in names]
    words += ["--weights", str(spot_weights), "--out", str(tmp_path / "out"), "--quiet"]
    assert main(["infer", "atoms", *words, *([flag] if flag else [])]) == 0
    record = json.loads((tmp_path / "out/run.json").read_text())["infer atoms"]
    for name in names:
        assert (tmp_path / f"out/{name}_completeness.png").is_file() == measured
        assert ("completeness" in record[name]) == measured
    if measured:
        assert record[names[0]]["completeness"]["grafts"]["number"] >= 1
    printed = " ".join(capsys.readouterr().err.split())
    assert ("only where --completeness asks" in printed) == (side == 140 and flag is None)
    assert printed.count("95 % intervals") == measured
