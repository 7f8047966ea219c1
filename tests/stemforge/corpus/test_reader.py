"""The corpus: what goes in comes out, any part of it, in any process; folders that are none are refused."""

import dataclasses
import multiprocessing
import operator
import pickle
import shutil
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

from stemforge import Corpus, CorpusError


@pytest.mark.parametrize("counts", [(2, 0, 5), (0, 0, 0), (0, 1, 0)])
def test_round_trip_with_ragged_labels(tmp_path, counts, sample, writer, same):
    samples = [sample(i, atoms) for i, atoms in enumerate(counts)]
    target = writer(tmp_path)
    target.write(0, samples[:2])
    target.write(1, samples[2:])
    corpus = Corpus(tmp_path)
    assert len(corpus) == 3
    assert (corpus.kind, corpus.recipe, corpus.recipe_hash) == (
        "simulated",
        {"name": "demo", "value": 1.5},
        "a" * 64,
    )
    for read, made in zip(corpus, samples, strict=True):
        same(read, made)


def test_slices_negative_and_out_of_range(tmp_path, sample, writer):
    writer(tmp_path).write(0, [sample(i) for i in range(4)])
    corpus = Corpus(tmp_path)
    assert [s.index for s in corpus[1:]] == [1, 2, 3]
    assert [s.index for s in corpus[::-2]] == [3, 1]
    assert corpus[-1].index == 3
    with pytest.raises(IndexError):
        corpus[4]


def test_measured_images_of_several_sizes_without_calibration(tmp_path, sample, writer, same):
    target = writer(tmp_path, kind="measured")
    made = [
        sample(0, shape=(1, 5, 5), sampling=None, structure=False),
        sample(1, shape=(1, 7, 9), structure=False),
    ]
    for i, one in enumerate(made):
        target.write(i, [one])
    corpus = Corpus(tmp_path)
    assert corpus.kind == "measured"
    for read, one in zip(corpus, made, strict=True):
        same(read, one)


def test_columns_that_only_some_samples_have_are_nan_elsewhere(tmp_path, sample, writer):
    writer(tmp_path).write(0, [sample(0, 2, score=[0.1, 0.2]), sample(1, 1, depth=[3.0])])
    corpus = Corpus(tmp_path)
    np.testing.assert_array_equal(corpus[0].labels["score"], [0.1, 0.2])
    assert np.isnan(corpus[1].labels["score"]).all()


def test_the_corpus_and_its_writer_travel_to_other_processes(tmp_path, sample, writer, same):
    target = writer(tmp_path)
    target.write(0, [sample(0)])
    same(pickle.loads(pickle.dumps(Corpus(tmp_path)))[0], sample(0))
    # Another process's half-written shard must survive the arrival of a writer.
    (tmp_path / "shard-000007.partial").write_bytes(b"being written")
    pickle.loads(pickle.dumps(target)).write(1, [sample(1)])
    writer(tmp_path)
    assert (tmp_path / "shard-000007.partial").exists()
    assert len(Corpus(tmp_path)) == 2


def test_same_samples_same_bytes(tmp_path, sample, writer):
    files = [writer(tmp_path / name).write(0, [sample(0), sample(1, 0)]) for name in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_stale_partial_is_removed_and_the_rest_is_kept(tmp_path, sample, writer):
    first = writer(tmp_path)
    first.write(0, [sample(0)])
    (tmp_path / "shard-000001.partial").write_bytes(b"cut off")
    again = writer(tmp_path)
    again.remove_partials()
    assert not list(tmp_path.glob("*.partial"))
    assert again.complete(0)
    assert not again.complete(1)
    assert (again.count(0), again.count(1)) == (1, 0)


def test_a_write_that_fails_leaves_nothing(tmp_path, sample, writer):
    target = writer(tmp_path)
    bad = sample(0)
    bad.metadata["thing"] = object()
    with pytest.raises(TypeError):
        target.write(0, [bad])
    assert [p.name for p in tmp_path.iterdir()] == ["recipe.yaml"]


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        ([], "at least one"),
        ([{}, {"shape": (2, 6, 9)}], "samples 0 and 1 differ"),
        ([{}, {"sampling": None}], "differ"),
        ([{}, {"shape": (1, 6, 8)}], "differ"),
    ],
)
def test_bad_shards(tmp_path, samples, says, sample, writer):
    with pytest.raises(CorpusError, match=says):
        writer(tmp_path).write(0, [sample(i, **options) for i, options in enumerate(samples)])
    assert not list(tmp_path.glob("shard*"))


