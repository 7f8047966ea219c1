import re

import numpy as np
import pytest
import torch
from scipy.ndimage import zoom
from scipy.spatial.distance import cdist

from stemforge import Annotations, Micrograph
from stemforge.errors import InputError, WeightsError
from stemforge.infer import (
    Batch,
    atom_finder,
    detect_atoms,
    detect_atoms_in_files,
    find_regions,
    find_spots,
    map_image,
)
from stemforge.infer.atoms import detection as atoms_module
from stemforge.micrograph.writers import write_tiff
from stemforge.train import (
    SACCNN,
    AtomNet,
    AtomNetSettings,
    Calibration,
    Card,
    Counting,
    Inputs,
    load_weights,
    network,
    subtract_background,
)

SAC_CNN = network("sac-cnn")
REGIONS = Inputs(spots="regions")
CARD = Card("sac-cnn", 0.293, 0.5, inputs=REGIONS)
SPOTS = np.array([[30.4, 25.7], [80.2, 40.9], [55.5, 90.1], [100.8, 104.3]])


def _same(found, truth, tolerance):
    distance = cdist(found, truth)
    assert distance.shape == (len(truth),) * 2
    assert distance.min(0).max() < tolerance
    assert len(set(distance.argmin(0))) == len(truth)


@pytest.fixture(scope="module")
def untrained():
    torch.manual_seed(3)
    return SACCNN().eval()


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(0).random((130, 117), dtype=np.float32)


@pytest.mark.parametrize("tile", [1000, 100, 64, 33])
def test_tiles_do_not_change_the_likelihood(untrained, picture, tile):
    whole = map_image(SAC_CNN, untrained, picture, tile=512)
    assert whole.shape == (1, *picture.shape)
    assert whole.dtype == np.float32
    assert np.ptp(whole) > 0.01  # something that could change
    np.testing.assert_allclose(map_image(SAC_CNN, untrained, picture, tile=tile), whole, atol=1e-6)


def test_likelihood_is_the_softmax_of_the_crop(untrained, picture):
    (likelihood,) = map_image(SAC_CNN, untrained, picture)
    padded = np.pad(picture, 10)
    for x, y in [(0, 0), (116, 129), (0, 129), (50, 60), (113, 3)]:
        crop = torch.from_numpy(padded[y : y + 21, x : x + 21].copy())[None, None]
        with torch.inference_mode():
            expected = untrained(crop).softmax(1)[0, 1].item()
        assert likelihood[y, x] == pytest.approx(expected, abs=1e-5)


def test_published_network_on_a_real_image(data_dir):
    model, _ = load_weights(data_dir / "pt-nc" / "sac-cnn-reference.ckpt")
    reference = np.load(data_dir / "pt-nc" / "sac-cnn-reference-021.npz")
    (likelihood,) = map_image(SAC_CNN, model, reference["preprocessed"])
    assert np.abs(likelihood - reference["probability"]).max() <= 1e-5


def _gaussians(points, heights, shape=(60, 80), sigma=2.5):
    y, x = np.mgrid[: shape[0], : shape[1]]
    spots = [
        h * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2))
        for (px, py), h in zip(points, heights, strict=True)
    ]
    return np.sum(spots, axis=0).astype(np.float32)


def test_centroids_are_sub_pixel_and_sorted_by_score():
    points, heights = [[20.3, 30.7], [60.8, 12.2], [40.0, 45.5]], [0.7, 0.95, 0.8]
    likelihood = _gaussians(points, heights)
    found = find_regions(likelihood, 0.2)
    order = np.argsort(heights)[::-1]
    np.testing.assert_allclose(found.points, np.asarray(points)[order], atol=0.12)
    for (x, y), score in zip(found.points, found["score"], strict=True):
        column, row = round(x), round(y)
        assert score == likelihood[row - 3 : row + 4, column - 3 : column + 4].max()
    assert np.all(np.diff(found["score"]) < 0)


def test_threshold_splits_merges_and_drops():
    likelihood = _gaussians([[20, 20], [28, 20]], [0.9, 0.7])
    assert len(find_regions(likelihood, 0.05)) == 1
    assert len(find_regions(likelihood, 0.6)) == 2
    assert len(find_regions(likelihood, 0.8)) == 1
    assert len(find_regions(likelihood, 0.99)) == 0


def test_the_threshold_itself_counts():
    likelihood = np.zeros((5, 5), np.float32)
    likelihood[2, 3] = 0.5
    found = find_regions(likelihood, 0.5)
    assert found.points.tolist() == [[3, 2]]
    assert found["score"].tolist() == [0.5]


