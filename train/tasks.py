"""What is optimised, as Lightning tasks."""

from typing import Any, ClassVar

import lightning
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import box_iou

from stemforge.errors import InputError
from stemforge.train.atom_net.data import HEAT_SIGMA, HeatMaps
from stemforge.train.atom_net.model import AtomNet
from stemforge.train.divaesr.model import DIVAESR
from stemforge.train.faster_rcnn.model import FasterRCNN
from stemforge.train.recipe import (
    AtomNetRecipe,
    DIVAESRRecipe,
    FasterRCNNRecipe,
    SACCNNRecipe,
    TrainingRecipe,
)
from stemforge.train.sac_cnn.model import SACCNN
from stemforge.train.weights import CARD_KEY, Card

GREY = 255.0
"""White of the 8-bit grey scale in which DIVAESR's errors are published."""


class Task(lightning.LightningModule):
    """Base of the tasks: the network, its recipe, its card in every checkpoint, and a watch over the loss.

    Raises
    ------
    InputError
        The loss is no longer finite.
    """

    monitor: ClassVar[str] = "validation_loss"
    """What decides which epoch is the best; the lower, the better."""

    model: torch.nn.Module
    recipe: TrainingRecipe
    card: Card | None = None

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the card, so that a checkpoint is as good as the weights file."""
        if self.card is not None:
            checkpoint[CARD_KEY] = self.card.to_json()

    def training_step(self, batch: Any, index: int) -> Tensor:
        """Return the loss of one batch."""
        return self.loss(batch, "train")

    def validation_step(self, batch: Any, index: int) -> None:
        """Log loss and figures of merit of one batch."""
        self.loss(batch, "validation")

    def loss(self, batch: Any, part: str) -> Tensor:
        """Return the loss of a batch of ``"train"`` or ``"validation"`` and log it."""
        raise NotImplementedError

    def report(self, part: str, size: int, loss: Tensor, **others: Tensor | float) -> Tensor:
        """Log a batch's figures and return its loss, or stop the run where that is not finite."""
        if not torch.isfinite(loss):
            raise InputError(
                f"the {part} loss of epoch {self.current_epoch} is {loss.item()}: the training diverged; lower the "
                "learning rate or check the data. The best epoch before is in checkpoints/best.ckpt, if there is one"
            )
        values = {f"{part}_{name}": value for name, value in {"loss": loss, **others}.items()}
        self.log_dict(values, on_step=False, on_epoch=True, prog_bar=True, batch_size=size, sync_dist=True)
        return loss

    def scheduled(self, optimiser: torch.optim.Optimizer) -> Any:
        """Add the recipe's schedule to an optimiser."""
        if self.recipe.schedule == "constant":
            return optimiser
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            optimiser, self.recipe.epochs, self.recipe.learning_rate / 100
        )
        return {"optimizer": optimiser, "lr_scheduler": schedule}


class SACCNNTask(Task):
    """Train SAC-CNN by cross-entropy with AMSGrad, as published.

    Parameters
    ----------
    recipe
        Settings of the run, as plain values, so that they can be stored in a checkpoint.
    """

    recipe: SACCNNRecipe
    model: SACCNN

    def __init__(self, recipe: dict[str, Any]) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.recipe = SACCNNRecipe.from_mapping(recipe)
        self.model = SACCNN(self.recipe.dropout)

    def configure_optimizers(self) -> Any:
        """Return AMSGrad."""
        return torch.optim.Adam(
            self.model.parameters(),
            lr=self.recipe.learning_rate,
            weight_decay=self.recipe.weight_decay,
            amsgrad=True,
        )

    def loss(self, batch: tuple[Tensor, Tensor], part: str) -> Tensor:
        """Cross-entropy of crops and classes; logs F1."""
        crops, classes = batch
        logits = self.model(crops)
        loss = functional.cross_entropy(logits, classes)
        said = logits.argmax(1)
        true_positives = ((said == 1) & (classes == 1)).sum()
        f1 = 2 * true_positives / ((said == 1).sum() + (classes == 1).sum()).clamp(min=1)
        return self.report(part, len(crops), loss, f1=f1.float())


