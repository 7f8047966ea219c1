"""What DIVAESR's training optimises."""

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from stemforge.train.data.restoration import GREY
from stemforge.train.task import RMS_ERROR, Merit, Task


class DIVAESRTask(Task):
    """Train DIVAESR by MSE(noise) + KL weight · KL + λ · L1(output, target), or what its mode leaves of that.

    Examples
    --------
    >>> from stemforge.train import DIVAESR, DIVAESRRecipe, DIVAESRSettings
    >>> settings = DIVAESRSettings(channels=(4, 8), latent=4, blocks=1, features=4)
    >>> task = DIVAESRTask(DIVAESRRecipe(network=settings), DIVAESR(settings))
    >>> task.monitor, task.recipe.kl_weight
    ('validation_mse', 0.00025)
    """

    # The output's error decides in every mode, so that their runs can be compared.
    monitor: ClassVar[str] = "validation_mse"
    merit: ClassVar[Merit | None] = RMS_ERROR
    optimiser = torch.optim.Adam

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