def test_peaks_are_sub_pixel_and_sorted_by_score():
    points, heights = [[20.3, 30.7], [60.8, 12.2], [40.0, 45.5]], [0.7, 0.95, 0.8]
    found = find_spots(_gaussians(points, heights), 0.2)
    np.testing.assert_allclose(found.points, np.asarray(points)[[1, 2, 0]], atol=0.2)
    assert np.all(np.diff(found["score"]) < 0)
    assert len(find_spots(_gaussians(points, heights), 0.96)) == 0


def test_peaks_keep_close_atoms_apart_where_a_region_does_not():
    likelihood = _gaussians([[20, 20], [28, 20]], [0.9, 0.7])
    assert len(find_regions(likelihood, 0.05)) == 1
    np.testing.assert_allclose(find_spots(likelihood, 0.05).points, [[20, 20], [28, 20]], atol=0.6)


def test_a_peak_in_the_outermost_line_stays_in_it():
    """It was put on the edge, half a pixel off, whatever its neighbours."""
    likelihood = np.full((30, 40), 0.01, dtype=np.float32)
    likelihood[0, 20] = likelihood[29, 5] = likelihood[12, 39] = 0.9
    found = find_spots(likelihood, 0.5).points
    assert sorted(found.tolist()) == [[5, 29], [20, 0], [39, 12]]


def test_peaks_on_a_plateau_keep_their_distance():
    likelihood = np.zeros((60, 60), np.float32)
    likelihood[20:45, 22:40] = 1
    found = find_spots(likelihood, 0.5)
    assert len(found) >= 1
    assert cdist(found.points, found.points)[~np.eye(len(found), dtype=bool)].min() > 4
    assert np.all((found.points >= 19) & (found.points <= 45))


def test_no_peaks():
    found = find_spots(np.zeros((5, 5), np.float32), 0.5)
    assert found.points.shape == (0, 2)
    assert found["score"].shape == (0,)


def test_nothing_found():
    found = find_regions(np.zeros((5, 5), np.float32), 0.5)
    assert found.points.shape == (0, 2)
    assert found["score"].shape == (0,)


def test_spots_are_found_where_they_are(matched_filter, blobs):
    micrograph = Micrograph(blobs(SPOTS, (120, 130)), 0.293, name="spots")
    detection = detect_atoms(micrograph, matched_filter, CARD)
    _same(detection.atoms.points, SPOTS, 0.4)
    assert np.all(detection.atoms["score"] >= 0.5)
    assert detection.likelihood.shape == (120, 130)
    assert detection.threshold == 0.5
    np.testing.assert_array_equal(
        detection.likelihood, map_image(SAC_CNN, matched_filter, subtract_background(micrograph.image))[0]
    )


@pytest.mark.parametrize("factor", [2.0, 1.5, 0.7])
def test_another_sampling_is_resampled_and_positions_come_back(matched_filter, blobs, factor):
    """The same specimen, recorded with finer or coarser pixels."""
    shape = (round(120 * factor), round(130 * factor))
    points = (SPOTS + 0.5) * factor - 0.5
    image = blobs(points, shape, sigma=2.0 * factor)
    detection = detect_atoms(Micrograph(image, 0.293 / factor), matched_filter, CARD)
    assert detection.likelihood.shape == (120, 130)
    assert detection.sampling == 0.293
    _same(detection.atoms.points, points, 0.5 * factor)
    # A systematic shift would be a mistake in the coordinates, not in the noise.
    nearest = detection.atoms.points[cdist(detection.atoms.points, points).argmin(0)]
    assert np.abs((nearest - points).mean(0)).max() < 0.25 * factor


def test_an_uncalibrated_image_is_taken_as_it_is(matched_filter, blobs):
    points = (SPOTS + 0.5) * 0.4 - 0.5
    image = blobs(points, (48, 52), sigma=0.8)
    assert len(detect_atoms(Micrograph(image, 0.293 / 0.4), matched_filter, CARD).atoms) == 4
    as_it_is = detect_atoms(Micrograph(image), matched_filter, CARD)
    assert as_it_is.likelihood.shape == image.shape
    assert as_it_is.sampling is None
    assert len(as_it_is.atoms) == 0  # the spots are too small for the network


