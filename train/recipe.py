"""The training recipe of SAC-CNN."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field

from stemforge.recipe import Settings


class Crops(Settings):
    """Which crops a network is shown.

    Parameters
    ----------
    min_cnr, min_contrast
        A simulated atom counts as visible, and its crops as positive, from this contrast-to-noise and contrast
        on, at the dose and source size of the degraded image: Rose's criterion, and the 10th percentile of the
        contrast of atoms that experts marked on Pt/NC. Measured labels all count.
    ignore_cnr
        Atoms fainter than visible but above this contrast-to-noise are neither positive nor negative.
    per_image
        Crops taken from each image an epoch.
    positive
        Share of positives, as far as the image has atoms.
    hard
        Share of the negatives taken at bright spots that are no atoms, and just beside atoms.
    jitter
        How far a positive's centre may lie from its atom [pixel].
    """

    min_cnr: Annotated[float, Field(ge=0)] = 5.0
    min_contrast: Annotated[float, Field(ge=0)] = 0.07
    ignore_cnr: Annotated[float, Field(ge=0)] = 3.0
    per_image: Annotated[int, Field(ge=2)] = 96
    positive: Annotated[float, Field(gt=0, lt=1)] = 0.5
    hard: Annotated[float, Field(ge=0, le=1)] = 0.5
    jitter: Annotated[int, Field(ge=0, le=5)] = 1


class SACCNNRecipe(Settings):
    """Everything that decides a SAC-CNN training run.

    Parameters
    ----------
    seed
        Root of all randomness.
    epochs
        Passes over the corpora; every pass degrades every image anew.
    images_per_batch
        Images whose crops share a batch.
    learning_rate, weight_decay, dropout
        Of Adam (AMSGrad) and the network.
    validation
        Share of the samples, the last of each corpus, kept for validation.
    patience
        Epochs without a better validation loss after which training stops.
    crops
        Which crops are shown.

    Examples
    --------
    >>> SACCNNRecipe.shipped().learning_rate
    0.0001
    """

    seed: Annotated[int, Field(ge=0)] = 0
    epochs: Annotated[int, Field(ge=1)] = 30
    images_per_batch: Annotated[int, Field(ge=1)] = 2
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.15
    patience: Annotated[int, Field(ge=1)] = 8
    crops: Crops = Crops()

    @classmethod
    def shipped(cls) -> Self:
        """Return the published settings."""
        return cls.from_file(cls.shipped_path())

    @staticmethod
    def shipped_path() -> Path:
        """Return the file of the published settings."""
        return Path(str(files("stemforge.train"))) / "recipes" / "sac-cnn.yaml"
