"""One shard: any damage is found before HDF5 sees a byte, and a full disk leaves nothing behind."""

import builtins
import errno
import io
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from stemforge import Corpus, CorpusError, WriteError, verify_corpus
from stemforge.corpus.shard import SCHEMA, check_shard, encode_shard, read_header

LONG = {"long": "x" * 40}


@pytest.fixture(scope="module")
def shards(tmp_path_factory, sample, writer):
    """Shards of different content, with the samples in each."""
    made = {
        "plain": [sample(i) for i in range(2)],
        "no labels, no structure": [sample(i, 0, structure=False) for i in range(3)],
        "many": [sample(i, 1, shape=(1, 4, 4)) for i in range(30)],  # a user block of 1024 bytes
        "gaps": [sample(i, metadata=LONG) for i in (0, 2, 3, 7)],
        "uncalibrated": [sample(0, 7, shape=(1, 9, 5), sampling=None)],
    }
    folder = tmp_path_factory.mktemp("shards")
    return {name: (writer(folder / name).write(0, samples), samples) for name, samples in made.items()}


def assert_refused(path):
    """Reading raises, and verify names the file."""
    assert "damaged" in [fault.kind for fault in verify_corpus(path.parent) if fault.path == path]
    with pytest.raises(CorpusError, match=path.name):
        Corpus(path.parent)[0]


@pytest.mark.parametrize("name", ["plain", "no labels, no structure", "many", "gaps", "uncalibrated"])
@pytest.mark.parametrize("kind", ["flip", "cut"])
def test_every_flip_and_every_cut_is_found(shards, same, name, kind):
    """200 cases in all: 20 for each shard and kind."""
    path, samples = shards[name]
    sound = path.read_bytes()
    block = read_header(path).userblock
    rng = np.random.default_rng([len(name), kind == "cut"])
    # Half of the places in the user block and HDF5's first structures, half anywhere.
    places = np.concatenate([rng.integers(block + 300, size=10), rng.integers(len(sound), size=10)])
    corpus = Corpus(path.parent)
    for place in places:
        content = bytearray(sound)
        if kind == "flip":
            content[place] ^= int(rng.integers(1, 256))
        path.write_bytes(content[:place] if kind == "cut" else content)
        assert_refused(path)
        # A corpus that was opened before.
        with pytest.raises(CorpusError, match=path.name):
            corpus[0]
    path.write_bytes(sound)
    for read, made in zip(corpus, samples, strict=True):
        same(read, made)
    assert {fault.kind for fault in verify_corpus(path.parent)} <= {"missing"}  # numbers in the gaps


def test_what_is_appended_is_found(shards):
    path, _ = shards["plain"]
    sound = path.read_bytes()
    path.write_bytes(sound + b"\0")
    assert_refused(path)
    path.write_bytes(sound)


def rewritten(header, **changes):
    """A user block with changed entries and a right checksum."""
    content = json.loads(header)
    del content["crc32"]
    text = json.dumps(content | changes, separators=(",", ":")).encode()
    return (text[:-1] + b',"crc32":"%08x"}' % zlib.crc32(text)).ljust(len(header) - 1) + b"\n"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": SCHEMA + 1}, "upgrade"),
        ({"recipe_hash": "c" * 64}, "another recipe"),
        ({"index": [[5, 1]]}, "replaced"),
        ({"index": [[0, 2]]}, "no readable shard"),
        ({"index": []}, "no readable shard"),
        ({"index": "x"}, "no readable shard"),
        ({"index": [[10**30, 1]]}, "no readable shard"),
        ({"index": [[-3, 1]]}, "no readable shard"),
        ({"magic": "x"}, "no readable shard"),
        ({"length": -1}, "no readable shard"),
        ({"sha256": "0" * 64}, "not those that were written"),
        ({"structures": None}, "no readable shard"),
        ({"more": 1}, "no readable shard"),
    ],
)
def test_headers_that_were_made_up(tmp_path, writer, sample, change, says):
    path = writer(tmp_path).write(0, [sample(0)])
    content = path.read_bytes()
    size = read_header(path).userblock
    path.write_bytes(rewritten(content[:size], **change) + content[size:])
    with pytest.raises(CorpusError, match=says) as caught:
        Corpus(tmp_path)[0]
    assert str(path) in str(caught.value)
    assert verify_corpus(tmp_path) != []


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "empty"), (b"not HDF5", "cut off"), (b"\n" * 9000, "header"), (b"{" * 5_000_000, "header")],
)
def test_files_that_are_no_shard(tmp_path, writer, sample, content, says):
    path = writer(tmp_path).write(0, [sample(0)])
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=rf"{path.name}: is no readable shard.*{says}.*again"):
        Corpus(tmp_path)


def test_a_shard_of_an_older_stemforge(tmp_path, writer, sample):
    path = writer(tmp_path).write(0, [sample(0)])
    with h5py.File(path, "w") as h5:
        h5.attrs["schema"] = 1
    with pytest.raises(CorpusError, match="older stemforge; simulate again"):
        Corpus(tmp_path)
    assert [fault.kind for fault in verify_corpus(tmp_path)] == ["schema"]


