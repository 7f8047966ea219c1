"""Evidence that an atom is at a point of an image, on a scale that random points fill evenly."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from stemforge.infer.atoms.maps import atom_finder
from stemforge.infer.resampling import resampled, scaled_places
from stemforge.micrograph.image import Micrograph
from stemforge.train.card import Card

NETWORK = "network"
"""Name of the network's map."""
SPOT_SIZES = (1.0, 2.0, 4.0, 8.0)
"""Standard deviations of the bright spots that are looked for without a network [pixel]."""
_NETWORK_SIZE = 4.0
_COMPARED = 96
_STEPS = 4096
# Share of labels that lie nowhere better than random points, and how sharply the others crowd at the top.
_KINDS = ((0.15, 3), (0.15, 12), (0.6, 12))
STAND_OUT = 1
"""Row of :func:`log_ratios` for atoms that stand out."""


@dataclass(frozen=True)
class RankMap:
    """How high the evidence of an atom is at each place of an image, among all places.

    Parameters
    ----------
    ranks
        Share of the image with less evidence, in steps of 1/4095, shape (h, w).
    zoom
        Pixels of the map per pixel of the image, as (x, y).
    size
        Standard deviation of a spot [pixel of the map].
    """

    ranks: NDArray[np.uint16]
    zoom: tuple[float, float]
    size: float

    def places(self, points: ArrayLike) -> NDArray[np.intp]:
        """Return the (column, row) of the map at points (x, y) [pixel of the image], shape (…, 2)."""
        return np.rint(scaled_places(points, self.zoom)).astype(np.intp)

    def at(self, points: ArrayLike) -> NDArray[np.uint16]:
        """Return the ranks at points (x, y) [pixel of the image], shape (…, 2); 0 off the image."""
        columns, rows = np.moveaxis(self.places(points), -1, 0)
        height, width = self.ranks.shape
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        found = self.ranks[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
        return np.where(inside, found, 0).astype(np.uint16)

    @property
    def tolerance(self) -> float:
        """How far from its atom a label may lie [pixel of the image]."""
        return 0.75 * self.size / min(self.zoom)

    @property
    def spacing(self) -> float:
        """How far labels must lie from each other to be evidence each for itself [pixel of the image]."""
        return 2 * self.size / min(self.zoom)


@cache
def log_ratios() -> NDArray[np.float32]:
    r"""Return how much likelier each rank is for a label than for a random point.

    Ranks u of random points are even between 0 and 1. Those of labels are taken as distributed by
    :math:`p(u) = w + (1 - w) a u^{a-1}`, one of three kinds: faint atoms (w = 0.15, a = 3), atoms that stand out
    (0.15, 12), and a few that stand out among many that do not (0.6, 12). The product of p(u) over the points of a set
    is 1 on average if the points are random: it exceeds 1/α in at most a share α of all random sets (an e-value).

    Returns
    -------
    ndarray
        Natural logarithms, shape (3, 4096): by kind, by rank.

    References
    ----------
    Vovk and Wang, Ann. Stat. 2021, 49, 1736, doi:10.1214/20-AOS2020 (e-values).

    Examples
    --------
    >>> np.exp(log_ratios()).mean(axis=1).round(2)
    array([1., 1., 1.], dtype=float32)
    """
    u = np.linspace(0, 1, _STEPS)
    return np.array([np.log(w + (1 - w) * a * u ** (a - 1)) for w, a in _KINDS], dtype=np.float32)


def share_on_spots(ranks: ArrayLike) -> tuple[float, float, float]:
    """Estimate how many labels lie on bright spots.

    Parameters
    ----------
    ranks
        Of the labels, shape (n,).

    Returns
    -------
    tuple
        Most likely share, and the ends of an interval that holds 95 in 100.

    Examples
    --------
    >>> [round(share, 1) for share in share_on_spots([4000] * 30 + [500] * 10)]
    [0.7, 0.6, 0.8]
    """
    u = np.asarray(ranks, dtype=float) / (_STEPS - 1)
    shares = np.linspace(0, 0.99, 100)
    sharp = _KINDS[STAND_OUT][1]
    likelihood = np.log(1 - shares[:, None] + shares[:, None] * sharp * u ** (sharp - 1)).sum(axis=1)
    # Likelihood ratio: half of the 95 % point of χ² with one degree of freedom.
    inside = shares[likelihood >= likelihood.max() - 1.92]
    return float(shares[likelihood.argmax()]), float(inside.min()), float(inside.max())


def rank_map(values: ArrayLike, size: float, zoom: tuple[float, float] = (1.0, 1.0)) -> RankMap:
    """Rank the places of a map of evidence.

    Each place takes the highest value within half a spot, as people mark atoms by hand, and is compared with places in
    a ring about it, so that a bright support beside vacuum does not count as evidence; the shares of the ring that it
    exceeds are then ranked over the image.

    Parameters
    ----------
    values
        Evidence of an atom at each pixel, in any monotonic unit, shape (h, w).
    size
        Standard deviation of a spot [pixel of the map].
    zoom
        Pixels of the map per pixel of the image, as (x, y).
    """
    reach = max(1, round(size / 2))
    disk = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1]) <= reach + 0.3
    best = ndimage.maximum_filter(np.asarray(values, dtype=np.float32), footprint=disk)
    outer = max(6, round(10 * size))
    # Evenly over the ring, by the golden angle: the same places every time, without a seed.
    turns = np.arange(_COMPARED) * np.pi * (3 - np.sqrt(5))
    radii = np.sqrt(np.linspace((2 * size + 1) ** 2, outer**2, _COMPARED))
    padded = np.pad(best, outer, mode="reflect")
    height, width = best.shape
    exceeded = np.zeros(best.shape, dtype=np.uint8)  # in halves
    for x, y in np.rint([radii * np.cos(turns), radii * np.sin(turns)]).astype(int).T:
        other = padded[outer + y : outer + y + height, outer + x : outer + x + width]
        exceeded += best > other
        exceeded += best >= other
    counts = np.bincount(exceeded.ravel(), minlength=2 * _COMPARED + 1)
    middle = (np.cumsum(counts) - 0.5 * counts) / exceeded.size
    return RankMap(np.rint(middle * (_STEPS - 1)).astype(np.uint16)[exceeded], zoom, size)


def evidence_maps(
    micrograph: Micrograph,
    network: tuple[Any, Card] | None = None,
    *,
    sizes: Sequence[float] = SPOT_SIZES,
    device: str = "cpu",
) -> dict[str, RankMap]:
    """Return ranked maps of the evidence for bright atoms: bright spots of several sizes, and a network's map.

    Parameters
    ----------
    micrograph
        The image; atoms are bright on it.
    network
        Model and card of a network that detects atoms, from :func:`stemforge.train.load_weights`.
    sizes
        Standard deviations of the spots [pixel].
    device
        Where the network runs.
    """
    image = np.asarray(micrograph.image, dtype=np.float64)
    maps = {}
    for size in sizes:
        # Difference of Gaussians: the spot's own size against three times as much, which stands for the background.
        spots = ndimage.gaussian_filter(image, size) - ndimage.gaussian_filter(image, 3 * size)
        maps[f"spots of {size:g} px"] = rank_map(spots, size)
    if network is not None:
        model, card = network
        wanted, _ = resampled(micrograph.image, micrograph.sampling, card.sampling)
        likelihood, _ = atom_finder(model, card, wanted, device=device)
        zoom = wanted.shape[1] / image.shape[1], wanted.shape[0] / image.shape[0]
        maps[NETWORK] = rank_map(likelihood, _NETWORK_SIZE, zoom)
    return maps
