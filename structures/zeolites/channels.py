"""Where the pores of a framework run along the beam: the holes of its projection."""

import numpy as np
from ase import Atoms
from scipy.ndimage import maximum_filter
from scipy.spatial import cKDTree

from stemforge.structures.cells import Array, wrapped
from stemforge.structures.checks import require, require_range
from stemforge.structures.tags import Tag

__all__ = ["OPEN", "find_channels", "require_film", "shear_at"]

OPEN = 3.0
"""Least distance [Å] from a channel's axis to the nearest projected atom: 8-rings and wider."""

_PIXEL = 0.1  # Å, of the map of distances
_CORE = 0.8  # of the largest distance; the part of the hole whose middle is the centre


def require_film(atoms: Atoms) -> None:
    """Raise ``ValueError`` unless the atoms are a film with tiles, as `mfi` and `zeolite` return."""
    missing = [name for name in ("tile", "site", "molecule", "thermal_sigma") if not atoms.has(name)]
    missing += [name for name in ("tiles", "tile_size", "mistilt", "vacuum") if name not in atoms.info]
    require(not missing, "atoms", "a framework from mfi() or zeolite()", f"atoms without {missing}")


def shear_at(atoms: Atoms, z: Array) -> Array:
    """Lateral displacement [Å] at the heights `z` by the film's mistilt, shape ``(n, 2)``."""
    middle = atoms.cell.lengths()[2] / 2
    return (np.asarray(z)[..., None] - middle) * np.tan(np.asarray(atoms.info["mistilt"]) / 1e3)


def find_channels(atoms: Atoms, *, min_radius: float = OPEN) -> Array:
    """Centres of the channels that run along the beam, in the first tile.

    The framework is projected along the zone axis; a channel is a maximum of the distance to the nearest
    projected atom, and its centre the middle of the points around with at least 80 % of that distance.

    Parameters
    ----------
    atoms : ase.Atoms
        Film from `mfi` or `zeolite`; its protons and guests do not count.
    min_radius : float, default 3.0
        Smallest distance [Å] from the centre to the nearest projected atom: the straight 10-ring channels of
        MFI have 3.8 Å.

    Returns
    -------
    numpy.ndarray
        Rows x, y, radius [Å], shape ``(n, 3)``, by decreasing radius, for the middle height of the film;
        ``n`` may be 0.

    Raises
    ------
    ValueError
        If the atoms are no film with tiles, or `min_radius` is out of range.

    Examples
    --------
    >>> from stemforge.structures import find_channels, mfi
    >>> find_channels(mfi()).round(1).tolist()
    [[0.0, 6.7, 3.8], [10.1, 0.0, 3.8]]
    """
    require_film(atoms)
    require_range("min_radius", min_radius, 0.5)
    size = np.asarray(atoms.info["tile_size"])
    wall = (atoms.arrays["tile"] == 0) & (atoms.get_tags() == Tag.SUPPORT) & (atoms.numbers != 1)
    xy = atoms.positions[wall, :2] - shear_at(atoms, atoms.positions[wall, 2])
    tree = cKDTree(wrapped(xy, size), boxsize=size)
    shape = np.maximum(np.round(size / _PIXEL).astype(int), 1)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), -1) * (size / shape)
    distance = tree.query(grid)[0]
    window = np.maximum(np.round(min_radius / (size / shape)).astype(int), 1)
    peaks = (distance == maximum_filter(distance, window, mode="wrap")) & (distance >= min_radius)
    found = np.empty((0, 3))
    for i, j in sorted(np.argwhere(peaks), key=lambda peak: (-round(distance[tuple(peak)], 6), *peak)):
        away = grid - grid[i, j]
        away -= size * np.round(away / size)
        core = (distance >= _CORE * distance[i, j]) & (np.linalg.norm(away, axis=-1) < distance[i, j])
        centre = np.mod(grid[i, j] + away[core].mean(axis=0), size)
        centre = np.where((size - centre < _PIXEL / 2) | (centre < 1e-9), 0.0, centre)
        separation = found[:, :2] - centre
        separation -= size * np.round(separation / size)
        if not np.any(np.linalg.norm(separation, axis=1) < min_radius):
            found = np.vstack([found, [*centre, distance[i, j]]])
    return found[np.lexsort((found[:, 1].round(1), found[:, 0].round(1), -found[:, 2].round(1)))]
