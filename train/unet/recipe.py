"""The recipe of the U-Net."""

from typing import Annotated, ClassVar

from pydantic import Field

from stemforge.train.data.restorer import RestorationRecipe, Target
from stemforge.train.networks import NETWORKS
from stemforge.train.unet.settings import UNetSettings


class UNetRecipe(RestorationRecipe):
    """Everything that decides a training run of the U-Net.

    Parameters
    ----------
    floor
        Contrast below which errors no longer weigh more (standard deviation, of the grey scale 0 … 1): errors are
        divided by the target's contrast, so that faint images count as much as strong ones, but not without bound.
    network
        Sizes.

    Examples
    --------
    >>> recipe = UNetRecipe.load("unet", {"network.scale": 1})
    >>> recipe.scale, recipe.target, UNetRecipe.PATCH
    (1, 'signal', 128)
    """

    NETWORK: ClassVar[str] = "unet"
    SHIPPED: ClassVar[tuple[str, ...]] = NETWORKS[NETWORK].recipes
    PATCH: ClassVar[int] = 128

    images_per_batch: Annotated[int, Field(ge=1)] = 4
    per_image: Annotated[int, Field(ge=1)] = 4
    target: Target = "signal"
    featureless_share: Annotated[float, Field(ge=0, lt=1)] = 0.1
    floor: Annotated[float, Field(gt=0)] = 0.1
    network: UNetSettings = UNetSettings()

    @property
    def scale(self) -> int:
        """Pixels of the target along one of the noisy image."""
        return self.network.scale
