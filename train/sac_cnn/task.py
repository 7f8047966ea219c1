"""What SAC-CNN's training optimises."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from stemforge.train.sac_cnn.model import SACCNN
from stemforge.train.sac_cnn.recipe import SACCNNRecipe
from stemforge.train.task import Task


class SACCNNTask(Task):
    """Train SAC-CNN by cross-entropy with AMSGrad, as published.

    Parameters
    ----------
    recipe
        Settings of the run, as plain values, so that they can be stored in a checkpoint.
    """

    recipe: SACCNNRecipe
    model: SACCNN

    def __init__(self, recipe: dict[str, Any]) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.recipe = SACCNNRecipe.from_mapping(recipe)
        self.model = SACCNN(self.recipe.dropout)

    def configure_optimizers(self) -> Any:
        """Return AMSGrad."""
        return torch.optim.Adam(
            self.model.parameters(),
            lr=self.recipe.learning_rate,
            weight_decay=self.recipe.weight_decay,
            amsgrad=True,
        )

    def loss(self, batch: tuple[Tensor, Tensor], part: str) -> Tensor:
        """Cross-entropy of crops and classes; logs F1."""
        crops, classes = batch
        logits = self.model(crops)
        loss = functional.cross_entropy(logits, classes)
        predicted = logits.argmax(1)
        true_positives = ((predicted == 1) & (classes == 1)).sum()
        f1 = 2 * true_positives / ((predicted == 1).sum() + (classes == 1).sum()).clamp(min=1)
        return self.report(part, len(crops), loss, f1=f1.float())
