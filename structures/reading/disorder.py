"""Disordered sites: which of them exclude each other, and which are occupied in one sample."""

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stemforge.structures.cells import Array, Indices, Mask
from stemforge.structures.checks import require
from stemforge.structures.reading.pairs import near_pairs
from stemforge.structures.reading.sites import Sites

__all__ = ["draw_occupied"]

# Share of the sum of two covalent radii; no two atoms come so near but through disorder. Bonds have 0.72 or more.
_EXCLUDES = 0.65
_LEAST_EXCLUDES = 0.7  # Å, for pairs with hydrogen
_ROUNDING = 0.011  # shares of three alternatives are written as 0.33, 0.33, 0.33


def draw_occupied(atoms: Atoms, sites: Sites, rng: np.random.Generator) -> Mask:
    """Draw which sites hold their atom: of alternatives one at most, each as often as its occupancy says.

    Parameters
    ----------
    atoms : ase.Atoms
        Sites with the arrays ``occupancy`` and ``kind``; those of the file, or several cells of them.
    sites : Sites
        What the file holds, for messages.
    rng : numpy.random.Generator
        Source of randomness; one number for each set of alternatives is taken.

    Returns
    -------
    numpy.ndarray of bool
        Which of the atoms are there. Fully occupied sites always are.

    Raises
    ------
    ValueError
        The occupancies of alternatives add up to more than 1.

    Notes
    -----
    Partly occupied sites that are nearer to each other than 0.7 Å, or than 0.65 of the sum of their covalent radii, are
    alternatives, and so are the alternatives of an alternative.
    """
    partial = np.flatnonzero(atoms.arrays["occupancy"] < 1)
    found = _alternatives(atoms[partial])
    shares = _normalised(atoms, partial, found, sites)
    order = np.argsort(found, kind="stable")
    after = np.cumsum(shares[order])
    first = np.searchsorted(found[order], found[order])
    after -= after[first] - shares[order][first]  # counted within each set
    drawn = rng.random(int(found.max(initial=-1)) + 1)[found[order]]
    chosen = (after - shares[order] <= drawn) & (drawn < after)
    present = atoms.arrays["occupancy"] >= 1
    present[partial[order[chosen]]] = True
    return present


def _alternatives(atoms: Atoms) -> Indices:
    """Return for each site the number of its set of alternatives."""
    reach = np.maximum(_EXCLUDES * covalent_radii[atoms.numbers], _LEAST_EXCLUDES / 2)
    i, j, _, d = near_pairs(atoms, 2 * float(reach.max(initial=0.0)))
    i, j = (ends[d < reach[i] + reach[j]] for ends in (i, j))
    links = coo_array((np.ones(len(i)), (i, j)), shape=(len(atoms), len(atoms)))
    return np.asarray(connected_components(links, directed=False)[1], dtype=int)


def _normalised(atoms: Atoms, partial: Indices, found: Indices, sites: Sites) -> Array:
    """Return the sites' shares, sets that should add up to 1 doing so exactly."""
    shares = atoms.arrays["occupancy"][partial]
    totals = np.bincount(found, weights=shares)
    much = np.flatnonzero(totals > 1 + _ROUNDING)
    if len(much):
        kinds = np.unique(atoms.arrays["kind"][partial[found == much[0]]])
        names = ", ".join(sites.labels[kind] for kind in kinds[:6])
        mend = f"{names} are too near to each other to be occupied at once: keep one of them."
        what = f"the occupancy of alternative sites in {sites.source!r}"
        require(False, what, "1 at most in all", round(float(totals[much[0]]), 3), mend)
    several = np.bincount(found) > 1
    whole = several & (np.abs(totals - 1) <= _ROUNDING)
    return shares / np.where(whole, totals, 1.0)[found]
