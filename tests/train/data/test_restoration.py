import dataclasses
import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from stemforge.errors import CorpusError, InputError
from stemforge.train.data.batches import every_batch
from stemforge.train.data.idpc import shrink
from stemforge.train.data.published import (
    PublishedPair,
    aligned,
    cut_pair,
    displacement,
    read_published_pairs,
)
from stemforge.train.data.restoration import CorpusSource, PublishedSource, RestorationPairs, open_sources
from stemforge.train.divaesr.recipe import DIVAESRRecipe
from stemforge.train.unet.recipe import UNetRecipe

PAIRS = [f"training/molecule_{i}_r{r}.png" for i in range(3) for r in (0, 30)]
PAIRS += [f"validation/molecule_{i}_r60.png" for i in range(2)]  # as in conftest
RECIPE = DIVAESRRecipe(per_image=2, images_per_batch=2, validation=0.3)
PARTS = {"train": [0, 1], "validation": [2]}


def _bytes(data):
    return [tuple(t.numpy().tobytes() for t in batch) for batch in data]


def _sources(kind, corpus, path):
    return [CorpusSource(corpus, RECIPE, PARTS)] if kind == "corpus" else [PublishedSource(path, RECIPE)]


@pytest.mark.parametrize("kind", ["corpus", "published"])
@pytest.mark.parametrize("part", ["train", "validation"])
def test_batches(kind, part, idpc_corpus, pairs_zip):
    data = RestorationPairs(_sources(kind, idpc_corpus, pairs_zip), part, RECIPE)
    batches = list(data)
    assert len(batches) == len(data) > 0
    for noisy, clean, target in batches:
        assert noisy.shape == clean.shape == (len(target), 1, 64, 64)
        assert target.shape[1:] == (1, 128, 128)
        for images in (noisy, clean, target):
            assert images.dtype == torch.float32
            assert 0 <= images.min() <= images.max() <= 1
    assert _bytes(data) == _bytes(data)
    data.epoch = 1
    assert (_bytes(data) == _bytes(RestorationPairs(data.sources, part, RECIPE))) == (part == "validation")


def test_sources_can_be_mixed(idpc_corpus, pairs_zip):
    sources = [*_sources("corpus", idpc_corpus, None), *_sources("published", None, pairs_zip)]
    data = RestorationPairs(sources, "train", RECIPE)
    assert [item.key for item in data.items] == [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]
    assert sum(len(noisy) for noisy, _, _ in data) == 10


def test_a_corpus_is_split_by_sample(idpc_corpus):
    source = CorpusSource(idpc_corpus, RECIPE, PARTS)
    assert (source.groups("train"), source.groups("validation")) == ([0, 1], [2])


@pytest.mark.parametrize("target", ["atoms", "clean"])
def test_clean_patch_and_target_show_the_same_places(make_sample, fake_corpus, target):
    corpus = fake_corpus([make_sample(i, size=128) for i in range(2)])
    recipe = RECIPE.model_copy(update={"target": target, "per_image": 8, "clean_share": 1.0})
    rng = np.random.default_rng(0)
    noisy, clean, targets = CorpusSource(corpus, recipe, PARTS).patches(0, 0, rng, "train")
    likeness = []
    for n, c, t in zip(noisy, clean, targets, strict=True):
        if c.max() < 0.9:
            continue  # no atom on this patch
        here = shrink(t)
        likeness.append([np.corrcoef(here.ravel(), image.ravel())[0, 1] for image in (n, c)])
        shifted = np.corrcoef(np.roll(here, 3, axis=1).ravel(), c.ravel())[0, 1]
        assert likeness[-1][1] > shifted
    assert len(likeness) > 3
    assert np.min(likeness) > (0.6 if target == "atoms" else 0.9)


def test_a_corpus_without_structures_does_for_clean_targets_only(make_sample, fake_corpus):
    corpus = fake_corpus([dataclasses.replace(make_sample(i), structure=None) for i in range(2)])
    with pytest.raises(CorpusError, match="lacks structures"):
        CorpusSource(corpus, RECIPE, PARTS)
    CorpusSource(corpus, RECIPE.replace(target="clean"), PARTS)


