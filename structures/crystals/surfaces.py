"""What real surfaces have: steps between terraces, roughness, and an edge beside which there is vacuum."""

import numpy as np

from stemforge.structures.cells import Array, Indices, Mask
from stemforge.structures.supports.random_fields import random_field

__all__ = ["beside_edge", "rough_levels", "terrace_levels"]

_PIXEL = 1.0  # Å, of the maps
_BAND = (8.0, 60.0)  # Å, wavelengths of roughness


def terrace_levels(
    xy: Array, size: tuple[float, float], steps: int, rows: tuple[float, float], rng: np.random.Generator
) -> Indices:
    """Layers by which a surface with terraces lies higher, above each point.

    Steps are one layer high and straight. As the field is periodic, every step up is followed by one down: an odd
    number is one more.

    Parameters
    ----------
    xy : numpy.ndarray
        Points [Å], shape ``(n, 2)``.
    size : (float, float)
        Edges of the field [Å].
    steps : int
        Number of step edges across the field.
    rows : (float, float)
        Direction of the rows that the steps follow, as nearly as the field's period allows.
    rng : numpy.random.Generator
        Draws where they are.

    Returns
    -------
    numpy.ndarray of int
        0 or 1, shape ``(n,)``.
    """
    pairs = -(-steps // 2)
    if not pairs:
        return np.zeros(len(xy), dtype=int)
    # The wave whose crests follow the rows best goes round the field a whole number of times in x and y.
    waves = np.array([(1, 0), (0, 1), (1, 1), (1, -1), (2, 1), (2, -1), (1, 2), (1, -2)])
    normal = waves / np.asarray(size)
    along = np.abs(normal @ np.asarray(rows)) / np.linalg.norm(normal, axis=1)
    phase = np.mod(xy @ normal[np.argmin(along.round(6))], 1.0)
    # Edges at least a third of their mean distance apart.
    edges = np.sort(np.mod((np.arange(2 * pairs) + rng.uniform(-1 / 3, 1 / 3, 2 * pairs)) / (2 * pairs), 1.0))
    return np.asarray(np.searchsorted(edges, phase) % 2, dtype=int)


def rough_levels(
    xy: Array, size: tuple[float, float], rms: float, rise: float, rng: np.random.Generator
) -> Indices:
    """Whole layers by which a rough surface lies higher or lower, above each point.

    Parameters
    ----------
    xy : numpy.ndarray
        Points [Å], shape ``(n, 2)``.
    size : (float, float)
        Edges of the field [Å].
    rms : float
        Root mean square roughness before it is rounded to layers [Å].
    rise : float
        Height of a layer [Å].
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    numpy.ndarray of int
        Shape ``(n,)``; islands and holes are 8 to 60 Å wide.
    """
    if not rms:
        return np.zeros(len(xy), dtype=int)
    shape = (max(int(size[0] / _PIXEL), 1), max(int(size[1] / _PIXEL), 1))
    field = random_field(shape, size, _BAND, rng) * rms / rise
    i, j = np.minimum((xy / np.asarray(size) * shape).astype(int), np.array(shape) - 1).T
    return np.asarray(np.rint(field[i, j]), dtype=int)


def beside_edge(
    xy: Array,
    size: tuple[float, float],
    fraction: float,
    angle: float,
    roughness: float,
    rng: np.random.Generator,
) -> Mask:
    """Which points lie beyond an edge that goes across the field, in vacuum.

    Parameters
    ----------
    xy : numpy.ndarray
        Points [Å], shape ``(n, 2)``.
    size : (float, float)
        Edges of the field [Å].
    fraction : float
        Share of the field that is vacuum.
    angle : float
        Azimuth of the direction from the crystal to the vacuum [rad].
    roughness : float
        Root mean square deviation of the edge from a straight line [Å].
    rng : numpy.random.Generator
        Source of randomness.
    """
    if not fraction:
        return np.zeros(len(xy), dtype=bool)
    normal = np.array([np.cos(angle), np.sin(angle)])
    tangent = np.array([-normal[1], normal[0]])
    length = float(np.hypot(*size))

    def beyond(points: Array, line: Array) -> Array:
        place = (points - np.asarray(size) / 2) @ tangent + length / 2
        return (points @ normal) - line[np.clip(place.astype(int), 0, len(line) - 1)]

    count = int(length) + 2
    line = np.zeros(count)
    if roughness:
        line = roughness * random_field((count, 1), (float(count), 1.0), _BAND, rng)[:, 0]
    grid = np.stack(np.meshgrid(*(np.arange(0.5, edge) for edge in size), indexing="ij"), -1).reshape(-1, 2)
    return np.asarray(beyond(xy, line) > np.quantile(beyond(grid, line), 1 - fraction))
