"""The recipe of SAC-CNN."""

from typing import Annotated, ClassVar

from pydantic import Field

from stemforge.settings import Settings
from stemforge.train.networks import NETWORKS
from stemforge.train.recipe import TrainingRecipe, Visible


class Crops(Settings):
    """Which crops SAC-CNN is shown.

    Parameters
    ----------
    per_image
        Crops taken from each image an epoch.
    positive
        Share of positives, as far as the image has atoms.
    hard
        Share of the negatives taken at bright spots that are no atoms, and just beside atoms.
    jitter
        How far a positive's centre may lie from its atom [pixel].

    Examples
    --------
    >>> crops = Crops(per_image=40, positive=0.25)
    >>> round(crops.per_image * crops.positive)
    10
    >>> Crops.from_mapping({"positive": 1.5})
    Traceback (most recent call last):
        ...
    stemforge.errors.RecipeError: settings: 'positive': must be less than 1 (got 1.5)
    """

    per_image: Annotated[int, Field(ge=2)] = 96
    positive: Annotated[float, Field(gt=0, lt=1)] = 0.5
    hard: Annotated[float, Field(ge=0, le=1)] = 0.5
    jitter: Annotated[int, Field(ge=0, le=5)] = 1


class SACCNNRecipe(TrainingRecipe):
    """Everything that decides a SAC-CNN training run.

    Parameters
    ----------
    dropout
        Of the network.
    visible
        Which atoms count, and make a crop positive.
    crops
        Which crops are shown.

    Examples
    --------
    >>> SACCNNRecipe.shipped().learning_rate
    0.0001
    """

    NETWORK: ClassVar[str] = "sac-cnn"
    SHIPPED: ClassVar[tuple[str, ...]] = NETWORKS[NETWORK].recipes

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    visible: Visible = Visible()
    crops: Crops = Crops()
