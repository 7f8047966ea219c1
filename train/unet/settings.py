"""Settings of the U-Net, which recipes have, too: read without torch."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stemforge.settings import Settings


class UNetSettings(Settings):
    """What the network is made of; it travels with the weights.

    Parameters
    ----------
    scale
        Pixels of the result along one pixel of the image. Features have two pixels of the result along one of theirs:
        with ``scale`` 1 two pixels of the image are folded into channels.
    widths
        Channels at each resolution; each next has half the pixels along a side.
    blocks
        Residual blocks at each resolution, on the way down and, except at the last, up.

    Examples
    --------
    >>> UNetSettings(widths=(8, 16), blocks=(1, 2)).scale
    2
    >>> UNetSettings.from_mapping({"widths": [8, 16]})
    Traceback (most recent call last):
        ...
    stemforge.errors.RecipeError: settings: blocks: needs one number for each of the 2 widths
    """

    scale: Literal[1, 2] = 2
    widths: Annotated[tuple[Annotated[int, Field(ge=1, le=1024)], ...], Field(min_length=1, max_length=6)] = (
        32,
        64,
        128,
        192,
    )
    blocks: tuple[Annotated[int, Field(ge=0, le=32)], ...] = (1, 1, 2, 3)

    @model_validator(mode="after")
    def _one_number_a_width(self) -> Self:
        if len(self.blocks) != len(self.widths):
            raise ValueError(f"blocks: needs one number for each of the {len(self.widths)} widths")
        return self
