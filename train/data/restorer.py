"""What the recipes of restorers share."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from stemforge.train.data.dosed import DosedRecipe

Target = Literal["atoms", "clean", "signal"]
"""What is drawn: projected atoms; the noise-free image, brought to 0 … 1; or that on the noisy image's grey scale."""


class RestorationRecipe(DosedRecipe):
    """What the recipes of restorers share.

    Parameters
    ----------
    per_image
        Patches cut from each image; published pairs share batches in such groups too.
    target
        What is to be drawn: the projected ``atoms``; the ``clean`` iDPC image, brought to 0 … 1 by itself; or the
        ``signal``: the clean image on the noisy one's grey scale, which stays flat where nothing is. Published pairs
        have atoms.
    featureless_share
        Share of the noisy images that show no crystal: half of them counting noise alone, half a texture without order
        that has the specimen's spectrum. Needs ``signal``.
    split
        How published pairs are split: as ``published``, where views of one image are in both parts, or by
        ``structure``.
    align
        Move published images onto their labels, beside which they lie by 0.8 pixel in the mean.
    """

    PATCH: ClassVar[int] = 64
    """Side of the patches [pixel]."""

    per_image: Annotated[int, Field(ge=1)] = 16
    target: Target = "atoms"
    featureless_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    split: Literal["published", "structure"] = "published"
    align: bool = False

    @property
    def scale(self) -> int:
        """Pixels of the target along one of the noisy image."""
        return 2

    @model_validator(mode="after")
    def _signal_is_flat(self) -> Self:
        if self.featureless_share and self.target != "signal":
            raise ValueError("featureless_share: what is to be drawn of it is known for target: signal only")
        return self