class AtomNetTask(Task):
    """Train AtomNet by the cross-entropy of its heat map and the likelihood of its offsets, with AdamW.

    Parameters
    ----------
    recipe
        Settings of the run, as plain values.
    """

    recipe: AtomNetRecipe
    model: AtomNet

    def __init__(self, recipe: dict[str, Any]) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.recipe = AtomNetRecipe.from_mapping(recipe)
        self.model = AtomNet(self.recipe.network).to(memory_format=torch.channels_last)

    def configure_optimizers(self) -> Any:
        """Return AdamW with the recipe's schedule."""
        recipe = self.recipe
        return self.scheduled(
            torch.optim.AdamW(self.model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
        )

    def loss(self, batch: HeatMaps, part: str) -> Tensor:
        """Cross-entropy of the heat map and negative log-likelihood of the offsets; logs both."""
        maps = self.model(batch.image.to(memory_format=torch.channels_last))
        entropy = functional.binary_cross_entropy_with_logits(
            maps.logit, batch.heat, weight=batch.weight, reduction="sum"
        )
        # Per atom, so that images with many and with few weigh alike: an atom's spot covers 2πσ² pixels.
        atoms = (batch.heat.sum() / (2 * torch.pi * HEAT_SIGMA**2)).clamp(min=1.0)
        heat = entropy / (atoms + len(batch.image))
        apart = ((maps.offset - batch.offset) ** 2).sum(1)
        likelihood = apart / (2 * torch.exp(2 * maps.log_sigma)) + 2 * maps.log_sigma
        offset = (likelihood * batch.near).sum() / batch.near.sum().clamp(min=1)
        loss = heat + self.recipe.offset_weight * offset
        return self.report(part, len(batch.image), loss, heat=heat.detach(), offset=offset.detach())


class DIVAESRTask(Task):
    """Train DIVAESR by MSE(noise) + KL weight · KL + λ · L1(output, target), or what its mode leaves of that.

    Parameters
    ----------
    recipe
        Settings of the run, as plain values.
    """

    # The output's error decides in every mode, so that their runs can be compared.
    monitor: ClassVar[str] = "validation_mse"

    recipe: DIVAESRRecipe
    model: DIVAESR

    def __init__(self, recipe: dict[str, Any]) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.recipe = DIVAESRRecipe.from_mapping(recipe)
        # A fifth faster on a CPU; the numbers are the same.
        self.model = DIVAESR(self.recipe.network).to(memory_format=torch.channels_last)

    def configure_optimizers(self) -> Any:
        """Return Adam with the recipe's schedule."""
        recipe = self.recipe
        return self.scheduled(
            torch.optim.Adam(self.model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
        )

    def loss(self, batch: tuple[Tensor, Tensor, Tensor], part: str) -> Tensor:
        """Loss of noisy and clean patches and targets; logs its terms and the output's MSE on 0–255 grey."""
        noisy, clean, target = batch
        restored = self.model(noisy)
        terms: dict[str, Tensor] = {}
        loss = torch.zeros((), device=noisy.device)
        if restored.noise is not None and restored.mean is not None and restored.log_variance is not None:
            mean, log_variance = restored.mean, restored.log_variance
            terms["noise_mse"] = functional.mse_loss(restored.noise, noisy - clean)
            terms["kl"] = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean() / 2
            loss = loss + terms["noise_mse"] + self.recipe.kl_weight * terms["kl"]
        if self.recipe.network.mode != "vae":
            terms["l1"] = functional.l1_loss(restored.output, target)
            loss = loss + self.recipe.lambda_l1 * terms["l1"]
        terms["mse"] = functional.mse_loss(restored.output.detach().clamp(0, 1) * GREY, target * GREY)
        return self.report(part, len(noisy), loss, **terms)


class FasterRCNNTask(Task):
    """Train Faster R-CNN by the sum of its four losses.

    Parameters
    ----------
    recipe
        Settings of the run, as plain values; ``network.classes`` names what is found.
    """

    recipe: FasterRCNNRecipe
    model: FasterRCNN

    def __init__(self, recipe: dict[str, Any]) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.recipe = FasterRCNNRecipe.from_mapping(recipe)
        self.model = FasterRCNN(self.recipe.network)

    def configure_optimizers(self) -> Any:
        """Return AdamW with the recipe's schedule: from random weights it needs no warm-up."""
        recipe = self.recipe
        return self.scheduled(
            torch.optim.AdamW(self.model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
        )

    def loss(self, batch: tuple[list[Tensor], list[dict[str, Tensor]]], part: str) -> Tensor:
        """Loss of images and targets; logs its terms, and F1 of the boxes where it validates."""
        images, targets = batch
        if part == "train":
            terms = self.model.losses(images, targets)
            figures: dict[str, Tensor | float] = dict(terms)
        else:
            # Proposals are sampled at random: the same ones in every epoch, so that losses can be compared.
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.recipe.seed)
                terms = self.model.losses(images, targets)
            figures = {**terms, "f1": boxes_f1(self.model(images), targets)}
        loss = torch.stack(list(terms.values())).sum()
        figures = {name.removeprefix("loss_"): value for name, value in figures.items()}
        return self.report(part, len(images), loss, **figures)


def boxes_f1(
    found: list[dict[str, Tensor]], targets: list[dict[str, Tensor]], score: float = 0.5, iou: float = 0.5
) -> float:
    """F1 of detected boxes of the right class, a quick look beside the loss; AP is evaluate's affair.

    Parameters
    ----------
    found, targets
        Torchvision's dictionaries of each image.
    score, iou
        Detections count from this score on, and as right from this overlap on; best scores match first.
    """
    right = said = there = 0
    for guess, truth in zip(found, targets, strict=True):
        kept = guess["scores"] >= score
        said += int(kept.sum())
        there += len(truth["boxes"])
        if not kept.any() or not len(truth["boxes"]):
            continue
        overlap = box_iou(guess["boxes"][kept], truth["boxes"])
        overlap[guess["labels"][kept][:, None] != truth["labels"][None]] = 0
        for row in overlap:  # torchvision sorts by score
            best = int(row.argmax())
            if row[best] >= iou:
                right += 1
                overlap[:, best] = 0
    return 2 * right / max(said + there, 1)