def make_file(folder):
    folder.rmdir()
    folder.write_text("a file")


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        ("other corpus", "another recipe"),
        (lambda f: (f / "thesis.doc").write_text("mine"), "holds files but no corpus"),
        (lambda f: (f / "recipe.yaml").write_text("- a list\n"), "not a corpus header"),
        (lambda f: (f / "recipe.yaml").write_text("a: {"), "not a corpus header"),
        (lambda f: (f / "recipe.yaml").write_bytes(b"\xff\x80"), "not a corpus header"),
        (make_file, "is a file"),
    ],
)
def test_folders_with_foreign_files(tmp_path, prepare, says, writer):
    folder = tmp_path / "corpus"
    folder.mkdir()
    writer(folder, hash="b" * 64) if prepare == "other corpus" else prepare(folder)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(CorpusError, match=says):
        writer(folder)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda f: None, "no recipe.yaml"),
        ("empty corpus", "no finished shard"),
        (lambda f: (f / "recipe.yaml").write_text("kind: simulated"), "not a corpus header"),
        (
            lambda f: (f / "recipe.yaml").write_text("!!python/object/apply:os.getcwd []"),
            "not a corpus header",
        ),
        (lambda f: (f / "recipe.yaml").write_bytes(b"\xff\x80"), "not a corpus header"),
    ],
)
def test_folders_that_are_no_corpus(tmp_path, prepare, says, writer):
    writer(tmp_path) if prepare == "empty corpus" else prepare(tmp_path)
    with pytest.raises(CorpusError, match=says):
        Corpus(tmp_path)


def indices(corpus):
    return [s.index for s in corpus]


