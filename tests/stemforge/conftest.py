"""Small corpora, written and compared."""

import numpy as np
import pytest

from stemforge import Annotations, CorpusWriter, Sample, Structure

HASH = "a" * 64


def _sample(index, atoms=2, shape=(2, 6, 8), sampling=0.3, structure=True, metadata=None, **columns):
    rng = np.random.default_rng(index)
    columns = columns or {"element": np.full(atoms, 78, np.uint8), "z_angstrom": rng.normal(size=atoms)}
    n = 3 + index
    kept = Structure(
        numbers=(np.arange(n) % 100).astype(np.uint8),
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
        metadata={"name": f"s{index}", "drawn": {"focus": 1.5}, "unit": "Å"} | (metadata or {}),
        structure=kept if structure else None,
    )


def _writer(folder, recipe=None, **options):
    recipe = {"name": "demo", "value": 1.5} | (recipe or {})
    return CorpusWriter(folder, recipe, options.pop("hash", HASH), **options)


def _same(a, b):
    for name in ("index", "sampling", "channels", "metadata"):
        assert getattr(a, name) == getattr(b, name)
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


@pytest.fixture(scope="session")
def sample():
    """Function that makes a sample whose content depends on its index."""
    return _sample


@pytest.fixture(scope="session")
def writer():
    """Function that opens a writer for a folder."""
    return _writer


@pytest.fixture(scope="session")
def same():
    """Function that compares two samples to the last bit."""
    return _same


@pytest.fixture
def corpus_folder(tmp_path, writer, sample):
    """A corpus of five shards with three samples each."""
    target = writer(tmp_path / "corpus", {"num_samples": 15, "shard_size": 3})
    for shard in range(5):
        target.write(shard, [sample(i, i % 4) for i in range(3 * shard, 3 * shard + 3)])
    return target.folder
