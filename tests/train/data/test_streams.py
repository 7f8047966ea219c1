import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from stemforge.corpus.reader import Corpus
from stemforge.corpus.sample import Sample
from stemforge.corpus.writer import CorpusWriter
from stemforge.errors import InputError
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate import Degradation, SimulationRecipe, simulate_sample
from stemforge.simulate.recording.record import record
from stemforge.train import (
    CorpusDataset,
    CorpusStream,
    Crops,
    CutAtoms,
    RecordedImages,
    SimulationStream,
    collate,
)
from stemforge.train.data.augment import Augmentation
from stemforge.train.data.batches import Place
from stemforge.train.data.streams import _shuffled

NOISY = Degradation(dose=1e4, source_size=0)


def number_and_noise(sample, rng):
    """Transform: which sample, and its random number."""
    return sample.index, float(rng.random())


def twice(sample, rng):
    return [(sample.index, crop) for crop in range(2)]


def write(folder, samples, shard_size, size=24):
    recipe = {"name": "made", "seed": 5, "shard_size": shard_size, "degradation": {"dose": 1e4}}
    writer = CorpusWriter(folder, recipe, "0" * 64)
    for shard, first in enumerate(range(0, samples, shard_size)):
        made = []
        for i in range(first, min(first + shard_size, samples)):
            signal = np.full((1, size, size), 0.05, np.float32)
            points = np.random.default_rng(i).uniform(2, size - 3, (i % 4, 2))
            for x, y in np.rint(points).astype(int):
                signal[0, y, x] = 0.5
            labels = Annotations(points, columns={"element": np.full(len(points), 78, np.uint8)})
            made.append(Sample(i, signal, 0.3, ("HAADF",), labels))
        writer.write(shard, made)
    return Corpus(folder)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """23 samples in shards of 4: the last is not full."""
    return write(tmp_path_factory.mktemp("made") / "corpus", 23, 4)


@pytest.fixture(scope="module")
def recipe():
    changes = {"scan.shape": [32, 32], "single_atoms": [{"element": "Fe", "areal_density": 2.0}]}
    return SimulationRecipe.load("fe-c3n4", changes)


