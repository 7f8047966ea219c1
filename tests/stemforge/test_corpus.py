"""The corpus: what goes in comes out; damage, foreign files and newer layouts are refused."""

import pickle

import h5py
import numpy as np
import pytest

from stemforge import Annotations, Corpus, CorpusError, CorpusWriter, Sample, Structure
from stemforge.corpus import SCHEMA

HASH = "a" * 64


def sample(index, atoms=2, shape=(2, 6, 8), sampling=0.3, structure=True, **columns):
    rng = np.random.default_rng(index)
    columns = columns or {"element": np.full(atoms, 78, np.uint8), "z_angstrom": rng.normal(size=atoms)}
    n = 3 + index
    kept = Structure(
        numbers=np.arange(n, dtype=np.uint8),
        positions=rng.normal(size=(n, 3)).astype(np.float32),
        tags=np.arange(n, dtype=np.uint8) % 2,
        cell=np.diag([4.0, 5.0, 6.0 + index]),
    )
    return Sample(
        index=index,
        signal=rng.random(shape, dtype=np.float32),
        sampling=sampling,
        channels=("HAADF", "MAADF")[: shape[0]],
        labels=Annotations(rng.uniform(0, 5, (atoms, 2)), columns=columns),
        metadata={"name": f"s{index}", "drawn": {"focus": 1.5}, "unit": "Å"},
        structure=kept if structure else None,
    )


def writer(folder, **options):
    return CorpusWriter(folder, {"name": "demo", "value": 1.5}, options.pop("hash", HASH), **options)


def same(a, b):
    assert (a.index, a.sampling, a.channels, dict(a.metadata)) == (
        b.index,
        b.sampling,
        b.channels,
        dict(b.metadata),
    )
    np.testing.assert_array_equal(a.signal, b.signal)
    assert a.signal.dtype == np.float32
    np.testing.assert_array_equal(a.labels.points, b.labels.points)
    assert set(a.labels.columns) == set(b.labels.columns)
    for name in a.labels.columns:
        np.testing.assert_array_equal(a.labels[name], b.labels[name])
    assert (a.structure is None) == (b.structure is None)
    if a.structure:
        for name in ("numbers", "positions", "tags", "cell"):
            np.testing.assert_array_equal(getattr(a.structure, name), getattr(b.structure, name))


@pytest.mark.parametrize("counts", [(2, 0, 5), (0, 0, 0), (0, 1, 0)])
def test_round_trip_with_ragged_labels(tmp_path, counts):
    samples = [sample(i, atoms) for i, atoms in enumerate(counts)]
    target = writer(tmp_path)
    target.write(0, samples[:2])
    target.write(1, samples[2:])
    corpus = Corpus(tmp_path)
    assert len(corpus) == 3
    assert (corpus.kind, corpus.recipe, corpus.recipe_hash) == (
        "simulated",
        {"name": "demo", "value": 1.5},
        HASH,
    )
    for read, made in zip(corpus, samples, strict=True):
        same(read, made)


def test_slices_negative_and_out_of_range(tmp_path):
    writer(tmp_path).write(0, [sample(i) for i in range(4)])
    corpus = Corpus(tmp_path)
    assert [s.index for s in corpus[1:]] == [1, 2, 3]
    assert [s.index for s in corpus[::-2]] == [3, 1]
    assert corpus[-1].index == 3
    with pytest.raises(IndexError):
        corpus[4]


def test_measured_images_of_several_sizes_without_calibration(tmp_path):
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


def test_columns_that_only_some_samples_have_are_nan_elsewhere(tmp_path):
    writer(tmp_path).write(0, [sample(0, 2, score=[0.1, 0.2]), sample(1, 1, depth=[3.0])])
    corpus = Corpus(tmp_path)
    np.testing.assert_array_equal(corpus[0].labels["score"], [0.1, 0.2])
    assert np.isnan(corpus[1].labels["score"]).all()


def test_the_corpus_and_its_writer_travel_to_other_processes(tmp_path):
    target = writer(tmp_path)
    target.write(0, [sample(0)])
    same(pickle.loads(pickle.dumps(Corpus(tmp_path)))[0], sample(0))
    # Another process's half-written shard must survive the arrival of a writer.
    (tmp_path / "shard-000007.partial").write_bytes(b"being written")
    pickle.loads(pickle.dumps(target)).write(1, [sample(1)])
    writer(tmp_path)
    assert (tmp_path / "shard-000007.partial").exists()
    assert len(Corpus(tmp_path)) == 2


