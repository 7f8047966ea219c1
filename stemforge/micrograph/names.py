"""Pairing by name: which table belongs to which image."""

import re
from collections.abc import Iterable


def pair_names(left: Iterable[str], right: Iterable[str]) -> dict[str, str]:
    """Pair names that mean the same image.

    Two names belong together when they are equal, or when their leading tokens (up to the first ``_``) are
    equal, hold a digit, and occur once on each side: ``021_HAADF_15nm_Sample`` and ``021_Results``.

    Parameters
    ----------
    left, right
        File name stems.

    Returns
    -------
    dict
        Name on the right by name on the left, in order; names without partner are left out.

    Examples
    --------
    >>> pair_names(["021_HAADF_15nm", "b", "c"], ["021_Results", "b"])
    {'021_HAADF_15nm': '021_Results', 'b': 'b'}
    """
    names = sorted(left), sorted(right)
    pairs = {name: name for name in names[0] if name in set(names[1])}
    tokens = [{name: name.split("_")[0] for name in side} for side in names]
    for name, token in tokens[0].items():
        alike = [[n for n, t in side.items() if t == token] for side in tokens]
        # A word such as HAADF names a kind of image, not an image; a number does.
        if name not in pairs and [len(side) for side in alike] == [1, 1] and re.search(r"\d", token):
            pairs[name] = alike[1][0]
    return dict(sorted(pairs.items()))
