"""DIVAESR's row in the table of networks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from stemforge.train.card import Card
from stemforge.train.divaesr.model import DIVAESR, PATCH, DIVAESRSettings
from stemforge.train.divaesr.recipe import DIVAESRRecipe
from stemforge.train.networks import Restored, Restorer, TrainingData
from stemforge.train.stitching import restore_image

if TYPE_CHECKING:
    from stemforge.corpus.reader import Corpus
    from stemforge.corpus.sample import Sample
    from stemforge.train.data.exposures import Exposure
    from stemforge.train.task import Task


class DIVAESRNetwork(Restorer):
    """DIVAESR and its ablations."""

    name = "divaesr"
    recipe = DIVAESRRecipe
    patch = PATCH

    def build(self, settings: Mapping[str, Any]) -> DIVAESR:
        """Build it in the sizes and mode of its settings."""
        return DIVAESR(DIVAESRSettings.from_mapping(settings))

    def data(self, paths: Sequence[str | Path], recipe: DIVAESRRecipe) -> TrainingData:
        """Open corpora of segment signals, and zip files laid out as ``stem-sr.zip`` or ``trainval.zip``."""
        from stemforge.train.data.restoration import restoration_data

        return restoration_data(paths, recipe)

    def task(self, recipe: DIVAESRRecipe) -> "Task":
        """Return the task that trains it."""
        from stemforge.train.divaesr.task import DIVAESRTask

        # A fifth faster on a CPU; the numbers are the same.
        return DIVAESRTask(recipe, DIVAESR(recipe.network).to(memory_format=torch.channels_last))

    def restore(self, model: DIVAESR, image: NDArray[np.float32], *, overlap: int = 16) -> Restored:
        """Restore an image of any size in overlapping patches."""
        return Restored(restore_image(model, image, overlap=overlap))

    def target(self, card: Card, sample: "Sample", exposure: "Exposure") -> NDArray[np.float32]:
        """Draw what the recipe names: the atoms or the clean image."""
        from stemforge.train.data.restoration import draw_target

        return draw_target(self._target(card), sample, exposure)

    def require(self, card: Card, corpora: "Sequence[Corpus]") -> None:
        """Refuse corpora without segments, or without structures where atoms are drawn."""
        from stemforge.train.data.exposures import require_segments

        require_segments(corpora, PATCH, structure=self._target(card) == "atoms")

    def _target(self, card: Card) -> str:
        return str(card.recipe.get("target", DIVAESRRecipe.model_fields["target"].default))
