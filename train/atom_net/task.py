"""What AtomNet's training optimises."""

import torch
from torch import Tensor
from torch.nn import functional

from stemforge.train.atom_net.data import HEAT_SIGMA, HeatMaps
from stemforge.train.task import Task


class AtomNetTask(Task):
    """Train AtomNet by the cross-entropy of its heat map and the likelihood of its offsets, with AdamW.

    Examples
    --------
    >>> from stemforge.train import AtomNet, AtomNetRecipe
    >>> task = AtomNetTask(AtomNetRecipe(learning_rate=1e-3), AtomNet())
    >>> type(task.configure_optimizers()).__name__, task.monitor
    ('AdamW', 'validation_loss')
    """

    def loss(self, batch: HeatMaps, part: str) -> Tensor:
        """Cross-entropy of the heat map and negative log-likelihood of the offsets; logs both."""
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
        return self.report(part, len(batch.image), loss, heat=heat.detach(), offset=offset.detach())
