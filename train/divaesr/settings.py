"""Settings of DIVAESR, which recipes have, too: read without torch."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stemforge.settings import Settings

Mode = Literal["vae", "sr", "vae+sr", "divaesr"]


class DIVAESRSettings(Settings):
    """What the network is made of; it travels with the weights.

    Parameters
    ----------
    mode
        ``divaesr``: autoencoder and super-resolution, trained together, as published.
        ``vae+sr``: the same chain, each part trained by its own loss alone.
        ``vae``: the autoencoder alone, its output enlarged by bicubic interpolation.
        ``sr``: super-resolution alone, straight from the noisy image; works on images of any size.
    channels
        Of the encoder's five or fewer convolutions; each halves the 64 pixels.
    latent
        Numbers that describe a patch's noise.
    blocks
        Residual blocks of EDSR.
    features
        Channels of EDSR's residual blocks.
    residual_scale
        Factor on what a residual block adds.
    squeeze
        Pixels along a side that EDSR folds into channels before its residual blocks: 1 as published; with 2 they
        cost a quarter and see twice as far.

    Examples
    --------
    >>> DIVAESRSettings(mode="sr", features=32, squeeze=2).squeeze
    2
    >>> DIVAESRSettings.from_mapping({"features": 30, "squeeze": 2})
    Traceback (most recent call last):
        ...
    stemforge.errors.RecipeError: settings: features must be a multiple of squeeze² = 4
    """

    mode: Mode = "divaesr"
    channels: Annotated[
        tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(min_length=1, max_length=5)
    ] = (
        32,
        64,
        128,
        256,
        512,
    )
    latent: Annotated[int, Field(ge=1, le=4096)] = 128
    blocks: Annotated[int, Field(ge=1, le=128)] = 12
    features: Annotated[int, Field(ge=1, le=1024)] = 64
    residual_scale: Annotated[float, Field(gt=0, le=1)] = 0.1
    squeeze: Literal[1, 2, 4] = 1

    @model_validator(mode="after")
    def _features_unfold(self) -> Self:
        if self.features % self.squeeze**2:
            raise ValueError(f"features must be a multiple of squeeze² = {self.squeeze**2}")
        return self
