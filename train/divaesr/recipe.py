"""The recipe of DIVAESR and its ablations."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from stemforge.train.data.dosed import DosedRecipe
from stemforge.train.divaesr.model import DIVAESRSettings


class DIVAESRRecipe(DosedRecipe):
    """Everything that decides a DIVAESR training run.

    Parameters
    ----------
    kl_weight, lambda_l1
        Loss = MSE(noise) + ``kl_weight`` · KL + ``lambda_l1`` · L1(output, target).
    per_image
        Patches of 64 × 64 pixels cut from each image; published pairs share batches in such groups too.
    target
        What is to be drawn: the projected ``atoms``, or the ``clean`` iDPC image. Published pairs have atoms.
    split
        How published pairs are split: as ``published``, where views of one image are in both parts, or by
        ``structure``.
    network
        Sizes and mode.
    """

    NETWORK: ClassVar[str] = "divaesr"
    SHIPPED: ClassVar[tuple[str, ...]] = ("divaesr", "divaesr-small", "vae", "sr", "vae-sr")

    images_per_batch: Annotated[int, Field(ge=1)] = 1
    kl_weight: Annotated[float, Field(ge=0)] = 2.5e-4
    lambda_l1: Annotated[float, Field(gt=0)] = 0.5
    per_image: Annotated[int, Field(ge=1)] = 16
    target: Literal["atoms", "clean"] = "atoms"
    split: Literal["published", "structure"] = "published"
    network: DIVAESRSettings = DIVAESRSettings()
