"""What matched filters say of channels, and how likely that is for what they may hold."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONTENTS = np.array([0.08, 0.125, 0.18, 0.25, 0.35, 0.5, 0.7, 1.0, 1.4])
"""Molecules in a unit cell along the beam that are tried."""
_SPREAD = 0.3  # how far channels lie about what most have (log)
# What the framework's image may be off by in all channels alike: standard deviation and most [molecules a cell].
_OFFSET, _MOST_OFFSET = 0.15, 0.45
OFFSETS = np.linspace(-_MOST_OFFSET, _MOST_OFFSET, 37)
"""Of all channels alike, that are tried [molecules a cell]."""
_BETWEEN = (
    0.03  # how far channels of one site may be off from those of another: tilt and coma [molecules a cell]
)
# What a channel's may be off by beside noise: copies of one channel differ by 0.002 to 0.022 [molecules a cell].
_BESIDE = 0.02
_RARE = 1e-6  # probability of a case that is left out
_LARGE = 600.0  # a logarithm whose exponential is still a number
EVERY = -1
"""Site of templates that stand for molecules anywhere."""


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
    site
        Number of the channel in the crystal's cell and domain, the same for all its copies, shape (channels,); None
        where nothing is known of an order.
    template_site
        Site whose poses a template refines, or ``EVERY``, shape (templates,); None: all of them.
    """

    products: NDArray[np.float64]
    norms: NDArray[np.float64]
    mean_products: NDArray[np.float64]
    mean_norm: float
    overlaps: NDArray[np.float64]
    site: NDArray[np.int64] | None = None
    template_site: NDArray[np.int64] | None = None

    @property
    def anywhere(self) -> NDArray[np.bool_]:
        """Which templates stand for molecules anywhere, shape (templates,)."""
        if self.template_site is None:
            return np.ones(len(self.norms), dtype=bool)
        return np.asarray(self.template_site == EVERY)

    def part(self, channels: NDArray[Any], templates: NDArray[Any]) -> "Scores":
        """Return those of some channels and templates."""
        return Scores(
            self.products[channels][:, templates],
            self.norms[templates],
            self.mean_products[channels],
            self.mean_norm,
            self.overlaps[templates],
        )

    def widened(self) -> "Scores":
        """Return what they are where an error beside noise widens all that is measured."""
        shrink = 1 / (1 + _BESIDE**2 * self.norms)
        of_mean = 1 / (1 + _BESIDE**2 * self.mean_norm)
        return replace(
            self,
            products=self.products * shrink,
            norms=self.norms * shrink,
            overlaps=self.overlaps * shrink,
            mean_products=self.mean_products * of_mean,
            mean_norm=self.mean_norm * of_mean,
        )

    def ratios(self, offset: float) -> NDArray[np.float64]:
        """Return logarithms of likelihoods over that of an empty channel, (channels, contents, templates)."""
        m = CONTENTS[None, :, None]
        return self.products[:, None] * m - m**2 * self.norms / 2 - m * offset * self.overlaps

    def any_pose(self, offset: float) -> NDArray[np.float64]:
        """Return logarithms of likelihoods of any pose over that of an empty channel, (channels, contents)."""
        return np.asarray(log_sum(self.ratios(offset), 2) - np.log(len(self.norms)))

    def shown(self) -> NDArray[np.float64]:
        """Return the logarithm of the likelihood of each offset where channels are empty, over that of none."""
        one = OFFSETS * self.mean_products.sum() - OFFSETS**2 * self.mean_norm * len(self.mean_products) / 2
        return np.asarray(one)

    def spread(self) -> float:
        """Return the variance of the mean template's contrast among copies of a channel, over that of noise."""
        copies = [self.mean_products[site] for site in self.sites() if len(site) > 1]
        freedom = sum(len(products) - 1 for products in copies)
        squares = sum(float(((products - products.mean()) ** 2).sum()) for products in copies)
        return squares / (freedom * self.mean_norm) if freedom else float("nan")

    def sites(self) -> list[NDArray[np.int64]]:
        """Return the channels of each site; all together where no site is known."""
        if self.site is None:
            return [np.arange(len(self.products))]
        return [np.flatnonzero(self.site == number) for number in np.unique(self.site)]


