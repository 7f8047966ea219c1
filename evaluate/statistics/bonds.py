"""How many atoms are bonded to another one: corrected for chance neighbours in projection and for missed atoms."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.neighborlist import natural_cutoffs
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from stemforge.errors import InputError
from stemforge.evaluate.statistics.envelopes import LEVEL
from stemforge.evaluate.statistics.window import PointPattern, linked, several

TOLERANCE = 1.2
"""A bond may be so many times longer than the sum of covalent radii: strain, and the error of both places."""

_DRAWS = 2000
_FULLEST = (
    0.95  # share of places with an atom within the length, beyond which nothing is left to compare with
)


def bond_length(element: str, tolerance: float = TOLERANCE) -> float:
    """Return the longest bond between two atoms of an element [Å]: its covalent radius (ASE), twice, times tolerance.

    Raises
    ------
    InputError
        No such element.

    Examples
    --------
    >>> round(bond_length("Pt"), 3)
    3.264
    """
    try:
        return float(sum(natural_cutoffs(Atoms(f"{element}2"), mult=tolerance)))
    except (KeyError, ValueError) as error:
        raise InputError(f"element must be a chemical symbol such as Pt, not {element}") from error


@dataclass(frozen=True)
class BondedFraction:
    """Share of atoms with another atom within a bond length.

    Parameters
    ----------
    length
        The bond length [unit].
    observed
        Share of atoms, further from the edge than that, with another one within it.
    by_chance
        Share of places, further from the edge than that, with an atom within it: what a lone atom would have by chance.
    fraction
        Share of atoms with a neighbour that is no coincidence, ``(observed − by_chance) / (1 − by_chance)``,
        corrected for recall and purity; it may come out a little below 0 where there are none, and is 1 at most.
    low, high
        Of its interval, 0 at least.
    number
        Atoms that were counted.
    recall, purity
        As given.
    level
        Of the interval.
    unit
        Å or px.
    contradicted
        Whether more than all atoms would be bonded at this recall and purity.
    """

    length: float
    observed: float
    by_chance: float
    fraction: float
    low: float
    high: float
    number: int
    recall: float
    purity: float
    level: float
    unit: str
    contradicted: bool = False

    @property
    def sentence(self) -> str:
        """How to read it."""
        text = (
            f"{100 * self.observed:.1f} % of atoms have another one within {self.length:.3g} {self.unit}, by chance "
            f"{100 * self.by_chance:.1f} % would"
        )
        if self.contradicted:
            product = self.recall * self.purity
            return f"{text}; recall × purity of {product:.2g} contradicts that: more than all atoms would be bonded."
        return (
            f"{text}; {100 * max(self.fraction, 0):.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f} %) are bonded "
            "to one."
        )


def bonded_fraction(
    pattern: PointPattern | Sequence[PointPattern],
    length: float,
    *,
    recall: float = 1.0,
    purity: float = 1.0,
    level: float = LEVEL,
    rng: np.random.Generator | None = None,
) -> BondedFraction:
    """Measure the share of atoms bonded to another one, in projection.

    Where clusters lie anywhere, independently of each other, an atom has none of another cluster within r as rarely
    as any place has none: 1 − F(r), F the distribution of empty space. With G that of nearest neighbours, the share
    of atoms with none of their cluster is J(r) = (1 − G(r)) / (1 − F(r)) exactly (van Lieshout & Baddeley 1996),
    whatever the clusters. Both are measured where the edge is further than r.

    Parameters
    ----------
    pattern
        The atoms found on an image; several images are corrected one by one, then weighted by their atoms.
    length
        Bond length [Å, or px without pixel size], such as :func:`bond_length` gives.
    recall
        Chance that the neighbour of an atom that was found was found, too: the fraction is divided by it, which is
        right for pairs, and too much for larger clusters.
    purity
        Share of what was found that is atoms; false ones are bonded to none.
    level
        Of the interval, by resampling clusters.
    rng
        Source of the resampling; by default seeded with 0.

    Raises
    ------
    InputError
        Length, recall or purity that cannot be; no atom further from the edge than the length.

    References
    ----------
    van Lieshout & Baddeley 1996, Stat. Neerl. 50, 344, doi:10.1111/j.1467-9574.1996.tb01501.x.

    Examples
    --------
    >>> from stemforge.evaluate import Window
    >>> rng, window = np.random.default_rng(0), Window.frame((512, 512), sampling=0.293)
    >>> alone, pair = window.draw(80, rng), rng.uniform(20, 490, (10, 2))
    >>> pattern = PointPattern.inside(np.concatenate([alone, pair, pair + [0, 8]]), window)
    >>> result = bonded_fraction(pattern, bond_length("Pt"))
    >>> round(result.observed, 2), round(result.by_chance, 2), result.low < 0.2 < result.high
    (0.29, 0.13, True)
    """
    check_bonds(length, recall, purity)
    patterns, rng = several(pattern), rng or np.random.default_rng(0)
    parts = []
    for one in patterns:
        part = _Part.of(one, length / one.window.scale, rng)
        parts += [] if part is None else [part]
        if len(patterns) > 1:
            one.window.release()
    unit = patterns[0].window.unit
    if not parts:
        raise InputError(f"length {length:g} {unit}: no atom is further than that from the edge of the mask")
    number, factor = sum(part.number for part in parts), 1 / (recall * purity)
    weights = np.array([part.number for part in parts]) / number
    observed, by_chance, fraction = map(float, weights @ np.array([part.shares for part in parts]))
    fraction *= factor
    draws = weights @ np.array([part.draws for part in parts])
    # Fewer neighbours than by chance are an accident: the interval then is that of none.
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2]) * factor - min(fraction, 0.0)
    if observed == 0:
        # The largest share that gives none of so many with a chance of 1 − level.
        high = -np.log(1 - level) / number * factor
    ends = float(np.clip(low, 0, 1)), float(np.clip(high, 0, 1))
    beyond = fraction > 1
    shares = (observed, by_chance, min(fraction, 1.0))
    return BondedFraction(float(length), *shares, *ends, number, recall, purity, level, unit, beyond)


def check_bonds(length: float, recall: float, purity: float) -> None:
    """Check options of bonds.

    Raises
    ------
    InputError
        Length, recall or purity that cannot be.
    """
    for name, value in (("recall", recall), ("purity", purity)):
        if not 0 < value <= 1:
            raise InputError(f"{name} must lie above 0 and at most at 1, not {value}")
    if not 0 < length < np.inf:
        raise InputError(f"length must be positive, not {length}")


@dataclass(frozen=True, eq=False)
class _Part:
    """One image: atoms that count; shares observed, by chance and corrected; corrected ones of resampled clusters."""

    number: int
    shares: NDArray[np.float64]
    draws: NDArray[np.float64]

    @classmethod
    def of(cls, pattern: PointPattern, radius: float, rng: np.random.Generator) -> "_Part | None":
        """Measure an image; None where no atom is further than the radius [pixel] from the edge."""
        counted = pattern.window.border_at(pattern.points) >= radius
        if not counted.any():
            return None
        bonded = cKDTree(pattern.points).query(pattern.points, k=2)[0][:, 1] <= radius
        observed, empty = float(bonded[counted].mean()), empty_space(pattern, radius)
        blended = pattern.window.closest / pattern.window.scale
        if blended > 0:
            # Around an atom that is found as one, no other one is found within that distance.
            empty = 1 - (1 - empty) / (1 - empty_space(pattern, min(blended, radius)))
        if empty > _FULLEST:
            raise InputError(
                f"length: {100 * empty:.0f} % of the specimen lies within it of an atom; bonds and chance look the same"
            )
        members = linked(pattern.points, radius)
        atoms, pairs = (np.bincount(members, counted * part) for part in (1.0, bonded))
        times = rng.poisson(1.0, (_DRAWS, len(atoms)))
        total = np.maximum(times @ atoms, 1.0)
        # −log(1 − F) is proportional to the number of clusters.
        covered = -np.log1p(-empty) * total / atoms.sum()
        draws = 1 - (1 - times @ pairs / total) / np.exp(-covered)
        shares = np.array([observed, empty, 1 - (1 - observed) / (1 - empty)])
        return cls(int(counted.sum()), shares, draws)


def empty_space(pattern: PointPattern, radius: float) -> float:
    """Return the share of places, further than a radius [pixel] from the edge, with a point within it: F(r)."""
    window = pattern.window
    row, column = np.nonzero(window.border >= radius)
    places = np.stack([column, row], axis=1)
    near = cKDTree(pattern.points).query(places, distance_upper_bound=radius)[0] <= radius
    return float(near.mean())
