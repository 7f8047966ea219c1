"""The pixel size of an image that carries none, from the atoms on it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stemforge.errors import InputError, errors_about
from stemforge.infer.atoms.maps import atom_finder
from stemforge.infer.decision import CANDIDATE, best_expected_f1
from stemforge.infer.resampling import file_sampling, resampled
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.usable import usable_area
from stemforge.train.card import Card, Sizing

if TYPE_CHECKING:
    import torch

SIZER = "atom-net"
"""Weights that come with stemforge and tell pixel sizes, for those that do not."""
SIZES = np.exp(np.log(0.07) + 0.14 * np.arange(19))
"""Pixel sizes that are tried [Å]: 0.07 to 0.87, each 15 % larger than the one before."""
RANGE = (0.09, 0.68)
"""Pixel sizes that can come out [Å]: the curves must be known on both sides."""
OFFSETS = 0.28 * np.arange(-2, 4)
"""Where curves are compared: logarithm of the tried pixel size over the true one, 0.57 to 2.3 times."""

_SIDE = 400  # of the part of the image that is looked at [pixel at the network's pixel size]: seconds, not a minute
_LEAST_SIDE = 40  # pixels; smaller images are mostly border
_LEAST_ATOMS = 2.0  # expected atoms; fewer say nothing of the pixel size
_LARGEST_ERROR = 0.3  # of the logarithm; beyond, nearly the whole range is possible
# Added to a density before its logarithm is taken [1/nm²]: less than that is no atom at all.
_LEAST_DENSITY = 0.02


@dataclass(frozen=True)
class SamplingCurve:
    """What a detector says of an image at assumed pixel sizes.

    Parameters
    ----------
    expected_f1
        F1 to be expected by the likelihoods at each of :data:`SIZES`.
    density
        Expected visible atoms per area [1/nm²], were it the right size.
    number
        Expected visible atoms on the part that was looked at.

    Examples
    --------
    >>> curve = SamplingCurve(np.full(19, 0.5), np.linspace(0, 1, 19), np.full(19, 12.0))
    >>> curve.sizes[[0, -1]].round(2).tolist()
    [0.07, 0.87]
    >>> curve.features(0.3).shape  # both curves around 0.3 Å a pixel, as Sizing knows them
    (12,)
    """

    expected_f1: NDArray[np.float64]
    density: NDArray[np.float64]
    number: NDArray[np.float64]

    @property
    def sizes(self) -> NDArray[np.float64]:
        """Return the assumed pixel sizes [Å]: :data:`SIZES`."""
        return SIZES

    def features(self, size: float) -> NDArray[np.float64]:
        """Return both curves at :data:`OFFSETS` from a size [Å]; the densities' logarithm."""
        places = np.log(size) + OFFSETS
        curves = (self.expected_f1, np.log(self.density + _LEAST_DENSITY))
        return np.concatenate([np.interp(places, np.log(SIZES), curve) for curve in curves])


@dataclass(frozen=True)
class SamplingEstimate:
    """A pixel size and how well it is known.

    Parameters
    ----------
    sampling
        Pixel size [Å].
    error
        Standard deviation of its logarithm: 0.15 is 15 %.
    curve
        What the detector said at all sizes; of several images the mean.
    images
        From how many images it is.

    Examples
    --------
    >>> curve = SamplingCurve(np.full(19, 0.5), np.linspace(0, 1, 19), np.full(19, 12.0))
    >>> estimate = SamplingEstimate(0.29, 0.1, curve)
    >>> print(estimate)
    0.29 Å per pixel (0.24 to 0.35), from its atoms
    """

    sampling: float
    error: float
    curve: SamplingCurve
    images: int = 1

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of an interval of two standard deviations [Å]."""
        factor = np.exp(2 * self.error)
        return float(self.sampling / factor), float(self.sampling * factor)

    def __str__(self) -> str:
        low, high = self.interval
        source = "its atoms" if self.images == 1 else f"the atoms on {self.images} images"
        return f"{self.sampling:.2f} Å per pixel ({low:.2f} to {high:.2f}), from {source}"

    def remark(self, micrograph: Micrograph) -> str | None:
        """Return what to remark where an image's file says another size than its atoms; None where it does not."""
        in_file = file_sampling(micrograph)
        low, high = self.interval
        if in_file is None or low <= in_file <= high:
            return None
        return (
            f"{micrograph.name}: its atoms say {self}; the file says {in_file:.4g} Å, which they contradict"
        )


