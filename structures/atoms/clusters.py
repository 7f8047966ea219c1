"""Shapes that are bonded to a site: flat rafts of metal atoms, and ligands."""

import numpy as np
from ase.data import atomic_numbers, covalent_radii

from stemforge.structures.atoms.surface import Surface
from stemforge.structures.cells import Array

__all__ = ["LARGEST_RAFT", "LIGANDS", "lay_on_surface", "ligand_atoms", "rafts", "turn_inside"]

LARGEST_RAFT = 7
LIGANDS = {"Cl": ("Cl",), "OH": ("O", "H")}
_OH_BOND, _MOH_ANGLE = 0.97, np.radians(109.5)


def _unit(vectors: Array) -> Array:
    """Vectors of length 1 along the given ones, shape ``(..., 3)``."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def rafts(bond: float) -> Array:
    """Flat close-packed rafts of 1 to 7 atoms, centred, indexed ``[number of atoms, atom, x or y]``.

    A raft is an atom and its neighbours in a triangular lattice, taken in turn: each atom has a neighbour
    at the distance `bond` [Å] and none nearer. Rows beyond the size of a raft repeat its first atom.

    Examples
    --------
    >>> from stemforge.structures.atoms.clusters import rafts
    >>> rafts(2.7)[2, :2].tolist()
    [[-1.35, 0.0], [1.35, 0.0]]
    """
    angles = np.radians(60 * np.arange(LARGEST_RAFT - 1))
    lattice = np.vstack([np.zeros((1, 2)), bond * np.stack([np.cos(angles), np.sin(angles)], axis=1)])
    shapes = np.zeros((LARGEST_RAFT + 1, LARGEST_RAFT, 2))
    for size in range(1, LARGEST_RAFT + 1):
        shapes[size, :size] = lattice[:size] - lattice[:size].mean(axis=0)
        shapes[size, size:] = shapes[size, 0]
    return shapes


def lay_on_surface(
    surface: Surface, xy: Array, shapes: Array, contact_distance: float, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Positions [Å], shape ``(n, atoms, 3)``, of level rafts that touch the surface, and their side (±1)."""
    side = rng.choice([-1.0, 1.0], size=len(xy))
    angle = rng.uniform(0, 2 * np.pi, len(xy))
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x = xy[:, :1] + cos * shapes[..., 0] - sin * shapes[..., 1]
    y = xy[:, 1:] + sin * shapes[..., 0] + cos * shapes[..., 1]
    points = np.stack([x, y], axis=-1).reshape(-1, 2)
    touching = surface.heights(points, np.repeat(side, x.shape[1]), contact_distance).reshape(x.shape)
    # The atom that touches first holds up the raft.
    z = side * (side[:, None] * touching).max(axis=1)
    return np.stack([x, y, np.broadcast_to(z[:, None], x.shape)], axis=-1), side


def turn_inside(centre: Array, shapes: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Positions [Å], shape ``(n, atoms, 3)``, of rafts turned at random about their centre; side 0."""
    u, v = _unit(rng.standard_normal((2, len(centre), 3)))
    v = _unit(v - (u * v).sum(axis=1, keepdims=True) * u)
    placed = centre[:, None] + shapes[..., :1] * u[:, None] + shapes[..., 1:] * v[:, None]
    return placed, np.zeros(len(centre))


def ligand_atoms(
    ligand: str, element: str, sites: Array, side: Array, rng: np.random.Generator
) -> tuple[list[str], Array]:
    """Symbols and positions [Å] of one ligand at each site.

    Bonds are sums of covalent radii. On a surface (`side` ±1) they lean at random around the outward z axis,
    so that the ligand does not hide behind its atom; inside (`side` 0) they point anywhere. A hydroxyl bends
    by 109.5° at its oxygen.
    """
    lean = np.where(side == 0, 1.0, 0.35)[:, None] * rng.standard_normal(sites.shape)
    outwards = _unit(side[:, None] * [0.0, 0.0, 1.0] + lean)
    # A far draw may lean below the horizon: mirror it.
    outwards[:, 2] = np.where(side == 0, outwards[:, 2], side * np.abs(outwards[:, 2]))
    first = LIGANDS[ligand][0]
    bond = covalent_radii[atomic_numbers[element]] + covalent_radii[atomic_numbers[first]]
    bonded = sites + bond * outwards
    if ligand == "Cl":
        return ["Cl"] * len(sites), bonded
    aside = rng.standard_normal(sites.shape)
    aside = _unit(aside - (aside * outwards).sum(axis=1, keepdims=True) * outwards)
    hydrogen = bonded + _OH_BOND * (np.sin(_MOH_ANGLE) * aside - np.cos(_MOH_ANGLE) * outwards)
    return ["O"] * len(sites) + ["H"] * len(sites), np.concatenate([bonded, hydrogen])
