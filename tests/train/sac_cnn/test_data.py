from collections import Counter

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch.utils.data import DataLoader

from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.corpus.writer import CorpusWriter
from stemforge.errors import CorpusError
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate import Degradation
from stemforge.simulate.recording.record import corpus_degradation
from stemforge.train import (
    AtomCrops,
    Crops,
    SACCNNRecipe,
    Visible,
    labelled_image,
    subtract_background,
    visible_atoms,
)
from stemforge.train.data.batches import Epochs, Item, _share
from stemforge.train.labelled import LabelledImage
from stemforge.train.sac_cnn.data import (
    _turn,
    choose_centres,
    cut_crops,
)

CROPS = Crops(per_image=40, jitter=2)
NONE = np.empty((0, 2))


def _scene(atoms, doubtful=NONE, shape=(80, 120), seed=0):
    image = np.random.default_rng(seed).random(shape, dtype=np.float32)
    return LabelledImage(
        image, np.asarray(atoms, float).reshape(-1, 2), np.asarray(doubtful, float).reshape(-1, 2)
    )


ATOMS = [[20.3, 20.8], [60.0, 40.0], [100.6, 60.2], [64.0, 30.0]]
DOUBTFUL = [[30.0, 60.0], [90.0, 20.0]]


@pytest.mark.parametrize("seed", range(5))
def test_positives_sit_on_atoms_and_negatives_clear_of_them(seed):
    scene = _scene(ATOMS, DOUBTFUL, seed=seed)
    centres, classes = choose_centres(scene, CROPS, np.random.default_rng(seed))
    assert centres.shape == (40, 2)
    assert Counter(classes.tolist()) == {0: 20, 1: 20}
    offset = centres[classes == 1][:, None] - np.rint(ATOMS)[None]
    assert np.abs(offset).max(-1).min(-1).max() <= CROPS.jitter
    assert np.abs(offset).max(-1).min(-1).max() > 0  # they do jitter
    assert set(np.abs(offset).max(-1).argmin(-1)) == {0, 1, 2, 3}  # every atom is shown
    assert cdist(centres[classes == 0], ATOMS + DOUBTFUL).min() >= 5
    assert np.all((centres >= 0) & (centres < [120, 80]))


def test_hard_negatives_lie_beside_atoms_and_on_bright_spots():
    scene = _scene([[60, 40]])
    scene.image[:] = np.add.outer(np.arange(80), np.arange(120)) * 1e-6  # no peak but a corner and one
    scene.image[10, 10] = 1

    def negatives(hard):
        rng = np.random.default_rng(0)
        centres, classes = choose_centres(scene, Crops(per_image=200, hard=hard), rng)
        return centres[classes == 0]

    def beside(centres):
        return np.mean(np.hypot(*(centres - [60, 40]).T) < 10.5)

    assert beside(negatives(1.0)) > 0.4
    assert beside(negatives(0.5)) == pytest.approx(0.25, abs=0.08)
    assert beside(negatives(0.0)) < 0.1
    assert [10, 10] in negatives(1.0).tolist()
    assert [10, 10] not in negatives(0.0).tolist()


def test_an_image_without_atoms_gives_negatives_alone():
    centres, classes = choose_centres(_scene(NONE), CROPS, np.random.default_rng(0))
    assert Counter(classes.tolist()) == {0: 20}
    assert len(np.unique(centres, axis=0)) > 15


def test_doubtful_atoms_are_never_shown():
    centres, classes = choose_centres(_scene(NONE, DOUBTFUL), CROPS, np.random.default_rng(0))
    assert not classes.any()
    assert cdist(centres, DOUBTFUL).min() >= 5


def test_share_of_positives():
    _, classes = choose_centres(_scene(ATOMS), Crops(per_image=50, positive=0.2), np.random.default_rng(0))
    assert Counter(classes.tolist()) == {0: 40, 1: 10}


def test_a_crowded_image_gives_fewer_negatives_rather_than_wrong_ones():
    grid = np.stack(np.meshgrid(np.arange(0, 60, 6), np.arange(0, 60, 6)), -1).reshape(-1, 2)
    centres, classes = choose_centres(_scene(grid, shape=(55, 55)), CROPS, np.random.default_rng(0))
    assert Counter(classes.tolist()) == {1: 20}
    assert len(centres) == 20


