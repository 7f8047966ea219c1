"""The U-Net's row in the table of networks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from stemforge.train.card import Card
from stemforge.train.networks import Restored, Restorer, TrainingData
from stemforge.train.stitching import restore_planes
from stemforge.train.unet.model import SMALLEST, UNet, UNetSettings
from stemforge.train.unet.recipe import UNetRecipe

if TYPE_CHECKING:
    from stemforge.corpus.reader import Corpus
    from stemforge.corpus.sample import Sample
    from stemforge.train.data.batches import EpochBatches
    from stemforge.train.data.exposures import Exposure
    from stemforge.train.task import Task


class UNetNetwork(Restorer):
    """A U-Net that restores and says how sure it is."""

    name = "unet"
    recipe = UNetRecipe
    patch = SMALLEST

    def build(self, settings: Mapping[str, Any]) -> UNet:
        """Build it in the sizes of its settings."""
        return UNet(UNetSettings.from_mapping(settings))

    def data(self, paths: Sequence[str | Path], recipe: UNetRecipe) -> TrainingData:
        """Open corpora of segment signals, and zip files laid out as ``stem-sr.zip`` or ``trainval.zip``."""
        from stemforge.train.data.restoration import restoration_data

        return restoration_data(paths, recipe)

    def task(self, recipe: UNetRecipe) -> "Task":
        """Return the task that trains it."""
        from stemforge.train.unet.task import UNetTask

        return UNetTask(recipe, UNet(recipe.network).to(memory_format=torch.channels_last))

    def finish(self, model: UNet, validation: "EpochBatches") -> None:
        """Widen the interval to what it has to hold."""
        from stemforge.train.unet.calibration import fit_widening

        fit_widening(model, validation)

    def restore(self, model: UNet, image: NDArray[np.float32], *, overlap: int = 16) -> Restored:
        """Restore an image of any size in overlapping tiles."""
        return Restored(*restore_planes(model, image, overlap=overlap))

    def target(self, card: Card, sample: "Sample", exposure: "Exposure") -> NDArray[np.float32]:
        """Draw what the recipe names: the signal on the noisy image's grey scale, the clean image, or the atoms."""
        from stemforge.train.data.restoration import draw_target

        return draw_target(
            self._drawn(card), sample, exposure, UNetSettings.from_mapping(card.settings).scale
        )

    def require(self, card: Card, corpora: "Sequence[Corpus]") -> None:
        """Refuse corpora without segments, or without structures where atoms are drawn."""
        from stemforge.train.data.exposures import require_segments

        require_segments(corpora, SMALLEST, structure=self._drawn(card) == "atoms")

    def _drawn(self, card: Card) -> str:
        return str(card.recipe.get("target", UNetRecipe.model_fields["target"].default))
