"""Channels filled to one share, by molecules that have nothing to do with each other."""

import numpy as np
from numpy.typing import NDArray

from stemforge.infer.occupancy.scores import (
    CONTENTS,
    OFFSETS,
    Account,
    Scores,
    exponential,
    log_sum,
    near_most,
    number_filled,
    over_offsets,
)

# Shares of filled channels that are tried. That all are empty is a likely case of its own, and so is that none is.
_SHARES = np.r_[0.0, np.linspace(0.05, 0.95, 13), 1.0]
_NONE, _ALL = 0.2, 0.1
_NEGLIGIBLE = 1e-7


def expected(channels: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what is to be expected of channels that no image shows.

    Returns
    -------
    filled, number
        Probability that a channel is filled, shape (channels,), and that so many are, shape (channels + 1,).
    """
    shares = np.repeat(_SHARES[:, None], channels, axis=1)
    likely = np.exp(_prior())
    return likely @ shares, number_filled(shares, likely)


def _prior() -> NDArray[np.float64]:
    """Return the logarithm of the probability of each share."""
    some = (1 - _NONE - _ALL) / (len(_SHARES) - 2)
    return np.log(np.r_[_NONE, np.full(len(_SHARES) - 2, some), _ALL])


def weigh_disorder(scores: Scores) -> Account:
    """Weigh shares of filled channels, what most of those hold, and offsets.

    Of the templates those count that stand for molecules anywhere.
    """
    anywhere = scores.anywhere
    known = scores.part(np.arange(len(scores.products)), anywhere)
    near = near_most()
    prior = _prior() - np.log(len(CONTENTS))

    def together(ratio: NDArray[np.float64]) -> NDArray[np.float64]:
        """Likelihood of channels over that of empty ones, shape (channels, contents, shares)."""
        with np.errstate(divide="ignore"):
            return np.logaddexp(np.log(_SHARES) + ratio[:, :, None], np.log1p(-_SHARES))

    def odds(offset: float) -> NDArray[np.float64]:
        """Of filled against empty, by what most filled channels hold, shape (channels, contents)."""
        return np.asarray(log_sum(known.any_pose(offset)[:, :, None] + near, 1))

    tried = [odds(offset) for offset in OFFSETS]
    sites = scores.sites()
    tables = [
        np.array([together(ratio[site]).sum(0) for ratio in tried])
        + scores.part(site, anywhere).shown()[:, None, None]
        for site in sites
    ]
    common, each = over_offsets(tables)
    common = common + prior
    total = float(log_sum(common))
    if_filled, if_empty, offsets = (np.zeros(len(scores.products)) for _ in range(3))
    by_share = np.zeros((len(_SHARES), len(scores.products)))
    contents = np.zeros(scores.products.shape)
    content = np.exp(common - total).sum(1)
    held = np.log(np.maximum((np.exp(near) * content).sum(1), 1e-12))
    for site, weight in zip(sites, each, strict=True):
        by_offset = weight + prior - total
        for ratio, part in zip(tried, by_offset, strict=True):
            if part.max() < np.log(_NEGLIGIBLE):
                continue
            both = together(ratio[site])
            with np.errstate(divide="ignore"):
                by_share[:, site] += np.exp(np.log(_SHARES) + ratio[site, :, None] - both + part).sum(1).T
            # Weighed by all channels but this one.
            if_filled[site] += exponential(ratio[site, :, None] - both + part).sum((1, 2))
            if_empty[site] += exponential(part - both).sum((1, 2))
        offsets[site] = np.exp(log_sum(by_offset, (1, 2))) @ OFFSETS
        joint = scores.part(site, anywhere).ratios(float(offsets[site[0]])) + held[None, :, None]
        joint = np.exp(joint - log_sum(joint, (1, 2))[:, None, None]) * by_share.sum(0)[site, None, None]
        contents[np.ix_(site, np.flatnonzero(anywhere))] = (joint * CONTENTS[None, :, None]).sum(1)
    shares = np.exp(common - total).sum(0)
    number = number_filled(by_share / np.maximum(shares, 1e-300)[:, None], shares)
    return Account(total, by_share.sum(0), if_filled, if_empty, contents, number, offsets)