def estimate_sampling(
    micrograph: Micrograph, model: "torch.nn.Module", card: Card, *, device: "str | torch.device" = "cpu"
) -> SamplingEstimate:
    """Estimate an image's pixel size from the atoms on it.

    The detector is run as if the pixels had each of :data:`SIZES`. Where they are taken for too large, atoms become
    blobs wider than any atom, and expected F1 and density fall to nothing; where too small, specks of noise and texture
    are found beside them. Both curves, at :data:`OFFSETS` from a size, are distributed around their mean over simulated
    images of known pixel size (``card.sizing``, Gaussian). That gives each size a probability; the estimate is the mean
    of its logarithm, its error the standard deviation. The image's own calibration is not used.

    How near it comes is in `docs/performance.md`. It goes by atoms as on the network's training images: where the probe
    is wider, pixels are taken for smaller, and no error says so.

    Parameters
    ----------
    micrograph
        The image, with at least a few atoms.
    model, card
        From :func:`stemforge.train.load_weights`, of a network that detects atoms and whose card has ``sizing``.
    device
        Where the network runs.

    Returns
    -------
    SamplingEstimate
        Pixel size, error and curves.

    Raises
    ------
    InputError
        The pixel size cannot be told: hardly anything looks like an atom, or atoms look alike at all sizes; or the
        weights have nothing to compare with.

    Examples
    --------
    >>> from stemforge.train import load_weights
    >>> noise = np.random.default_rng(0).poisson(100, (50, 50))
    >>> estimate_sampling(Micrograph(noise, name="film"), *load_weights("sac-cnn"))
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: these weights cannot tell a pixel size: their card has no reference curves; ...
    """
    if card.sizing is None or card.sampling is None:
        raise InputError(
            "these weights cannot tell a pixel size: their card has no reference curves; use atom-net, or give the "
            "pixel size (sampling)"
        )
    with errors_about(micrograph.name):
        image = usable_area(micrograph.image).fill(micrograph.image)
        curve = sampling_curve(image, model, card, device=device)
        size, error = size_of(curve, card.sizing)
        _check(curve, card, size, error)
    return SamplingEstimate(size, error, curve)


def common_estimate(estimates: Sequence[SamplingEstimate]) -> SamplingEstimate:
    """Return one pixel size for images that were taken at one magnification.

    It is the mean of the logarithms: what images differ in, such as number and depth of their atoms, is averaged. The
    error stays that of a single image, as what they have in common, such as the width of the probe, is not.

    Examples
    --------
    >>> flat = SamplingCurve(*np.full((3, len(SIZES)), 0.5))
    >>> print(common_estimate([SamplingEstimate(0.24, 0.2, flat), SamplingEstimate(0.36, 0.1, flat)]))
    0.29 Å per pixel (0.22 to 0.40), from the atoms on 2 images
    """
    logs = [np.log(estimate.sampling) for estimate in estimates]
    curves = [estimate.curve for estimate in estimates]
    mean = SamplingCurve(
        *(
            np.mean([getattr(curve, name) for curve in curves], axis=0)
            for name in SamplingCurve.__annotations__
        )
    )
    error = float(np.median([estimate.error for estimate in estimates]))
    return SamplingEstimate(float(np.exp(np.mean(logs))), error, mean, len(estimates))


