"""Errors of the framework's image, alike in all copies of a channel, that could be taken for molecules."""

from dataclasses import replace

import numpy as np

from stemforge.infer.occupancy.disordered import expected
from stemforge.infer.occupancy.scores import Account, over_offsets
from stemforge.infer.occupancy.sites import Site


def weigh_error(sites: list[Site], disorder: Account) -> Account:
    """Weigh that what copies of a channel show alike is an error of the framework's image.

    The error looks like faint molecules that lie alike in all copies of one channel or of several. What channels hold
    beside it cannot be told then: each is filled as was to be expected before, and gives no evidence.

    Parameters
    ----------
    sites
        Of all channels.
    disorder
        What follows for the same channels without such an error.
    """
    right, wrong = ([site.mistaken(error) for site in sites] for error in (False, True))
    # Of all patterns of sites with an error and without one, those with one somewhere.
    either = over_offsets([np.logaddexp(a, b) for a, b in zip(right, wrong, strict=True)])[0]
    none = over_offsets(right)[0]
    some = float(either + np.log1p(-np.exp(np.minimum(none - either, -1e-12))))
    filled, number = expected(len(disorder.filled))
    nothing = np.ones(len(filled))
    return replace(
        disorder,
        evidence=some - float(np.log(2.0 ** len(sites) - 1)),
        filled=filled,
        if_filled=nothing,
        if_empty=nothing,
        number=number,
    )
