"""How wide an interval must be to hold its share of true values."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from stemforge.train.unet.model import INTERVAL, UNet


@torch.no_grad()
def fit_widening(model: UNet, batches: Iterable[tuple[Tensor, Tensor, Tensor]]) -> tuple[float, float]:
    """Set by what each half of the interval is multiplied, so that 5 % of the true values lie beyond either end.

    Split conformal prediction of quantile regression, scaled by the width (Romano et al. 2019, arXiv:1905.03222): on
    images that were not learnt from (though they chose the epoch), how far the truth lies from the mean in units of
    the half interval; its 95 % quantile is the factor. Every image weighs alike.

    Parameters
    ----------
    model
        A trained network; its ``widening`` is set.
    batches
        Noisy patches, clean ones and targets, as in training.

    Returns
    -------
    below, above
        The factors.
    """
    model.eval()
    model.widening.fill_(1.0)
    device = next(model.parameters()).device
    ratios: list[Tensor] = []
    for noisy, _, target in batches:
        mean, low, high = torch.Tensor.split(model.restore(noisy.to(device)).cpu(), 1, 1)
        below = (mean - target) / (mean - low)
        above = (target - mean) / (high - mean)
        pair = torch.stack([below, above], 1).flatten(2)
        # A thousand pixels of each tell as much as all of them, which depend on each other; an odd step meets all
        # columns.
        ratios.append(pair[:, :, :: pair.shape[2] // 1000 | 1])
    values = torch.cat(ratios).permute(1, 0, 2).flatten(1).double().numpy()
    quantiles = np.clip(np.quantile(values, (1 + INTERVAL) / 2, axis=1), 0.05, None)
    model.widening.copy_(torch.from_numpy(quantiles))
    return float(quantiles[0]), float(quantiles[1])
