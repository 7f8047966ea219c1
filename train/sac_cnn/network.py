"""SAC-CNN's row in the table of networks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.nn import functional

from stemforge.errors import WeightsError
from stemforge.train.card import Inputs
from stemforge.train.networks import AtomDetector, TrainingData
from stemforge.train.sac_cnn.model import CROP, SACCNN
from stemforge.train.sac_cnn.preparation import subtract_background
from stemforge.train.sac_cnn.recipe import SACCNNRecipe

if TYPE_CHECKING:
    from stemforge.train.task import Task


_HALF = CROP // 2


class SACCNNNetwork(AtomDetector):
    """SAC-CNN: the likelihood that an atom stands in the middle of a crop of 21 × 21 pixels."""

    name = "sac-cnn"
    smoothing = 2.0

    def build(self, settings: Mapping[str, Any]) -> SACCNN:
        """Build it; there is one size."""
        return SACCNN()

    def data(self, paths: Sequence[str | Path], recipe: SACCNNRecipe) -> TrainingData:
        """Open corpora of labelled annular images."""
        from stemforge.train.labelled import open_labelled
        from stemforge.train.sac_cnn.data import AtomCrops

        return TrainingData.of(AtomCrops, open_labelled(paths), recipe, Inputs(spots="peaks"))

    def task(self, recipe: SACCNNRecipe) -> "Task":
        """Return the task that trains it."""
        from stemforge.train.sac_cnn.task import SACCNNTask

        return SACCNNTask(recipe, SACCNN(recipe.dropout))

    def prepare(self, image: ArrayLike) -> NDArray[np.float32]:
        """Subtract the background and scale to 0 … 1."""
        return subtract_background(image)

    def preparation(self) -> NoReturn:
        """Refuse: a median over 1600 pixels around each has no operation in ONNX."""
        raise WeightsError(
            "sac-cnn takes the median over 40 × 40 pixels around each from an image, for which ONNX and torch.export "
            "have no operation; atom-net and any-atom can be exported"
        )

    def maps(self, model: SACCNN, images: torch.Tensor) -> torch.Tensor:
        """Return the likelihood alone; beyond the border of the image lie zeros."""
        logits = model.dense(functional.pad(images, [_HALF] * 4))
        return logits.softmax(1)[0, 1:]

    def reach(self, model: SACCNN) -> tuple[int, int]:
        """Half a crop; every pixel is alike."""
        return _HALF, 1
