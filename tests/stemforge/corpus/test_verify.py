"""What verify finds, and what it leaves alone."""

import shutil

import numpy as np
import pytest

from stemforge import Corpus, CorpusError, Fault, verify_corpus
from stemforge.__main__ import main


def kinds(folder):
    return {(fault.path.name, fault.kind) for fault in verify_corpus(folder)}


def flip(path, place=-50):
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)


def foreign(folder, writer, sample):
    other = writer(folder.parent / "other", hash="b" * 64).write(0, [sample(12), sample(13), sample(14)])
    shutil.copy(other, folder / "shard-000004.h5")


def edit_recipe(old, new):
    def change(folder, *_):
        path = folder / "recipe.yaml"
        path.write_text(path.read_text().replace(old, new))

    return change


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (lambda f, *_: None, set()),
        (lambda f, *_: flip(f / "shard-000001.h5"), {("shard-000001.h5", "damaged"), ("corpus", "missing")}),
        (
            lambda f, *_: flip(f / "shard-000001.h5", 3),
            {("shard-000001.h5", "damaged"), ("corpus", "missing")},
        ),
        (lambda f, *_: (f / "shard-000004.h5").unlink(), {("corpus", "missing")}),
        (foreign, {("shard-000004.h5", "foreign"), ("corpus", "missing")}),
        (
            lambda f, *_: shutil.copy(f / "shard-000001.h5", f / "shard-000000.h5"),
            {("shard-000000.h5", "duplicate"), ("corpus", "missing")},
        ),
        (
            lambda f, *_: shutil.copy(f / "shard-000001.h5", f / "shard-000009.h5"),
            {("shard-000009.h5", "duplicate")},
        ),
        (
            lambda f, *_: shutil.copy(f / "shard-000001.h5", f / "shard-000001 (copy).h5"),
            {("shard-000001 (copy).h5", "foreign")},
        ),
        (
            lambda f, *_: (f / "shard-000007.0a1b.partial").write_bytes(b"half"),
            {("shard-000007.0a1b.partial", "partial")},
        ),
        (lambda f, *_: (f / "thesis.doc").write_text("mine"), {("thesis.doc", "foreign")}),
        (lambda f, *_: (f / "sub").mkdir(), {("sub", "foreign")}),
        (lambda f, *_: (f / "audit.json").write_text("{}"), set()),
        (lambda f, *_: (f / "recipe.yaml").unlink(), {("recipe.yaml", "header")}),
        (lambda f, *_: (f / "recipe.yaml").write_bytes(b"\xff"), {("recipe.yaml", "header")}),
        (edit_recipe("num_samples: 15", "num_samples: 16"), {("corpus", "missing")}),
        (edit_recipe("num_samples: 15", "num_samples: 14"), {("recipe.yaml", "header")}),
        (edit_recipe("num_samples: 15", "num_samples: 999999999999999"), {("corpus", "missing")}),
        (edit_recipe("num_samples: 15", "num_samples: 99999999999999999999"), {("recipe.yaml", "header")}),
        (edit_recipe("num_samples: 15", "num_samples: many"), {("recipe.yaml", "header")}),
        (edit_recipe("shard_size: 3", "shard_size: 0"), {("recipe.yaml", "header")}),
        (edit_recipe("value: 1.5", "2001-01-01: 1.5"), {("recipe.yaml", "header")}),
        (edit_recipe("value: 1.5", "value: 2001-99-99"), {("recipe.yaml", "header")}),
        (edit_recipe("value: 1.5", "value: &a [*a]"), {("recipe.yaml", "header")}),
        (edit_recipe("value: 1.5", "value: 1.7"), {(f"shard-00000{i}.h5", "header") for i in range(5)}),
        (edit_recipe("simulated", "measured"), {(f"shard-00000{i}.h5", "header") for i in range(5)}),
    ],
)
def test_faults(corpus_folder, writer, sample, harm, found):
    harm(corpus_folder, writer, sample)
    # Of a header that differs from every shard nothing can be said to be missing or not.
    assert {
        one for one in kinds(corpus_folder) if found == set() or one[1] != "missing" or one in found
    } == found
    assert all(fault.problem and fault.remedy for fault in verify_corpus(corpus_folder))


