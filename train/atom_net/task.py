"""What AtomNet's training optimises."""

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from stemforge.train.atom_net.data import HEAT_SIGMA, OFFSET_RADIUS, HeatMaps
from stemforge.train.task import F1, Merit, Task


class AtomNetTask(Task):
    """Train AtomNet by the cross-entropy of its heat map and the likelihood of its offsets, with AdamW.

    Examples
    --------
    >>> from stemforge.train import AtomNet, AtomNetRecipe
    >>> task = AtomNetTask(AtomNetRecipe(learning_rate=1e-3), AtomNet())
    >>> type(task.configure_optimizers()).__name__, task.monitor
    ('AdamW', 'validation_loss')
    """

    merit: ClassVar[Merit | None] = F1

    def loss(self, batch: HeatMaps, part: str) -> Tensor:
        """Cross-entropy of the heat map and negative log-likelihood of the offsets; logs both, and F1 in validation."""
        maps = self.model(batch.image.to(memory_format=torch.channels_last))
        entropy = functional.binary_cross_entropy_with_logits(
            maps.logit, batch.heat, weight=batch.weight, reduction="sum"
        )
        # Per atom, so that images with many and with few weigh alike: an atom's spot covers 2πσ² pixels.
        atoms = self.per_process(batch.heat.sum() / (2 * torch.pi * HEAT_SIGMA**2), least=1.0)
        heat = entropy / (atoms + len(batch.image))
        distance2 = ((maps.offset - batch.offset) ** 2).sum(1)
        likelihood = distance2 / (2 * torch.exp(2 * maps.log_sigma)) + 2 * maps.log_sigma
        offset = (likelihood * batch.near).sum() / self.per_process(batch.near.sum(), least=1.0)
        loss = heat + self.recipe.offset_weight * offset
        terms: dict[str, Tensor] = {"heat": heat.detach(), "offset": offset.detach()}
        if part == "validation":
            terms["f1"] = peaks_f1(maps.logit.detach(), batch)
        return self.report(part, len(batch.image), loss, **terms)


def peaks_f1(logit: Tensor, batch: HeatMaps) -> Tensor:
    """F1 of the peaks that are likelier atoms than not, a quick look beside the loss; thresholds are evaluate's affair.

    Parameters
    ----------
    logit
        Log odds of an atom, shape (n, h, w).
    batch
        What they were to be. A peak within 3 pixels of an atom is right; one where nothing is known does not count.

    Returns
    -------
    Tensor
        A number from 0 to 1; 1 where there is no atom and none is found.
    """
    # In 16 bits neighbouring pixels are often equal; within five by five, each gets a rank of its own.
    rows, columns = (torch.arange(side, device=logit.device) % 5 for side in logit.shape[1:])
    logit = logit.float() + 1e-4 * (5 * rows[:, None] + columns)
    around = functional.max_pool2d(logit[:, None], 5, 1, 2)[:, 0]
    peak = (logit == around) & (logit > 0) & (batch.weight > 0)
    # The one pixel that an atom's centre lies in.
    atom = (batch.near > 0) & ((batch.offset >= -0.5) & (batch.offset < 0.5)).all(1)
    reach = 2 * int(OFFSET_RADIUS) + 1
    beside = functional.max_pool2d(peak[:, None].float(), reach, 1, reach // 2)[:, 0] > 0
    # Two peaks on one atom are one right and one false.
    right = torch.minimum((peak & (batch.near > 0)).sum(), (atom & beside).sum())
    number = peak.sum() + atom.sum()
    return torch.where(number > 0, 2 * right / number.clamp(min=1), 1.0)
