import dataclasses
from functools import partial

import numpy as np
import pytest
import torch
from scipy import ndimage

from stemforge.errors import CorpusError
from stemforge.simulate import Degradation
from stemforge.train.data.augment import PLAIN, Augmentation, View
from stemforge.train.data.exposures import expose
from stemforge.train.divaesr.model import DIVAESR, DIVAESRSettings
from stemforge.train.faster_rcnn.data import (
    Boxes,
    MoleculeImages,
    boxes_on,
    detector_input,
    molecule_names,
    native_boxes,
    sample_boxes,
)
from stemforge.train.faster_rcnn.model import FasterRCNNSettings
from stemforge.train.faster_rcnn.recipe import FasterRCNNRecipe
from stemforge.train.stitching import restore_image

CLASSES = ("pyridine", "thiophene")
STILL = {"source_size": 0.0, "dose": 1000.0}


def _recipe(**changes):
    network = FasterRCNNSettings(classes=CLASSES)
    values = {"crop": 64, "per_image": 3, "images_per_batch": 2, "validation": 0.3, "network": network}
    return FasterRCNNRecipe(**values | changes)


@pytest.mark.parametrize("zoom", [1, 2])
@pytest.mark.parametrize("rotation", ["quarter", "any"])
def test_boxes_lie_on_their_molecules(make_sample, fake_corpus, zoom, rotation):
    samples = [make_sample(i, points=[[48, 40]], molecules=CLASSES) for i in range(3)]
    recipe = _recipe(zoom=zoom, clean_share=1.0, high_pass=0.0, augmentation=Augmentation(rotation=rotation))
    data = MoleculeImages([fake_corpus(samples, STILL)], "train", recipe)
    looked_at = 0
    for data.epoch in range(4):
        for images, targets in data:
            for image, target in zip(images, targets, strict=True):
                assert image.shape == (1, 64 * zoom, 64 * zoom)
                assert image.dtype == target["boxes"].dtype == torch.float32
                assert target["labels"].dtype == torch.int64
                for x0, y0, x1, y1 in target["boxes"].tolist():
                    if min(x0, y0) > 0 and max(x1, y1) < 64 * zoom:  # not cut
                        y, x = ndimage.center_of_mass(image[0].numpy() > 0.8 * float(image.max()))
                        assert np.hypot((x0 + x1) / 2 - x - 0.5, (y0 + y1) / 2 - y - 0.5) < 0.7 * zoom
                        looked_at += 1
    assert looked_at > 5


def test_boxes_are_cut_at_the_edge_or_drop_out():
    view = View((31.5, 31.5), np.eye(2), 64)
    known = Boxes(
        np.array([[-10.5, 10, 9.5, 20], [-20.5, 10, 9.5, 20], [10, 10, 30, 40], [100, 100, 120, 120]]),
        np.array([1, 2, 2, 1]),
    )
    on = boxes_on(view, known, 0.5)
    np.testing.assert_allclose(on.boxes, [[-0.5, 10, 9.5, 20], [10, 10, 30, 40]])
    assert on.classes.tolist() == [1, 2]
    assert len(boxes_on(view, Boxes(np.empty((0, 4)), np.empty(0, np.int64)), 0.5).boxes) == 0


def test_boxes_follow_drift(make_sample):
    sample = make_sample(points=[[30, 40], [60, 50]])
    shown = expose(sample, Degradation(tear=2.0, tear_position=0.0), None, np.random.default_rng(0))
    known = sample_boxes(sample, shown, CLASSES)
    np.testing.assert_allclose(known.boxes - sample.labels.boxes, [[8, 0, 8, 0]] * 2, atol=1e-6)
    assert known.classes.tolist() == [1, 2]
    assert sample_boxes(sample, shown, ("molecule",)).classes.tolist() == [1, 1]


def test_training_sees_the_boxes_of_the_recipe(make_sample, fake_corpus):
    samples = [make_sample(i, points=[[48, 48]], molecules=["pyridine"]) for i in range(3)]
    sides = []
    for boxes in ("van-der-waals", 0.7):
        recipe = _recipe(boxes=boxes, crop=96, augmentation=PLAIN)
        data = MoleculeImages([fake_corpus(samples, STILL)], "train", recipe)
        box = next(iter(data))[1][0]["boxes"][0]
        sides.append((box[2:] - box[:2]).tolist())
    # 1 Å less on each side, at 0.25 Å a pixel.
    assert sides[0] == pytest.approx([20, 14], abs=1e-4)
    assert sides[1] == pytest.approx([12, 6], abs=1e-4)


