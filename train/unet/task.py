"""What the U-Net's training optimises."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from stemforge.train.data.restoration import GREY
from stemforge.train.task import RMS_ERROR, Merit, Task
from stemforge.train.unet.model import INTERVAL, Estimate


class UNetTask(Task):
    """Train a U-Net by the squared error of its mean and the quantile loss of its interval.

    The quantile loss (Koenker & Bassett 1978, doi:10.2307/1913643) is least where 5 % of the values lie below the lower
    end and 5 % above the upper.

    Examples
    --------
    >>> from stemforge.train import UNet, UNetRecipe, UNetSettings
    >>> settings = UNetSettings(widths=(4, 8), blocks=(1, 1))
    >>> task = UNetTask(UNetRecipe(network=settings), UNet(settings))
    >>> task.monitor, task.recipe.floor
    ('validation_loss', 0.1)
    """

    monitor: ClassVar[str] = "validation_loss"
    merit: ClassVar[Merit | None] = RMS_ERROR
    optimiser = torch.optim.AdamW

    def on_fit_start(self) -> None:
        """Forget what other weights' interval was widened by: this run's is not calibrated until its end."""
        self.model.widening.fill_(1.0)

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        """Bound a step: on a flat image a small error is a large one of its contrast."""
        self.clip_gradients(optimizer, gradient_clip_val=1.0, gradient_clip_algorithm="norm")

    def loss(self, batch: tuple[Tensor, Tensor, Tensor], part: str) -> Tensor:
        """Loss of noisy and clean patches and targets; logs its terms, and how much the interval holds."""
        noisy, _, target = batch
        estimate: Estimate = self.model(noisy)
        contrast = target.std((1, 2, 3), keepdim=True).square().add(self.recipe.floor**2).sqrt()
        tail = (1 - INTERVAL) / 2
        terms = {
            "relative_mse": ((estimate.mean - target) / contrast).square().mean(),
            "quantile": (
                _quantile_loss((target - estimate.low) / contrast, tail)
                + _quantile_loss((target - estimate.high) / contrast, 1 - tail)
            ),
        }
        loss = terms["relative_mse"] + terms["quantile"]
        held = (target >= estimate.low) & (target <= estimate.high)
        terms["held"] = held.float().mean().detach()
        terms["mse"] = (estimate.mean.detach() - target).square().mean() * GREY**2
        return self.report(part, len(noisy), loss, **terms)


def _quantile_loss(above: Tensor, share: float) -> Tensor:
    """Mean loss of a quantile, by how far the truth lies above it."""
    return torch.maximum(share * above, (share - 1) * above).mean()