def sampling_curve(
    image: NDArray[np.float32], model: "torch.nn.Module", card: Card, *, device: "str | torch.device" = "cpu"
) -> SamplingCurve:
    """Run a detector over an image as if its pixels had each of :data:`SIZES`.

    Parameters
    ----------
    image
        Shape (height, width). Of a large one the brightest part is looked at, other parts at other sizes.
    model, card, device
        As for :func:`estimate_sampling`.

    Examples
    --------
    >>> from stemforge.train import SACCNN
    >>> noise = np.random.default_rng(0).random((20, 20), dtype=np.float32)
    >>> sampling_curve(noise, SACCNN().eval(), Card("sac-cnn", sampling=0.8))
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: 20 × 20 pixels are too few to tell their size; give it (sampling)
    """
    rows = [*_curve(image, model, card, device)]
    if len(rows) < len(SIZES) // 2:
        raise InputError(
            f"{image.shape[1]} × {image.shape[0]} pixels are too few to tell their size; give it (sampling)"
        )
    # The smallest sizes of a small image are missing: too few pixels are left of it. They are as the next one.
    rows = [rows[0]] * (len(SIZES) - len(rows)) + rows
    return SamplingCurve(*np.array(rows, dtype=float).T)


def size_of(curve: SamplingCurve, sizing: Sizing) -> tuple[float, float]:
    """Return the pixel size [Å] that fits curves best, and the error of its logarithm; beforehand none is preferred.

    Examples
    --------
    >>> from stemforge.train import load_weights
    >>> curve = SamplingCurve(np.linspace(0.9, 0, 19), np.linspace(2, 0, 19), np.full(19, 12.0))
    >>> _, card = load_weights("atom-net")
    >>> size, error = size_of(curve, card.sizing)
    >>> RANGE[0] < size < RANGE[1], error > 0
    (True, True)
    """
    logs = np.arange(np.log(RANGE[0]), np.log(RANGE[1]), 0.02)
    deviations = np.array([curve.features(size) for size in np.exp(logs)]) - np.array(sizing.mean)
    inverse = np.linalg.inv(np.array(sizing.covariance))
    chances = -0.5 * np.einsum("ij,jk,ik->i", deviations, inverse, deviations)
    weights = np.exp(chances - chances.max())
    weights /= weights.sum()
    mean = float(weights @ logs)
    return float(np.exp(mean - sizing.bias)), float(np.sqrt(weights @ (logs - mean) ** 2))


def _curve(
    image: NDArray[np.float32], model: "torch.nn.Module", card: Card, device: "str | torch.device"
) -> Iterator[tuple[float, float, float]]:
    """Yield expected F1, density and number at each size, but those at which the image has too few pixels."""
    wanted = float(card.sampling or 0)
    for size in SIZES.tolist():
        part = _brightest(image, round(_SIDE * wanted / size))
        if min(part.shape) * size / wanted < _LEAST_SIDE:
            continue
        shown, _ = resampled(part, size, wanted, white=True)
        _, find = atom_finder(model, card, shown, device=device)
        scores = find(CANDIDATE)["score"]
        area = shown.size * (wanted / 10) ** 2
        yield best_expected_f1(scores).expected_f1 or 0.0, float(scores.sum() / area), float(scores.sum())


def _brightest(image: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Return the part of an image with the highest mean, which is no vacuum: of 5 × 5 that overlap."""
    height, width = (min(side, n) for n in image.shape)
    corners = [
        (top, left)
        for top in np.unique(np.linspace(0, image.shape[0] - height, 5).astype(int))
        for left in np.unique(np.linspace(0, image.shape[1] - width, 5).astype(int))
    ]
    parts = [image[top : top + height, left : left + width] for top, left in corners]
    return np.ascontiguousarray(max(parts, key=lambda part: float(part.mean(dtype=np.float64))))


def _check(curve: SamplingCurve, card: Card, size: float, error: float) -> None:
    """Refuse an image on which hardly anything looks like an atom, at the size that would be likeliest."""
    f1, number = (float(np.interp(np.log(size), np.log(SIZES), c)) for c in (curve.expected_f1, curve.number))
    if f1 < (card.min_expected_f1 or 0) or number < _LEAST_ATOMS:
        raise InputError(
            f"its pixel size cannot be told: hardly anything looks like an atom, at any size (expected F1 {f1:.2f}, "
            f"{number:.1f} atoms at {size:.2f} Å per pixel); give it (sampling)"
        )
    if error > _LARGEST_ERROR:
        raise InputError(
            f"its pixel size cannot be told: {size:.2f} Å fits no better than others (by a factor of "
            f"{np.exp(error):.2f}); give it (sampling)"
        )
