"""Empty or filled: what channels of an image say together, and each of them by itself."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemforge.infer.occupancy.disordered import weigh_disorder
from stemforge.infer.occupancy.framework_error import weigh_error
from stemforge.infer.occupancy.ordered import weigh_alike, weigh_order
from stemforge.infer.occupancy.scores import Scores
from stemforge.infer.occupancy.sites import sites_of

# Which guest: the power of probabilities, and the share of doubt that no image takes away. By 130 filled channels of
# simulated films, columns and single molecules, which were named rightly in 52 to 77 % where 77 to 90 % was said: what
# guests look like at their depth and in their pose is known less well than the noise.
_TEMPER, _DOUBT = 0.3, 0.2
# Probability that some sites of the cell are full, others empty; that molecules of a site lie alike without that; and
# that the framework's image has an error like faint molecules.
_ORDERED, _ALIKE, _MISTAKEN = 1 / 6, 1 / 20, 1 / 6


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
        Of these channels that are filled, the lower and the upper end of 90 %, and the mean.
    offset
        By how much the framework's image is off in a channel as in all others of its site, taken away already
        [molecules a cell]; shape (channels,).
    order
        Probability that some sites of the crystal's cell are full and others empty; None where that cannot be asked.
    framework_error
        Probability that what copies of a channel show alike is an error of the framework's image, so that nothing is
        known of channels; None where copies are not known.
    alike
        Probability that channels are filled without order by molecules that lie alike in all copies; None where copies
        are not known.
    """

    filled: NDArray[np.float64]
    evidence: NDArray[np.float64]
    contents: NDArray[np.float64]
    share: tuple[float, float, float]
    offset: NDArray[np.float64]
    order: float | None = None
    framework_error: float | None = None
    alike: float | None = None


def posterior_of(scores: Scores) -> Posterior:
    """Weigh shares of filled channels, contents and offsets by how well they explain all channels together.

    A channel is empty, or holds a molecule in one of the templates' poses with a content near one that most have.
    Either all channels are filled to one share, by molecules that have nothing to do with each other, or the crystal
    is ordered: some channels of its cell are full but for a few copies, others empty, and molecules of one channel may
    lie alike; or they do so, and channels are filled without order. What a model of the framework gets wrong is alike
    in all copies of a channel, and nearly so in all channels, so that it shifts them all; what remains uncertain of it
    is averaged over. Or it looks like faint molecules that lie alike in all copies: then nothing is known of channels.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> contrast = np.where(np.arange(40) < 20, 0.0, 1.0) * 100 + rng.normal(0, 10, 40)
    >>> scores = Scores(contrast[:, None], np.array([100.0]), contrast, 100.0, np.array([100.0]))
    >>> found = posterior_of(scores)
    >>> bool((found.filled[:20] < 0.01).all() and (found.filled[20:] > 0.99).all())
    True
    """
    scores = scores.widened()
    disorder = weigh_disorder(scores)
    sites = sites_of(scores, disorder)
    ways, likely = [disorder], [1.0]
    mistaken = alike = order = None
    if sites:
        mistaken = weigh_error(sites, disorder)
        alike = weigh_alike(sites, disorder)
        order = weigh_order(sites, disorder)
    for way, chance in ((mistaken, _MISTAKEN), (alike, _ALIKE), (order, _ORDERED)):
        if way is not None:
            ways.append(way)
            likely.append(chance)
            likely[0] -= chance
    evidence = np.log(likely) + [way.evidence for way in ways]
    weight = np.exp(evidence - evidence.max())
    weight /= weight.sum()

    def mean(name: str) -> NDArray[np.float64]:
        return np.asarray(sum(w * getattr(way, name) for w, way in zip(weight, ways, strict=True)))

    filled = np.clip(mean("filled"), 0, 1)
    # Numbers of channels are whole: the least that is reached with 5 % and with 95 %.
    low, high = np.searchsorted(np.cumsum(mean("number")), [0.05, 0.95]) / len(filled)
    shown = [np.log10(np.maximum(mean(name), 1e-300)) for name in ("if_filled", "if_empty")]
    return Posterior(
        filled,
        np.clip(shown[0] - shown[1], -99, 99),
        mean("contents"),
        (float(low), float(high), float(filled.mean())),
        mean("offset"),
        None if order is None else float(weight[-1]),
        None if mistaken is None else float(weight[1]),
        None if alike is None else float(weight[2]),
    )


def tempered(likely: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities of guests, (guests, channels), with the doubt that what templates show of them leaves."""
    power = likely**_TEMPER
    return np.asarray((1 - _DOUBT) * power / power.sum(0) + _DOUBT / len(likely))
