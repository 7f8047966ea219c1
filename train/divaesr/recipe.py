"""The recipe of DIVAESR and its ablations."""

from typing import Annotated, ClassVar

from pydantic import Field

from stemforge.train.data.restorer import RestorationRecipe
from stemforge.train.divaesr.settings import DIVAESRSettings
from stemforge.train.networks import NETWORKS


class DIVAESRRecipe(RestorationRecipe):
    """Everything that decides a DIVAESR training run.

    Parameters
    ----------
    kl_weight
        Of the divergence: loss = MSE(noise) + ``kl_weight`` · KL + ``lambda_l1`` · L1(output, target).
    lambda_l1
        Of the difference between output and target in the same sum.
    network
        Sizes and mode.

    Examples
    --------
    >>> DIVAESRRecipe.shipped().network.mode, DIVAESRRecipe.load("divaesr-small").network.features
    ('divaesr', 48)
    >>> DIVAESRRecipe.from_mapping({"kl_weight": -1})
    Traceback (most recent call last):
        ...
    stemforge.errors.RecipeError: settings: 'kl_weight': must be at least 0 (got -1)
    """

    NETWORK: ClassVar[str] = "divaesr"
    SHIPPED: ClassVar[tuple[str, ...]] = NETWORKS[NETWORK].recipes

    images_per_batch: Annotated[int, Field(ge=1)] = 1
    kl_weight: Annotated[float, Field(ge=0)] = 2.5e-4
    lambda_l1: Annotated[float, Field(gt=0)] = 0.5
    network: DIVAESRSettings = DIVAESRSettings()