def test_same_samples_same_bytes(tmp_path):
    files = [writer(tmp_path / name).write(0, [sample(0), sample(1, 0)]) for name in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_stale_partial_is_removed_and_the_rest_is_kept(tmp_path):
    first = writer(tmp_path)
    first.write(0, [sample(0)])
    (tmp_path / "shard-000001.partial").write_bytes(b"cut off")
    again = writer(tmp_path)
    again.remove_partials()
    assert not list(tmp_path.glob("*.partial"))
    assert again.complete(0)
    assert not again.complete(1)
    assert (again.count(0), again.count(1)) == (1, 0)


def test_a_write_that_fails_leaves_nothing(tmp_path):
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
        ([sample(0), sample(1, shape=(2, 6, 9))], "samples 0 and 1 differ"),
        ([sample(0), sample(1, sampling=None)], "differ"),
        ([sample(0), sample(1, shape=(1, 6, 8))], "differ"),
    ],
)
def test_bad_shards(tmp_path, samples, says):
    with pytest.raises(CorpusError, match=says):
        writer(tmp_path).write(0, samples)
    assert not list(tmp_path.glob("shard*"))


def file_there(folder):
    folder.rmdir()
    folder.write_text("a file")


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda f: writer(f, hash="b" * 64), "another recipe"),
        (lambda f: (f / "thesis.doc").write_text("mine"), "holds files but no corpus"),
        (lambda f: (f / "recipe.yaml").write_text("- a list\n"), "not a corpus header"),
        (lambda f: (f / "recipe.yaml").write_text("a: {"), "not a corpus header"),
        (lambda f: (f / "recipe.yaml").write_bytes(b"\xff\x80"), "not a corpus header"),
        (file_there, "is a file"),
    ],
)
def test_folders_that_are_not_ours(tmp_path, prepare, says):
    folder = tmp_path / "corpus"
    folder.mkdir()
    prepare(folder)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(CorpusError, match=says):
        writer(folder)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def flip(path):
    """Damage the compressed image, leave the file's skeleton."""
    with h5py.File(path) as h5:
        info = h5["signal"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[info.byte_offset + info.size // 2] ^= 0xFF
    path.write_bytes(bytes(content))


def edit(path, change):
    with h5py.File(path, "r+") as h5:
        change(h5)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (flip, "damaged"),
        (lambda p: p.write_bytes(p.read_bytes()[:1000]), "no readable shard"),
        (lambda p: p.write_bytes(p.read_bytes()[:-200]), "no readable shard"),
        (lambda p: p.write_bytes(b""), "no readable shard"),
        (lambda p: p.write_text("not HDF5"), "no readable shard"),
        (lambda p: edit(p, lambda h5: h5.attrs.pop("schema")), "no readable shard"),
        (lambda p: edit(p, lambda h5: h5.pop("labels")), "damaged"),
        (lambda p: edit(p, lambda h5: h5.pop("index")), "damaged"),
        (lambda p: edit(p, lambda h5: h5.attrs.__setitem__("schema", SCHEMA + 1)), "upgrade"),
        (lambda p: edit(p, lambda h5: h5.attrs.__setitem__("recipe_hash", "c" * 64)), "another recipe"),
    ],
)
def test_bad_shard_files_are_named(tmp_path, damage, says):
    path = writer(tmp_path).write(0, [sample(0)])
    damage(path)
    with pytest.raises(CorpusError, match=says) as caught:
        Corpus(tmp_path)[0]
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda f: None, "no recipe.yaml"),
        (lambda f: writer(f), "no finished shard"),
        (lambda f: (f / "recipe.yaml").write_text("kind: simulated"), "not a corpus header"),
        (
            lambda f: (f / "recipe.yaml").write_text("!!python/object/apply:os.getcwd []"),
            "not a corpus header",
        ),
        (lambda f: (f / "recipe.yaml").write_bytes(b"\xff\x80"), "not a corpus header"),
    ],
)
def test_folders_that_are_no_corpus(tmp_path, prepare, says):
    prepare(tmp_path)
    with pytest.raises(CorpusError, match=says):
        Corpus(tmp_path)
