"""Grains and holes of a sheet."""

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from scipy.spatial import cKDTree

from stemforge.structures.cells import Array, wrapped
from stemforge.structures.layered.periodic import turned

__all__ = ["MERGED", "in_grains", "merge_close", "with_holes"]

MERGED = 0.8
"""Share of the sum of two covalent radii: atoms that come nearer are one. In the crystals none do."""


def in_grains(unit: Atoms, edges: Array, centres: Array, angles: Array) -> Atoms:
    """One sheet of turned grains, each cut to the (periodic) Voronoi cell of its centre.

    Parameters
    ----------
    unit
        Cell of the sheet.
    edges
        Of the orthogonal cell that the grains fill [Å].
    centres, angles
        Of the grains: (x, y) [Å], and how far each is turned about z [degrees].

    Returns
    -------
    ase.Atoms
        Where two grains meet, atoms may lie too close: see :func:`merge_close`.
    """
    lattice = unit.cell[:2, :2]
    # A cell more on each side than half the diagonal needs, in whatever direction the lattice is turned.
    reach = np.hypot(*edges) / 2 + 2 * np.linalg.norm(lattice, axis=1).max()
    count = int(np.ceil(reach / (np.linalg.norm(lattice, axis=1).min() * np.sqrt(3) / 2)))
    i, j = np.mgrid[-count : count + 1, -count : count + 1].reshape(2, -1)
    tree = cKDTree(np.mod(centres, edges), boxsize=edges)
    grains = Atoms(cell=(*edges, 1.0), pbc=(True, True, False))
    for number, (centre, angle) in enumerate(zip(centres, angles, strict=True)):
        cell = turned(unit, float(angle))
        origins = np.stack([i, j], axis=1) @ cell.cell[:2, :2]
        xy = (origins[:, None] + cell.positions[:, :2]).reshape(-1, 2)
        nearby = np.all(np.abs(xy) < edges / 2, axis=1)
        z, numbers = np.tile(cell.positions[:, 2], len(origins)), np.tile(cell.numbers, len(origins))
        places = wrapped(np.column_stack([xy + centre, z]), edges)[nearby]
        inside = tree.query(places[:, :2])[1] == number
        grains += Atoms(numbers[nearby][inside], positions=places[inside])
    return grains


def merge_close(atoms: Atoms, share: float = MERGED) -> Atoms:
    """Drop one of every two atoms nearer than a share of the sum of their covalent radii, across the border too."""
    edges = atoms.cell.lengths()[:2]
    radii = covalent_radii[atoms.numbers]
    tree = cKDTree(wrapped(atoms.positions, edges), boxsize=(*edges, 0.0))
    pairs = tree.query_pairs(2 * share * radii.max(initial=0.0), output_type="ndarray")
    offsets = atoms.positions[pairs[:, 0]] - atoms.positions[pairs[:, 1]]
    offsets[:, :2] -= edges * np.round(offsets[:, :2] / edges)
    close = np.linalg.norm(offsets, axis=1) < share * radii[pairs].sum(axis=1)
    keep = np.ones(len(atoms), dtype=bool)
    for one, other in pairs[close][np.lexsort(pairs[close].T)]:
        # An atom that is gone already takes no other with it.
        if keep[one] and keep[other]:
            keep[max(one, other)] = False
    return atoms[keep]


def with_holes(atoms: Atoms, radius: float, fraction: float, rng: np.random.Generator) -> Atoms:
    """Cut round holes through all layers.

    Holes are thrown at random and may overlap. Their number is of Poisson's distribution, its mean such that they
    cover the fraction on average: 1 − exp(−number · π · radius² / area).
    """
    edges = atoms.cell.lengths()[:2]
    mean = -np.log1p(-fraction) * float(np.prod(edges)) / (np.pi * radius**2)
    centres = rng.random((rng.poisson(mean), 2)) * edges
    if not len(centres):
        return atoms
    # Periodic images of the holes, so that a hole may be as large as the cell.
    shifts = np.array([[i, j] for i in (-1, 0, 1) for j in (-1, 0, 1)]) * edges
    tree = cKDTree((centres[:, None] + shifts).reshape(-1, 2))
    return atoms[tree.query(wrapped(atoms.positions, edges)[:, :2])[0] >= radius]
