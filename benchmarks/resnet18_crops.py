"""A baseline: ResNet-18 (He et al. 2016, arXiv:1512.03385) on the crops that SAC-CNN is trained on.

    STEMFORGE_DATA_DIR=... python benchmarks/resnet18_crops.py CORPUS --out DIR [--epochs 4] [--device cuda]

torchvision's network with one input channel, two classes, and neither the stride of the first convolution nor the
pooling after it, so that a crop of 21 × 21 pixels keeps its resolution. Crops, split and preprocessing are SAC-CNN's.
An image is seen as a grid of crops, --stride pixels apart: a crop's border is padded with zeros in every layer, so that
no convolution over the whole image gives the same. Log odds are interpolated to pixels, and their peaks are atoms.

F1 on the 11 real images is given at the threshold chosen on simulated images that the network was not trained on
(`by_simulation`), and at the best threshold on the very labels (`best`), as for the classical detectors. The weights
are written to DIR after every epoch; with them there, only what is missing is trained.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from real_images import images
from safetensors.torch import load_file, save_file
from scipy import ndimage, special
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import resnet18

from stemforge import Annotations, Corpus
from stemforge.console import progress
from stemforge.evaluate import score_atoms
from stemforge.evaluate.likelihoods.calibration import held_out_images
from stemforge.infer import find_peaks
from stemforge.train import AtomCrops, SACCNNRecipe, subtract_background
from stemforge.train.sac_cnn.data import cut_crops

THRESHOLDS = special.expit(np.linspace(-4, 8, 49))
"""Likelihoods that are tried, evenly in log odds."""
LOWEST = float(THRESHOLDS[0]) / 2


def network() -> nn.Module:
    """Return ResNet-18 for small crops."""
    model = resnet18(num_classes=2)
    model.conv1 = nn.Conv2d(1, 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    model.maxpool = nn.Identity()
    return model.to(memory_format=torch.channels_last)


def loss_of(model: nn.Module, batch: tuple[Tensor, Tensor], options: argparse.Namespace) -> Tensor:
    """Return the cross-entropy of a batch."""
    crops, classes = (tensor.to(options.device) for tensor in batch)
    with torch.autocast(options.device, torch.bfloat16, enabled=options.bf16):
        logits = model(crops.to(memory_format=torch.channels_last))
    return functional.cross_entropy(logits.float(), classes)


def train(corpus: Corpus, recipe: SACCNNRecipe, options: argparse.Namespace) -> nn.Module:
    """Train the network, or take what is in the folder."""
    torch.manual_seed(recipe.seed)
    model = network().to(options.device)
    weights, log = options.out / "resnet18.safetensors", options.out / "training.json"
    history = json.loads(log.read_text(encoding="utf-8")) if log.exists() else []
    if history:
        model.load_state_dict(load_file(weights, device=options.device))
    training, held_out = (AtomCrops([corpus], part, recipe) for part in ("train", "validation"))
    optimiser = torch.optim.AdamW(model.parameters(), options.learning_rate, weight_decay=1e-4)
    steps = min(options.steps or len(training), len(training))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, options.learning_rate, total_steps=options.epochs * steps
    )
    # The optimiser's moments are not kept: after an interruption they are gathered anew.
    for _ in range(len(history) * steps):
        schedule.step()
    for epoch in range(len(history), options.epochs):
        training.epoch = epoch
        losses = []
        model.train()
        with progress(f"epoch {epoch + 1} of {options.epochs}", steps, "batches") as advance:
            for _, batch in zip(range(steps), training, strict=False):
                loss = loss_of(model, batch, options)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                schedule.step()
                losses.append(loss.item())
                advance(1)
        model.eval()
        with torch.inference_mode():
            checks = [
                loss_of(model, batch, options).item()
                for _, batch in zip(range(steps), held_out, strict=False)
            ]
        history.append({"train_loss": float(np.mean(losses)), "validation_loss": float(np.mean(checks))})
        save_file({k: v.contiguous() for k, v in model.state_dict().items()}, weights)
        log.write_text(json.dumps(history, indent=2), encoding="utf-8")
    return model.eval()


def log_odds(
    model: nn.Module, prepared: NDArray[np.float32], options: argparse.Namespace
) -> NDArray[np.float32]:
    """Return the log odds of an atom at every pixel of a prepared image, interpolated between the grid's crops."""
    height, width = prepared.shape
    rows, columns = (np.arange(0, side, options.stride) for side in (height, width))
    x, y = np.meshgrid(columns, rows)
    centres = np.column_stack([x.ravel(), y.ravel()])
    values = []
    with torch.inference_mode(), torch.autocast(options.device, torch.bfloat16, enabled=options.bf16):
        for first in range(0, len(centres), options.batch):
            crops = torch.from_numpy(cut_crops(prepared, centres[first : first + options.batch]))
            crops = crops.to(options.device, memory_format=torch.channels_last)
            logits = model(crops).float()
            values.append((logits[:, 1] - logits[:, 0]).cpu().numpy())
    grid = np.concatenate(values).reshape(len(rows), len(columns))
    where = np.mgrid[:height, :width] / options.stride
    return ndimage.map_coordinates(grid, where, order=3, mode="nearest").astype(np.float32)