def test_an_image_without_a_single_electron_keeps_the_number_of_batches(idpc_corpus):
    recipe = RECIPE.model_copy(update={"doses": (1e-12, 1e-12), "clean_share": 0.0})
    batches = list(RestorationPairs([CorpusSource(idpc_corpus, recipe, PARTS)], "train", recipe))
    assert [len(noisy) for noisy, _, _ in batches] == [2]


def test_published_pairs_are_split_as_published_or_by_structure(pairs_zip):
    train, validation = (read_published_pairs(pairs_zip, part) for part in ("train", "validation"))
    assert [p.name for p in (*train, *validation)] == PAIRS
    parts = [read_published_pairs(pairs_zip, p, split="structure") for p in ("train", "validation")]
    numbers = [{p.name.split("_")[1] for p in part} for part in parts]
    assert numbers == [{"0", "1"}, {"2"}]
    assert sum(map(len, parts)) == len(PAIRS)


def test_pairs_whose_folders_name_no_parts_are_split_by_structure(tmp_path, pairs_zip):
    """As in the authors' ``trainval.zip``."""
    path = tmp_path / "trainval.zip"
    with zipfile.ZipFile(pairs_zip) as made, zipfile.ZipFile(path, "w") as archive:
        for name in [f"molecule_{i}_r{r}.png" for i in range(3) for r in (0, 30)]:
            archive.writestr(f"input/{name}", made.read(f"training/LR_original/{name}"))
            archive.writestr(f"label/{name}", made.read(f"training/HR/{name}"))
    train, validation = (read_published_pairs(path, part) for part in ("train", "validation"))
    assert [{p.name.split("_")[1] for p in part} for part in (train, validation)] == [{"0", "1"}, {"2"}]
    originals = {p.name.split("/")[1]: p for p in read_published_pairs(pairs_zip, "train")}
    for pair in (*train, *validation):
        original = originals[pair.name.split("/")[1]]
        assert (pair.noisy == original.noisy).all()
        assert (pair.target == original.target).all()


def test_every_pair_is_shown_once_an_epoch(pairs_zip):
    data = RestorationPairs([PublishedSource(pairs_zip, RECIPE)], "train", RECIPE)
    for data.epoch in (0, 1):
        grey = sorted(round(float(t.max()) * 255) for _, _, targets in data for t in targets)
        assert grey == [200, 201, 202, 203, 204, 205]


def test_a_pair_is_cut_alike(make_zip):
    path = make_zip("large.zip", side=150)
    pair = read_published_pairs(path, "train")[0]
    noisy, clean, target = cut_pair(pair, None)
    np.testing.assert_array_equal(target, pair.target[11:139, 11:139].astype("float32") / 255)
    np.testing.assert_array_equal(clean, shrink(target))
    assert np.corrcoef(noisy.ravel(), clean.ravel())[0, 1] > 0.5
    for seed in range(8):
        noisy, clean, target = cut_pair(pair, np.random.default_rng(seed))
        assert np.corrcoef(noisy.ravel(), clean.ravel())[0, 1] > 0.5
        np.testing.assert_allclose(clean, shrink(target))


def _png(shape):
    stream = io.BytesIO()
    Image.fromarray(np.zeros(shape, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def _odd_pair(target, noisy):
    return {"training/HR/molecule_9_r0.png": target, "training/LR_original/molecule_9_r0.png": noisy}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"side": 100}, "100 × 100 pixels"),
        ({"names": PAIRS[:6]}, "no pairs for validation"),
        ({"names": []}, "holds no pairs"),
        ({"files": _odd_pair(b"no image", b"no image")}, r"molecule_9_r0\.png is no readable PNG"),
        ({"files": _odd_pair(_png((128, 130)), _png((128, 128)))}, "has images of"),
        ({"files": _odd_pair(bytes(5 << 20), _png((128, 128)))}, "no image here is that large"),
        ({"files": _odd_pair(_png((4000, 4000)), _png((4000, 4000)))}, "4000 × 4000 pixels"),
    ],
)
def test_bad_archives(make_zip, options, message):
    with pytest.raises(InputError, match=rf"bad\.zip.*{message}"):
        PublishedSource(make_zip("bad.zip", **options), RECIPE)


