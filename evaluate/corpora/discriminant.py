"""A linear discriminant on the statistics of patches: what distinguishes two sets of images, and by which statistic."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from stemforge.evaluate.corpora.patch_statistics import patch_statistics, statistic_names
from stemforge.simulate.recording.response import detector_response

_SIDE = 192  # pixels of a patch, where images are that large
_OVERLAP = 1 / 6
_RIDGE = 0.1  # penalty of the weights, beside a variance of 1 of every statistic
_FARTHEST = 5.0  # standard deviations from the mean beyond which a statistic counts no more
_REPEATS = 5  # divisions into folds: of few images each is chance
_NAMED = 8


@dataclass(frozen=True)
class Separation:
    """How well one statistic alone separates the images.

    Parameters
    ----------
    statistic
        Its name.
    share
        Of all pairs of a real and a simulated patch, the share in which it is the higher one on the kind that it is
        mostly higher on (area under the ROC curve); 0.5 is none.
    real, simulated
        Median over patches.
    """

    statistic: str
    share: float
    real: float
    simulated: float


@dataclass(frozen=True)
class Described:
    """Patches of one kind of images by their statistics.

    Parameters
    ----------
    statistics
        Shape (patches, statistics).
    source
        Number of each patch's image, shape (patches,).
    """

    statistics: NDArray[np.float32]
    source: NDArray[np.int64]

    @property
    def images(self) -> int:
        """Number of images."""
        return int(self.source.max()) + 1


def patch_side(images: Sequence[NDArray[np.float32]]) -> int:
    """Return the side of patches [pixel] that all images can give."""
    return min(_SIDE, *(min(image.shape) for image in images))


def describe_images(images: Sequence[NDArray[np.float32]], side: int) -> Described:
    """Cut images into patches on a grid, in electrons by each image's own noise, and measure them.

    Raises
    ------
    MicrographError
        An image without noise.
    """
    statistics, source = [], []
    for number, image in enumerate(images):
        gain, offset = detector_response(image.astype(np.float64))
        counts = (image - offset) / gain
        for row in _starts(image.shape[0], side):
            for column in _starts(image.shape[1], side):
                statistics.append(patch_statistics(counts[row : row + side, column : column + side]))
                source.append(number)
    return Described(np.array(statistics), np.array(source))


def linear_accuracy(
    real: Described, simulated: Described, folds: int, seed: int
) -> tuple[tuple[float, ...], float]:
    """Classify patches, and images by the mean of their patches, whose image the discriminant was not fitted to.

    Returns
    -------
    folds, images
        Accuracy of patches, both kinds weighing alike, in each fold, mean of several divisions into folds; and of
        images.
    """
    kinds = (real, simulated)
    accuracies = np.zeros((_REPEATS, folds))
    right: list[list[bool]] = [[], []]
    for repeat in range(_REPEATS):
        rng = np.random.default_rng((seed, repeat))
        parts = [rng.permutation(kind.images) % folds for kind in kinds]
        for fold in range(folds):
            held_out = [part[kind.source] == fold for part, kind in zip(parts, kinds, strict=True)]
            score = _fit(*(kind.statistics[~held] for kind, held in zip(kinds, held_out, strict=True)))
            for label, (kind, held) in enumerate(zip(kinds, held_out, strict=True)):
                odds = (2 * label - 1) * score(kind.statistics[held])
                accuracies[repeat, fold] += (odds > 0).mean() / 2
                of = kind.source[held]
                right[label] += [bool(odds[of == image].mean() > 0) for image in np.unique(of)]
    return tuple(accuracies.mean(0).tolist()), float(np.mean([np.mean(one) for one in right]))


def separating(real: Described, simulated: Described) -> tuple[Separation, ...]:
    """Return the statistics that separate the two kinds best, the best first."""
    sides = real.statistics, simulated.statistics
    shares = mannwhitneyu(*sides, axis=0).statistic / (len(sides[0]) * len(sides[1]))
    medians = [np.median(side, axis=0) for side in sides]
    order = np.argsort(-np.abs(shares - 0.5), kind="stable")[:_NAMED]
    names = statistic_names()
    return tuple(
        Separation(names[k], float(max(shares[k], 1 - shares[k])), *(float(m[k]) for m in medians))
        for k in order
    )


def _fit(
    real: NDArray[np.float32], simulated: NDArray[np.float32]
) -> Callable[[NDArray[np.float32]], NDArray[np.float64]]:
    """Fit the discriminant; it returns values above 0 for simulated patches."""
    both = np.concatenate([real, simulated]).astype(np.float64)
    weight = np.r_[np.full(len(real), 0.5 / len(real)), np.full(len(simulated), 0.5 / len(simulated))]
    mean = weight @ both
    spread = np.sqrt(weight @ (both - mean) ** 2) + 1e-6

    def scaled(statistics: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.clip((statistics - mean) / spread, -_FARTHEST, _FARTHEST)

    values = scaled(both.astype(np.float32))
    target = np.r_[np.full(len(real), -1.0), np.full(len(simulated), 1.0)]
    square = (values * weight[:, None]).T @ values + _RIDGE * np.eye(values.shape[1])
    offset = weight @ values
    slope = np.linalg.solve(square - np.outer(offset, offset), values.T @ (weight * target))
    return lambda statistics: (scaled(statistics) - offset) @ slope


def _starts(length: int, side: int) -> list[int]:
    number = 1 + round((length - side) / (side * (1 - _OVERLAP)))
    return [int(start) for start in np.linspace(0, length - side, number).round()]