def shards_of(numbers):
    return [number // 4 for number in numbers]


# Items by number


def test_an_item_depends_on_seed_epoch_and_number_alone(corpus):
    data = CorpusDataset(corpus, number_and_noise, seed=3)
    assert len(data) == 23
    assert data[7] == data[7] == CorpusDataset(corpus, number_and_noise, seed=3)[7]
    assert data[-1] == data[22]
    assert len({data[i][1] for i in range(23)}) == 23
    first = data[7]
    data.epoch = 1
    assert data[7] != first
    assert data[7][0] == 7
    assert CorpusDataset(corpus, number_and_noise, seed=4)[7] != first
    with pytest.raises(IndexError):
        data[23]


def test_by_default_the_whole_image_is_recorded_as_the_recipe_says(corpus):
    image, target = CorpusDataset(corpus)[3]
    assert image.shape == (1, 24, 24)
    assert torch.equal(image, image.round())  # electrons
    assert float(image.mean()) == pytest.approx(float(corpus[3].signal.mean()) * 1e4 * 0.09, rel=0.05)
    np.testing.assert_allclose(target["points"], corpus[3].labels.points, rtol=1e-6)
    assert target["element"].tolist() == [78, 78, 78]
    assert int(target["index"]) == 3


# A spawned process imports everything anew: ten seconds on a busy machine.
STARTS = ["fork", pytest.param("spawn", marks=pytest.mark.slow)]


@pytest.mark.parametrize("start", STARTS)
def test_workers_make_the_same_items(corpus, start):
    data = CorpusDataset(corpus, seed=1)
    loader = DataLoader(
        data,
        batch_size=4,
        num_workers=2,
        collate_fn=collate,
        multiprocessing_context=start,
        persistent_workers=True,
    )
    for data.epoch in (0, 2):
        expected = [data[i] for i in range(23)]
        batches = list(loader)
        images = torch.cat([images for images, _ in batches])
        targets = [target for _, those in batches for target in those]
        assert torch.equal(images, torch.stack([image for image, _ in expected]))
        for target, (_, wanted) in zip(targets, expected, strict=True):
            assert np.array_equal(target["points"], wanted["points"])


# Streams


def places(ranks, workers):
    return [Place(rank, ranks, w, workers) for rank in range(ranks) for w in range(workers)]


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_sample_once_over_all_ranks_and_workers(corpus, ranks, workers):
    data = CorpusStream(corpus, number_and_noise)
    shares = [list(data.numbers(place, epoch=1)) for place in places(ranks, workers)]
    assert sorted(itertools.chain(*shares)) == list(range(23))
    by_rank = [sum(map(len, shares[r * workers : (r + 1) * workers])) for r in range(ranks)]
    assert max(by_rank) - min(by_rank) <= 1
    if ranks == 1:  # each worker has whole shards, one after the other
        for share in shares:
            runs = [shard for shard, _ in itertools.groupby(shards_of(share))]
            assert len(runs) == len(set(runs))
        assert not set.intersection(*map(set, map(shards_of, shares))) or workers == 1


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_even_ranks_have_equal_work(corpus, ranks):
    data = CorpusStream(corpus, number_and_noise, even=True)
    shares = [list(data.numbers(place, epoch=0)) for place in places(ranks, 1)]
    assert {len(share) for share in shares} == {23 // ranks}
    assert len(set(itertools.chain(*shares))) == 23 // ranks * ranks


def test_shards_and_samples_are_shuffled_by_seed_and_epoch(corpus):
    here = Place(0, 1, 0, 1)

    def order(seed, epoch, **options):
        return list(CorpusStream(corpus, number_and_noise, seed=seed, **options).numbers(here, epoch))

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(s, e)) for s in range(3) for e in range(3)}) == 9
    shards = [shard for shard, _ in itertools.groupby(shards_of(order(0, 0)))]
    assert sorted(shards) == list(range(6))
    assert shards != sorted(shards)
    inside = [n for n in order(0, 0) if n // 4 == 1]
    assert any([n for n in order(0, e) if n // 4 == 1] != inside for e in range(1, 5))
    assert order(0, 0, shuffle=False) == list(range(23))


def test_a_part_of_a_corpus_keeps_its_shards(corpus):
    part = corpus[[0, 2, 3, 9, 10, 11, 21]]
    data = CorpusStream(part, number_and_noise)
    shares = [list(data.numbers(place, 0)) for place in places(1, 2)]
    assert sorted(itertools.chain(*shares)) == list(range(7))
    together = [{0, 1, 2}, {3, 4, 5}, {6}]  # places in the part
    assert all(sum(bool(group & set(share)) for share in shares) == 1 for group in together)


def known(item):
    image, target = item
    return int(target["index"]), image.numpy().tobytes()


@pytest.mark.parametrize("start", STARTS)
def test_a_stream_through_a_data_loader(corpus, start):
    data = CorpusStream(corpus, seed=2, buffer=8)
    by_number = CorpusDataset(corpus, seed=2)
    loader = DataLoader(
        data, batch_size=None, num_workers=2, multiprocessing_context=start, persistent_workers=True
    )
    orders = []
    for data.epoch in (0, 1, 0):
        by_number.epoch = data.epoch
        items = [known(item) for item in loader]
        # The same items as by number, each once; persistent workers have heard of the new epoch.
        assert sorted(items) == [known(by_number[i]) for i in range(23)]
        orders.append(items)
    assert orders[0] == orders[2] != orders[1]


def test_lists_of_items_are_taken_apart_and_mixed(corpus):
    items = list(CorpusStream(corpus, twice, buffer=16))
    assert sorted(items) == [(n, crop) for n in range(23) for crop in range(2)]
    distance = [abs(items.index((n, 0)) - items.index((n, 1))) for n in range(23)]
    assert np.mean(distance) > 4
    assert items != list(CorpusStream(corpus, twice, buffer=0))


@pytest.mark.parametrize(("size", "number"), [(0, 20), (1, 20), (7, 20), (20, 20), (50, 20), (4, 0)])
def test_the_buffer_loses_nothing(size, number):
    items = list(_shuffled(range(number), size, np.random.default_rng(0)))
    assert sorted(items) == list(range(number))
    if size == 0:
        assert items == list(range(number))
    if size >= 7:
        assert items != list(range(number))


# Crops


def test_crops_and_labels_move_together(corpus):
    still = Degradation(dose=1e9, source_size=0, counting=False)
    crops = RecordedImages(
        still, size=12, per_sample=30, augmentation=Augmentation(zoom=(1, 1), rotation="quarter")
    )
    made = crops(corpus[3], np.random.default_rng(0))
    assert len(made) == 30
    assert any(len(target["points"]) for _, target in made)
    assert len({tuple(target["points"].ravel().tolist()) for _, target in made}) > 5
    for image, target in made:
        assert image.shape == (1, 12, 12)
        bright = (image[0] > 0.25 * 1e9 * 0.09).nonzero().flip(1)
        assert len(bright) == len(target["points"]) == len(target["element"])
        for point in target["points"]:
            assert (bright - torch.from_numpy(point)).abs().amax(1).min() <= 0.5 + 1e-3


def test_plain_crops_are_windows_of_one_recording(corpus):
    crops = RecordedImages(NOISY, size=10, per_sample=5)
    made = crops(corpus[3], np.random.default_rng(1))
    whole = record(corpus[3], NOISY, np.random.default_rng(1)).image[0]
    windows = {w.tobytes() for row in np.lib.stride_tricks.sliding_window_view(whole, (10, 10)) for w in row}
    assert all(image.numpy().tobytes() in windows for image, _ in made)


def test_segments_become_idpc_images_with_boxes(make_sample):
    image, target = RecordedImages(Degradation(dose=1e5))(make_sample(), np.random.default_rng(0))
    assert image.shape == (1, 96, 96)
    assert abs(float(image.mean())) < 1e-3 * float(image.std())
    assert target["boxes"].shape == (4, 4)
    (cut, shown), *_ = RecordedImages(Degradation(dose=1e5), size=48)(make_sample(), np.random.default_rng(0))
    assert cut.shape == (1, 48, 48)
    assert len(shown["boxes"]) == len(shown["species"]) == len(shown["points"])


def test_measured_images_are_left_as_they_are(tmp_path, write_blobs):
    corpus = Corpus(write_blobs(tmp_path / "m", 2, size=40))
    image, _ = CorpusDataset(corpus)[1]
    np.testing.assert_array_equal(image, corpus[1].signal)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "at least 1"),
        ({"size": 8, "per_sample": 0}, "at least 1"),
        ({"per_sample": 3}, "give their size"),
        ({"augmentation": Augmentation()}, "give their size"),
    ],
)
def test_crops_that_make_no_sense(options, message):
    with pytest.raises(InputError, match=message):
        RecordedImages(NOISY, **options)


