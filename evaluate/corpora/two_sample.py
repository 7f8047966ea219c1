"""The classifier two-sample test: how well a network distinguishes real from simulated images.

Lopez-Paz & Oquab (2017), arXiv:1610.06545: a classifier is trained to distinguish two samples; its accuracy on held-out
images is a distance between them, 50 % being none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from stemforge.console import progress
from stemforge.errors import InputError
from stemforge.train import standardise_image

_SIDE = 96  # pixels of a patch
_PER_IMAGE = 24  # patches of each image a fold
_STEPS = 150
_BATCH = 48


@dataclass(frozen=True)
class TwoSample:
    """Result of a two-sample test.

    Parameters
    ----------
    accuracy
        Share of held-out patches that were classified correctly, mean over the folds; 0.5 is perfect likeness.
    image_accuracy
        The same for whole images, by the mean of their patches.
    folds
        Accuracy of each fold.
    real, simulated
        Images of either kind.
    """

    accuracy: float
    image_accuracy: float
    folds: tuple[float, ...]
    real: int
    simulated: int


def two_sample_test(
    real: Sequence[NDArray[np.float32]],
    simulated: Sequence[NDArray[np.float32]],
    *,
    folds: int = 4,
    seed: int = 0,
    quiet: bool = False,
) -> TwoSample:
    """Train a small network to distinguish real from simulated patches; test it on other images.

    Parameters
    ----------
    real, simulated
        Images as recorded, of the same pixel size, shape (height, width); at least ``folds`` of either.
    folds
        Parts into which the images are divided; each is once held out.
    seed
        Root of the randomness.
    quiet
        Show no progress.

    Returns
    -------
    TwoSample
        Accuracies; patches of both kinds weigh alike.

    Raises
    ------
    InputError
        Too few images, or images smaller than a patch.
    """
    for name, images in (("real", real), ("simulated", simulated)):
        if len(images) < folds:
            raise InputError(f"the two-sample test needs at least {folds} {name} images, not {len(images)}")
        if any(min(image.shape) < _SIDE for image in images):
            raise InputError(f"{name} images must have at least {_SIDE} × {_SIDE} pixels")
    rng = np.random.default_rng(seed)
    prepared = [[standardise_image(image) for image in images] for images in (real, simulated)]
    orders = [rng.permutation(len(images)) for images in prepared]
    accuracies, images_right = [], []
    with progress("two-sample test", folds, "folds", quiet) as advance:
        for fold in range(folds):
            torch.manual_seed(seed + fold)
            parts = [(np.delete(order, np.s_[fold::folds]), order[fold::folds]) for order in orders]
            model = _train([[p[k] for k in part[0]] for p, part in zip(prepared, parts, strict=True)], rng)
            right = []
            for label, (images, part) in enumerate(zip(prepared, parts, strict=True)):
                of_kind = []
                for k in part[1]:
                    with torch.inference_mode():
                        odds = model(_patches(images[k], _PER_IMAGE, rng)).numpy()
                    of_kind.append(((odds > 0) == label).mean())
                    images_right.append((odds.mean() > 0) == label)
                right.append(np.mean(of_kind))
            accuracies.append(float(np.mean(right)))
            advance(1)
    return TwoSample(
        float(np.mean(accuracies)), float(np.mean(images_right)), tuple(accuracies), len(real), len(simulated)
    )


def _patches(image: NDArray[np.float32], number: int, rng: np.random.Generator) -> torch.Tensor:
    """Cut random patches, turned and mirrored but for the direction of the scan lines; shape (n, 1, side, side)."""
    rows = rng.integers(0, image.shape[0] - _SIDE + 1, number)
    columns = rng.integers(0, image.shape[1] - _SIDE + 1, number)
    cut = [image[r : r + _SIDE, c : c + _SIDE] for r, c in zip(rows, columns, strict=True)]
    turned = [one[:: rng.choice((-1, 1)), :: rng.choice((-1, 1))] for one in cut]
    return torch.from_numpy(np.stack(turned)[:, None].copy())


def _train(kinds: Sequence[Sequence[NDArray[np.float32]]], rng: np.random.Generator) -> nn.Module:
    layers: list[nn.Module] = []
    for before, after in ((1, 12), (12, 24), (24, 48)):
        layers += [nn.Conv2d(before, after, 5, stride=2, padding=2), nn.BatchNorm2d(after), nn.ReLU()]
    model = nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(48, 1), nn.Flatten(0)
    )
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=1e-2)
    labels = torch.cat([torch.zeros(_BATCH // 2), torch.ones(_BATCH // 2)])
    model.train()
    for _ in range(_STEPS):
        patches = [
            _patches(kind[k], 4, rng) for kind in kinds for k in rng.integers(len(kind), size=_BATCH // 8)
        ]
        loss = functional.binary_cross_entropy_with_logits(model(torch.cat(patches)), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model.eval()
