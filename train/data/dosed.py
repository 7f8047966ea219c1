"""What the recipes of networks for low-dose iDPC images share."""

from typing import Annotated

from pydantic import Field

from stemforge.train.data.augment import Augmentation
from stemforge.train.recipe import Doses, TrainingRecipe


class DosedRecipe(TrainingRecipe):
    """A training recipe whose images are exposed to doses drawn anew.

    Parameters
    ----------
    doses
        Each image is shown at a dose drawn log-uniformly between these [e/Å²].
    clean_share
        Share of the images shown without counting noise instead.
    high_pass
        Spatial frequency below which iDPC images are damped before they are scaled [1/Å]; 0 keeps all. Published
        pairs are taken as they are.
    augmentation
        How much training images are varied.
    """

    doses: Doses = (300.0, 1e4)
    clean_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    high_pass: Annotated[float, Field(ge=0)] = 0.02
    augmentation: Augmentation = Augmentation()
