"""Ordered crystals: each channel of the cell is filled to a share of its own, by molecules that may lie alike."""

from dataclasses import dataclass

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

# What lies alike in all cells of a row is a column, of a molecule in each cell or nearly so [molecules a cell].
_COLUMN = CONTENTS >= 0.5
# Shares of filled channels, and how likely each is: that none is, or that all are, is what order is about.
_SHARES = np.array([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
_PRIOR = np.log([0.3, 0.08, 0.08, 0.08, 0.08, 0.08, 0.3]) - np.log(_COLUMN.sum())
_ALIKE = 0.5  # probability that molecules of a site lie alike
_OTHER = 0.05  # share of those that lie otherwise all the same
_MOST = 24  # poses that are weighed at every offset
_NEGLIGIBLE = np.log(1e-7)


def weigh_order(scores: Scores, disorder: Account) -> Account:
    """Weigh shares, contents and poses of each site, and offsets.

    Parameters
    ----------
    scores
        With sites.
    disorder
        What follows for the same channels if there is no order.
    """
    sites = [_Site.of(scores, number, disorder.offset) for number in np.unique(scores.site)]
    weight = np.array([scores.of_offset(o) + sum(site.evidence(o) for site in sites) for o in OFFSETS])
    total = float(log_sum(weight))
    weight = weight - total
    filled, if_filled, if_empty = (np.zeros(len(scores.products)) for _ in range(3))
    contents = np.zeros(scores.products.shape)
    share = np.zeros(len(SHARES))
    for offset, part in zip(OFFSETS, weight, strict=True):
        if part < _NEGLIGIBLE:
            continue
        shares = np.ones(1)
        for site in sites:
            known = site.at(offset)
            filled[site.channels] += np.exp(part) * known.filled
            if_filled[site.channels] += np.exp(part) * known.if_filled
            if_empty[site.channels] += np.exp(part) * known.if_empty
            contents[np.ix_(site.channels, site.templates)] += np.exp(part) * known.contents
            contents[site.channels] += np.exp(part) * known.otherwise[:, None] * site.anyhow(disorder)
            shares = np.convolve(shares, known.share(len(site.channels) / len(filled)))
        share += np.exp(part) * np.bincount(
            np.minimum(np.arange(len(shares)), len(SHARES) - 1), shares, len(SHARES)
        )
    return Account(total, filled, if_filled, if_empty, contents, share, float(np.exp(weight) @ OFFSETS))


def best_poses(scores: Scores, site: int, offset: float, most: int) -> NDArray[np.int64]:
    """Return the templates that explain a site's channels best if all filled ones lie alike, the best one first."""
    return _Site.of(scores.widened(), site, offset, most).templates


@dataclass(frozen=True)
class _Known:
    """What a site's channels say at one offset.

    ``contents`` is that of each pose, (channels, poses), and ``otherwise`` the probability that a channel is filled in
    a pose of no order, (channels,).
    """

    filled: NDArray[np.float64]
    if_filled: NDArray[np.float64]
    if_empty: NDArray[np.float64]
    contents: NDArray[np.float64]
    otherwise: NDArray[np.float64]
    shares: NDArray[np.float64]

    def share(self, part: float) -> NDArray[np.float64]:
        """Return what the site adds to the share of all channels, of which it has a part, by steps of ``SHARES``."""
        places = np.rint(_SHARES * part * (len(SHARES) - 1)).astype(int)
        return np.bincount(places, self.shares)


@dataclass(frozen=True)
class _Site:
    """Channels that are the same in each cell of a domain, and the poses that they may have in common."""

    channels: NDArray[np.int64]
    templates: NDArray[np.int64]
    alike: Scores
    independent: Scores
    poses: int

    @classmethod
    def of(cls, scores: Scores, number: int, offset: float, most: int = _MOST) -> "_Site":
        """Make it with the poses that explain its channels best."""
        anywhere = scores.anywhere
        usable = anywhere if scores.template_site is None else anywhere | (scores.template_site == number)
        here = np.asarray(scores.site == number)
        channels, templates = np.flatnonzero(here), np.flatnonzero(usable)
        loose = scores.part(here, anywhere if anywhere.any() else usable)
        every = cls(channels, templates, scores.part(here, usable), loose, len(templates))
        order = log_sum(every._weighed(offset)[2], (0, 2))[:-1]
        best = templates[np.argsort(-order, kind="stable")[:most]]
        return cls(channels, best, scores.part(here, best), every.independent, len(templates))

    def _weighed(self, offset: float) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return logarithms for what most channels hold and each pose, the last for those of no order.

        Ratios of likelihood, filled over empty, (channels, contents, poses + 1); for each share the likelihood of a
        channel over that of an empty one, (channels, contents, poses + 1, shares); and weights of all but channels.
        """
        near = near_most()[:, _COLUMN]
        alike = _over_contents(self.alike.ratios(offset), near)
        other = _over_contents(self.independent.any_pose(offset)[..., None], near)
        ratio = np.concatenate([np.logaddexp(np.log1p(-_OTHER) + alike, np.log(_OTHER) + other), other], -1)
        with np.errstate(divide="ignore"):
            both = np.logaddexp(np.log(_SHARES) + ratio[..., None], np.log1p(-_SHARES))
        likely = np.log(np.r_[np.full(alike.shape[-1], _ALIKE / self.poses), 1 - _ALIKE])
        return ratio, both, both.sum(0) + likely[:, None] + _PRIOR

    def evidence(self, offset: float) -> float:
        """Return the logarithm of the likelihood over that of empty channels."""
        return float(log_sum(self._weighed(offset)[2]))

    def at(self, offset: float) -> _Known:
        """Return what is known of the channels."""
        ratio, both, weight = self._weighed(offset)
        part = weight - log_sum(weight)
        with np.errstate(divide="ignore"):
            chance = np.exp(np.log(_SHARES) + ratio[..., None] - both + part).sum(3)
        by_pose = chance.sum(1)
        each = self.alike.ratios(offset)
        each = np.exp(each - each.max(1, keepdims=True))[:, _COLUMN]
        held = (each * CONTENTS[_COLUMN, None]).sum(1) / each.sum(1)
        return _Known(
            chance.sum((1, 2)),
            exponential(ratio[..., None] - both + part).sum((1, 2, 3)),
            exponential(part - both).sum((1, 2, 3)),
            by_pose[:, :-1] * held,
            by_pose[:, -1],
            np.exp(part).sum((0, 1)),
        )

    def anyhow(self, disorder: Account) -> NDArray[np.float64]:
        """Return contents of filled channels without an order, shape (channels, templates)."""
        filled = np.maximum(disorder.filled[self.channels], 1e-12)
        return disorder.contents[self.channels] / filled[:, None]


def _over_contents(ratios: NDArray[np.float64], near: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum (channels, contents, poses) over contents that are near what most have: (channels, of most, poses)."""
    peak = ratios.max(1, keepdims=True)
    summed = np.einsum("cmt,mk->ckt", np.exp(ratios - peak), np.exp(near), optimize=True)
    return np.asarray(np.log(np.maximum(summed, 1e-300)) + peak)
