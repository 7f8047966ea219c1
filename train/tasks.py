"""What is optimised, as Lightning tasks."""

from typing import Any

import lightning
import torch
from torch import Tensor
from torch.nn import functional

from stemforge.train.models.sac_cnn import SACCNN
from stemforge.train.recipe import SACCNNRecipe


class SACCNNTask(lightning.LightningModule):
    """Train SAC-CNN by cross-entropy with AMSGrad, as published.

    Parameters
    ----------
    recipe
        Settings of the run, as plain values, so that they can be stored in a checkpoint.

    Raises
    ------
    FloatingPointError
        The loss is no longer finite.
    """

    def __init__(self, recipe: dict[str, Any]) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.recipe = SACCNNRecipe.from_mapping(recipe)
        self.model = SACCNN(self.recipe.dropout)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AMSGrad."""
        return torch.optim.Adam(
            self.model.parameters(),
            lr=self.recipe.learning_rate,
            weight_decay=self.recipe.weight_decay,
            amsgrad=True,
        )

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Return the loss of one batch."""
        return self._loss(batch, "train")

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        """Log loss and F1 of one batch."""
        self._loss(batch, "validation")

    def _loss(self, batch: tuple[Tensor, Tensor], part: str) -> Tensor:
        crops, classes = batch
        logits = self.model(crops)
        loss = functional.cross_entropy(logits, classes)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"{part} loss is {loss.item()}; lower the learning rate or check the data"
            )
        said = logits.argmax(1)
        true_positives = ((said == 1) & (classes == 1)).sum()
        f1 = 2 * true_positives / ((said == 1).sum() + (classes == 1).sum()).clamp(min=1)
        values = {f"{part}_loss": loss, f"{part}_f1": f1.float()}
        self.log_dict(
            values, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(crops), sync_dist=True
        )
        return loss
