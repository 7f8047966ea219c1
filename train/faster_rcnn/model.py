"""Faster R-CNN for molecules of 10 to 60 pixels in one-channel images."""

from typing import Any

from torch import Tensor, nn
from torchvision.models import resnet
from torchvision.models.detection import FasterRCNN as TorchvisionFasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from stemforge.train.faster_rcnn.settings import STAGES, FasterRCNNSettings


class _Unscaled(GeneralizedRCNNTransform):
    """Centres the scale of images and batches them at their own size; torchvision would make them 800 pixels."""

    def resize(
        self, image: Tensor, target: dict[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor] | None]:
        return image, target


class FasterRCNN(TorchvisionFasterRCNN):
    """Faster R-CNN with a feature pyramid (Ren et al. 2015, arXiv:1506.01497; Lin et al. 2017, arXiv:1612.03144).

    As in Yang et al. (2024), doi:10.1002/advs.202408629, but for one-channel images and small objects: images are
    not rescaled, and the anchors are those of molecules. Nothing is downloaded; weights start at random.

    Parameters
    ----------
    settings
        What it is made of; the published one by default.

    Examples
    --------
    >>> import torch
    >>> small = FasterRCNNSettings(backbone="resnet18", anchors=((8,), (16,), (32,), (64,)), pyramid=8, head=16)
    >>> found = FasterRCNN(small).eval()([torch.rand(1, 96, 128)])[0]
    >>> sorted(found), found["boxes"].shape[1]
    (['boxes', 'labels', 'scores'], 4)
    """

    def __init__(self, settings: FasterRCNNSettings | None = None) -> None:
        settings = settings or FasterRCNNSettings()
        backbone = _backbone(settings)
        levels = [str(i) for i in range(STAGES[settings.backbone])]
        ratios = ((0.5, 1.0, 2.0),) * len(settings.anchors)
        super().__init__(
            backbone,
            rpn_anchor_generator=AnchorGenerator(settings.anchors, ratios),
            rpn_pre_nms_top_n_train=2 * settings.proposals,
            rpn_pre_nms_top_n_test=settings.proposals,
            rpn_post_nms_top_n_train=settings.proposals,
            rpn_post_nms_top_n_test=settings.proposals,
            box_roi_pool=MultiScaleRoIAlign(levels, output_size=7, sampling_ratio=2),
            box_head=TwoMLPHead(settings.pyramid * 7**2, settings.head),
            box_predictor=FastRCNNPredictor(settings.head, len(settings.classes) + 1),
            box_detections_per_img=settings.detections,
        )
        self.transform = _Unscaled(0, 0, image_mean=[0.5], image_std=[0.25])
        self.settings = settings

    def losses(self, images: list[Tensor], targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        """Return the four losses, also outside training: batch normalisation then keeps its statistics."""
        training = self.training
        try:
            self.train()
            self.backbone.train(training)
            return self(images, targets)
        finally:
            self.train(training)


def _backbone(settings: FasterRCNNSettings) -> BackboneWithFPN:
    network: Any = getattr(resnet, settings.backbone)(weights=None, norm_layer=nn.BatchNorm2d)
    # Three equal channels with random weights are one channel.
    network.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    stages = STAGES[settings.backbone]
    first = 64 if settings.backbone == "resnet18" else 256
    return BackboneWithFPN(
        network,
        return_layers={f"layer{i + 1}": str(i) for i in range(stages)},
        in_channels_list=[first << i for i in range(stages)],
        out_channels=settings.pyramid,
        extra_blocks=LastLevelMaxPool(),
    )
