"""What SAC-CNN's training optimises."""

from functools import partial
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from stemforge.train.task import F1, Merit, Task


class SACCNNTask(Task):
    """Train SAC-CNN by cross-entropy with AMSGrad, as published.

    Examples
    --------
    >>> from stemforge.train import SACCNN, SACCNNRecipe
    >>> task = SACCNNTask(SACCNNRecipe(learning_rate=1e-3), SACCNN())
    >>> optimiser = task.configure_optimizers()
    >>> type(optimiser).__name__, optimiser.defaults["amsgrad"], optimiser.defaults["lr"]
    ('Adam', True, 0.001)
    """

    merit: ClassVar[Merit | None] = F1
    optimiser = staticmethod(partial(torch.optim.Adam, amsgrad=True))

    def loss(self, batch: tuple[Tensor, Tensor], part: str) -> Tensor:
        """Cross-entropy of crops and classes; logs F1."""
        crops, classes = batch
        logits = self.model(crops)
        loss = functional.cross_entropy(logits, classes)
        predicted = logits.argmax(1)
        true_positives = ((predicted == 1) & (classes == 1)).sum()
        f1 = 2 * true_positives / ((predicted == 1).sum() + (classes == 1).sum()).clamp(min=1)
        return self.report(part, len(crops), loss, f1=f1.float())