def candidates(
    model: nn.Module, image: NDArray[np.float32], options: argparse.Namespace, part: slice = slice(None)
) -> Annotations:
    """Return the peaks on an image, or on its part of these rows and columns, with their likelihood as score."""
    odds = log_odds(model, subtract_background(image)[part, part], options)
    nothing = np.zeros((3, *odds.shape), np.float32)
    # Peaks of the log odds, since the likelihood itself saturates.
    found = find_peaks(odds, nothing[:2], nothing[2], float(special.logit(LOWEST)))
    return Annotations(found.points, columns={"score": special.expit(found["score"].astype(float))})


def f1_table(found: list[Annotations], truth: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return F1 of each image (rows) at each threshold (columns)."""
    return np.array(
        [
            [score_atoms(each.points[each["score"] >= value], atoms).f1 for value in THRESHOLDS]
            for each, atoms in zip(found, truth, strict=True)
        ]
    )


def choose_threshold(
    model: nn.Module, corpus: Corpus, recipe: SACCNNRecipe, options: argparse.Namespace
) -> tuple[float, float]:
    """Return the best threshold on simulated images of the validation part, and its F1 there."""
    known = held_out_images([corpus], recipe.visible, recipe.validation)[: options.validation_images]
    found, truth = [], []
    with progress("choose threshold", len(known), "images") as advance:
        for labelled in known:
            # The middle half: enough atoms, a quarter of the time.
            side = min(labelled.image.shape)
            part = slice(side // 4, side - side // 4)
            found.append(candidates(model, labelled.image, options, part))
            moved = labelled.atoms - part.start
            inside = np.all((moved >= -0.5) & (moved < part.stop - part.start - 0.5), axis=1)
            truth.append(moved[inside])
            advance(1)
    mean = f1_table(found, truth).mean(0)
    return float(THRESHOLDS[int(mean.argmax())]), float(mean.max())


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Train, choose, score."""
    options.out.mkdir(parents=True, exist_ok=True)
    corpus = Corpus(options.corpus)
    recipe = SACCNNRecipe.shipped()
    model = train(corpus, recipe, options)
    threshold, simulated = choose_threshold(model, corpus, recipe, options)
    labelled = images(Path(os.environ["STEMFORGE_DATA_DIR"]) / "pt-nc")[: options.real_images]
    found = []
    with progress("real images", len(labelled), "images") as advance:
        for _, micrograph, _ in labelled:
            found.append(candidates(model, micrograph.image, options))
            advance(1)
    table = f1_table(found, [truth.points for _, _, truth in labelled])

    def result(chosen: float) -> dict[str, Any]:
        values = [
            score_atoms(each.points[each["score"] >= chosen], truth.points).f1
            for each, (_, _, truth) in zip(found, labelled, strict=True)
        ]
        return {
            "threshold": round(chosen, 4),
            "mean_f1": round(float(np.mean(values)), 4),
            "sd_over_images": round(float(np.std(values, ddof=1)), 4) if len(values) > 1 else None,
            "by_image": {n: round(f1, 3) for (n, _, _), f1 in zip(labelled, values, strict=True)},
        }

    whole = {
        "settings": {k: str(v) for k, v in vars(options).items()},
        "simulated_f1": round(simulated, 4),
        "by_simulation": result(threshold),
        "best": result(float(THRESHOLDS[int(table.mean(0).argmax())])),
    }
    (options.out / "result.json").write_text(json.dumps(whole, indent=2), encoding="utf-8")
    return whole


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", help="simulated images")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights and result")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="at its highest")
    parser.add_argument("--stride", type=int, default=3, help="of the grid of crops [pixel]")
    parser.add_argument("--batch", type=int, default=1024, help="crops seen at once")
    parser.add_argument("--validation-images", type=int, default=16, help="for the threshold")
    parser.add_argument("--real-images", type=int, help="only the first so many, to try out")
    parser.add_argument("--steps", type=int, help="batches an epoch, to try out")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--bf16", action="store_true", help="16-bit arithmetic")
    print(json.dumps(main(parser.parse_args()), indent=2))
