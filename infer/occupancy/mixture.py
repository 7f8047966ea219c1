"""Empty or filled: what channels of an image say together, and each of them by itself."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

# Molecules in a unit cell along the beam that are tried, and how far channels lie about what most have (log).
_CONTENTS = np.array([0.08, 0.125, 0.18, 0.25, 0.35, 0.5, 0.7, 1.0, 1.4])
_SPREAD = 0.3
# Shares of filled channels that are tried. That all are empty is a likely case of its own, and so is that none is.
_SHARES = np.r_[0.0, np.linspace(0.05, 0.95, 13), 1.0]
_NONE, _ALL = 0.2, 0.1
# What the framework's image may be off by in all channels alike: standard deviation and most [molecules a cell].
_OFFSET, _MOST_OFFSET = 0.15, 0.35
_OFFSETS = np.linspace(-_MOST_OFFSET, _MOST_OFFSET, 29)
# What a channel's may be off by beside noise [molecules a cell].
_BESIDE = 0.04
_NEGLIGIBLE = 1e-7


@dataclass(frozen=True)
class Scores:
    """What matched filters say at each channel.

    Parameters
    ----------
    products
        Of image and templates over the noise, shape (channels, templates).
    norms
        Of the templates over the noise, shape (templates,): a molecule a cell along the beam has the contrast of √norm
        standard deviations.
    mean_products, mean_norm
        The same of the mean template.
    overlaps
        Of each template with the mean one, shape (templates,).
    """

    products: NDArray[np.float64]
    norms: NDArray[np.float64]
    mean_products: NDArray[np.float64]
    mean_norm: float
    overlaps: NDArray[np.float64]


@dataclass(frozen=True)
class Posterior:
    """What channels hold.

    Parameters
    ----------
    filled
        Probability that a channel holds a molecule, shape (channels,).
    evidence
        How much more likely a channel looks as it does if it is filled, than if it is empty: decimal logarithm, shape
        (channels,).
    contents
        Molecules a cell along the beam to be expected for each template, shape (channels, templates).
    share
        Filled channels, the lower and the upper end of 90 %, and the mean.
    offset
        By how much the framework's image is off in all channels, taken away already [molecules a cell].
    """

    filled: NDArray[np.float64]
    evidence: NDArray[np.float64]
    contents: NDArray[np.float64]
    share: tuple[float, float, float]
    offset: float


def posterior_of(scores: Scores) -> Posterior:
    """Weigh shares of filled channels, contents and offsets by how well they explain all channels together.

    A channel is empty, or holds a molecule in one of the templates' poses with a content near one that most have. What
    a model of the framework gets wrong is alike in all channels, so that it shifts them all; what remains uncertain of
    it is averaged over.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> contrast = np.where(np.arange(40) < 20, 0.0, 1.0) * 100 + rng.normal(0, 10, 40)
    >>> scores = Scores(contrast[:, None], np.array([100.0]), contrast, 100.0, np.array([100.0]))
    >>> found = posterior_of(scores)
    >>> bool((found.filled[:20] < 0.01).all() and (found.filled[20:] > 0.99).all())
    True
    """
    # An error beside noise widens all that is measured.
    shrink = 1 / (1 + _BESIDE**2 * scores.norms)
    products, norms, overlaps = scores.products * shrink, scores.norms * shrink, scores.overlaps * shrink
    mean_shrink = 1 / (1 + _BESIDE**2 * scores.mean_norm)
    mean_products, mean_norm = scores.mean_products * mean_shrink, scores.mean_norm * mean_shrink
    near = -((np.log(_CONTENTS[:, None] / _CONTENTS) / _SPREAD) ** 2) / 2
    near = near - logsumexp(near, axis=0)  # (content of a channel, of most)
    prior = np.log(np.r_[_NONE, np.full(len(_SHARES) - 2, (1 - _NONE - _ALL) / (len(_SHARES) - 2)), _ALL])

    def of_templates(offset: float) -> NDArray[np.float64]:
        m = _CONTENTS[None, :, None]
        return m * products[:, None] - m**2 * norms / 2 - m * offset * overlaps

    def odds(offset: float) -> NDArray[np.float64]:
        """Of filled against empty, by what most filled channels hold: shape (channels, contents)."""
        each = logsumexp(of_templates(offset), axis=2) - np.log(len(norms))
        return np.asarray(logsumexp(each[:, :, None] + near, axis=1))

    def together(ratio: NDArray[np.float64]) -> NDArray[np.float64]:
        """Likelihood of channels over that of empty ones, shape (channels, contents, shares)."""
        with np.errstate(divide="ignore"):
            return np.logaddexp(np.log(_SHARES) + ratio[:, :, None], np.log1p(-_SHARES))

    weight = np.array(
        [
            together(odds(offset)).sum(0)
            + prior
            + (offset * mean_products - offset**2 * mean_norm / 2).sum()
            - (offset / _OFFSET) ** 2 / 2
            for offset in _OFFSETS
        ]
    )
    weight = np.exp(weight - weight.max())
    weight /= weight.sum()
    filled, if_filled, if_empty = (np.zeros(len(products)) for _ in range(3))
    for offset, part in zip(_OFFSETS, weight, strict=True):
        if part.max() < _NEGLIGIBLE:
            continue
        ratio = odds(offset)
        both = together(ratio)
        with np.errstate(divide="ignore"):
            filled += (np.exp(np.log(_SHARES) + ratio[:, :, None] - both) * part).sum((1, 2))
        # Weighed by all channels but this one.
        if_filled += (np.exp(ratio[:, :, None] - both) * part).sum((1, 2))
        if_empty += (np.exp(-both) * part).sum((1, 2))
    offset = float(weight.sum((1, 2)) @ _OFFSETS)
    content = weight.sum((0, 2))
    joint = of_templates(offset) + np.log(np.maximum((np.exp(near) * content).sum(1), 1e-12))[None, :, None]
    joint = np.exp(joint - logsumexp(joint, axis=(1, 2), keepdims=True)) * filled[:, None, None]
    share = weight.sum((0, 1))
    ends = np.interp([0.05, 0.95], np.cumsum(share), _SHARES)
    evidence = np.log10(np.maximum(if_filled, 1e-300)) - np.log10(np.maximum(if_empty, 1e-300))
    return Posterior(
        np.clip(filled, 0, 1),
        np.clip(evidence, -99, 99),
        (joint * _CONTENTS[None, :, None]).sum(1),
        (float(ends[0]), float(ends[1]), float(share @ _SHARES)),
        offset,
    )