def test_what_is_missing_is_named(corpus_folder):
    for shard in (1, 2, 4):
        (corpus_folder / f"shard-00000{shard}.h5").unlink()
    (fault,) = verify_corpus(corpus_folder)
    assert fault == Fault(
        "missing",
        corpus_folder,
        "samples 3–8, 12–14 are missing (shards 1–2, 4)",
        "simulate again with the same recipe to make them",
    )


def test_what_is_missing_of_more_samples_than_fit_into_memory(corpus_folder):
    edit_recipe("num_samples: 15", "num_samples: 900000000000000")(corpus_folder)
    (corpus_folder / "shard-000001.h5").unlink()
    (fault,) = verify_corpus(corpus_folder)
    assert fault.problem == ("samples 3–5, 15–899999999999999 are missing (shards 1, 5–299999999999999)")


def test_samples_that_an_extended_corpus_lacks(corpus_folder, writer, sample):
    recipe = {"num_samples": 18, "shard_size": 3}
    target = writer(corpus_folder, recipe)
    (fault,) = verify_corpus(corpus_folder)
    assert fault.problem == "samples 15–17 are missing (shard 5)"
    target.write(5, [sample(i) for i in (15, 16, 17)])
    assert verify_corpus(corpus_folder) == []
    writer(corpus_folder, {"num_samples": 3, "shard_size": 3})  # a smaller number takes nothing away
    assert verify_corpus(corpus_folder) == []


def test_a_rotten_shard_that_this_process_found_sound(corpus_folder, monkeypatch):
    """The disk gives other bytes, file times are as they were."""
    corpus = Corpus(corpus_folder)
    assert np.isfinite(corpus[4].signal).all()
    monkeypatch.setattr("hashlib.file_digest", lambda *_: type("D", (), {"hexdigest": lambda self: "0"})())
    assert {fault.kind for fault in verify_corpus(corpus_folder)} == {"damaged", "missing"}
    with pytest.raises(CorpusError):
        corpus[4]


def test_the_command(corpus_folder, capsys):
    assert main(["verify", str(corpus_folder)]) == 0
    captured = capsys.readouterr()
    assert "sound" in captured.out
    flip(corpus_folder / "shard-000003.h5")
    (corpus_folder / "thesis.doc").write_text("mine")
    assert main(["verify", str(corpus_folder), "--quiet"]) == 1
    captured = capsys.readouterr()
    for word in ("shard-000003.h5", "damaged", "thesis.doc", "missing", "simulate again"):
        assert word in " ".join(captured.out.split())
    assert captured.err == ""
    assert (corpus_folder / "shard-000003.h5").exists()
    assert main(["verify", str(corpus_folder), "--remove-damaged", "--quiet"]) == 1
    assert not (corpus_folder / "shard-000003.h5").exists()
    assert (corpus_folder / "thesis.doc").exists()
    assert {fault.kind for fault in verify_corpus(corpus_folder)} == {"foreign", "missing"}


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_no_corpus_at_all(tmp_path, capsys, name):
    (tmp_path / "empty").mkdir()
    assert main(["verify", str(tmp_path / name)]) == 2
    assert name in capsys.readouterr().err


def test_what_may_not_be_read_is_not_removed(corpus_folder):
    path = corpus_folder / "shard-000002.h5"
    path.unlink()
    path.mkdir()  # as root reads everything, a folder stands for a file without permission
    assert ("shard-000002.h5", "unreadable") in kinds(corpus_folder)
    assert main(["verify", str(corpus_folder), "--remove-damaged", "--quiet"]) == 1
    assert path.exists()