def test_classes_are_named_over_all_images(make_sample, fake_corpus):
    corpus = fake_corpus([make_sample(0, molecules=["thiophene"]), make_sample(1, molecules=["benzene"])])
    assert molecule_names([corpus]) == ("benzene", "thiophene")
    assert molecule_names([corpus], one_class=True) == ("molecule",)
    shown = expose(corpus[0], Degradation(), None, np.random.default_rng(0))
    assert set(sample_boxes(corpus[0], shown, ("benzene", "thiophene")).classes.tolist()) == {2}
    with pytest.raises(CorpusError, match="none of pyridine, benzene"):
        sample_boxes(corpus[0], shown, ("pyridine", "benzene"))
    empty = fake_corpus([make_sample(i, points=[], molecules=[]) for i in range(2)])
    with pytest.raises(CorpusError, match="no molecule on any image"):
        molecule_names([empty])


def test_epochs_parts_and_repeats(idpc_corpus):
    data = MoleculeImages([idpc_corpus], "train", _recipe())
    held_out = MoleculeImages([idpc_corpus], "validation", _recipe())
    keys = [[item.key for item in part.items] for part in (data, held_out)]
    assert sorted(keys[0] + keys[1]) == [(0, 0), (0, 1), (0, 2)]
    assert len(keys[1]) == 1

    def content(data):
        return [[i.numpy().tobytes() for i in images] for images, _ in data]

    first, validation = content(data), content(held_out)
    assert [len(images) for images in first] == [6]
    assert content(data) == first
    data.epoch = held_out.epoch = 1
    assert content(data) != first
    assert content(held_out) == validation


def test_an_image_without_a_single_electron_keeps_the_number_of_batches(idpc_corpus):
    recipe = _recipe(doses=(1e-12, 1e-12), clean_share=0.0)
    ((images, targets),) = MoleculeImages([idpc_corpus], "train", recipe)
    assert len(images) == len(targets) == 2
    assert targets[0]["boxes"].shape == (0, 4)


@pytest.mark.parametrize("zoom", [1, 2])
def test_what_the_detector_sees(zoom):
    image = np.random.default_rng(0).random((70, 90), dtype=np.float32)
    bare = detector_input(image, None, zoom)
    assert bare.shape == (70 * zoom, 90 * zoom)
    np.testing.assert_array_equal(bare[::zoom, ::zoom], image)
    torch.manual_seed(0)
    restore = partial(restore_image, DIVAESR(DIVAESRSettings(mode="sr", blocks=1, features=4)).eval())
    assert detector_input(image, restore, zoom).shape == bare.shape


def test_a_restorer_changes_images_and_not_boxes(idpc_corpus):
    torch.manual_seed(0)
    restorer = DIVAESR(DIVAESRSettings(mode="sr", blocks=1, features=4)).eval()
    devices = []

    def restore(image, device):
        devices.append(device)
        return restore_image(restorer, image)

    ((bare, known),) = MoleculeImages([idpc_corpus], "train", _recipe())
    shown = MoleculeImages([idpc_corpus], "train", _recipe(), restore)
    ((restored, too),) = shown
    assert not torch.equal(bare[0], restored[0])
    assert all(torch.equal(a["boxes"], b["boxes"]) for a, b in zip(known, too, strict=True))
    shown.device = "cuda:1"  # where the run trains
    next(iter(shown))
    assert set(devices) == {"cpu", "cuda:1"}


@pytest.mark.parametrize("zoom", [1, 2])
def test_boxes_come_back(make_sample, fake_corpus, zoom):
    sample = make_sample(points=[[48, 40]])
    recipe = _recipe(zoom=zoom, crop=96, augmentation=PLAIN, clean_share=1.0)
    ((_, targets),) = MoleculeImages([fake_corpus([sample, sample])], "validation", recipe)
    np.testing.assert_allclose(native_boxes(targets[0]["boxes"].numpy(), zoom), sample.labels.boxes)


def test_what_a_corpus_lacks(idpc_corpus):
    for change, message in (
        ({"labels": idpc_corpus[0].labels.where(np.empty(0, int))}, None),
        ({"metadata": {}}, "molecule names"),
    ):
        idpc_corpus[0] = dataclasses.replace(idpc_corpus[1], **change)
        if message:
            with pytest.raises(CorpusError, match=message):
                MoleculeImages([idpc_corpus], "train", _recipe())
        else:
            list(MoleculeImages([idpc_corpus], "train", _recipe()))
