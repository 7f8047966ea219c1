"""Channels that are copies of one channel of the cell, and what they say of poses that they have in common."""

from dataclasses import dataclass
from functools import cached_property

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
)

# What lies alike in all cells of a row is a column, of a molecule in each cell or nearly so [molecules a cell].
_COLUMN = CONTENTS >= 0.5
# What an error of the framework's image, alike in all copies of a channel, may look like, far out of focus above all.
_ERROR = CONTENTS < 0.5
_ALIKE = 0.5  # probability that molecules of a site lie alike
_OTHER = 0.05  # share of those that lie otherwise all the same
# What a pose that was refined stands for, of all poses that one of the drawn ones stands for: it was chosen because it
# fits, and some tenths of an Å and of a radian away, in five directions, it does not.
_FINE = 1e-3
_MOST = 24  # poses that are weighed at every offset


@dataclass(frozen=True)
class Filling:
    """How a site is filled: the shares of filled channels that are tried, and how likely they are."""

    shares: tuple[float, ...]
    likely: tuple[float, ...] = (1.0,)


EMPTY, FULL = Filling((0.0, 0.05), (0.8, 0.2)), Filling((0.85, 0.95, 1.0), (0.25, 0.25, 0.5))
"""But for a few channels."""
SHARES = tuple(Filling((share,)) for share in (0.05, 0.15, 0.3, 0.5))
"""Sites that are filled to one share: half at most, since an error of the framework's image fills most channels."""


def sites_of(scores: Scores, disorder: Account) -> "list[Site]":
    """Return the sites of channels; none where they are not known.

    Parameters
    ----------
    scores
        With sites.
    disorder
        What follows for the same channels if there is no order.
    """
    numbers = [] if scores.site is None else np.unique(scores.site).tolist()
    return [Site.of(scores, number, disorder.offset[scores.site == number].mean()) for number in numbers]


def best_poses(scores: Scores, site: int, offset: float, most: int) -> NDArray[np.int64]:
    """Return the templates that explain a site's channels best if all filled ones lie alike, the best one first."""
    return Site.of(scores.widened(), site, offset, most).templates


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


@dataclass(frozen=True)
class Site:
    """Channels that are the same in each cell of a domain, and the poses that they may have in common."""

    channels: NDArray[np.int64]
    templates: NDArray[np.int64]
    alike: Scores
    independent: Scores
    likely: NDArray[np.float64]

    @classmethod
    def of(cls, scores: Scores, number: int, offset: float, most: int = _MOST) -> "Site":
        """Make it with the poses that explain its channels best."""
        anywhere = scores.anywhere
        usable = anywhere if scores.template_site is None else anywhere | (scores.template_site == number)
        here = np.asarray(scores.site == number, dtype=bool)
        channels, templates = np.flatnonzero(here), np.flatnonzero(usable)
        loose = scores.part(here, anywhere if anywhere.any() else usable)
        fine = np.zeros(len(templates), dtype=bool) if scores.template_site is None else ~anywhere[usable]
        likely = np.where(fine, _FINE, 1.0) * _ALIKE / max(int(anywhere.sum()), 1)
        every = cls(channels, templates, scores.part(here, usable), loose, likely)
        order = log_sum(every._weighed(offset, FULL)[2], (0, 2))[:-1]
        first = np.argsort(-order, kind="stable")[:most]
        best = templates[first]
        return cls(channels, best, scores.part(here, best), every.independent, likely[first])

    def _weighed(
        self, offset: float, filling: Filling
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return logarithms for what most channels hold and each pose, the last for those of no order.

        Ratios of likelihood, filled over empty, (channels, contents, poses + 1); for each share the likelihood of a
        channel over that of an empty one, (channels, contents, poses + 1, shares); and weights of all but channels.
        """
        ratio, shares = self._ratio(offset), np.array(filling.shares)
        with np.errstate(divide="ignore"):
            both = np.logaddexp(np.log(shares) + ratio[..., None], np.log1p(-shares))
        poses = np.log(np.r_[self.likely, 1 - _ALIKE])
        return ratio, both, both.sum(0) + poses[:, None] + np.log(np.array(filling.likely) / _COLUMN.sum())

    def _ratio(self, offset: float) -> NDArray[np.float64]:
        """Return logarithms of likelihoods, filled over empty, (channels, contents, poses + 1)."""
        if offset not in self._ratios:
            near = near_most()[:, _COLUMN]
            alike = _over_contents(self.alike.ratios(offset), near)
            other = _over_contents(self.independent.any_pose(offset)[..., None], near)
            either = np.logaddexp(np.log1p(-_OTHER) + alike, np.log(_OTHER) + other)
            self._ratios[offset] = np.concatenate([either, other], -1)
        return self._ratios[offset]

    @cached_property
    def _ratios(self) -> dict[float, NDArray[np.float64]]:
        """What was computed already, by offset: each filling asks for it."""
        return {}

    def evidence(self, filling: Filling) -> NDArray[np.float64]:
        """Return the logarithm of the likelihood at each offset, over that of empty channels without one."""
        return (
            np.array([log_sum(self._weighed(offset, filling)[2]) for offset in OFFSETS]) + self.alike.shown()
        )

    def mistaken(self, wrong: bool) -> NDArray[np.float64]:
        """Return the logarithm of the likelihood at each offset of empty channels, or of such with an error alike."""
        if not wrong:
            return self.alike.shown()
        near = near_most()[:, _ERROR]
        poses = np.log(self.likely / _ALIKE) - np.log(_ERROR.sum())
        found = [log_sum(_over_contents(self.alike.ratios(o), near).sum(0) + poses) for o in OFFSETS]
        return np.array(found) + self.alike.shown()

    def at(self, offset: float, filling: Filling) -> _Known:
        """Return what is known of the channels."""
        ratio, both, weight = self._weighed(offset, filling)
        part = weight - log_sum(weight)
        with np.errstate(divide="ignore"):
            chance = np.exp(np.log(np.array(filling.shares)) + ratio[..., None] - both + part).sum(3)
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
