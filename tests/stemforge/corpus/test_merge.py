"""Several corpora as one."""

import pytest

from stemforge import Corpus, CorpusError, merge_corpora, verify_corpus


@pytest.fixture
def made(tmp_path, writer, sample):
    """Function that writes a corpus of some samples."""

    def make(name, indices=range(4), recipe=None, **options):
        kind = options.pop("kind", "simulated")
        target = writer(tmp_path / name, {"name": name} | (recipe or {}), hash=name * 64, kind=kind)
        for shard, index in enumerate(indices):
            target.write(shard, [sample(index, **options)])
        return Corpus(tmp_path / name)

    return make


def test_all_samples_of_several(tmp_path, made, same):
    recipe = {"degradation": {"dose": 5}, "seed": 3}
    parts = [made("a", recipe=recipe), made("b", range(30), recipe=recipe | {"seed": 4})[5:25]]
    merged = merge_corpora(parts, tmp_path / "merged")
    expected = [s for part in parts for s in part]
    assert len(merged) == 24
    for number, (read, origin) in enumerate(zip(merged, expected, strict=True)):
        source = read.metadata["source"]
        assert (read.index, source["index"]) == (number, origin.index)
        read.metadata.pop("source")
        same(read, type(origin)(**{**vars(origin), "index": number}))
    # What readers look for, and the recipes as they were.
    assert merged.recipe["degradation"] == {"dose": 5}
    assert merged.recipe["name"] == "a + b"
    assert [s["recipe"] for s in merged.recipe["sources"]] == [part.recipe for part in parts]
    assert merged[5].metadata["source"]["recipe_hash"] == "b" * 64
    assert verify_corpus(merged.folder) == []
    # Structures are recognised: sample 5 of b shows what sample 5 of any corpus shows.
    assert set(merged.structures[4:]) == set(parts[1].structures)


def test_merging_again(tmp_path, made):
    once = [merge_corpora([made("a"), made("b")], tmp_path / "m") for _ in range(2)]
    assert len(once[1]) == 8
    with pytest.raises(CorpusError, match="another recipe"):
        merge_corpora([made("a")], tmp_path / "m")
    twice = merge_corpora([once[0], made("c")], tmp_path / "mm")
    assert [s.metadata["source"]["recipe_hash"][0] for s in twice] == list("aaaabbbbcccc")


def test_images_of_several_sizes_and_labels(tmp_path, made, same):
    parts = [
        made("a", shape=(1, 5, 5)),
        made("b", shape=(1, 6, 4), atoms=1, score=[0.5]),
        made("c", sampling=None),
    ]
    merged = merge_corpora([parts[0], parts[1]], tmp_path / "merged")
    assert [s.signal.shape for s in merged] == [(1, 5, 5)] * 4 + [(1, 6, 4)] * 4
    assert set(merged[0].labels.columns) == {"element", "z_angstrom"}
    assert set(merged[4].labels.columns) == {"score"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "measured"}, "merge corpora of one kind"),
        ({"shape": (1, 6, 8)}, "has channels HAADF, MAADF"),
        ({"recipe": {"degradation": {"dose": 2}}}, "'degradation'"),
        ({"recipe": {"reference_dose": 2}}, "'reference_dose'"),
    ],
)
def test_corpora_that_do_not_fit(tmp_path, made, change, says):
    parts = [made("a"), made("b", **change)]
    with pytest.raises(CorpusError, match=says):
        merge_corpora(parts, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_samples_given_twice_and_none(tmp_path, made):
    corpus = made("a")
    with pytest.raises(CorpusError, match="sample 2 is given twice"):
        merge_corpora([corpus[:3], corpus[2:]], tmp_path / "merged")
    for nothing in ([], [corpus[:0]]):
        with pytest.raises(CorpusError, match="nothing to merge"):
            merge_corpora(nothing, tmp_path / "merged")
    with pytest.raises(CorpusError, match="labels_only"):
        merge_corpora([corpus.labels_only()], tmp_path / "merged")
    assert len(merge_corpora([corpus[2:], corpus[:2]], tmp_path / "merged")) == 4
