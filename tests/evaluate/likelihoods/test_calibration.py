from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logit

from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.corpus.writer import CorpusWriter
from stemforge.errors import InputError, WeightsError
from stemforge.evaluate.likelihoods import calibration as calibrate, choosing
from stemforge.evaluate.likelihoods.calibration import calibrate_threshold, held_out_images
from stemforge.evaluate.likelihoods.choosing import ThresholdCalibration
from stemforge.infer import CANDIDATE
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate import SimulationRecipe, simulate_corpus
from stemforge.train import (
    AtomNet,
    Calibration,
    Card,
    Inputs,
    LabelledImage,
    Visible,
    load_weights,
    save_weights,
)
from stemforge.train.data.batches import split_corpora
from stemforge.train.weights import stored_in_half


@pytest.fixture
def weights(spot_weights, tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(spot_weights.read_bytes())
    return path


def test_the_best_threshold_is_stored_and_the_rest_kept(tmp_path, matched_filter, write_blobs):
    path = tmp_path / "w.safetensors"
    card = Card(
        "sac-cnn",
        0.293,
        0.123,
        {"validation": 0.5},
        ("here",),
        {"validation_loss": 0.25},
        "command",
        "today",
        inputs=Inputs(spots="regions"),
    )
    save_weights(path, matched_filter, card)
    corpus = write_blobs(tmp_path / "corpus", 4)
    found = calibrate_threshold(path, [corpus], thresholds=(1e-7, 0.6, 0.999999), quiet=True)
    # Everything and nothing is found at the ends.
    assert found.f1_mean == pytest.approx((0, 1, 0), abs=0.3)
    assert found.best == 0.6
    assert found.images == len(split_corpora([Corpus(corpus)], 0.5)[1])  # half, as the card says
    model, stored = load_weights(path)
    assert stored.threshold == 0.6
    assert stored.metrics["validation_loss"] == 0.25
    assert stored.metrics["held_out_f1"] == pytest.approx(found.f1_mean[1])
    assert (stored.recipe, stored.data, stored.command, stored.date) == (
        *({"validation": 0.5}, ("here",)),
        *("command", "today"),
    )
    for name, tensor in matched_filter.state_dict().items():
        assert (model.state_dict()[name] == tensor).all()


def test_f1_by_hand(weights, tmp_path, write_blobs):
    """Labels moved away from two of four spots: two hits, two ghosts, two misses."""
    spots = np.array([[12.0, 12], [60, 12], [12, 60], [60, 60]])
    corpus = Corpus(write_blobs(tmp_path / "a", 2, points=spots))
    writer = CorpusWriter(tmp_path / "b", {"name": "b"}, "1" * 64, kind="measured")
    wrong = spots + np.array([[0, 0], [0, 0], [20, 0], [-20, -20]])
    for i, sample in enumerate(corpus):
        labels = type(sample.labels)(wrong)
        writer.write(i, [Sample(i, sample.signal, 0.293, ("HAADF",), labels, {"name": str(i)})])
    found = calibrate_threshold(weights, [tmp_path / "b"], thresholds=(0.5,), quiet=True)
    assert found.f1_mean == (0.5,)
    assert found.f1_sd == (0.0,)
    card = load_weights(weights)[1]
    assert (card.metrics["held_out_precision"], card.metrics["held_out_recall"]) == (0.5, 0.5)


def test_doubtful_atoms_count_as_background(matched_filter, blobs):
    spots = np.array([[20.0, 20], [50, 50]])
    image = blobs(spots, (72, 72))
    trial = calibrate._trial(matched_filter, Card("sac-cnn", inputs=Inputs(spots="regions")), image, (0.5,))
    score, _ = calibrate._scores(trial, LabelledImage(image, spots[:1], spots[1:]))
    assert (score.true_positives, score.false_positives, score.false_negatives) == (1, 1, 0)


def test_held_out_images_are_those_that_training_left(tiny_corpus, tmp_path, write_blobs):
    corpus = Corpus(write_blobs(tmp_path / "m", 5))
    images = held_out_images([corpus], Visible(), 0.4)
    training, held_out = split_corpora([corpus], 0.4)
    assert {item.number for item in training} | {item.number for item in held_out} == set(range(5))
    for labelled, item in zip(images, held_out, strict=True):
        np.testing.assert_array_equal(labelled.image, corpus[item.number].signal[0])
    simulated = [Corpus(tiny_corpus)]
    first, again, other = (held_out_images(simulated, Visible(), 0.25, seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(first[0].image, again[0].image)
    assert not np.array_equal(first[0].image, other[0].image)
    assert len(held_out_images(simulated, Visible(), 0.25, repeats=3)) == 3 * len(first)


def test_an_image_that_shows_nothing_is_left_out(weights, tmp_path, write_blobs):
    folder = write_blobs(tmp_path / "a", 3)
    corpus = Corpus(folder)
    writer = CorpusWriter(folder, corpus.recipe, corpus.recipe_hash, kind="measured")
    blank = Sample(
        2, np.full((1, 72, 72), 3, np.float32), 0.293, ("HAADF",), corpus[2].labels, {"name": "blank"}
    )
    (held_out,) = (item.number for item in split_corpora([corpus], 0.3)[1])
    # What tells the structure of a measured image is its name.
    writer.write(held_out, [replace(blank, index=held_out, metadata=corpus[held_out].metadata)])
    assert calibrate_threshold(weights, [folder], validation=0.6, quiet=True).images == 1
    before = weights.read_bytes()
    with pytest.raises(InputError, match="no image with signal"):
        calibrate_threshold(weights, [folder], validation=0.3, quiet=True)
    assert weights.read_bytes() == before


def test_a_checkpoint_cannot_carry_a_threshold(tmp_path, tiny_corpus):
    with pytest.raises(WeightsError, match="only a stemforge weights file"):
        calibrate_threshold(tmp_path / "w.ckpt", [tiny_corpus])


@pytest.mark.parametrize("share", [0, 1, -0.5])
def test_share_out_of_range(weights, tiny_corpus, share):
    with pytest.raises(InputError, match="validation must lie between 0 and 1"):
        calibrate_threshold(weights, [tiny_corpus], validation=share)


def test_best_is_the_highest_mean():
    assert ThresholdCalibration((0.1, 0.5, 0.9), (0.2, 0.7, 0.6), (0, 0, 0), 1).best == 0.5


def test_likelihoods_of_atom_net_are_calibrated_and_stored(tmp_path, monkeypatch, write_blobs):
    """A detector that says 0.5 of everything and is right in one case of four."""
    path = tmp_path / "w.safetensors"
    save_weights(path, AtomNet(), Card("atom-net", 0.293, recipe={"validation": 0.5}), half=True)
    spots = np.array([[x, y] for x in (15.0, 40, 65) for y in (15.0, 40, 65)])
    corpus = write_blobs(tmp_path / "corpus", 8, points=spots[:3])
    pale = np.array([[x, 90.0] for x in (10, 30, 50)])
    places = np.concatenate([spots, pale])
    raw = logit(np.where(np.arange(12) < 3, 0.6, 0.3)) + np.linspace(-0.4, 0.4, 12)

    def finder(model, card, image):
        score = (card.calibration or Calibration()).likelihood(raw)
        kept = lambda least: score >= least  # noqa: E731
        return None, lambda least: Annotations(places[kept(least)], columns={"score": score[kept(least)]})

    monkeypatch.setattr(calibrate, "atom_finder", finder)
    found = calibrate_threshold(path, [corpus], thresholds=(0.1, 0.5, 0.9), quiet=True)
    card = load_weights(path)[1]
    scale, shift = card.calibration.scale, card.calibration.shift
    # Spots were told apart by a little: now they are surer.
    assert scale > 1.5
    assert found.after.error < found.before.error
    assert card.metrics["calibration_error"] == pytest.approx(found.after.error)
    likely = (card.calibration or Calibration()).likelihood(raw)
    likely = likely[likely >= CANDIDATE]
    assert card.counting.scale * (likely.sum() + 0.5) == pytest.approx(3.5, rel=1e-3)
    assert stored_in_half(path)
    # Again: from the network's own likelihoods, not from calibrated ones.
    calibrate_threshold(path, [corpus], thresholds=(0.1, 0.5, 0.9), quiet=True)
    again = load_weights(path)[1].calibration
    assert (again.scale, again.shift) == pytest.approx((scale, shift), rel=1e-3)


def test_a_control_raises_the_threshold(weights, tmp_path, write_blobs, tiny_overrides, monkeypatch):
    """Pale spots on images without an atom: only the higher threshold leaves them alone."""
    settings = {**tiny_overrides, "single_atoms": []}
    simulate_corpus(SimulationRecipe.load("quickstart", settings), tmp_path / "empty", workers=1, quiet=True)
    corpus = write_blobs(tmp_path / "a", 2, points=[[12.0, 12], [60, 60]])

    def finder(model, card, image):
        points, score = np.array([[12.0, 12], [60, 60], [40, 40]]), np.array([0.9, 0.5, 0.2])
        if image.shape == (64, 64):
            points, score = points[:1], np.array([0.45])
        return None, lambda least: Annotations(
            points[score >= least], columns={"score": score[score >= least]}
        )

    monkeypatch.setattr(calibrate, "atom_finder", finder)
    tried = {"thresholds": (0.1, 0.3, 0.6), "quiet": True}
    assert calibrate_threshold(weights, [corpus], **tried).best == 0.3
    found = calibrate_threshold(weights, [corpus], control=[tmp_path / "empty"], **tried)
    assert found.best == 0.6
    area = (64 * Corpus(tmp_path / "empty")[0].sampling / 10) ** 2
    assert found.false == pytest.approx((1 / area, 1 / area, 0))
    card = load_weights(weights)[1]
    assert (card.threshold, card.metrics["false_per_nm2"]) == (0.6, 0)
    tried["thresholds"] = (0.1, 0.3)
    with pytest.raises(InputError, match=r"threshold of 0\.3 more than 0\.003"):
        calibrate_threshold(weights, [corpus], control=[tmp_path / "empty"], **tried)
    with pytest.raises(InputError, match="no atom"):
        calibrate_threshold(weights, [corpus], control=[corpus], **tried)


def test_pixels_of_another_size_are_refused(weights, tmp_path, write_blobs):
    with pytest.raises(InputError, match=r"pixels of 0\.15 Å"):
        calibrate_threshold(weights, [write_blobs(tmp_path / "a", 2, sampling=0.15)], quiet=True)


def test_images_without_atoms_neither_count_nor_suffice(weights, tmp_path, write_blobs):
    with_atoms = write_blobs(tmp_path / "a", 2)
    without = write_blobs(tmp_path / "b", 4, points=np.empty((0, 2)))
    assert calibrate_threshold(weights, [with_atoms, without], validation=0.6, quiet=True).images == 1
    before = weights.read_bytes()
    with pytest.raises(InputError, match="not one visible atom"):
        calibrate_threshold(weights, [without], quiet=True)
    assert weights.read_bytes() == before


def trial(expected_f1, chosen, at_fixed, area=0.0):
    """What is found at one fixed threshold and at the image's own: so many points each."""
    return choosing.Trial([np.zeros((n, 2)) for n in (at_fixed, chosen)], expected_f1, area)


def gate_of(f1, promised, nothing=(), max_false=np.inf):
    false = np.array([[len(points) for points in each.points] for each in nothing])
    trials = [trial(value, 0, 0) for value in promised]
    return choosing.choose_gate(trials, np.array(f1), nothing, false, 0, max_false)


def test_images_get_their_own_threshold_unless_that_is_worse():
    """F1 at the fixed threshold, and at the image's own."""
    better, worse = [0.5, 0.6], [0.5, 0.3]
    assert gate_of([better, better], [0.62, 0.71]) == choosing.USUAL_GATE
    assert gate_of([worse, better], [0.39, 0.71]) == choosing.USUAL_GATE
    assert gate_of([worse, better], [0.41, 0.71]) is None
    assert gate_of([better, better], [0.1, 0.2]) is None  # nobody would get one


def test_the_gate_leaves_a_control_alone():
    better = [[0.5, 0.6], [0.5, 0.9]]
    control = [trial(0.33, chosen=9, at_fixed=0, area=100.0), trial(0.5, chosen=7, at_fixed=1, area=100.0)]
    # Nine, seven and one atom on 200 nm², by what the two images promise.
    assert gate_of(better, [0.45, 0.71], control, max_false=0.1) == 0
    assert gate_of(better, [0.45, 0.71], control, max_false=0.04) == 0.34
    assert gate_of(better, [0.45, 0.71], control, max_false=0.005) == 0.51
    assert gate_of(better, [0.45, 0.495], control, max_false=0.005) is None
    assert gate_of(better, [0.45, 0.71], control, max_false=0.004) is None
    assert choosing.false_at(0.5, control, np.array([[0, 9], [1, 7]]), 0) == 7
    assert choosing.false_at(None, control, np.array([[0, 9], [1, 7]]), 0) == 1