def near_most() -> NDArray[np.float64]:
    """Return the logarithm of the probability of a channel's content, by what most have; (content, of most)."""
    near = -((np.log(CONTENTS[:, None] / CONTENTS) / _SPREAD) ** 2) / 2
    return np.asarray(near - log_sum(near, 0))


@dataclass(frozen=True)
class Account:
    """What follows for channels if they are filled in one way.

    Parameters
    ----------
    evidence
        Natural logarithm of the likelihood of all channels, over that of empty channels and no offset.
    filled
        Probability that a channel is, shape (channels,).
    if_filled, if_empty
        How likely a channel looks as it does if it is, by all others, over the likelihood of what was seen, shape
        (channels,).
    contents
        Molecules a cell along the beam to be expected for each template, shape (channels, templates).
    number
        Probability that so many channels are filled, from none to all, shape (channels + 1,).
    offset
        What a channel is off by, in the mean; shape (channels,).
    """

    evidence: float
    filled: NDArray[np.float64]
    if_filled: NDArray[np.float64]
    if_empty: NDArray[np.float64]
    contents: NDArray[np.float64]
    number: NDArray[np.float64]
    offset: NDArray[np.float64]


def number_filled(filled: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of each number of filled channels, from none to all, shape (channels + 1,).

    Parameters
    ----------
    filled
        Probability that a channel is, in each of some cases; in one case, channels have nothing to do with each other;
        shape (cases, channels).
    weights
        How probable the cases are, shape (cases,).

    Examples
    --------
    >>> number_filled(np.array([[0.5, 0.5], [1.0, 1.0]]), np.array([0.5, 0.5])).tolist()
    [0.125, 0.25, 0.625]
    """
    likely = weights > _RARE
    found = np.zeros((int(likely.sum()), filled.shape[1] + 1))
    found[:, 0] = 1
    for chance in filled[likely].clip(0, 1).T[..., None]:
        found[:, 1:] = found[:, 1:] * (1 - chance) + found[:, :-1] * chance
        found[:, :1] *= 1 - chance
    return np.asarray(weights[likely] @ found / weights[likely].sum())


def over_offsets(
    sites: list[NDArray[np.float64]],
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Let sites have offsets near a common one.

    Parameters
    ----------
    sites
        Logarithm of each site's likelihood at each offset, and whatever else is common to them; shapes (offsets, ...).

    Returns
    -------
    weight, each
        Logarithm of the likelihood of all, by what is common, shape (...); and by each site's offset as well.
    """
    between = -(((OFFSETS[:, None] - OFFSETS) / _BETWEEN) ** 2) / 2
    if len(sites) == 1:
        between = np.where(np.eye(len(OFFSETS), dtype=bool), 0.0, -np.inf)
    between = between - log_sum(between, 1)[:, None]  # (common, of the site)
    prior = -((OFFSETS / _OFFSET) ** 2) / 2
    prior = prior - log_sum(prior)
    shape = (1,) * (sites[0].ndim - 1)
    near = between.reshape(*between.shape, *shape)
    each = [log_sum(near + site, 1) for site in sites]
    common = np.sum(each, axis=0) + prior.reshape(-1, *shape)
    joint = [site + log_sum(near + (common - one)[:, None], 0) for site, one in zip(sites, each, strict=True)]
    return log_sum(common, 0), joint


def exponential(logarithm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the exponential of what may be too large for it."""
    return np.exp(np.minimum(logarithm, _LARGE))


def log_sum(
    logarithms: NDArray[np.float64], axis: int | tuple[int, ...] | None = None
) -> NDArray[np.float64]:
    """Return the logarithm of the sum of exponentials: of finite values, several times as fast as scipy's."""
    peak = logarithms.max(axis, keepdims=True)
    total = np.log(np.exp(logarithms - peak).sum(axis))
    return np.asarray(total + peak.reshape(total.shape))
