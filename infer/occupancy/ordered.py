"""Ordered crystals: some channels of the cell are filled, others empty, and molecules of one channel may lie alike."""

import itertools

import numpy as np

from stemforge.infer.occupancy.scores import OFFSETS, Account, log_sum, number_filled, over_offsets
from stemforge.infer.occupancy.sites import Site

_MANY = 8  # sites, of which every pattern of full and empty ones is still weighed
_NEGLIGIBLE = 1e-7


def weigh_order(sites: list[Site], disorder: Account) -> Account | None:
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
    tables = {full: [site.evidence(full) for site in sites] for full in (False, True)}
    patterns = [p for p in itertools.product((False, True), repeat=len(sites)) if len(set(p)) > 1]
    joined = [over_offsets([tables[f][i] for i, f in enumerate(pattern)]) for pattern in patterns]
    total = float(log_sum(np.array([evidence for evidence, _ in joined])))
    if_filled, if_empty, offsets = (np.zeros(len(disorder.filled)) for _ in range(3))
    contents = np.zeros(disorder.contents.shape)
    by_pattern = np.zeros((len(patterns), len(disorder.filled)))
    for number, site in enumerate(sites):
        for full in (False, True):
            alike = np.array([pattern[number] == full for pattern in patterns])
            chosen = np.array([each[number] for _, each in joined])[alike]
            chosen = np.exp(chosen - total)  # (patterns, offsets)
            for offset, each_chance in zip(OFFSETS, chosen.T, strict=True):
                chance = each_chance.sum()
                if chance < _NEGLIGIBLE:
                    continue
                known = site.at(offset, full)
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
