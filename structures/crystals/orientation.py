"""How a crystal lies under the beam: the lattice edges of an orthogonal, periodic field."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stemforge.structures.cells import Array, Indices
from stemforge.structures.checks import require

__all__ = ["Orientation", "orient"]

_LONGEST = 60.0  # Å, of the two lattice vectors that span a layer
_MOST_VECTORS = 200  # shortest ones that are paired
_WORTH = 0.005  # misfit that is worth a field twice as long
_EXACT = 1e-6


@dataclass(frozen=True)
class Orientation:
    """Lattice vectors under the beam, as rows in units of the unit cell's edges.

    Parameters
    ----------
    edges
        Along x and y of the field, and towards the next layers along the beam, shape ``(3, 3)``, right-handed.
    lengths
        Edges of the orthogonal field along x and y, and the rise of the third edge along the beam [Å].
    shift
        Sideways part (x, y) of the third edge [Å].
    strain
        By how much a length in the crystal is changed at most to make the field orthogonal.
    rows
        Direction (x, y) in the field of the crystal's closest rows of lattice points; a unit vector.
    """

    edges: Indices
    lengths: tuple[float, float, float]
    shift: tuple[float, float]
    strain: float
    rows: tuple[float, float]


def orient(
    cell: Array,
    size: tuple[float, float],
    *,
    zone_axis: Sequence[int] | None = None,
    face: Sequence[int] | None = None,
    rotation: float = 0.0,
    max_strain: float = 0.02,
) -> Orientation:
    """Find lattice vectors that span an orthogonal field at least as large as asked for.

    Parameters
    ----------
    cell : numpy.ndarray
        Edges of the unit cell [Å] as rows, shape ``(3, 3)``.
    size : (float, float)
        Least size of the field along x and y [Å].
    zone_axis, face : sequence of int
        Lattice direction ``[u v w]`` along the beam, or Miller indices ``(h k l)`` of the face across it; one of both.
    rotation : float, default 0
        Azimuth [rad] of the x axis from the closest row of lattice points across the beam.
    max_strain : float, default 0.02
        Largest strain that is allowed.

    Raises
    ------
    ValueError
        Indices that are not three whole numbers, or no field within `max_strain`.

    Examples
    --------
    >>> import numpy as np
    >>> found = orient(4.2 * np.eye(3), (20.0, 20.0), face=(0, 0, 1))
    >>> found.edges.tolist(), found.strain
    ([[5, 0, 0], [0, 5, 0], [0, 0, 1]], 0.0)
    """
    require((zone_axis is None) != (face is None), "zone_axis", "given, or face, but not both", zone_axis)
    name = "face" if zone_axis is None else "zone_axis"
    indices = _whole(name, zone_axis if face is None else face)
    direction = np.linalg.inv(cell) @ indices if zone_axis is None else indices @ cell
    beam = direction / np.linalg.norm(direction)
    vectors = _vectors(cell)
    layer = _layer(cell, vectors, beam, across=face is not None)
    require(
        layer is not None, name, "a direction with a layer that repeats within 60 Å", tuple(indices.tolist())
    )
    up = indices if face is None else _step_up(cell, vectors, beam)
    # Axes of the field: x along the closest row of lattice points, turned by the azimuth.
    row = layer[0] @ cell
    row -= (row @ beam) * beam
    row /= np.linalg.norm(row)
    across = np.cross(beam, row)
    cos, sin = np.cos(rotation), np.sin(rotation)
    axes = np.array([cos * row + sin * across, cos * across - sin * row, beam])
    # Under a zone axis, a step along the beam by the axis itself leads back to the same column.
    period = float(np.linalg.norm(indices @ cell)) if face is None else np.inf
    edges = []
    for axis, length in enumerate(size):
        counts, steps = _best_count(layer @ cell @ axes.T, axis, length, period)
        edges.append(counts @ layer - steps * up)
    return _checked(
        np.array([*edges, up]), cell, axes, max_strain, (float(cos), float(-sin)), (name, indices)
    )


def _whole(name: str, given: Sequence[int] | None) -> Indices:
    indices = np.asarray(given)
    whole = indices.shape == (3,) and np.issubdtype(indices.dtype, np.integer) and bool(np.any(indices != 0))
    require(whole, name, "three whole numbers that are not all zero, such as (0, 0, 1)", given)
    return np.asarray(indices // np.gcd.reduce(indices), dtype=int)


def _vectors(cell: Array) -> Indices:
    """Lattice vectors up to some length, one of each pair v, −v, the shortest first."""
    most = np.floor(_LONGEST * np.linalg.norm(np.linalg.inv(cell), axis=0) + 1e-9).astype(int)
    grid = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in most), indexing="ij"), -1).reshape(-1, 3)
    grid = grid[len(grid) // 2 + 1 :]
    lengths = np.linalg.norm(grid @ cell, axis=1)
    # Of equally long ones, that which points along the first edges of the cell.
    order = np.lexsort((*-grid.T[::-1], lengths.round(6)))
    return grid[order][lengths[order] <= _LONGEST]


def _layer(cell: Array, vectors: Indices, beam: Array, *, across: bool) -> Any:
    """Two lattice vectors whose projections along the beam span the smallest area, or None.

    `across` keeps to vectors that lie across the beam.
    """
    places = vectors @ cell
    rise = places @ beam
    flat = places - rise[:, None] * beam
    lengths = np.linalg.norm(flat, axis=1)
    kept = np.flatnonzero((lengths > 1e-3) & ((np.abs(rise) <= _EXACT * lengths) | (not across)))
    kept = kept[np.argsort(lengths[kept].round(6), kind="stable")][:_MOST_VECTORS]
    if not len(kept):
        return None
    first = flat[kept[0]]
    turns = np.cross(first, flat[kept]) @ beam
    spanning = np.flatnonzero(np.abs(turns) > 1e-3)
    if not len(spanning):
        return None
    second = spanning[np.argmin(np.abs(turns[spanning]).round(6))]
    sign = 1 if turns[second] > 0 else -1
    return np.array([vectors[kept[0]], sign * vectors[kept[second]]])


def _step_up(cell: Array, vectors: Indices, beam: Array) -> Indices:
    """Lattice vector to the next layer: that with the least rise, and of those the nearest to the beam."""
    both = np.concatenate([vectors, -vectors])
    places = both @ cell
    rise = places @ beam
    sideways = np.linalg.norm(places - rise[:, None] * beam, axis=1)
    up = np.flatnonzero(rise > 1e-3)
    best = up[np.lexsort((sideways[up].round(6), rise[up].round(6)))[0]]
    return np.asarray(both[best])


def _best_count(layer: Array, axis: int, length: float, period: float) -> tuple[Indices, int]:
    """How many of both vectors of a layer reach along an axis for a length with little misfit.

    Also by how many periods along the beam the end is to be lowered.
    """
    longest = max(1.5 * length, length + 30.0)
    most = np.ceil(longest * np.linalg.norm(np.linalg.inv(layer[:, :2]), axis=0)).astype(int)
    grid = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in most), indexing="ij"), -1).reshape(-1, 2)
    places = grid @ layer
    along, off = places[:, axis], np.abs(places[:, 1 - axis])
    steps = np.rint(places[:, 2] / period)
    if np.isfinite(period):
        off = np.hypot(off, places[:, 2] - steps * period)
    fits = np.flatnonzero((along >= length - 1e-6) & (along <= longest) & (off < 0.2 * along))
    score = off[fits] / along[fits] / _WORTH + along[fits] / length
    best = fits[np.argmin(score.round(9))]
    return np.asarray(grid[best]), int(steps[best])


def _checked(
    edges: Indices,
    cell: Array,
    axes: Array,
    max_strain: float,
    rows: tuple[float, float],
    direction: tuple[str, Indices],
) -> Orientation:
    """Return the orientation with its strain, or refuse one that is strained too much."""
    places = edges @ cell @ axes.T
    lengths = np.array([*np.linalg.norm(places[:2], axis=1), places[2, 2]])
    # The third edge keeps its rise and, along the beam, its place over the first two.
    shift = places[2, :2] - 0.0
    wanted = np.array([[lengths[0], 0, 0], [0, lengths[1], 0], [*shift, lengths[2]]])
    stretch = np.linalg.svd(np.linalg.solve(places, wanted), compute_uv=False)
    strain = float(np.abs(stretch - 1).max().round(9))
    mend = f"Its strain would be {strain:.2g}: allow it by max_strain, or take another direction."
    allowed = f"one with an orthogonal field within max_strain={max_strain:g}"
    require(strain <= max_strain, direction[0], allowed, tuple(direction[1].tolist()), mend)
    x, y, z = (float(length) for length in lengths)
    return Orientation(edges, (x, y, z), (float(shift[0]), float(shift[1])), strain, rows)
