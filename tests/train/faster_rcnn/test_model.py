import pytest
import torch

from stemforge.errors import RecipeError
from stemforge.train.faster_rcnn.model import FasterRCNN, FasterRCNNSettings
from stemforge.train.faster_rcnn.recipe import FasterRCNNRecipe
from stemforge.train.faster_rcnn.task import boxes_f1
from stemforge.train.weights import Card, load_weights, save_weights

TINY = {
    "backbone": "resnet18",
    "pyramid": 8,
    "head": 16,
    "anchors": ((8,), (16,), (32,), (64,)),
    "proposals": 30,
}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return FasterRCNN(FasterRCNNSettings(classes=("pyridine", "thiophene"), **TINY)).eval()


def _targets():
    boxes = torch.tensor([[10.0, 12, 40, 38], [60, 50, 90, 80]])
    return [
        {"boxes": boxes, "labels": torch.tensor([1, 2])},
        {"boxes": boxes[:0], "labels": torch.tensor([]).long()},
    ]


def test_images_are_not_rescaled_and_may_differ_in_size(network):
    images = [torch.rand(1, 96, 128), torch.rand(1, 70, 80)]
    batch, _ = network.transform(images)
    assert batch.image_sizes == [(96, 128), (70, 80)]
    assert batch.tensors.shape == (2, 1, 96, 128)
    torch.testing.assert_close(batch.tensors[0], (images[0] - 0.5) / 0.25)
    found = network(images)
    assert [sorted(f) for f in found] == [["boxes", "labels", "scores"]] * 2
    for f, (height, width) in zip(found, batch.image_sizes, strict=True):
        assert (f["boxes"] >= 0).all()
        assert (f["boxes"] <= torch.tensor([width, height, width, height])).all()
        assert set(f["labels"].tolist()) <= {1, 2}


def test_losses_outside_training_leave_the_network_as_it_is(network):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    images = [torch.rand(1, 96, 128), torch.rand(1, 96, 128)]
    losses = network.losses(images, _targets())
    assert sorted(losses) == ["loss_box_reg", "loss_classifier", "loss_objectness", "loss_rpn_box_reg"]
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert not any(module.training for module in network.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_training_moves_statistics():
    torch.manual_seed(0)
    network = FasterRCNN(FasterRCNNSettings(**TINY)).train()
    before = network.backbone.body.bn1.running_mean.clone()
    network.losses(
        [torch.rand(1, 96, 96)] * 2,
        [{"boxes": t["boxes"], "labels": t["labels"].clamp(max=1)} for t in _targets()],
    )
    assert not torch.equal(network.backbone.body.bn1.running_mean, before)
    assert network.training


def test_more_than_a_hundred_molecules_can_be_found():
    for name in FasterRCNNRecipe.SHIPPED:
        settings = FasterRCNNRecipe.shipped(name).network
        assert settings.detections >= 300
        assert settings.proposals >= 300
        assert min(min(sides) for sides in settings.anchors) <= 10
        assert max(max(sides) for sides in settings.anchors) >= 60


def test_the_small_presets_weights_are_small(tmp_path):
    settings = FasterRCNNRecipe.shipped("faster-rcnn-small").network
    network = FasterRCNN(settings)
    assert not hasattr(network.backbone.body, "layer4")
    card = Card("faster-rcnn", settings=settings.model_dump(mode="json"))
    save_weights(tmp_path / "w.safetensors", network, card, half=True)
    assert (tmp_path / "w.safetensors").stat().st_size < 10e6
    loaded, again = load_weights(tmp_path / "w.safetensors")
    assert again == card
    assert loaded.settings == settings
    for name, tensor in network.state_dict().items():
        other = loaded.state_dict()[name]
        assert other.dtype == tensor.dtype
        torch.testing.assert_close(other, tensor, rtol=1e-3, atol=1e-6)


def test_the_published_network_has_all_of_resnet50():
    network = FasterRCNN()
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(41.3e6, rel=0.01)


def test_anchors_lie_on_every_level(network):
    levels = network.backbone(torch.zeros(1, 1, 96, 128))
    assert [tuple(level.shape[-2:]) for level in levels.values()] == [(24, 32), (12, 16), (6, 8), (3, 4)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"backbone": "resnet18"}, "anchors must list 4 levels for resnet18"),
        ({"anchors": [[8], [16, 20], [32], [64], [128]]}, "the same number of sides"),
        ({"classes": []}, "classes"),
        ({"classes": ["a", "a"]}, "differ in name"),
        ({"backbone": "vgg"}, "backbone"),
    ],
)
def test_bad_settings(values, message):
    with pytest.raises(RecipeError, match=message):
        FasterRCNNSettings.from_mapping(values)


def _found(boxes, labels, scores):
    return [
        {"boxes": torch.tensor(boxes).float(), "labels": torch.tensor(labels), "scores": torch.tensor(scores)}
    ]


@pytest.mark.parametrize(
    ("boxes", "labels", "scores", "f1"),
    [
        ([[10, 12, 40, 38], [60, 50, 90, 80]], [1, 2], [0.9, 0.8], 1.0),
        ([[10, 12, 40, 38], [60, 50, 90, 80]], [1, 1], [0.9, 0.8], 0.5),
        ([[10, 12, 40, 38], [10, 12, 40, 38]], [1, 1], [0.9, 0.8], 0.5),
        ([[10, 12, 40, 38], [60, 50, 90, 80]], [1, 2], [0.9, 0.4], 2 / 3),
        ([[10, 12, 20, 18]], [1], [0.9], 0.0),
    ],
)
def test_f1_of_boxes(boxes, labels, scores, f1):
    assert boxes_f1(_found(boxes, labels, scores), _targets()[:1]) == pytest.approx(f1)
    nothing = [{"boxes": torch.empty(0, 4), "labels": torch.empty(0), "scores": torch.empty(0)}]
    assert boxes_f1(nothing, _targets()[1:]) == 0
