"""AtomNet, which maps where single atoms are, how exactly, and how likely, in one pass over an image."""

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from stemforge.train.atom_net.settings import AtomNetSettings


class AtomMaps(NamedTuple):
    """What the network says of every pixel.

    ``logit`` (n, h, w): log odds that an atom's centre is near; ``offset`` (n, 2, h, w): from the pixel to that centre,
    (x, y) [pixel]; ``log_sigma`` (n, h, w): natural logarithm of the standard deviation of each coordinate [pixel].
    """

    logit: Tensor
    offset: Tensor
    log_sigma: Tensor


class AtomNet(nn.Module):
    """A compact U-Net with a heat map of atoms, their sub-pixel offsets, and the offsets' uncertainty.

    An encoder and a decoder with skip connections (Ronneberger et al. 2015, arXiv:1505.04597), a heat map and offsets
    as in CenterNet (Zhou et al. 2019, arXiv:1904.07850), and a Gaussian's width as a network's own word on its error
    (Kendall & Gal 2017, arXiv:1703.04977).

    Parameters
    ----------
    settings
        Sizes.

    Examples
    --------
    >>> maps = AtomNet()(torch.zeros(2, 1, 50, 70))
    >>> maps.logit.shape, maps.offset.shape
    (torch.Size([2, 50, 70]), torch.Size([2, 2, 50, 70]))
    """

    def __init__(self, settings: AtomNetSettings | None = None) -> None:
        super().__init__()
        self.settings = settings or AtomNetSettings()
        widths = [self.settings.width * 2**level for level in range(self.settings.levels)]
        self.down = nn.ModuleList(
            _block(before, after) for before, after in zip([1, *widths], widths, strict=False)
        )
        self.up = nn.ModuleList(
            _block(deep + shallow, shallow) for shallow, deep in itertools.pairwise(widths)
        )
        self.head = nn.Conv2d(widths[0], 4, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        # Atoms are rare: begin with a probability of one in a hundred, offsets of nothing.
        nn.init.normal_(self.head.weight, std=0.01)
        assert self.head.bias is not None  # noqa: S101 - for the type checker
        nn.init.constant_(self.head.bias[0], -4.6)

    @property
    def stride(self) -> int:
        """Pixels along a side that become one at the coarsest level."""
        return int(2 ** (self.settings.levels - 1))

    def forward(self, images: Tensor) -> AtomMaps:
        """Map images from :func:`stemforge.train.standardise_image`, shape (n, 1, h, w), any size."""
        height, width = images.shape[-2:]
        # torch.export can follow multiples of the stride, and ONNX rounds only positive quotients down.
        stride = self.stride
        missing = [(side + stride - 1) // stride * stride - side for side in (width, height)]
        x = functional.pad(images, [0, missing[0], 0, missing[1]], mode="replicate")
        kept = []
        for level, block in enumerate(self.down):
            x = block(functional.max_pool2d(x, 2) if level else x)
            kept.append(x)
        for block, skip in zip(reversed(self.up), reversed(kept[:-1]), strict=True):
            x = block(torch.cat([functional.interpolate(x, scale_factor=2, mode="nearest"), skip], 1))
        maps = self.head(x)
        # Not a slice: torch.export would ask of sizes that are symbols whether anything is cut off.
        for axis, side in ((2, height), (3, width)):
            maps = maps.index_select(axis, torch.arange(side, device=maps.device))
        # A width between 0.03 and 8 pixels: beyond, the likelihood of an offset has no use for it.
        return AtomMaps(maps[:, 0], maps[:, 1:3], maps[:, 3].clamp(-3.5, 2.1))


def _block(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [
            nn.Conv2d(channels, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)
