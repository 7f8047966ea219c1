"""DIVAESR's row in the table of networks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from stemforge.train.card import Card, Inputs
from stemforge.train.divaesr.model import DIVAESR, PATCH, SCALE, DIVAESRSettings
from stemforge.train.divaesr.recipe import DIVAESRRecipe
from stemforge.train.divaesr.stitching import restore_image
from stemforge.train.networks import Restorer, TrainingData

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
    scale = SCALE

    def build(self, settings: Mapping[str, Any]) -> DIVAESR:
        """Build it in the sizes and mode of its settings."""
        return DIVAESR(DIVAESRSettings.from_mapping(settings))

    def data(self, paths: Sequence[str | Path], recipe: DIVAESRRecipe) -> TrainingData:
        """Open corpora of segment signals, and zip files laid out as ``stem-sr.zip`` or ``trainval.zip``."""
        from stemforge.train.divaesr.data import RestorationPairs, open_sources

        sources, corpora = open_sources(paths, recipe)
        files = [Path(path).name for path in paths if Path(path).is_file()]
        inputs = Inputs(high_pass=recipe.high_pass if corpora else 0.0)

        def pairs(_: "Sequence[Corpus]", part: str, recipe: DIVAESRRecipe) -> RestorationPairs:
            return RestorationPairs(sources, part, recipe)

        return TrainingData.of(pairs, corpora, recipe, inputs, files)

    def task(self, recipe: DIVAESRRecipe) -> "Task":
        """Return the task that trains it."""
        from stemforge.train.divaesr.task import DIVAESRTask

        # A fifth faster on a CPU; the numbers are the same.
        return DIVAESRTask(recipe, DIVAESR(recipe.network).to(memory_format=torch.channels_last))

    def restore(
        self, model: DIVAESR, image: NDArray[np.float32], *, overlap: int = 16
    ) -> NDArray[np.float32]:
        """Restore an image of any size in overlapping patches."""
        return restore_image(model, image, overlap=overlap)

    def target(self, card: Card, sample: "Sample", exposure: "Exposure") -> NDArray[np.float32]:
        """Draw what the recipe names: the atoms or the clean image."""
        from stemforge.train.divaesr.data import draw_target

        return draw_target(self._target(card), sample, exposure)

    def require(self, card: Card, corpora: "Sequence[Corpus]") -> None:
        """Refuse corpora without segments, or without structures where atoms are drawn."""
        from stemforge.train.data.exposures import require_segments

        require_segments(corpora, PATCH, structure=self._target(card) == "atoms")

    def _target(self, card: Card) -> str:
        return str(card.recipe.get("target", DIVAESRRecipe.model_fields["target"].default))
