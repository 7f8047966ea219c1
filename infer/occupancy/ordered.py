"""Ordered crystals: some channels of the cell are filled, others empty, and molecules of one channel may lie alike."""

import itertools
from collections.abc import Sequence

import numpy as np

from stemforge.infer.occupancy.scores import OFFSETS, Account, log_sum, number_filled, over_offsets
from stemforge.infer.occupancy.sites import EMPTY, FULL, SHARES, Filling, Site

_MANY = 8  # sites, of which every pattern of full and empty ones is still weighed
_NEGLIGIBLE = 1e-7


def weigh_order(sites: Sequence[Site], disorder: Account) -> Account | None:
    """Weigh which sites are full and which are empty, their contents and poses, and offsets.

    That all sites are full, or all of them empty, is no order.

    Parameters
    ----------
    sites
        Of all channels.
    disorder
        What follows for the same channels if there is no order.

    Returns
    -------
    Account or None
        None where order cannot be asked: of one site, or of more than eight.
    """
    if not 1 < len(sites) <= _MANY:
        return None
    every = itertools.product((EMPTY, FULL), repeat=len(sites))
    return _weigh(sites, disorder, [pattern for pattern in every if len(set(pattern)) > 1])


def weigh_alike(sites: Sequence[Site], disorder: Account) -> Account:
    """Weigh that molecules of a site lie alike, where any channels are filled, to one share.

    Parameters
    ----------
    sites, disorder
        As for :func:`weigh_order`.
    """
    return _weigh(sites, disorder, [(share,) * len(sites) for share in SHARES])


def _weigh(sites: Sequence[Site], disorder: Account, patterns: Sequence[tuple[Filling, ...]]) -> Account:
    """Weigh patterns of sites."""
    fillings = list(dict.fromkeys(filling for pattern in patterns for filling in pattern))
    tables = {filling: [site.evidence(filling) for site in sites] for filling in fillings}
    joined = [over_offsets([tables[filling][i] for i, filling in enumerate(pattern)]) for pattern in patterns]
    total = float(log_sum(np.array([evidence for evidence, _ in joined])))
    if_filled, if_empty, offsets = (np.zeros(len(disorder.filled)) for _ in range(3))
    contents = np.zeros(disorder.contents.shape)
    by_pattern = np.zeros((len(patterns), len(disorder.filled)))
    for number, site in enumerate(sites):
        for filling in fillings:
            alike = np.array([pattern[number] is filling for pattern in patterns])
            chosen = np.array([each[number] for _, each in joined])[alike]
            chosen = np.exp(chosen - total)  # (patterns, offsets)
            for offset, each_chance in zip(OFFSETS, chosen.T, strict=True):
                chance = each_chance.sum()
                if chance < _NEGLIGIBLE:
                    continue
                known = site.at(offset, filling)
                by_pattern[np.ix_(alike, site.channels)] += each_chance[:, None] * known.filled
                if_filled[site.channels] += chance * known.if_filled
                if_empty[site.channels] += chance * known.if_empty
                contents[np.ix_(site.channels, site.templates)] += chance * known.contents
                contents[site.channels] += chance * known.otherwise[:, None] * site.anyhow(disorder)
            offsets[site.channels] += chosen.sum(0) @ OFFSETS
    weights = np.exp([evidence - total for evidence, _ in joined])
    number_of = number_filled(by_pattern / np.maximum(weights, 1e-300)[:, None], weights)
    evidence = total - np.log(len(patterns))
    return Account(evidence, by_pattern.sum(0), if_filled, if_empty, contents, number_of, offsets)
