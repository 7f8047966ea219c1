"""What Faster R-CNN's training optimises."""

from typing import ClassVar

import torch
from torch import Tensor
from torchvision.ops import box_iou

from stemforge.train.task import F1, Merit, Task


class FasterRCNNTask(Task):
    """Train Faster R-CNN by the sum of its four losses.

    Examples
    --------
    >>> from stemforge.train import FasterRCNN, FasterRCNNRecipe, FasterRCNNSettings
    >>> small = FasterRCNNSettings(backbone="resnet18", anchors=((8,), (16,), (32,), (64,)), pyramid=8, head=16)
    >>> task = FasterRCNNTask(FasterRCNNRecipe(network=small), FasterRCNN(small))
    >>> target = {"boxes": torch.tensor([[8.0, 8, 24, 24]]), "labels": torch.tensor([1])}
    >>> sorted(task.model.losses([torch.rand(1, 64, 64)], [target]))
    ['loss_box_reg', 'loss_classifier', 'loss_objectness', 'loss_rpn_box_reg']
    """

    merit: ClassVar[Merit | None] = F1

    def loss(self, batch: tuple[list[Tensor], list[dict[str, Tensor]]], part: str) -> Tensor:
        """Loss of images and targets; logs its terms, and F1 of the boxes where it validates."""
        images, targets = batch
        if part == "train":
            terms = self.model.losses(images, targets)
            figures: dict[str, Tensor | float] = dict(terms)
        else:
            # Proposals are sampled at random: the same ones in every epoch, so that losses can be compared.
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.recipe.seed)
                terms = self.model.losses(images, targets)
            figures = {**terms, "f1": boxes_f1(self.model(images), targets)}
        loss = torch.stack(list(terms.values())).sum()
        figures = {name.removeprefix("loss_"): value for name, value in figures.items()}
        return self.report(part, len(images), loss, **figures)


def boxes_f1(
    found: list[dict[str, Tensor]], targets: list[dict[str, Tensor]], score: float = 0.5, iou: float = 0.5
) -> float:
    """F1 of detected boxes of the right class, a quick look beside the loss; AP is evaluate's affair.

    Parameters
    ----------
    found, targets
        Torchvision's dictionaries of each image.
    score, iou
        Detections count from this score on, and as right from this overlap on; best scores match first.
    """
    right = predicted = labelled = 0
    for guess, truth in zip(found, targets, strict=True):
        kept = guess["scores"] >= score
        predicted += int(kept.sum())
        labelled += len(truth["boxes"])
        if not kept.any() or not len(truth["boxes"]):
            continue
        overlap = box_iou(guess["boxes"][kept], truth["boxes"])
        overlap[guess["labels"][kept][:, None] != truth["labels"][None]] = 0
        for row in overlap:  # torchvision sorts by score
            best = int(row.argmax())
            if row[best] >= iou:
                right += 1
                overlap[:, best] = 0
    return 2 * right / max(predicted + labelled, 1)
