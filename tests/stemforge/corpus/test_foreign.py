"""Shards made by somebody else: sound by their hash, and still opened elsewhere first."""

import hashlib
from dataclasses import replace

import h5py
import numpy as np
import pytest

from stemforge import Annotations, Corpus, CorpusError, CorpusWriter, Sample
from stemforge.corpus import foreign
from stemforge.corpus.shard import read_header


@pytest.fixture
def shard(tmp_path):
    """One shard of a corpus with one sample; the values are new for each test."""
    image = np.random.default_rng().random((1, 8, 8), dtype=np.float32)
    writer = CorpusWriter(tmp_path / "corpus", {"name": "demo"}, "0" * 64)
    return writer.write(0, [Sample(0, image, 0.3, ("HAADF",), Annotations([[2, 3]]))])


def rewrite(shard, change):
    """Change the HDF5 part of a shard, and make the hash that of the changed bytes."""
    header, content = read_header(shard), shard.read_bytes()
    part = shard.parent / "part"
    part.write_bytes(content[header.userblock :])
    with h5py.File(part, "r+") as file:
        change(file)
    body = part.read_bytes()
    part.unlink()
    header = replace(header, length=len(body), sha256=hashlib.sha256(body).hexdigest())
    shard.write_bytes(header.encode() + body)


def test_what_was_opened_once_is_remembered(shard, monkeypatch):
    calls = []
    monkeypatch.setattr(foreign, "in_child", lambda *arguments: calls.append(arguments))
    header = read_header(shard)
    for _ in range(2):
        foreign.check_foreign(shard, header.sha256)
    assert len(calls) == 1
    foreign._remembered.cache_clear()  # as in another process
    foreign.check_foreign(shard, header.sha256)
    assert len(calls) == 1


def link_elsewhere(file):
    file["more"] = h5py.ExternalLink("/etc/passwd", "/")


def link(file):
    file["more"] = h5py.SoftLink("/signal")


def lie_elsewhere(file):
    file.create_dataset("more", (4,), "u1", external=[("/etc/passwd", 0, 4)])


def lie_virtually(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "data", (4,))
    file.create_virtual_dataset("more", layout)


@pytest.mark.parametrize("change", [link_elsewhere, link, lie_elsewhere, lie_virtually])
def test_nothing_leads_out_of_a_shard(shard, change):
    rewrite(shard, change)
    with pytest.raises(CorpusError, match=r"'more'.*ask where it comes from") as caught:
        Corpus(shard.parent)[0]
    assert str(shard) in str(caught.value)


def test_a_changed_shard_without_links_is_read(shard):
    rewrite(shard, lambda file: file.attrs.update(more=1))
    assert len(Corpus(shard.parent)[0].labels) == 1
