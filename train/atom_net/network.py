"""AtomNet's row in the table of networks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from stemforge.train.atom_net.model import AtomNet
from stemforge.train.atom_net.preparation import Standardisation, standardise_image
from stemforge.train.atom_net.recipe import AtomNetRecipe
from stemforge.train.atom_net.settings import AtomNetSettings
from stemforge.train.networks import AtomDetector, TrainingData

if TYPE_CHECKING:
    from stemforge.train.task import Task


_CONTEXT = 6  # of its deepest level's pixels it sees to each side


class AtomNetNetwork(AtomDetector):
    """AtomNet: likelihood of an atom, the way to its centre, and how exact that is."""

    name = "atom-net"
    smoothing = 1.0

    def build(self, settings: Mapping[str, Any]) -> AtomNet:
        """Build it in the sizes of its settings."""
        return AtomNet(AtomNetSettings.from_mapping(settings))

    def data(self, paths: Sequence[str | Path], recipe: AtomNetRecipe) -> TrainingData:
        """Open corpora of labelled annular images."""
        from stemforge.train.atom_net.data import AtomHeatMaps
        from stemforge.train.labelled import open_labelled

        return TrainingData.of(AtomHeatMaps, open_labelled(paths), recipe)

    def task(self, recipe: AtomNetRecipe) -> "Task":
        """Return the task that trains it."""
        from stemforge.train.atom_net.task import AtomNetTask

        return AtomNetTask(recipe, AtomNet(recipe.network).to(memory_format=torch.channels_last))

    def prepare(self, image: ArrayLike) -> NDArray[np.float32]:
        """Bring the image to units of its noise, over its local mean."""
        return standardise_image(image)

    def preparation(self) -> Standardisation:
        """Return the same for graphs."""
        return Standardisation()

    def maps(self, model: AtomNet, images: torch.Tensor) -> torch.Tensor:
        """Return likelihood, offset (x, y) and standard deviation."""
        found = model(images)
        return torch.cat([found.logit[:, None].sigmoid(), found.offset, found.log_sigma[:, None].exp()], 1)[0]

    def reach(self, model: AtomNet) -> tuple[int, int]:
        """More than it sees around a pixel, in whole steps of its coarsest level."""
        return model.stride * _CONTEXT, model.stride