def test_crops_are_slices_of_the_padded_image():
    image = np.random.default_rng(0).random((30, 45), dtype=np.float32)
    centres = np.array([[0, 0], [44, 29], [44, 0], [0, 29], [20, 15], [10, 10], [9, 20]])
    crops = cut_crops(image, centres)
    assert crops.shape == (7, 1, 21, 21)
    padded = np.zeros((50, 65), dtype=np.float32)
    padded[10:40, 10:55] = image
    for (x, y), crop in zip(centres, crops[:, 0], strict=True):
        np.testing.assert_array_equal(crop, padded[y : y + 21, x : x + 21])
        assert crop[10, 10] == image[y, x]
    assert not crops[0, 0, :10].any()
    assert not crops[0, 0, :, :10].any()


def test_all_eight_orientations_of_the_same_pixels():
    crop = np.random.default_rng(0).random((1, 1, 21, 21), dtype=np.float32)
    turned = _turn(np.repeat(crop, 200, axis=0), np.random.default_rng(1))
    kinds = {t.tobytes() for t in turned}
    square = crop[0, 0]
    expected = {np.rot90(m, k)[None].tobytes() for m in (square, square[:, ::-1]) for k in range(4)}
    assert len(expected) == 8
    assert kinds == expected
    np.testing.assert_array_equal(
        np.sort(turned.reshape(200, -1)), np.sort(crop.reshape(1, -1)).repeat(200, 0)
    )
    np.testing.assert_array_equal(turned[:, :, 10, 10], crop[0, 0, 10, 10])


def test_what_counts_as_visible():
    labels = Annotations(np.zeros((4, 2)), columns={"cnr": [4.0, 3.99, 2.0, 1.99]})
    visible, doubtful = visible_atoms(labels, Visible(min_cnr=4, ignore_cnr=2))
    assert visible.tolist() == [True, False, False, False]
    assert doubtful.tolist() == [False, True, True, False]


def test_simulated_samples_are_degraded_and_measured_ones_not(tiny_corpus, tmp_path, write_blobs):
    corpus = Corpus(tiny_corpus)
    degradation = corpus_degradation(corpus)
    assert degradation.dose == 4e4
    one, two = (
        labelled_image(corpus[0], Visible(), degradation, np.random.default_rng(s), subtract_background).image
        for s in (0, 1)
    )
    assert not np.array_equal(one, two)
    assert 0 == one.min() < one.max() == 1

    measured = Corpus(write_blobs(tmp_path / "m", 2))
    assert corpus_degradation(measured) is None
    labelled = labelled_image(measured[0], Visible(), None, np.random.default_rng(0), subtract_background)
    np.testing.assert_array_equal(labelled.image, subtract_background(measured[0].signal[0]))
    np.testing.assert_array_equal(labelled.atoms, measured[0].labels.points)
    assert len(labelled.doubtful) == 0


def test_labels_move_with_the_drift_and_those_off_the_image_are_dropped(tiny_corpus):
    sample = Corpus(tiny_corpus)[0]
    still = Degradation(dose=1e8, source_size=0)
    tear = Degradation(dose=1e8, source_size=0, tear=10 * sample.sampling, tear_position=0)
    rng = np.random.default_rng(0)
    before = labelled_image(sample, Visible(), still, rng).atoms
    after = labelled_image(sample, Visible(), tear, rng).atoms
    moved = before + np.array([10, 0])
    inside = moved[moved[:, 0] <= 63.5]
    np.testing.assert_allclose(after, inside, atol=1e-6)
    gone = Degradation(dose=1e8, source_size=0, tear=60 * sample.sampling, tear_position=0)
    everything = labelled_image(sample, Visible(), gone, rng)
    for points in (everything.atoms, everything.doubtful):
        assert Annotations(points).inside((64, 64)).all()


def _batches(data):
    return [(images.numpy().tobytes(), classes.numpy().tobytes()) for images, classes in data]


def _made(corpora, part="train", **changes):
    return AtomCrops(corpora, part, SACCNNRecipe(crops=Crops(per_image=16), images_per_batch=1, **changes))


def test_same_seed_same_bytes_other_seed_others(tiny_corpus):
    corpora = [Corpus(tiny_corpus)]
    first = _batches(_made(corpora))
    assert len(first) == 3
    assert _batches(_made(corpora)) == first
    assert set(_batches(_made(corpora, seed=1))).isdisjoint(first)


def test_an_epoch_degrades_and_draws_anew(tiny_corpus, tmp_path, write_blobs):
    for corpus in (Corpus(tiny_corpus), Corpus(write_blobs(tmp_path / "m", 3))):
        data = _made([corpus])
        first = _batches(data)
        data.epoch = 1
        second = _batches(data)
        assert set(first).isdisjoint(second)
        data.epoch = 0
        assert _batches(data) == first


