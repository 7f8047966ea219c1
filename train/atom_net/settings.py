"""Sizes of AtomNet, which recipes have, too: read without torch."""

from typing import Annotated

from pydantic import Field

from stemforge.settings import Settings


class AtomNetSettings(Settings):
    """Sizes of AtomNet.

    Parameters
    ----------
    width
        Channels at full resolution; they double from level to level.
    levels
        Resolutions, each half of the one before.

    Examples
    --------
    >>> from stemforge.train import AtomNet
    >>> small = AtomNetSettings(width=4, levels=2)
    >>> [sum(p.numel() for p in AtomNet(one).parameters()) for one in (small, AtomNetSettings())]
    [1704, 487764]
    """

    width: Annotated[int, Field(ge=4, le=128)] = 16
    levels: Annotated[int, Field(ge=2, le=6)] = 4
