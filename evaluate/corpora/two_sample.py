"""The classifier two-sample test: how well real images can be distinguished from simulated ones.

Lopez-Paz & Oquab (2017), arXiv:1610.06545: a classifier is trained to distinguish two samples; its accuracy on held-out
images is a distance between them, 50 % being none. Any classifier gives a lower bound: two are tried, a small network
on the pixels and a linear discriminant on what is measured of patches, and the better one counts.
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
from stemforge.evaluate.corpora.discriminant import (
    Separation,
    describe_images,
    linear_accuracy,
    patch_side,
    separating,
)
from stemforge.train import standardise_image

_SIDE = 96  # pixels of a patch
_PER_IMAGE = 24  # patches of each image a fold
_STEPS = 150
_BATCH = 48


@dataclass(frozen=True)
class Classified:
    """How well one classifier distinguished real from simulated images, on images that it was not fitted to.

    Parameters
    ----------
    accuracy
        Share of patches that were classified correctly, mean over the folds; 0.5 is perfect likeness.
    image_accuracy
        The same for whole images, by the mean of their patches.
    folds
        Accuracy of each fold.
    """

    accuracy: float
    image_accuracy: float
    folds: tuple[float, ...]


@dataclass(frozen=True)
class TwoSample:
    """Result of a two-sample test.

    Parameters
    ----------
    network
        A small network on the pixels.
    statistics
        A linear discriminant on the statistics of patches, mean over several divisions into folds.
    separating
        The statistics that separate the two kinds best, each alone.
    real, simulated
        Images of either kind.

    Examples
    --------
    >>> network = Classified(0.55, 0.6, (0.5, 0.6))
    >>> statistics = Classified(0.71, 0.8, (0.7, 0.72))
    >>> test = TwoSample(network, statistics, (), real=8, simulated=8)
    >>> test.best, test.accuracy
    ('statistics', 0.71)
    """

    network: Classified
    statistics: Classified
    separating: tuple[Separation, ...]
    real: int
    simulated: int

    @property
    def best(self) -> str:
        """The classifier that distinguished patches better: ``"network"`` or ``"statistics"``."""
        return max("statistics", "network", key=lambda name: getattr(self, name).accuracy)

    @property
    def accuracy(self) -> float:
        """Share of held-out patches that the better classifier distinguished; 0.5 is perfect likeness."""
        return float(getattr(self, self.best).accuracy)

    @property
    def image_accuracy(self) -> float:
        """The same for whole images, by the mean of their patches."""
        return float(getattr(self, self.best).image_accuracy)

    def lines(self) -> list[str]:
        """Return both accuracies, and what separates, as lines of text."""
        lines = []
        for name, what in (("statistics", "linear on statistics"), ("network", "network")):
            found = getattr(self, name)
            lines.append(
                f"distinguished, {what}: {found.accuracy:.0%} of patches, {found.image_accuracy:.0%} of images"
            )
        lines.append(
            f"({self.real} real, {self.simulated} simulated; 50 % would be perfect likeness, the better one counts)"
        )
        lines.append("statistics that separate patches best, each alone:")
        lines += [
            f"  {one.statistic:24}{one.share:6.0%}   median real {one.real:.3g}, simulated {one.simulated:.3g}"
            for one in self.separating
        ]
        return lines


def two_sample_test(
    real: Sequence[NDArray[np.float32]],
    simulated: Sequence[NDArray[np.float32]],
    *,
    folds: int = 4,
    seed: int = 0,
    quiet: bool = False,
) -> TwoSample:
    """Have two classifiers distinguish real from simulated patches, of images that they were not fitted to.

    Parameters
    ----------
    real, simulated
        Annular images as recorded, of the same pixel size, shape (height, width); at least ``folds`` of either.
    folds
        Parts into which the images are divided; each is once held out.
    seed
        Root of the randomness.
    quiet
        Show no progress.

    Returns
    -------
    TwoSample
        Accuracies; both kinds weigh alike.

    Raises
    ------
    InputError
        Too few images, or images smaller than a patch.
    MicrographError
        An image without noise.

    Examples
    --------
    >>> images = np.random.default_rng(0).normal(size=(3, 64, 64)).astype(np.float32)
    >>> two_sample_test(images, images)
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: the two-sample test needs at least 4 real images, not 3
    """
    for name, images in (("real", real), ("simulated", simulated)):
        if len(images) < folds:
            raise InputError(f"the two-sample test needs at least {folds} {name} images, not {len(images)}")
        if any(min(image.shape) < _SIDE for image in images):
            raise InputError(f"{name} images must have at least {_SIDE} × {_SIDE} pixels")
    side = patch_side([*real, *simulated])
    described = [describe_images(images, side) for images in (real, simulated)]
    network = _by_network(real, simulated, folds, seed, quiet)
    linear, images_right = linear_accuracy(described[0], described[1], folds, seed)
    statistics = Classified(float(np.mean(linear)), images_right, linear)
    return TwoSample(network, statistics, separating(*described), len(real), len(simulated))


def _by_network(
    real: Sequence[NDArray[np.float32]],
    simulated: Sequence[NDArray[np.float32]],
    folds: int,
    seed: int,
    quiet: bool,
) -> Classified:
    """Train a network for each fold."""
    rng = np.random.default_rng(seed)
    prepared = [[standardise_image(image) for image in images] for images in (real, simulated)]
    orders = [rng.permutation(len(images)) for images in prepared]
    accuracies: list[float] = []
    images_right: list[list[bool]] = [[], []]
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
                    images_right[label].append(bool((odds.mean() > 0) == label))
                right.append(np.mean(of_kind))
            accuracies.append(float(np.mean(right)))
            advance(1)
    by_kind = [np.mean(right) for right in images_right]
    return Classified(float(np.mean(accuracies)), float(np.mean(by_kind)), tuple(accuracies))


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