def test_nearly_the_same_sampling_is_taken_as_it_is(matched_filter, blobs):
    image = blobs(SPOTS, (120, 130))
    detection = detect_atoms(Micrograph(image, 0.293 * 1.015), matched_filter, CARD)
    assert detection.likelihood.shape == (120, 130)
    assert detection.sampling == pytest.approx(0.293 * 1.015)


def test_weights_without_sampling_take_the_image_as_it_is(matched_filter, blobs):
    image = blobs(SPOTS, (120, 130))
    detection = detect_atoms(
        Micrograph(image, 0.1), matched_filter, Card("sac-cnn", None, 0.5, inputs=REGIONS)
    )
    assert detection.sampling == 0.1
    _same(detection.atoms.points, SPOTS, 0.4)


def test_fine_detail_does_not_fold_into_the_resampled_image(matched_filter, blobs):
    points = (SPOTS + 0.5) * 3 - 0.5
    checkers = 200.0 * (np.indices((360, 390)).sum(0) % 2)
    image = blobs(points, (360, 390), sigma=6.0) + checkers
    detection = detect_atoms(Micrograph(image, 0.293 / 3), matched_filter, CARD)
    _same(detection.atoms.points, points, 1.5)


def test_threshold_overrides_the_cards(matched_filter, blobs):
    image = Micrograph(blobs(SPOTS, (120, 130), noise=0), 0.293)
    low = detect_atoms(image, matched_filter, Card("sac-cnn", 0.293, 0.9, inputs=REGIONS))
    assert low.threshold == 0.9
    assert detect_atoms(image, matched_filter, CARD, threshold=0.7).threshold == 0.7


@pytest.mark.parametrize("threshold", [0, 1, -0.1, 1.5, float("nan")])
def test_threshold_bounds(matched_filter, blobs, threshold):
    image = Micrograph(blobs(SPOTS, (120, 130)), 0.293)
    with pytest.raises(InputError, match="between 0 and 1"):
        detect_atoms(image, matched_filter, CARD, threshold=threshold)


def test_an_image_without_signal_is_refused_by_name(matched_filter):
    image = np.zeros((50, 50))
    image[20, 20] = -5  # below the background: nothing stands out
    with pytest.raises(InputError, match=r"^hole: .*no signal"):
        detect_atoms(Micrograph(image, name="hole"), matched_filter, CARD)


def test_another_network_is_refused(blobs):
    with pytest.raises(WeightsError, match="needs weights of sac-cnn or atom-net, these are of divaesr"):
        detect_atoms(Micrograph(blobs(SPOTS, (120, 130))), torch.nn.Identity(), Card("divaesr"))


def test_a_large_image_in_small_tiles(matched_filter, blobs):
    image = np.tile(blobs(SPOTS, (120, 130)), (2, 2))
    found = detect_atoms(Micrograph(image), matched_filter, CARD, tile=100).atoms
    truth = np.concatenate([SPOTS + np.array([130 * i, 120 * j]) for i in range(2) for j in range(2)])
    _same(found.points, truth, 0.4)


def test_resampling_keeps_the_field_of_view(matched_filter):
    """An image of odd size, so that the resampled shape is rounded."""
    image = zoom(np.random.default_rng(0).random((30, 31)), 4, order=1)[:119, :123]
    detection = detect_atoms(Micrograph(image, 0.1), matched_filter, CARD, threshold=0.01)
    assert detection.likelihood.shape == (round(119 * 0.1 / 0.293), round(123 * 0.1 / 0.293))
    assert np.all(detection.atoms.inside((119, 123)))


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("mirrored", [False, True])
def test_augmented_what_is_found_turns_with_the_image(turns, mirrored):
    torch.manual_seed(0)
    model = AtomNet(AtomNetSettings(width=4, levels=2)).eval()
    image = np.random.default_rng(0).random((40, 56)).astype(np.float32)
    turned = np.rot90(image, turns)[:, ::-1] if mirrored else np.rot90(image, turns)
    card = Card("atom-net", None, threshold=0.001)
    (one, likelihood), (other, same) = (
        (found.atoms, found.likelihood)
        for found in (detect_atoms(Micrograph(i), model, card, augment=True) for i in (image, turned))
    )
    back = same[:, ::-1] if mirrored else same
    np.testing.assert_allclose(np.rot90(back, -turns), likelihood, atol=1e-5)
    x, y = other.points.T
    if mirrored:
        x = same.shape[1] - 1 - x
    for left in range(turns, 0, -1):
        # What a quarter turn put at (x, y) was at (width − 1 − y, x) of the image before.
        width = image.shape[left % 2]
        x, y = width - 1 - y, x
    assert len(one) > 5
    assert cdist(np.column_stack([x, y]), one.points).min(1).max() < 1e-3


