"""What DIVAESR's training optimises."""

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from stemforge.train.divaesr.model import DIVAESR
from stemforge.train.divaesr.recipe import DIVAESRRecipe
from stemforge.train.task import Task

GREY = 255.0
"""White of the 8-bit grey scale in which DIVAESR's errors are published."""


class DIVAESRTask(Task):
    """Train DIVAESR by MSE(noise) + KL weight · KL + λ · L1(output, target), or what its mode leaves of that.

    Parameters
    ----------
    recipe
        Settings of the run, as plain values.
    """

    # The output's error decides in every mode, so that their runs can be compared.
    monitor: ClassVar[str] = "validation_mse"

    recipe: DIVAESRRecipe
    model: DIVAESR

    def __init__(self, recipe: dict[str, Any]) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.recipe = DIVAESRRecipe.from_mapping(recipe)
        # A fifth faster on a CPU; the numbers are the same.
        self.model = DIVAESR(self.recipe.network).to(memory_format=torch.channels_last)

    def configure_optimizers(self) -> Any:
        """Return Adam with the recipe's schedule."""
        recipe = self.recipe
        return self.scheduled(
            torch.optim.Adam(self.model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
        )

    def loss(self, batch: tuple[Tensor, Tensor, Tensor], part: str) -> Tensor:
        """Loss of noisy and clean patches and targets; logs its terms and the output's MSE on 0–255 grey."""
        noisy, clean, target = batch
        restored = self.model(noisy)
        terms: dict[str, Tensor] = {}
        loss = torch.zeros((), device=noisy.device)
        if restored.noise is not None and restored.mean is not None and restored.log_variance is not None:
            mean, log_variance = restored.mean, restored.log_variance
            terms["noise_mse"] = functional.mse_loss(restored.noise, noisy - clean)
            terms["kl"] = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean() / 2
            loss = loss + terms["noise_mse"] + self.recipe.kl_weight * terms["kl"]
        if self.recipe.network.mode != "vae":
            terms["l1"] = functional.l1_loss(restored.output, target)
            loss = loss + self.recipe.lambda_l1 * terms["l1"]
        terms["mse"] = functional.mse_loss(restored.output.detach().clamp(0, 1) * GREY, target * GREY)
        return self.report(part, len(noisy), loss, **terms)