def test_hdf5_reads_a_shard_as_any_other_file(shards):
    path, samples = shards["plain"]
    with h5py.File(path) as h5:
        assert h5.userblock_size == read_header(path).userblock == 512
        np.testing.assert_array_equal(h5["signal"][1], samples[1].signal)
    assert read_header(shards["many"][0]).userblock == 1024
    assert read_header(shards["gaps"][0]).indices.tolist() == [0, 2, 3, 7]


def test_a_shard_is_hashed_once_until_it_is_touched(tmp_path, writer, sample, monkeypatch):
    path = writer(tmp_path).write(0, [sample(0)])
    hashed = []
    digest = sys.modules["hashlib"].file_digest
    monkeypatch.setattr("hashlib.file_digest", lambda *a: hashed.append(1) or digest(*a))
    for _ in range(3):
        check_shard(path)
    assert len(hashed) == 1
    check_shard(path, anew=True)
    assert len(hashed) == 2
    content = path.read_bytes()
    stat = path.stat()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as a copy that keeps times
    with pytest.raises(CorpusError, match="not those that were written"):
        check_shard(path)


class FullDisk(io.FileIO):
    """Takes 1000 bytes."""

    def __init__(self, path, mode, code):
        super().__init__(path, mode.replace("b", ""))
        self.code = code

    def write(self, content):
        super().write(content[:1000])
        raise OSError(self.code, os.strerror(self.code))


@pytest.mark.parametrize(
    ("code", "says"), [(errno.ENOSPC, "disk is full"), (errno.EDQUOT, "quota"), (errno.EIO, "nput/output")]
)
def test_a_full_disk_leaves_a_corpus_that_goes_on(tmp_path, writer, sample, same, monkeypatch, code, says):
    target = writer(tmp_path)
    target.write(0, [sample(0)])
    opened = Path.open

    def opening(path, mode="r", **options):
        if mode == "xb":
            return FullDisk(path, mode, code)
        return opened(path, mode, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", opening)
        with pytest.raises(WriteError, match=f"shard-000001.*{says}.*same command again") as caught:
            target.write(1, [sample(1)])
        assert isinstance(caught.value.__cause__, OSError)
        with pytest.raises(WriteError, match=f"recipe.yaml.*{says}"):
            writer(tmp_path / "other")
        assert list((tmp_path / "other").iterdir()) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other", "recipe.yaml", "shard-000000.h5"]
    assert (target.count(0), target.count(1)) == (1, 0)
    target.write(1, [sample(1)])
    for i, read in enumerate(Corpus(tmp_path)):
        same(read, sample(i))


LIMITED = """
import resource, sys
import numpy as np
from stemforge import Annotations, Corpus, CorpusWriter, Sample, WriteError
writer = CorpusWriter(sys.argv[1], {"name": "demo"}, "0" * 64)
noise = np.random.default_rng(0).random((1, 200, 200), "f4")
def write(shard, size):
    writer.write(shard, [Sample(shard, noise[:, :size], 0.3, ("HAADF",), Annotations([]))])
write(0, 20)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
try:
    write(1, 200)
except WriteError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(sorted(p.name for p in writer.folder.iterdir()))
write(1, 200)
print(len(list(Corpus(sys.argv[1]))))
"""


def test_a_limit_of_the_system_on_files(tmp_path):
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "corpus")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    message, names, number = result.stdout.splitlines()
    assert "shard-000001.h5: cannot be written" in message
    assert "ulimit -f" in message
    assert names == "['recipe.yaml', 'shard-000000.h5']"
    assert number == "2"


def test_to_open_a_corpus_only_headers_are_read(tmp_path, writer, sample, monkeypatch):
    """2000 shards: no more than one read of 4096 bytes each, nothing of HDF5; a damaged body is met when read."""
    target = writer(tmp_path)
    one = target.write(0, [sample(0)])
    block, body = one.read_bytes()[:512], one.read_bytes()[512:]
    for shard in range(1, 2000):
        target.path(shard).write_bytes(rewritten(block, index=[[shard, 1]]) + body[:-1] + b"\0")
    read = []
    opened = Path.open

    class Counted(io.FileIO):
        def read(self, size=-1):
            read.append(size)
            return super().read(size)

    def opening(path, mode="r", **options):
        return Counted(path, "r") if mode == "rb" else opened(path, mode, **options)

    monkeypatch.setattr(Path, "open", opening)
    monkeypatch.setattr(h5py, "File", None)
    monkeypatch.setattr(builtins, "open", None)
    corpus = Corpus(tmp_path)
    assert len(corpus) == 2000
    assert read == [4096] * 2000
    monkeypatch.undo()
    assert corpus[0].index == 0
    with pytest.raises(CorpusError, match=r"shard-001999\.h5.*not those that were written"):
        corpus[-1]


def test_bytes_do_not_depend_on_when_python_drops_tables(sample, monkeypatch):
    """Tables that are kept open get their chunks' places in the file when they are dropped, in any order."""
    samples = [sample(0), sample(1)]
    settings = {"kind": "simulated", "recipe": {"name": "x"}, "recipe_hash": "0" * 64}
    expected = encode_shard(samples, **settings)
    kept = []
    create = h5py.Group.create_dataset

    def keeping(group, *args, **kwargs):
        kept.append(create(group, *args, **kwargs))
        return kept[-1]

    monkeypatch.setattr(h5py.Group, "create_dataset", keeping)
    assert encode_shard(samples, **settings) == expected
