"""Faster R-CNN's row in the table of networks."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from stemforge.corpus.reader import Corpus
from stemforge.errors import errors_about
from stemforge.simulate import BoxDefinition
from stemforge.train.card import Card, Inputs, RestorerFile
from stemforge.train.data.exposures import require_segments
from stemforge.train.faster_rcnn.data import MoleculeImages, detector_input, molecule_names
from stemforge.train.faster_rcnn.model import FasterRCNN
from stemforge.train.faster_rcnn.recipe import FasterRCNNRecipe
from stemforge.train.faster_rcnn.settings import FasterRCNNSettings
from stemforge.train.networks import MoleculeDetector, Restore, Restorer, TrainingData
from stemforge.train.weights import find_weights, load_weights

if TYPE_CHECKING:
    from stemforge.train.task import Task


class FasterRCNNNetwork(MoleculeDetector):
    """Faster R-CNN, on iDPC images as they are or restored."""

    name = "faster-rcnn"

    def build(self, settings: Mapping[str, Any]) -> FasterRCNN:
        """Build it for the classes and in the sizes of its settings."""
        return FasterRCNN(FasterRCNNSettings.from_mapping(settings))

    def data(self, paths: Sequence[str | Path], recipe: FasterRCNNRecipe) -> TrainingData:
        """Open corpora of segment signals with molecule boxes; they name the classes."""
        corpora = [Corpus(folder) for folder in paths]
        require_segments(corpora, recipe.crop, boxes=True)
        classes = molecule_names(corpora, one_class=recipe.one_class)
        recipe = recipe.replace(network=recipe.network.replace(classes=classes))
        restore, file = _restoring(recipe.restorer)
        inputs = Inputs(
            high_pass=recipe.high_pass,
            zoom=recipe.zoom,
            restorer=file,
            framework=_framework(corpora),
            boxes=BoxDefinition(recipe.boxes),
        )
        return TrainingData.of(partial(MoleculeImages, restore=restore), corpora, recipe, inputs)

    def task(self, recipe: FasterRCNNRecipe) -> "Task":
        """Return the task that trains it."""
        from stemforge.train.faster_rcnn.task import FasterRCNNTask

        return FasterRCNNTask(recipe, FasterRCNN(recipe.network))

    def classes(self, card: Card) -> tuple[str, ...]:
        """Return the names in the card's settings."""
        return FasterRCNNSettings.from_mapping(card.settings).classes

    def shown(self, card: Card, image: NDArray[np.float32], restore: Restore | None) -> NDArray[np.float32]:
        """Restore the image where that is wanted, at the zoom that the detector was trained with."""
        return detector_input(image, restore, card.inputs.zoom)


@dataclass(frozen=True)
class _Restoring:
    """Restores images where the detector is trained: beside a GPU a processor would hold training up."""

    network: Restorer
    model: torch.nn.Module

    def __call__(self, image: NDArray[np.float32], device: str = "cpu") -> NDArray[np.float32]:
        return self.network.doubling(self.model.to(device))(image)


def _framework(corpora: Sequence[Corpus]) -> str | None:
    """Return the framework in whose channels all molecules are, if it is one known by name."""
    supports = [corpus.recipe.get("support") for corpus in corpora]
    names = {support.get("framework") if isinstance(support, dict) else None for support in supports}
    name = names.pop() if len(names) == 1 else None
    return name if isinstance(name, str) else None


def _restoring(weights: str | None) -> tuple[_Restoring | None, RestorerFile | None]:
    """Return what restores images, and which file that is."""
    if weights is None:
        return None, None
    with errors_about("restorer"):
        path = find_weights(weights)
        model, card = load_weights(path)
        restore = _Restoring(Restorer.named(card.architecture), model)
        restore.network.doubling(model)  # refused before work starts where it does not double
    return restore, RestorerFile(path.name, hashlib.sha256(path.read_bytes()).hexdigest())
