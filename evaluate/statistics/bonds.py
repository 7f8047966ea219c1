"""How many atoms are bonded to another one: corrected for chance neighbours in projection and for missed atoms."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.neighborlist import natural_cutoffs
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from stemforge.errors import InputError
from stemforge.evaluate.statistics.envelopes import LEVEL
from stemforge.evaluate.statistics.window import PointPattern, linked, several

TOLERANCE = 1.2
"""A bond may be so many times longer than the sum of covalent radii: strain, and the error of both places."""

_DRAWS = 2000
_BESIDE = 1.6  # lengths: up to there it is asked whether atoms keep a distance from each other
_GRAIN = 4  # places along the length, at least, where empty space is measured
_PROBES = 64  # places round each atom at which another one could be
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
        Share of atoms that would have one by chance: of places, further from the edge than that, with an atom within
        it; less where atoms keep a distance from each other.
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

    Examples
    --------
    >>> found = BondedFraction(3.26, 0.29, 0.12, 0.19, 0.1, 0.28, 100, recall=1.0, purity=1.0, level=0.95, unit="Å")
    >>> found.sentence.split("; ")[1]
    '19.0 % (10.0 to 28.0 %) are bonded to one.'
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

    Atoms of a thin specimen that keep a distance from each other in space have fewer neighbours by chance than that.
    How much fewer is read off the pairs right beyond the length, up to 1.6 of it, over those of random places, of all
    images together: 1 − F is raised to the power of that share, which may exceed 1 by its standard error alone, as
    clusters have more.

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
    (0.29, 0.11, True)
    """
    check_bonds(length, recall, purity)
    patterns, rng = several(pattern), rng or np.random.default_rng(0)
    parts = []
    for one in patterns:
        part = _Part.of(one, length / one.window.scale)
        parts += [] if part is None else [part]
        if len(patterns) > 1:
            one.window.release()
    unit = patterns[0].window.unit
    if not parts:
        raise InputError(f"length {length:g} {unit}: no atom is further than that from the edge of the mask")
    number, factor = sum(part.number for part in parts), 1 / (recall * purity)
    weights = np.array([part.number for part in parts]) / number
    pairs, expected = (sum(getattr(part, name) for part in parts) for name in ("pairs", "expected"))
    kept = float(_avoided(pairs, expected))
    observed, by_chance, fraction = map(float, weights @ np.array([part.shares(kept) for part in parts]))
    fraction *= factor
    drawn = _avoided(rng.gamma(max(pairs, 0.5), size=_DRAWS), expected)
    draws = weights @ np.array([part.resampled(drawn, rng) for part in parts])
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
    """One image.

    ``atoms`` and ``bonded`` are numbers of each cluster's atoms that count, ``covered`` is −log of the share of places
    without an atom, ``pairs`` and ``expected`` are those beyond the length, as they are and at random places.
    """

    atoms: NDArray[np.float64]
    bonded: NDArray[np.float64]
    covered: float
    pairs: int
    expected: float

    @classmethod
    def of(cls, pattern: PointPattern, radius: float) -> "_Part | None":
        """Measure an image; None where no atom is further than the radius [pixel] from the edge."""
        window, points = pattern.window, pattern.points
        counted = window.border_at(points) >= radius
        if not counted.any():
            return None
        near = cKDTree(points).query(points, k=2)[0][:, 1] <= radius
        empty, blended = empty_space(pattern, radius), window.closest / window.scale
        if blended > 0:
            # Around an atom that is found as one, no other one is found within that distance.
            empty = 1 - (1 - empty) / (1 - empty_space(pattern, min(blended, radius)))
        if empty > _FULLEST:
            raise InputError(
                f"length: {100 * empty:.0f} % of the specimen lies within it of an atom; bonds and chance look the same"
            )
        members = linked(points, radius)
        atoms, bonded = (np.bincount(members, counted * part).astype(float) for part in (1.0, near))
        return cls(atoms, bonded, float(-np.log1p(-empty)), *_beyond(pattern, radius))

    @property
    def number(self) -> int:
        """Atoms that count."""
        return round(self.atoms.sum())

    def shares(self, kept: float) -> NDArray[np.float64]:
        """Return shares observed, by chance and corrected, with so much of the coincidences of random places."""
        observed, by_chance = self.bonded.sum() / self.atoms.sum(), -np.expm1(-self.covered * kept)
        return np.array([observed, by_chance, 1 - (1 - observed) / (1 - by_chance)])

    def resampled(self, kept: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """Return corrected shares of resampled clusters, shape (draws,)."""
        times = rng.poisson(1.0, (len(kept), len(self.atoms)))
        total = np.maximum(times @ self.atoms, 1.0)
        # −log(1 − F) is proportional to the number of clusters.
        covered = self.covered * kept * total / self.atoms.sum()
        return np.asarray(1 - (1 - times @ self.bonded / total) * np.exp(covered))


def _beyond(pattern: PointPattern, radius: float) -> tuple[int, float]:
    """Return the pairs between 1 and 1.6 radii [pixel], and how many random places of the mask would have."""
    window, points = pattern.window, pattern.points
    tree = cKDTree(points)
    pairs = len(tree.query_pairs(_BESIDE * radius)) - len(tree.query_pairs(radius))
    turn, ring = np.pi * (3 - np.sqrt(5)) * np.arange(_PROBES), np.pi * (_BESIDE**2 - 1) * radius**2
    far = radius * np.sqrt(1 + (_BESIDE**2 - 1) * (np.arange(_PROBES) + 0.5) / _PROBES)
    places = points[:, None] + np.stack([far * np.cos(turn), far * np.sin(turn)], axis=1)
    inside = float(window.contains(places).mean(axis=1).sum())
    return pairs, inside * ring * (len(points) - 1) / window.pixels / 2


def _avoided(pairs: ArrayLike, expected: float) -> NDArray[np.float64]:
    """Return the share of the coincidences of random places that there are, of pairs beyond the length.

    At most one standard error more than 1, as clusters have more: so a number that scatters about 1 is too small by
    0.08 errors on average, where one that may not exceed 1 would be by 0.4.
    """
    number = np.asarray(pairs, dtype=float)
    if expected == 0:
        return np.ones_like(number)
    return np.minimum(number / expected, 1 + expected**-0.5)


def empty_space(pattern: PointPattern, radius: float) -> float:
    """Return the share of places, further than a radius [pixel] from the edge, with a point within it: F(r)."""
    border = pattern.window.border
    # Of a disc that wide, so many places say as much as all pixels.
    step = max(1, int(radius / _GRAIN))
    if not np.any(border[::step, ::step] >= radius):
        step = 1
    places = border[::step, ::step] >= radius
    within, reach = np.zeros_like(places), radius / step
    # Atoms are few and places many: each atom marks those around it.
    for x, y in pattern.points / step:
        top, left = max(0, int(np.ceil(y - reach))), max(0, int(np.ceil(x - reach)))
        part = within[top : int(y + reach) + 1, left : int(x + reach) + 1]
        row, column = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
        part |= np.hypot(column - x, row - y) <= reach
    return float(within[places].mean())