def test_validation_shares_nothing_with_training_and_is_the_same_in_every_epoch(tmp_path, write_blobs):
    corpora = [Corpus(write_blobs(tmp_path / "a", 6)), Corpus(write_blobs(tmp_path / "b", 4, seed=1))]
    train, validation = (_made(corpora, part=part, validation=0.3) for part in ("train", "validation"))
    assert set(train.items).isdisjoint(validation.items)
    assert sorted(item.key for item in train.items + validation.items) == [(0, i) for i in range(6)] + [
        (1, i) for i in range(4)
    ]
    assert validation.items
    first = _batches(validation)
    validation.epoch = 5
    assert _batches(validation) == first


def test_a_small_corpus_is_shown_as_often_as_a_large_one_and_never_twice_alike(tmp_path, write_blobs):
    corpora = [Corpus(write_blobs(tmp_path / "a", 8)), Corpus(write_blobs(tmp_path / "b", 4, seed=1))]
    plain, balanced = (_made(corpora, validation=0.25, balance=each) for each in (False, True))
    often = Counter(item.source for item in plain.items)
    most = max(often.values())
    assert len(often) == 2
    assert min(often.values()) < most
    assert Counter(item.source for item in balanced.items) == {0: most, 1: most}
    assert set(plain.items) <= set(balanced.items)  # what was drawn without is drawn with it
    shown = _batches(balanced)
    assert len(set(shown)) == len(shown) == 2 * most
    held_out = _made(corpora, part="validation", validation=0.25, balance=True)
    assert len(held_out.items) + len(plain.items) == 12


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_one_sample_stays_in_each_part(tmp_path, write_blobs, share):
    corpora = [Corpus(write_blobs(tmp_path / "a", 3, size=40))]
    assert _made(corpora, part="train", validation=share).items
    assert _made(corpora, part="validation", validation=share).items


@pytest.mark.slow
def test_two_workers_give_the_same_batches(tiny_corpus):
    data = _made([Corpus(tiny_corpus)], validation=0.25)
    alone = _batches(DataLoader(data, batch_size=None))
    loader = DataLoader(data, batch_size=None, num_workers=2, multiprocessing_context="spawn")
    assert Counter(_batches(loader)) == Counter(alone)
    assert len(alone) == len(data) == 3


class _Worker:
    def __init__(self, number, workers):
        self.id, self.num_workers = number, workers


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
@pytest.mark.parametrize(("batches", "ranks"), [(6, 2), (7, 2), (9, 4), (8, 3), (5, 1)])
def test_ranks_share_evenly_whatever_the_workers(monkeypatch, batches, ranks, workers):
    monkeypatch.setattr(torch.distributed, "is_available", lambda: True)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: ranks)
    shares = []
    for rank in range(ranks):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        share = []
        for number in range(max(workers, 1)):
            worker = _Worker(number, workers) if workers else None
            monkeypatch.setattr("stemforge.train.data.batches.get_worker_info", lambda worker=worker: worker)
            share += range(batches)[_share(Epochs(0).place, batches)]
        shares.append(share)
    assert {len(share) for share in shares} == {batches // ranks}
    every = [i for share in shares for i in share]
    assert len(set(every)) == len(every)


def test_measured_crops_are_cut_from_the_undegraded_image(tmp_path, write_blobs):
    corpus = Corpus(write_blobs(tmp_path / "a", 2))
    data = _made([corpus], part="validation")
    (batch,) = data
    image = np.pad(subtract_background(data.sample(data.items[0]).signal[0]), 10)
    windows = {w.tobytes() for row in np.lib.stride_tricks.sliding_window_view(image, (21, 21)) for w in row}
    assert all(crop.tobytes() in windows for crop in batch[0][:, 0].numpy())


def test_an_image_that_shows_nothing_keeps_the_number_of_batches(tmp_path, write_blobs):
    folder = write_blobs(tmp_path / "a", 3)
    writer = CorpusWriter(folder, Corpus(folder).recipe, Corpus(folder).recipe_hash, kind="measured")
    blank = np.full((1, 72, 72), 5, np.float32)
    writer.write(0, [Sample(0, blank, 0.293, ("HAADF",), Annotations([]), {"name": "blank"})])
    corpus = Corpus(folder)
    data = _made([corpus], seed=0)
    data.items = [Item(0, number) for number in range(3)]
    batches = list(data)
    assert len(batches) == len(data) == 3
    assert all(len(classes) for _, classes in batches)
    (nothing,) = (classes for images, classes in batches if not images.any())
    assert not nothing.any()


def test_a_corpus_of_one_structure_is_refused(tmp_path, write_blobs):
    corpus = Corpus(write_blobs(tmp_path / "a", 1))
    with pytest.raises(CorpusError, match=r"has 1 different structure.*add a corpus or more samples"):
        _made([corpus])