def test_views_are_corpora(corpus_folder, sample, same):
    corpus = Corpus(corpus_folder)
    some = corpus[3:12][::-2]
    assert isinstance(some, Corpus)
    assert indices(some) == some.indices.tolist() == [11, 9, 7, 5, 3]
    assert indices(some[[0, -1]]) == [11, 3]
    assert indices(some[np.array([False, True, False, False, True])]) == [9, 3]
    assert corpus[np.int64(4)].index == corpus[np.array(4)].index == 4
    same(some[-1], sample(3, 3))
    assert indices(pickle.loads(pickle.dumps(some))) == indices(Corpus(some)) == indices(some)
    assert repr(some).endswith("5 of 15 simulated samples")
    assert (len(corpus[:0]), list(corpus[:0])) == (0, [])
    assert corpus.shards.tolist() == [i // 3 for i in range(15)]
    for bad in ([15], [-16], [True]):
        with pytest.raises(IndexError):
            corpus[bad]
    for bad in ("0", 1.0, [1.5], [[1]]):
        with pytest.raises(TypeError, match="integer"):
            corpus[bad]


def test_labels_only(corpus_folder, sample):
    corpus = Corpus(corpus_folder)
    for read, full in zip(corpus.labels_only(), corpus, strict=True):
        assert (read.metadata, read.sampling, len(read.labels)) == (
            full.metadata,
            full.sampling,
            len(full.labels),
        )
        assert read.signal.shape == full.signal.shape
        assert np.isnan(read.signal).all()
        assert read.structure is None
    assert np.isnan(corpus.labels_only()[2:][0].signal).all()


def test_samples_spread_evenly(corpus_folder):
    corpus = Corpus(corpus_folder)
    assert indices(corpus.evenly(3)) == [0, 7, 14]
    assert indices(corpus.evenly(99)) == indices(corpus)
    assert indices(corpus.evenly(1)) == [0]


def test_filter(corpus_folder, monkeypatch):
    corpus = Corpus(corpus_folder)
    assert indices(corpus.filter(lambda s: len(s.labels) == 3)) == [3, 7, 11]
    assert indices(corpus[::2].filter(lambda s: s.signal.shape == (2, 6, 8))) == list(range(0, 15, 2))
    found = corpus.filter(lambda s: s.metadata["name"] > "s5", labels_only=True)
    assert indices(found) == [6, 7, 8, 9]
    assert np.isfinite(found[0].signal).all()  # the view has signals again


def test_split_is_stable_and_by_structure(tmp_path, writer, sample):
    def written(name, number):
        target = writer(tmp_path / name)
        # Three samples of each structure: the same atoms, other signals.
        for i in range(number):
            one = dataclasses.replace(sample(i % (number // 3)), index=i)
            target.write(i, [one])
        return Corpus(target.folder)

    corpus = written("a", 60)
    parts = corpus.split([0.6, 0.2, 0.2], seed=1)
    assert sorted(i for part in parts for i in part.indices) == list(range(60))
    held = [set(part.structures.tolist()) for part in parts]
    assert sum(map(len, held)) == len(set.union(*held)) == 20
    assert [part.indices.tolist() for part in parts] == [
        p.indices.tolist() for p in corpus.split([3, 1, 1], 1)
    ]
    assert parts[0].indices.tolist() != corpus.split([0.6, 0.2, 0.2], seed=2)[0].indices.tolist()
    # Of a part of the corpus every structure falls where it did, and so it does when the corpus grows.
    for part, small in zip(parts, corpus[:40].split([0.6, 0.2, 0.2], seed=1), strict=True):
        assert set(small.indices) == set(part.indices) & set(range(40))


def test_split_without_structures(tmp_path, writer, sample):
    target = writer(tmp_path / "a")
    target.write(0, [sample(i, structure=False) for i in range(1000)])
    training, _ = Corpus(target.folder).split([0.8, 0.2])
    assert 750 < len(training) < 850
    measured = writer(tmp_path / "b", kind="measured")
    measured.write(0, [sample(i, structure=False, metadata={"file": f"{i // 5}.tif"}) for i in range(50)])
    parts = Corpus(measured.folder).split([1, 1])
    files = [{s.metadata["file"] for s in part} for part in parts]
    assert files[0] | files[1] == {f"{i}.tif" for i in range(10)}
    assert not files[0] & files[1]
    # Every part has something as long as there is enough, however small its share.
    assert [len(p) for p in Corpus(target.folder)[:3].split([1, 1e-9, 1e-9])] == [1, 1, 1]


@pytest.mark.parametrize("shares", [[], [1, 0], [1, -1], [1, float("nan")], [[1, 2]], [1] * 16])
def test_shares_that_cannot_be(corpus_folder, shares):
    with pytest.raises(CorpusError, match=r"shares must be|cannot be divided"):
        Corpus(corpus_folder).split(shares)


def test_threads_read_what_one_reads(corpus_folder, same):
    corpus = Corpus(corpus_folder)
    expected = list(corpus)
    order = np.random.default_rng(0).integers(15, size=300)
    with ThreadPoolExecutor(8) as pool:
        for number, read in zip(order, pool.map(lambda i: Corpus(corpus)[i], order), strict=True):
            same(read, expected[number])


def digest(corpus, number):
    return corpus[number].signal.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_other_processes_read_while_threads_here_do(corpus_folder, method):
    corpus = Corpus(corpus_folder)[1:]
    expected = [digest(corpus, i) for i in range(14)]
    stop = threading.Event()

    def read():
        while not stop.is_set():
            corpus[3]

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
            numbers = list(range(14)) * 4
            # By operators: a spawned process could not import this file.
            found = list(pool.map(operator.methodcaller("__getitem__", slice(None)), [corpus] * 4))
            signals = list(pool.map(operator.itemgetter(*numbers), [corpus] * 2, timeout=60))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert [len(view) for view in found] == [14] * 4
    for samples in signals:
        assert [s.signal.tobytes() for s in samples] == [expected[i] for i in numbers]


def test_a_shard_that_was_replaced_is_not_mixed_in(corpus_folder, writer, sample):
    corpus = Corpus(corpus_folder)
    shutil.copy(corpus_folder / "shard-000001.h5", corpus_folder / "shard-000000.h5")
    with pytest.raises(CorpusError, match="replaced"):
        corpus[0]
    with pytest.raises(CorpusError, match=r"two shards hold the same samples.*verify"):
        Corpus(corpus_folder)
    other = writer(corpus_folder.parent / "other", hash="b" * 64).write(0, [sample(0)])
    shutil.copy(other, corpus_folder / "shard-000000.h5")
    with pytest.raises(CorpusError, match="another recipe"):
        corpus[0]


def test_bytes_do_not_tell_that_a_corpus_was_extended(tmp_path, writer, sample):
    for name, numbers in (("a", (2, 4)), ("b", (4,))):
        for number in numbers:
            target = writer(tmp_path / name, {"num_samples": number})
            target.write(number - 2, [sample(number - 2)])
    assert (tmp_path / "a/recipe.yaml").read_bytes() == (tmp_path / "b/recipe.yaml").read_bytes()
    assert (tmp_path / "a/shard-000002.h5").read_bytes() == (tmp_path / "b/shard-000002.h5").read_bytes()


def test_a_run_killed_while_it_wrote_the_header(tmp_path, writer):
    (tmp_path / "recipe.0a1b2c3d.partial").write_bytes(b"hash: ")
    writer(tmp_path).remove_partials()
    assert [p.name for p in tmp_path.iterdir()] == ["recipe.yaml"]
