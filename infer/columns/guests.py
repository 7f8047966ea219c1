"""Columns of guests: what the framework leaves in its channels, decided by likelihood ratio."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.special import expit

from stemforge.infer.columns.peaks import Pictures, Stamps
from stemforge.infer.columns.sites import MERGE, ColumnSite
from stemforge.infer.columns.white import Grid

REACH = 3.8
"""How far from a channel's axis atoms of guests are looked for [Å]."""
_BESIDE = 1.5  # from columns of the framework at least [Å]
_STEP = 0.25  # between places that are tried [Å]
# Log-likelihood that a column must gain: a channel has some fifty places, and most hold nothing.
_GAIN = 7.0
_MOST = 14  # columns that are tried in a channel


@dataclass(frozen=True)
class GuestPlaces:
    """Where in one channel columns of guests are looked for.

    Parameters
    ----------
    axis
        The channel's axis (x, y) in the cell [Å].
    offsets
        Places from there [Å], shape (n, 2).
    """

    axis: NDArray[np.float64]
    offsets: NDArray[np.float64]

    @classmethod
    def of(
        cls, axis: NDArray[np.float64], sites: tuple[ColumnSite, ...], cell: NDArray[np.float64]
    ) -> "GuestPlaces":
        """Return the places of a channel that are far enough from columns of its framework."""
        steps = np.arange(-REACH, REACH + _STEP, _STEP)
        offsets = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
        places = np.array([site.place for site in sites])
        beside = (axis + offsets)[:, None] - places
        beside -= cell * np.round(beside / cell)
        free = np.hypot(beside[..., 0], beside[..., 1]).min(1) >= _BESIDE
        return cls(axis, offsets[free & (np.hypot(*offsets.T) <= REACH)])


def search_guests(
    left: NDArray[np.float64],
    axes: NDArray[np.float64],
    places: GuestPlaces,
    pictures: Pictures,
    grid: Grid,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find columns of guests around channels' axes, one after the other as long as each gains enough likelihood.

    Orthogonal matching pursuit (Pati, Rezaiifar and Krishnaprasad 1993) with strengths that are not negative.

    Parameters
    ----------
    left
        What the framework leaves of an image, made white, flat.
    axes
        Where the channels are on it (x, y) [pixel], shape (n, 2).
    places
        Where columns may be beside an axis.
    pictures
        White pictures, the guests' as the only one.
    grid
        The pixels of the white image.

    Returns
    -------
    points, strengths
        (x, y) [pixel] and in units of the guests' picture, shapes (m, 2) and (m,).
    """
    count = len(places.offsets)
    points = (axes[:, None] + places.offsets @ grid.axes.T).reshape(-1, 2)
    stamps = Stamps.at(points, np.zeros(len(points), dtype=np.intp), pictures, grid)
    values = stamps.values(np.zeros_like(points))[0] * left[stamps.pixel]
    products = np.bincount(stamps.which, values, minlength=len(points)).reshape(-1, count) * np.sqrt(
        grid.area
    )
    between = (places.offsets[:, None] - places.offsets).reshape(-1, 2)
    overlaps = pictures.overlaps(0, between).reshape(count, count)
    far = np.hypot(*between.T).reshape(count, count) >= MERGE
    found, strengths = [np.zeros((0, 2))], [np.zeros(0)]
    for number, product in enumerate(products):
        chosen, strength = _pursued(product, overlaps, far)
        found.append(points.reshape(-1, count, 2)[number][chosen])
        strengths.append(strength)
    return np.concatenate(found), np.concatenate(strengths)


def _pursued(
    products: NDArray[np.float64], overlaps: NDArray[np.float64], far: NDArray[np.bool_]
) -> tuple[list[int], NDArray[np.float64]]:
    """Return which places hold a column, and how strong it is."""
    chosen: list[int] = []
    strengths = np.zeros(0)
    for _ in range(_MOST):
        rest = products - overlaps[:, chosen] @ strengths
        gain = np.where(rest > 0, rest**2, 0) / (2 * np.diag(overlaps)) * far[chosen].all(0)
        best = int(np.argmax(gain))
        if gain[best] < _GAIN:
            break
        chosen.append(best)
        some = overlaps[np.ix_(chosen, chosen)]
        root = np.linalg.cholesky(some + 1e-6 * np.trace(some) * np.eye(len(chosen)))
        strengths = optimize.nnls(root.T, np.linalg.solve(root, products[chosen]))[0]
        chosen = [one for one, strength in zip(chosen, strengths, strict=True) if strength > 0]
        strengths = strengths[strengths > 0]
    return chosen, strengths


def existence(strength: NDArray[np.float64], error: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability that there is a column: by its strength, its error, and how few places hold one."""
    ratio = np.maximum(strength / error, 0)
    return np.asarray(expit(ratio**2 / 2 - _GAIN))