def test_images_that_do_not_fit(corpus):
    with pytest.raises(InputError, match="24 × 24 pixels is smaller than the crops of 25"):
        RecordedImages(NOISY, size=25)(corpus[0], np.random.default_rng(0))
    with pytest.raises(InputError, match="different shapes"):
        collate([(torch.zeros(1, 4, 4), {}), (torch.zeros(1, 4, 5), {})])
    with pytest.raises(InputError, match="buffer"):
        CorpusStream(corpus, buffer=-1)


# Without a corpus


def test_simulated_samples_are_those_of_the_recipes_corpus(recipe):
    data = SimulationStream(recipe, lambda sample, rng: sample, num_samples=3)
    made = list(data)
    assert [sample.index for sample in made] == [0, 1, 2]
    for sample in made:
        wanted = simulate_sample(recipe, sample.index)
        np.testing.assert_array_equal(sample.signal, wanted.signal)
        np.testing.assert_array_equal(sample.labels.points, wanted.labels.points)
    data.epoch = 2
    assert next(iter(data)).index == 6


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("workers", [1, 2])
def test_numbers_are_shared_without_overlap(recipe, ranks, workers):
    bounded = SimulationStream(recipe, num_samples=11)
    shares = [list(bounded.numbers(place, epoch=1)) for place in places(ranks, workers)]
    assert sorted(itertools.chain(*shares)) == list(range(11, 22))
    endless = SimulationStream(recipe)
    shares = [list(itertools.islice(endless.numbers(place, 0), 50)) for place in places(ranks, workers)]
    assert sorted(itertools.chain(*shares)) == list(range(50 * ranks * workers))


def test_no_samples_are_refused(recipe):
    with pytest.raises(InputError, match="num_samples"):
        SimulationStream(recipe, num_samples=0)


def test_simulation_inside_the_data_loader(recipe):
    data = SimulationStream(recipe, CutAtoms(Crops(per_image=16), recipe.degradation), num_samples=4, seed=1)
    alone = Counter(crops.numpy().tobytes() for crops, _ in data)
    loader = DataLoader(data, batch_size=None, num_workers=2, multiprocessing_context="fork")
    batches = list(loader)
    assert Counter(crops.numpy().tobytes() for crops, _ in batches) == alone
    assert len(alone) == 4
    assert all(crops.shape[1:] == (1, 21, 21) and len(crops) == len(classes) for crops, classes in batches)
    assert any(classes.any() for _, classes in batches)
