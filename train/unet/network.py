"""The U-Net's row in the table of networks."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from stemforge.train.networks import Restored, Restorer
from stemforge.train.stitching import restore_planes
from stemforge.train.unet.model import SMALLEST, UNet
from stemforge.train.unet.recipe import UNetRecipe
from stemforge.train.unet.settings import UNetSettings

if TYPE_CHECKING:
    from stemforge.train.data.batches import EpochBatches
    from stemforge.train.task import Task


class UNetNetwork(Restorer):
    """A U-Net that restores and says how sure it is."""

    name = "unet"
    patch = SMALLEST

    def build(self, settings: Mapping[str, Any]) -> UNet:
        """Build it in the sizes of its settings."""
        return UNet(UNetSettings.from_mapping(settings))

    def task(self, recipe: UNetRecipe) -> "Task":
        """Return the task that trains it."""
        from stemforge.train.unet.task import UNetTask

        return UNetTask(recipe, UNet(recipe.network).to(memory_format=torch.channels_last))

    def finish(self, model: UNet, validation: "EpochBatches") -> None:
        """Widen the interval to what it has to hold."""
        from stemforge.train.data.batches import every_batch
        from stemforge.train.unet.calibration import fit_widening

        fit_widening(model, every_batch(validation))

    def unfinished(self, model: UNet) -> str | None:
        """Say that the interval was not yet widened to what it has to hold."""
        return None if model.calibrated else "its interval was not fitted to hold 90 % of the true values"

    def restore(self, model: UNet, image: NDArray[np.float32], *, overlap: int = 16) -> Restored:
        """Restore an image of any size in overlapping tiles."""
        return Restored(*restore_planes(model, image, overlap=overlap))
