"""Channels filled to one share, by molecules that have nothing to do with each other."""

import numpy as np
from numpy.typing import NDArray

from stemforge.infer.occupancy.scores import (
    CONTENTS,
    OFFSETS,
    SHARES,
    Account,
    Scores,
    exponential,
    log_sum,
    near_most,
)

# Shares of filled channels that are tried. That all are empty is a likely case of its own, and so is that none is.
_SHARES = np.r_[0.0, np.linspace(0.05, 0.95, 13), 1.0]
_NONE, _ALL = 0.2, 0.1
_NEGLIGIBLE = 1e-7


def weigh_disorder(scores: Scores) -> Account:
    """Weigh shares of filled channels, what most of those hold, and offsets.

    Of the templates those count that stand for molecules anywhere.
    """
    anywhere = scores.anywhere
    channels = np.ones(len(scores.products), dtype=bool)
    known = scores.part(channels, anywhere)
    near = near_most()
    some = (1 - _NONE - _ALL) / (len(_SHARES) - 2)
    prior = np.log(np.r_[_NONE, np.full(len(_SHARES) - 2, some), _ALL]) - np.log(len(CONTENTS))

    def together(ratio: NDArray[np.float64]) -> NDArray[np.float64]:
        """Likelihood of channels over that of empty ones, shape (channels, contents, shares)."""
        with np.errstate(divide="ignore"):
            return np.logaddexp(np.log(_SHARES) + ratio[:, :, None], np.log1p(-_SHARES))

    def odds(offset: float) -> NDArray[np.float64]:
        """Of filled against empty, by what most filled channels hold: shape (channels, contents)."""
        return np.asarray(log_sum(known.any_pose(offset)[:, :, None] + near, 1))

    weight = np.array([together(odds(o)).sum(0) + prior + known.of_offset(o) for o in OFFSETS])
    total = float(log_sum(weight))
    weight = weight - total
    filled, if_filled, if_empty = (np.zeros(len(channels)) for _ in range(3))
    for offset, part in zip(OFFSETS, weight, strict=True):
        if part.max() < np.log(_NEGLIGIBLE):
            continue
        ratio = odds(offset)
        both = together(ratio)
        with np.errstate(divide="ignore"):
            filled += np.exp(np.log(_SHARES) + ratio[:, :, None] - both + part).sum((1, 2))
        # Weighed by all channels but this one.
        if_filled += exponential(ratio[:, :, None] - both + part).sum((1, 2))
        if_empty += exponential(part - both).sum((1, 2))
    weight = np.exp(weight)
    offset = float(weight.sum((1, 2)) @ OFFSETS)
    content = weight.sum((0, 2))
    joint = known.ratios(offset)
    joint = joint + np.log(np.maximum((np.exp(near) * content).sum(1), 1e-12))[None, :, None]
    joint = np.exp(joint - log_sum(joint, (1, 2))[:, None, None]) * filled[:, None, None]
    contents = np.zeros(scores.products.shape)
    contents[:, anywhere] = (joint * CONTENTS[None, :, None]).sum(1)
    share = np.zeros(len(SHARES))
    share[np.rint(_SHARES * (len(SHARES) - 1)).astype(int)] = weight.sum((0, 1))
    return Account(total, filled, if_filled, if_empty, contents, share, offset)
