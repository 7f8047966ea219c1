"""Atoms per area, of one image and of many, with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeGuard

import numpy as np
from scipy.stats import chi2, t

from stemforge.evaluate.statistics.envelopes import LEVEL

BY_GRAFTS, BY_LIKELIHOODS = "grafts", "likelihoods"
"""What a density was corrected by."""
_ENDS = ("expected", "low", "high")


@dataclass(frozen=True)
class CorrectedDensity:
    """Atoms per nm², with those that a detector missed and without those that are none.

    Parameters
    ----------
    expected, low, high
        The density and the ends of an interval of 95 in 100 [1/nm²].
    source
        :data:`BY_GRAFTS`: atoms put into the image, of those from a contrast-to-noise on; or :data:`BY_LIKELIHOODS` of
        all candidates.
    """

    expected: float
    low: float
    high: float
    source: str

    @classmethod
    def recorded(cls, facts: Mapping[str, Any]) -> Self | None:
        """Return what ``run.json`` says of an image, by grafts where it has that; None where it has neither.

        What is no density with its interval is passed over: the file may be damaged.

        Examples
        --------
        >>> CorrectedDensity.recorded({"visible_atoms_per_nm2": {"expected": 0.3, "low": 0.2, "high": 0.5}})
        CorrectedDensity(expected=0.3, low=0.2, high=0.5, source='likelihoods')
        """
        measured = _entry(_entry(facts, "completeness"), "corrected")
        for source, known in (
            (BY_GRAFTS, _entry(measured, "atoms_per_nm2")),
            (BY_LIKELIHOODS, _entry(facts, "visible_atoms_per_nm2")),
        ):
            values = (known.get(name) for name in _ENDS)
            numbers = [float(one) for one in values if _finite(one)]
            if len(numbers) == len(_ENDS):
                expected, low, high = numbers
                if 0 <= low <= expected <= high:
                    return cls(expected, low, high, source)
        return None

    @property
    def sentence(self) -> str:
        """How to read it."""
        how = "atoms put into the images" if self.source == BY_GRAFTS else "the likelihoods of all candidates"
        return (
            f"with atoms that were missed and without those that are none, by {how}: {self.expected:.3g} per nm² "
            f"({self.low:.2g} to {self.high:.2g})"
        )


def _finite(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _entry(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a mapping in a file that may be damaged; an empty one where there is none."""
    found = facts.get(name)
    return found if isinstance(found, Mapping) else {}


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
    corrected
        Density with errors of detection, where that is known of the mask.

    Examples
    --------
    >>> count = Count("area", atoms=30, area=120.0)
    >>> f"{count.density} atoms per nm²"
    '0.25 atoms per nm²'
    """

    name: str
    atoms: int
    area: float
    corrected: CorrectedDensity | None = None

    @property
    def density(self) -> float:
        """Atoms per area."""
        return self.atoms / self.area


def counted_density(atoms: float, area: float, level: float = LEVEL) -> tuple[float, float, float]:
    """Return atoms per area, and the interval that counting alone gives (Garwood 1936).

    Parameters
    ----------
    atoms, area
        Their number, which may be an expected one, and the area [nm² or px²].
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


def corrected_density(counts: Sequence[Count]) -> CorrectedDensity | None:
    """Return the density of many images together with errors of detection; None where one of them has none.

    Means over images by area, of the ends, too: a detector that finds too few on one image of a specimen will do so on
    the next, so that errors of images do not average out.

    Examples
    --------
    >>> one = CorrectedDensity(0.3, 0.2, 0.5, BY_LIKELIHOODS)
    >>> counts = [Count("a", 10, 10.0, one), Count("b", 4, 30.0, CorrectedDensity(0.1, 0.0, 0.3, BY_GRAFTS))]
    >>> found = corrected_density(counts)
    >>> round(found.expected, 3), round(found.low, 3), round(found.high, 3), found.source
    (0.15, 0.05, 0.35, 'likelihoods')
    """
    known = [one.corrected for one in counts if one.corrected is not None]
    if not known or len(known) < len(counts):
        return None
    areas = [one.area for one in counts]
    expected, low, high = (
        float(np.average([getattr(one, name) for one in known], weights=areas)) for name in _ENDS
    )
    by_grafts = all(one.source == BY_GRAFTS for one in known)
    return CorrectedDensity(expected, low, high, BY_GRAFTS if by_grafts else BY_LIKELIHOODS)