def test_an_image_without_partner_is_left_out(make_zip):
    path = make_zip(files={"training/LR_original/molecule_9_r0.png": _png((128, 128))})
    assert len(read_published_pairs(path, "train")) == 6


@pytest.mark.parametrize("keep", [0, 100, -30])
def test_damaged_archives(tmp_path, pairs_zip, keep):
    path = tmp_path / "cut.zip"
    path.write_bytes(pairs_zip.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"cut\.zip"):
        open_sources([path], RECIPE)
    with pytest.raises(InputError, match=r"none\.zip: no such file"):
        open_sources([tmp_path / "none.zip"], RECIPE)


def test_a_damaged_entry(tmp_path, pairs_zip):
    content = bytearray(pairs_zip.read_bytes())
    at = content.index(b"IDAT") + 40
    content[at : at + 20] = bytes(20)
    path = tmp_path / "rot.zip"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"rot\.zip"):
        open_sources([path], RECIPE)


@pytest.mark.parametrize("way", [(0.0, 0.0), (1.5, -0.7), (-2.3, 0.4)])
def test_images_are_moved_onto_their_labels(way):
    from scipy import ndimage

    rng = np.random.default_rng(0)
    label = ndimage.gaussian_filter(rng.normal(size=(128, 128)), 2)
    label = (label - label.min()) / np.ptp(label) * 255
    image = ndimage.shift(label, way, mode="nearest") + rng.normal(0, 20, label.shape)
    pair = PublishedPair("x", image.clip(0, 255).astype("uint8"), label.astype("uint8"))
    np.testing.assert_allclose(displacement(pair), -np.array(way), atol=0.25)
    np.testing.assert_allclose(displacement(aligned(pair)), 0, atol=0.25)


def test_a_label_without_contrast_moves_nothing():
    blank = PublishedPair("x", np.zeros((128, 128), "uint8"), np.zeros((128, 128), "uint8"))
    assert displacement(blank).tolist() == [0, 0]


@pytest.mark.parametrize("scale", [1, 2])
def test_pairs_at_both_scales(scale):
    rng = np.random.default_rng(0)
    pair = PublishedPair("x", *rng.integers(0, 256, (2, 140, 130), dtype="uint8"))
    noisy, clean, target = cut_pair(pair, None, scale=scale)
    assert noisy.shape == clean.shape == (128 // scale, 128 // scale)
    assert target.shape == (128, 128)
    still = [cut_pair(pair, np.random.default_rng(i), turn=False, flip=False)[2] for i in range(3)]
    corners = [pair.target[t : t + 128, u : u + 128] / np.float32(255) for t in range(13) for u in range(3)]
    assert all(any(np.array_equal(cut, corner) for corner in corners) for cut in still)


def test_archives_show_atoms_and_not_signals(pairs_zip):
    with pytest.raises(InputError, match="target: atoms"):
        open_sources([pairs_zip], UNetRecipe())
    assert open_sources([pairs_zip], UNetRecipe(target="atoms", featureless_share=0))[1] == []


def test_patches_of_two_sizes_are_not_mixed(pairs_zip, corpus_by_name):
    recipe = UNetRecipe(target="atoms", featureless_share=0)
    with pytest.raises(InputError, match="64 pixels along a side and those of corpora 128"):
        open_sources([pairs_zip, "corpus"], recipe)
    sources, _ = open_sources([pairs_zip, "corpus"], RECIPE)
    assert len(sources) == 2


def test_every_batch_is_yielded_in_any_process(idpc_corpus, monkeypatch):
    data = RestorationPairs([CorpusSource(idpc_corpus, RECIPE, PARTS)], "train", RECIPE)
    alone = [batch[0].numpy().tobytes() for batch in every_batch(data)]
    monkeypatch.setattr("stemforge.train.data.batches._ranks", lambda: (1, 2))
    assert [batch[0].numpy().tobytes() for batch in every_batch(data)] == alone
    assert sum(len(batch[0]) for batch in every_batch(data)) == 4
