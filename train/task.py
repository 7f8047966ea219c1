"""What every Lightning task has: the network, its recipe, its card in every checkpoint, and a watch over the loss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import lightning
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from stemforge.errors import InputError
from stemforge.train.card import CARD_KEY, Card


@dataclass(frozen=True)
class Merit:
    """A figure of merit in a user's words.

    Parameters
    ----------
    column
        Its name among the figures that a task logs, without the part of the data: ``"f1"``.
    name, unit
        As a user knows it.
    of_one
        Whether it goes from 0 to 1.
    squared
        Whether its square is logged.

    Examples
    --------
    >>> RMS_ERROR.text(121.0)
    'RMS error 11 grey levels'
    """

    column: str
    name: str
    unit: str = ""
    of_one: bool = False
    squared: bool = False

    @property
    def label(self) -> str:
        """Name and unit, for an axis."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name

    def shown(self, logged: ArrayLike) -> NDArray[np.float64]:
        """Return what is shown of logged values."""
        values = np.asarray(logged, np.float64)
        return np.sqrt(values) if self.squared else values

    def text(self, logged: float) -> str:
        """Return a logged value with its name and unit."""
        value = float(self.shown(logged))
        digits = f"{value:.2f}" if self.of_one else f"{value:.3g}"
        return f"{self.name} {digits} {self.unit}".rstrip()


F1 = Merit("f1", "F1", of_one=True)
RMS_ERROR = Merit("mse", "RMS error", "grey levels", squared=True)


class Task(lightning.LightningModule):
    """Base of the tasks: the network, its recipe, its card in every checkpoint, and a watch over the loss.

    Parameters
    ----------
    recipe
        Settings of the run.
    model
        The network to train.

    Raises
    ------
    InputError
        The loss is no longer finite.
    """

    monitor: ClassVar[str] = "validation_loss"
    """What decides which epoch is the best; the lower, the better."""

    merit: ClassVar[Merit | None] = None
    """What a user judges the network by."""

    optimiser: ClassVar[Callable[..., torch.optim.Optimizer]] = torch.optim.AdamW

    card: Card | None = None

    def __init__(self, recipe: Any, model: torch.nn.Module) -> None:
        super().__init__()
        self.recipe: Any = recipe
        self.model: Any = model

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the card, so that a checkpoint is as good as the weights file."""
        if self.card is not None:
            checkpoint[CARD_KEY] = self.card.to_json()

    def training_step(self, batch: Any, index: int) -> Tensor:
        """Return the loss of one batch."""
        return self.loss(batch, "train")

    def validation_step(self, batch: Any, index: int) -> None:
        """Log loss and figures of merit of one batch."""
        self.loss(batch, "validation")

    def loss(self, batch: Any, part: str) -> Tensor:
        """Return the loss of a batch of ``"train"`` or ``"validation"`` and log it."""
        raise NotImplementedError

    def per_process(self, number: Tensor, least: float) -> Tensor:
        """Return a process' part of a number in a batch that several processes share, at least ``least`` in all.

        A loss per atom divides by it: the mean of the processes' losses, which is what is optimised, is then that of
        the whole batch in one process.
        """
        if self._trainer is None or self.trainer.world_size == 1:
            return number.clamp(min=least)
        strategy, processes = self.trainer.strategy, self.trainer.world_size
        total = strategy.reduce(number.detach().clone(), reduce_op="sum")
        return torch.as_tensor(total).clamp(min=least) / processes

    def report(self, part: str, size: int, loss: Tensor, **others: Tensor | float) -> Tensor:
        """Log a batch's figures and return its loss, or stop the run where that is not finite."""
        if not torch.isfinite(loss):
            raise InputError(
                f"the {part} loss of epoch {self.current_epoch} is {loss.item()}: the training diverged; lower the "
                "learning rate or check the data. The best epoch before is in checkpoints/best.ckpt, if there is one"
            )
        values = {f"{part}_{name}": value for name, value in {"loss": loss, **others}.items()}
        self.log_dict(values, on_step=False, on_epoch=True, prog_bar=True, batch_size=size, sync_dist=True)
        return loss

    def configure_optimizers(self) -> Any:
        """Return the optimiser with the recipe's schedule."""
        recipe = self.recipe
        optimiser = self.optimiser(
            self.model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        if recipe.schedule == "constant":
            return optimiser
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            optimiser, recipe.epochs, recipe.learning_rate / 100
        )
        return {"optimizer": optimiser, "lr_scheduler": schedule}
