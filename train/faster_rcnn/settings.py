"""Settings of Faster R-CNN, which recipes have, too: read without torch."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stemforge.settings import Settings

STAGES = {"resnet18": 3, "resnet50": 4}
"""Stages of ResNet that feed the pyramid. The last one of ResNet-18, three quarters of its weights, works at a
stride of 32 pixels, and no molecule is that large."""


class FasterRCNNSettings(Settings):
    """What the detector is made of; it travels with the weights.

    Parameters
    ----------
    classes
        Names of what is found; the network's class 0 is background, class i is ``classes[i - 1]``.
    backbone
        ``resnet50`` with all its stages, as published, or ``resnet18`` without the last.
    pyramid
        Channels of the feature pyramid.
    head
        Units of the two layers that judge a proposal.
    anchors
        Sides of the anchors at each level of the pyramid, finest first [pixel]; one level for each stage of
        the backbone and one more. Levels lie at strides of 4, 8, 16, … pixels.
    proposals
        Proposals that are judged.
    detections
        Most objects found in an image.

    Examples
    --------
    >>> FasterRCNNSettings(classes=("pyridine", "thiophene")).backbone
    'resnet50'
    >>> FasterRCNNSettings.from_mapping({"backbone": "resnet18"})
    Traceback (most recent call last):
        ...
    stemforge.errors.RecipeError: settings: anchors must list 4 levels for resnet18, each with the same ...
    """

    classes: Annotated[tuple[str, ...], Field(min_length=1, max_length=100)] = ("molecule",)
    backbone: Literal["resnet18", "resnet50"] = "resnet50"
    pyramid: Annotated[int, Field(ge=4, le=1024)] = 256
    head: Annotated[int, Field(ge=4, le=4096)] = 1024
    anchors: tuple[tuple[Annotated[float, Field(gt=0, le=1024)], ...], ...] = (
        (8,),
        (16,),
        (32,),
        (64,),
        (128,),
    )
    proposals: Annotated[int, Field(ge=10, le=10_000)] = 1000
    detections: Annotated[int, Field(ge=1, le=10_000)] = 500

    @model_validator(mode="after")
    def _anchors_for_each_level(self) -> Self:
        levels = STAGES[self.backbone] + 1
        if (
            len(self.anchors) != levels
            or len({len(sides) for sides in self.anchors}) != 1
            or not self.anchors[0]
        ):
            raise ValueError(
                f"anchors must list {levels} levels for {self.backbone}, each with the same number of sides"
            )
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("classes must differ in name")
        return self
