"""What part of an image can be used, specimen or vacuum, and what is padding, saturated, drawn over or stitched."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from skimage.measure import block_reduce

from stemforge.errors import MicrographError
from stemforge.micrograph.flaws.burnt_in import burnt_in
from stemforge.micrograph.flaws.constant import constant_areas
from stemforge.micrograph.flaws.seams import find_seams

BESIDE_SEAM = 8
"""Half the width of what a seam spoils [pixel]: an atom's image that it cuts through."""
_LEAST = 0.01  # share of an image that must be usable
_HOLES = 0.25  # islands in an area of one value, such as text in a bar of data, belong to it up to this share of it

_GRID = 256  # coarse pixels along the longer side on which a background is continued
_ENOUGH = 0.2  # weight of what is known that makes a mean
_GLARE = 3  # soft edge of what saturates the detector [pixel]


@dataclass(frozen=True)
class UsableArea:
    """Where an image can be used: it shows the specimen, or vacuum.

    Parameters
    ----------
    mask
        True where it can, shape (height, width).
    reasons
        Why the rest is left out, each with its share of the image; a pixel counts for the first reason that holds.

    Examples
    --------
    >>> image = np.random.default_rng(0).normal(100, 10, (128, 128)).round()
    >>> image[-16:] = 0
    >>> area = usable_area(image)
    >>> area.left_out, dict(area.reasons)
    (0.125, {'one value': 0.125})
    """

    mask: NDArray[np.bool_]
    reasons: Mapping[str, float]

    @property
    def left_out(self) -> float:
        """Share of the image that is left out."""
        return sum(self.reasons.values())

    def __str__(self) -> str:
        """Return what is left out and why, such as ``4.1 % of the image (3.9 % one value, 0.2 % burnt in)``."""
        why = ", ".join(f"{100 * share:.1f} % {reason}" for reason, share in self.reasons.items())
        return f"{100 * self.left_out:.1f} % of the image ({why})"

    def inside(self, points: ArrayLike, margin: float = 0.0) -> NDArray[np.bool_]:
        """Tell which points (x, y) [pixel] lie in the usable area, further than ``margin`` [pixel] from the rest."""
        x, y = np.asarray(points, dtype=float).reshape(-1, 2).T.round().astype(int)
        height, width = self.mask.shape
        return np.asarray(self.beyond(margin)[y.clip(0, height - 1), x.clip(0, width - 1)])

    def beyond(self, margin: float) -> NDArray[np.bool_]:
        """Return where the usable area is further than ``margin`` [pixel] from the rest, shape (height, width)."""
        if self.mask.all():
            return self.mask
        return np.asarray(ndimage.distance_transform_edt(self.mask) > margin)

    def fill(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Fill what is left out with a smooth background and white noise, so that no edge is left.

        Parameters
        ----------
        image
            The image, shape (height, width).

        Returns
        -------
        ndarray
            The image itself where nothing is left out, else a filled copy.

        Examples
        --------
        >>> image = np.random.default_rng(0).normal(100, 10, (128, 128)).astype(np.float32)
        >>> image[-16:] = 0
        >>> filled = usable_area(image).fill(image)
        >>> bool(abs(filled[-16:].mean() - 100) < 3), bool(8 < filled[-16:].std() < 12)
        (True, True)
        """
        if self.mask.all():
            return image
        filled = _background(image, self.mask)
        # As standardised images measure their noise: from differences along rows, whose level flickers.
        steps = np.abs(np.diff(image, axis=1))[self.mask[:, 1:] & self.mask[:, :-1]]
        noise = float(np.median(steps)) / (0.6745 * np.sqrt(2)) if steps.size else 0.0
        filled += np.random.default_rng(0).normal(0, noise, image.shape).astype(np.float32)
        return np.where(self.mask, image, filled).astype(np.float32)


def usable_area(image: ArrayLike) -> UsableArea:
    """Find where an image shows the specimen.

    Left out are areas of one value (padding, holes, dead lines), saturated areas, burnt-in bars and text, and what
    seams between different fields spoil. Vacuum, tops of clipped atoms and noise of few electrons stay.

    Parameters
    ----------
    image
        As recorded, shape (height, width).

    Returns
    -------
    UsableArea
        The area, and why the rest is left out.

    Raises
    ------
    MicrographError
        Less than a hundredth of the image is usable.
    """
    values = np.asarray(image, dtype=np.float32)
    constant = constant_areas(values)
    saturated = constant.saturated
    if saturated.any():
        saturated = ndimage.binary_dilation(saturated, iterations=_GLARE)
    solid = _with_islands(constant.mask)
    annotated = burnt_in(values)
    seams = _beside_seams(values, solid | annotated | saturated)
    found = {
        "burnt in": annotated,
        "saturated": saturated,
        "one value": solid,
        "seams": seams,
    }
    mask = np.ones(values.shape, dtype=bool)
    reasons: dict[str, float] = {}
    for reason, area in found.items():
        new = area & mask
        if new.any():
            reasons[reason] = float(np.count_nonzero(new) / new.size)
            mask &= ~area
    if np.count_nonzero(mask) < _LEAST * mask.size:
        raise MicrographError(
            f"the image holds no signal: {UsableArea(mask, reasons)} is unusable; crop it to what shows the specimen"
        )
    return UsableArea(mask, reasons)


def _with_islands(area: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if not area.any():
        return area
    islands = ndimage.binary_fill_holes(area) & ~area
    labels, count = ndimage.label(islands)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    small = sizes < _HOLES * np.count_nonzero(area)
    small[0] = False
    return np.asarray(area | small[labels])


def _beside_seams(image: NDArray[np.float32], other: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return bands round seams, other than the edges of what is left out already."""
    mask = np.zeros(image.shape, dtype=bool)
    for axis, seams in enumerate(find_seams(image)):
        lines = other if axis == 0 else other.T
        band = mask if axis == 0 else mask.T
        for seam in seams:
            # The edge of an area that is left out changes lines, too.
            if lines[max(0, seam - BESIDE_SEAM) : seam + BESIDE_SEAM].any(axis=0).mean() < 0.25:
                band[max(0, seam - BESIDE_SEAM) : seam + BESIDE_SEAM] = True
    return mask


def _background(image: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Continue an image smoothly into what is left out: weighted means on a coarse grid, wider ones further inside."""
    block = -(-max(image.shape) // _GRID)
    weight = block_reduce(mask.astype(np.float32), block, np.mean)
    total = block_reduce(np.where(mask, image, 0).astype(np.float32), block, np.mean)
    filled = np.full(weight.shape, float(image[mask].mean()), dtype=np.float32)
    missing, sigma = np.ones(weight.shape, dtype=bool), 1.0
    while missing.any() and sigma < _GRID:
        around = ndimage.gaussian_filter(weight, sigma, truncate=3)
        known = missing & (around > _ENOUGH)
        filled[known] = ndimage.gaussian_filter(total, sigma, truncate=3)[known] / around[known]
        missing &= ~known
        sigma *= 2
    # Coarse pixel i has its centre at (i + ½) · block − ½ of the fine ones.
    rows, columns = ((np.arange(n) + 0.5) / block - 0.5 for n in image.shape)
    places = np.meshgrid(rows, columns, indexing="ij", sparse=False)
    return np.asarray(ndimage.map_coordinates(filled, places, order=1, mode="nearest"), dtype=np.float32)
