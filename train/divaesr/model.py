"""DIVAESR, which takes the noise off a low-dose image and draws it with twice as many pixels."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from stemforge.train.divaesr.settings import DIVAESRSettings
from stemforge.train.stitching import Tiles

PATCH = 64
"""Side of the patches on which the autoencoder works [pixel]."""
SCALE = 2
"""Output pixels along one input pixel."""


class Restoration(NamedTuple):
    """What DIVAESR says about patches; None where its mode has no such part.

    ``output`` (n, 1, 128, 128), ``denoised`` and ``noise`` (n, 1, 64, 64), and the latent distribution's ``mean``
    and ``log_variance`` (n, latent).
    """

    output: Tensor
    denoised: Tensor
    noise: Tensor | None = None
    mean: Tensor | None = None
    log_variance: Tensor | None = None


class DIVAESR(nn.Module):
    """The network of Yang et al. (2024), doi:10.1002/advs.202408629.

    A variational autoencoder predicts the noise of a 64 × 64 patch. What is left when the noise is subtracted is
    scaled to 0 … 1, and EDSR (Lim et al. 2017, arXiv:1707.02921) draws it with twice as many pixels.

    Parameters
    ----------
    settings
        Sizes and mode; the published ones by default.

    Examples
    --------
    >>> network = DIVAESR(DIVAESRSettings(channels=(4, 8), latent=4, blocks=1, features=4)).eval()
    >>> network.restore(torch.rand(3, 1, 64, 64)).shape
    torch.Size([3, 1, 128, 128])
    """

    def __init__(self, settings: DIVAESRSettings | None = None) -> None:
        super().__init__()
        self.settings = settings = settings or DIVAESRSettings()
        if settings.mode != "sr":
            self.vae = NoiseVAE(settings.channels, settings.latent)
        if settings.mode != "vae":
            self.edsr = EDSR(settings.blocks, settings.features, settings.residual_scale, settings.squeeze)

    @property
    def tiles(self) -> Tiles:
        """What tiles it takes: pure super-resolution large ones, which fit in little memory; else 64 × 64 pixels."""
        if self.settings.mode == "sr":
            return Tiles(PATCH, 256, SCALE, self.settings.squeeze)
        return Tiles(PATCH, PATCH, SCALE, 1, 16)

    def forward(self, patches: Tensor) -> Restoration:
        """Restore patches between 0 and 1, shape (n, 1, 64, 64); deterministic in evaluation mode."""
        if self.settings.mode == "sr":
            return Restoration(self.edsr(patches), patches)
        noise, mean, log_variance = self.vae(patches)
        denoised = rescale(patches - noise)
        if self.settings.mode == "vae":
            output = functional.interpolate(
                denoised, scale_factor=float(SCALE), mode="bicubic", align_corners=False
            )
        else:
            # Trained apart, the autoencoder does not learn from what EDSR makes of its output.
            output = self.edsr(denoised.detach() if self.settings.mode == "vae+sr" else denoised)
        return Restoration(output, denoised, noise, mean, log_variance)

    @torch.no_grad()
    def restore(self, patches: Tensor) -> Tensor:
        """Return the restored patches alone, between 0 and 1, shape (n, 1, 128, 128)."""
        return self(patches).output.clamp(0, 1)


class NoiseVAE(nn.Module):
    """A variational autoencoder that draws the noise of a 64 × 64 patch.

    Convolutions of kernel 3 and stride 2 with batch normalisation and LeakyReLU, the latent normal distribution,
    and the mirror image of it in transposed convolutions; tanh at the end, as a difference of two images between
    0 and 1 lies between −1 and 1.

    Parameters
    ----------
    channels
        Of the encoder's convolutions.
    latent
        Dimension of the latent distribution.
    """

    def __init__(self, channels: tuple[int, ...], latent: int) -> None:
        super().__init__()
        steps = list(zip((1, *channels[:-1]), channels, strict=True))
        self.encoder = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(before, after, 3, 2, 1), nn.BatchNorm2d(after), nn.LeakyReLU())
                for before, after in steps
            )
        )
        self.shape = (channels[-1], PATCH >> len(channels), PATCH >> len(channels))
        width = self.shape[0] * self.shape[1] * self.shape[2]
        self.mean = nn.Linear(width, latent)
        self.log_variance = nn.Linear(width, latent)
        self.spread = nn.Linear(latent, width)
        mirrored = [(after, max(before, channels[0])) for before, after in reversed(steps)]
        self.decoder = nn.Sequential(
            *(
                nn.Sequential(
                    nn.ConvTranspose2d(before, after, 3, 2, 1, output_padding=1),
                    nn.BatchNorm2d(after),
                    nn.LeakyReLU(),
                )
                for before, after in mirrored
            ),
            nn.Conv2d(channels[0], 1, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, patches: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return noise (n, 1, 64, 64), mean and log variance (n, latent); draws from them in training only."""
        code = self.encoder(patches).flatten(1)
        mean = self.mean(code)
        # Bounded, so that one odd batch cannot overflow the exponential.
        log_variance = self.log_variance(code).clamp(-20, 10)
        drawn = mean
        if self.training:
            drawn = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return self.decoder(self.spread(drawn).reshape(-1, *self.shape)), mean, log_variance


class EDSR(nn.Module):
    """Super-resolution by residual blocks without batch normalisation (Lim et al. 2017, arXiv:1707.02921).

    Parameters
    ----------
    blocks, features
        Residual blocks and their channels.
    residual_scale
        Factor on what a block adds.
    squeeze
        Pixels along a side that are folded into channels first; the published network has 1.
    """

    def __init__(self, blocks: int, features: int, residual_scale: float, squeeze: int = 1) -> None:
        super().__init__()
        self.head = nn.Sequential(nn.PixelUnshuffle(squeeze), nn.Conv2d(squeeze**2, features, 3, padding=1))
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(features, features, 3, padding=1),
                nn.ReLU(inplace=True),
                nn.Conv2d(features, features, 3, padding=1),
            )
            for _ in range(blocks)
        )
        self.body = nn.Conv2d(features, features, 3, padding=1)
        self.tail = nn.Sequential(
            nn.Conv2d(features, features * SCALE**2, 3, padding=1),
            nn.PixelShuffle(SCALE * squeeze),
            nn.Conv2d(features // squeeze**2, 1, 3, padding=1),
        )
        self.residual_scale = residual_scale

    def forward(self, images: Tensor) -> Tensor:
        """Return images (n, 1, 2 × height, 2 × width) of images whose sides are multiples of ``squeeze``."""
        first = x = self.head(images)
        for block in self.blocks:
            x = x + self.residual_scale * block(x)
        return self.tail(first + self.body(x))


def rescale(images: Tensor) -> Tensor:
    """Scale each image to 0 … 1 by its smallest and largest value."""
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    return (images - low) / (high - low).clamp(min=1e-6)
