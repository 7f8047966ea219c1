"""Atoms of a crystal around a point, with those of neighbouring cells."""

from itertools import product

import numpy as np
from ase import Atoms
from ase.geometry import get_distances

from stemforge.structures.cells import Array, Indices
from stemforge.structures.checks import require_range

__all__ = ["enlarged", "images_near", "least_separation"]


def images_near(crystal: Atoms, points: Array, radius: float) -> tuple[Indices, Array]:
    """Atoms of a crystal, and of its neighbouring cells, near to any of several points.

    Parameters
    ----------
    crystal : ase.Atoms
        Unit cell, periodic in all directions.
    points : numpy.ndarray
        Where to look [Å], shape ``(m, 3)``.
    radius : float
        Largest distance to the nearest of the points [Å].

    Returns
    -------
    indices : numpy.ndarray of int
        Index in the crystal of each atom, shape ``(n,)``; an atom may come several times.
    positions : numpy.ndarray
        Where its image is [Å], shape ``(n, 3)``.

    Raises
    ------
    ValueError
        If the radius is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from ase.build import bulk
    >>> from stemforge.structures.candidates.images import images_near
    >>> len(images_near(bulk("Si", cubic=True), np.zeros((1, 3)), 2.4)[0])
    5
    """
    require_range("radius", radius, 0.0)
    cell = crystal.cell.array
    heights = crystal.cell.volume / np.linalg.norm(np.cross(cell[[1, 2, 0]], cell[[2, 0, 1]]), axis=1)
    fractions = np.linalg.solve(cell.T, points.T).T
    wrapped = np.mod(crystal.get_scaled_positions(wrap=False), 1.0)
    low = np.floor(fractions.min(axis=0) - radius / heights).astype(int)
    high = np.floor(fractions.max(axis=0) + radius / heights).astype(int)
    shifts = np.array(list(product(*(range(a, b + 1) for a, b in zip(low, high, strict=True)))))
    images = (wrapped[:, None] + shifts).reshape(-1, 3) @ cell
    near = np.flatnonzero(get_distances(images, points)[1].min(axis=1) <= radius)
    return np.repeat(np.arange(len(crystal)), len(shifts))[near], images[near]


def enlarged(crystal: Atoms, least: float) -> Atoms:
    """Repeat a crystal until no two opposite faces of its cell are nearer than `least` [Å]."""
    cell = crystal.cell.array
    heights = crystal.cell.volume / np.linalg.norm(np.cross(cell[[1, 2, 0]], cell[[2, 0, 1]]), axis=1)
    repeats = [int(n) for n in np.ceil(least / heights - 1e-6)]
    return crystal if max(repeats) == 1 else crystal.repeat(repeats)


def least_separation(atoms: Atoms, group: Indices) -> float:
    """Smallest distance [Å] from a group of atoms to all others and to its own periodic images."""
    others = np.setdiff1d(np.arange(len(atoms)), group)
    points = atoms.positions[group]
    found = [np.inf]
    if len(others):
        found.append(get_distances(points, atoms.positions[others], cell=atoms.cell, pbc=True)[1].min())
    for shift in product((-1, 0, 1), repeat=3):
        if any(shift):
            found.append(get_distances(points, points + np.array(shift) @ atoms.cell.array)[1].min())
    return float(min(found))
