"""Atoms per area, of one image and of many, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, t

from stemforge.evaluate.statistics.envelopes import LEVEL


@dataclass(frozen=True)
class Count:
    """How many atoms an image shows.

    Parameters
    ----------
    name
        Of the image.
    atoms
        Found in the mask.
    area
        Of the mask [nm² or px²].
    """

    name: str
    atoms: int
    area: float

    @property
    def density(self) -> float:
        """Atoms per area."""
        return self.atoms / self.area


def counted_density(atoms: int, area: float, level: float = LEVEL) -> tuple[float, float, float]:
    """Return atoms per area, and the interval that counting alone gives (Garwood 1936).

    Parameters
    ----------
    atoms, area
        Their number, and the area [nm² or px²].
    level
        Share of such intervals that hold the true density.

    Examples
    --------
    >>> [round(value, 3) for value in counted_density(10, 20.0)]
    [0.5, 0.24, 0.92]
    """
    low = chi2.ppf((1 - level) / 2, 2 * atoms) / 2 if atoms else 0.0
    high = chi2.ppf((1 + level) / 2, 2 * atoms + 2) / 2
    return atoms / area, float(low / area), float(high / area)


def pooled_density(counts: Sequence[Count], level: float = LEVEL) -> tuple[float, float, float]:
    """Return atoms per area of many images together, and an interval.

    The density is Σn/ΣA. Its interval is the hull of two: that of counting alone (:func:`counted_density`), and, of two
    images and more, that of a ratio of means (Cochran 1977, section 6.4), ± t √(m/(m − 1) Σ(n − λA)²)/ΣA with Student's
    t of m − 1 degrees, which holds what images of one specimen differ by. Neither knows of atoms that were not found,
    or that are none.

    Parameters
    ----------
    counts
        Of the images.
    level
        Share of such intervals that hold the true density.

    References
    ----------
    Garwood 1936, Biometrika 28, 437; Cochran 1977, Sampling Techniques, section 6.4.

    Examples
    --------
    >>> counts = [Count("a", 10, 50.0), Count("b", 20, 50.0), Count("c", 15, 50.0)]
    >>> [round(value, 2) for value in pooled_density(counts)]
    [0.3, 0.05, 0.55]
    """
    atoms, area = (
        np.array([getattr(one, name) for one in counts], dtype=float) for name in ("atoms", "area")
    )
    density, low, high = counted_density(int(atoms.sum()), float(area.sum()), level)
    images = len(counts)
    if images < 2:
        return density, low, high
    spread = np.sqrt(images / (images - 1) * np.sum((atoms - density * area) ** 2)) / area.sum()
    half = float(t.ppf((1 + level) / 2, images - 1) * spread)
    return density, max(0.0, min(low, density - half)), max(high, density + half)
