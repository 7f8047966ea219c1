"""A residual U-Net that takes the noise off an image and says between which values each pixel lies."""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from stemforge.train.stitching import Tiles
from stemforge.train.unet.settings import UNetSettings

SMALLEST = 64
"""Smallest side of an image [pixel]."""
INTERVAL = 0.9
"""Share of the pixels whose true value lies in the interval."""
NARROWEST = 1e-4
"""Half an interval is at least as wide before it is widened [grey]."""


class Estimate(NamedTuple):
    """Mean, and lower and upper end of the interval; each (n, 1, scale · height, scale · width)."""

    mean: Tensor
    low: Tensor
    high: Tensor


class UNet(nn.Module):
    """A U-Net of residual blocks (Ronneberger et al. 2015, arXiv:1505.04597; He et al. 2016, arXiv:1512.03385).

    Without normalisation, which would take an image's contrast away: what is flat has to come out flat.

    Parameters
    ----------
    settings
        Sizes.

    Examples
    --------
    >>> network = UNet(UNetSettings(widths=(4, 8), blocks=(1, 1))).eval()
    >>> network.restore(torch.rand(3, 1, 64, 80)).shape
    torch.Size([3, 3, 128, 160])
    """

    widening: Tensor

    def __init__(self, settings: UNetSettings | None = None) -> None:
        super().__init__()
        self.settings = settings = settings or UNetSettings()
        widths, blocks = settings.widths, settings.blocks
        steps = list(pairwise(widths))
        fold = 2 // settings.scale
        self.stem = nn.Sequential(nn.PixelUnshuffle(fold), nn.Conv2d(fold**2, widths[0], 3, padding=1))
        self.down = nn.ModuleList(_blocks(*pair) for pair in zip(widths, blocks, strict=True))
        self.coarsen = nn.ModuleList(nn.Conv2d(fine, coarse, 2, 2) for fine, coarse in steps)
        self.refine = nn.ModuleList(
            nn.Sequential(nn.Conv2d(coarse, 4 * fine, 1), nn.PixelShuffle(2)) for fine, coarse in steps
        )
        self.up = nn.ModuleList(_blocks(*pair) for pair in zip(widths[:-1], blocks[:-1], strict=True))
        self.head = nn.Sequential(
            nn.Conv2d(widths[0], 2 * widths[0], 3, padding=1),
            nn.GELU(),
            nn.Conv2d(2 * widths[0], 4 * 3, 1),
            nn.PixelShuffle(2),
        )
        # By what the interval is widened about the mean so that it holds its share; set after training.
        self.register_buffer("widening", torch.ones(2))

    @property
    def calibrated(self) -> bool:
        """Whether the interval was widened to what it has to hold; it is not before the end of a training run."""
        return bool((self.widening != 1).any())

    @property
    def tiles(self) -> Tiles:
        """What tiles it takes."""
        fold = 2 // self.settings.scale << (len(self.settings.widths) - 1)
        return Tiles(SMALLEST, 256, self.settings.scale, fold)

    def forward(self, images: Tensor) -> Estimate:
        """Estimate the images behind noisy ones between 0 and 1, shape (n, 1, height, width)."""
        features, passed = self.stem(images), []
        for level, blocks in enumerate(self.down):
            features = blocks(features)
            if level < len(self.coarsen):
                passed.append(features)
                features = self.coarsen[level](features)
        for level in reversed(range(len(self.refine))):
            features = self.up[level](self.refine[level](features) + passed[level])
        # Losses are computed in single precision, also where the network computes in half.
        return Estimate(*self.head(features).float().split(1, 1))

    @torch.no_grad()
    def restore(self, patches: Tensor) -> Tensor:
        """Return mean and interval, shape (n, 3, scale · height, scale · width), low ≤ mean ≤ high."""
        mean, low, high = self(patches)
        below, above = self.widening.unbind()
        low = mean - (mean - torch.minimum(low, high)).clamp_min(NARROWEST) * below
        high = mean + (torch.maximum(low, high) - mean).clamp_min(NARROWEST) * above
        return torch.cat([mean, low, high], 1)


class _Residual(nn.Module):
    """Two convolutions whose result is added; nothing at first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = features + self.second(functional.gelu(self.first(features)))
        return result


def _blocks(width: int, number: int) -> nn.Sequential:
    return nn.Sequential(*(_Residual(width) for _ in range(number)))