def test_errors_of_places_are_in_pixels_of_the_micrograph():
    torch.manual_seed(0)
    model = AtomNet(AtomNetSettings(width=4, levels=2)).eval()
    image = np.random.default_rng(0).random((40, 50)).astype(np.float32)
    finer = np.kron(image, np.ones((2, 2), np.float32))
    card = Card("atom-net", 0.5, threshold=0.001)
    one, other = (detect_atoms(Micrograph(i, s), model, card).atoms for i, s in ((image, 0.5), (finer, 0.25)))
    assert len(one) > 0
    # Of atoms that could not be fitted the network's word is left.
    medians = [np.median(found["x_error_px"]) for found in (one, other)]
    assert medians[1] == pytest.approx(2 * medians[0], rel=0.5)


def test_density_and_its_interval_do_not_depend_on_the_threshold(monkeypatch):
    scores = np.array([0.9, 0.6, 0.3, 0.01])
    points = np.array([[10.0, 10], [30, 10], [10, 30], [30, 30]])

    def finder(model, card, image, **options):
        def find(least):
            kept = scores >= least
            return Annotations(points[kept], columns={"score": scores[kept]})

        return np.zeros(image.shape, np.float32), find

    monkeypatch.setattr(atoms_module, "atom_finder", finder)
    micrograph = Micrograph(np.random.default_rng(0).random((40, 50)).astype(np.float32), 0.5, name="m")
    card = Card("atom-net", 0.5, counting=Counting(1.5, 0.1), calibration=Calibration())
    both = [detect_atoms(micrograph, AtomNet().eval(), card, threshold=t) for t in (0.005, 0.5)]
    assert [len(found.atoms) for found in both] == [4, 2]
    factor = np.exp(1.96 * np.sqrt(0.1**2 + (0.09 + 0.24 + 0.21) / 2.3**2))
    for found in both:
        number = np.array([1.5 * 2.3 * each - 0.5 for each in (1, 1 / factor, factor)])
        assert found.number == pytest.approx(number)
        assert found.density == pytest.approx(number / (2 * 2.5))
    assert found.number[1] > 0
    plain = detect_atoms(micrograph, AtomNet().eval(), Card("atom-net", 0.5), threshold=0.5)
    assert plain.density is None


def test_a_usable_area_that_is_known_is_not_looked_for(spot_weights, blobs, monkeypatch):
    model, card = load_weights(spot_weights)
    micrograph = Micrograph(blobs(SPOTS, (130, 130), noise=10.0), 0.3)
    first = detect_atoms(micrograph, model, card)
    monkeypatch.setattr(atoms_module, "usable_area", lambda image: pytest.fail("looked for again"))
    again = detect_atoms(micrograph, model, card, usable=first.usable)
    np.testing.assert_array_equal(again.atoms.points, first.atoms.points)
    mask = np.ones((130, 130), dtype=bool)
    mask[:60] = False
    half = detect_atoms(micrograph, model, card, usable=type(first.usable)(mask, {}))
    assert (half.atoms.points[:, 1] > 60).all()
    assert 0 < len(half.atoms) < len(first.atoms)


@pytest.mark.parametrize("augment", [False, True])
def test_the_shares_of_the_work_make_up_all_of_it(untrained, picture, augment):
    done = []
    atom_finder(untrained, Card("sac-cnn"), picture, tile=40, augment=augment, advance=done.append)
    assert len(done) >= (8 if augment else 1) * 4
    assert sum(done) == pytest.approx(1)


def test_a_large_image_says_how_far_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("stemforge.console._A_LINE", 0)
    for number, size in enumerate((100, 200)):
        image = np.random.default_rng(number).poisson(100, (size, size)).astype(np.float32)
        write_tiff(tmp_path / f"{number}.tif", image, sampling=0.293)
    images = sorted(tmp_path.glob("*.tif"))
    monkeypatch.setattr("stemforge.infer.atoms.files._LARGE", 30_000)
    detect_atoms_in_files(Batch(images, tmp_path / "out", (".csv", ".png")), "atom-net", tile=64)
    log = capsys.readouterr().err
    assert re.search(r"^1: \d+ of 100 %, 0 s elapsed, about 0 s left$", log, re.MULTILINE)
    assert not re.search(r"^0: .* of 100 %", log, re.MULTILINE)
    assert "infer atoms: 1 of 2 images" in log
