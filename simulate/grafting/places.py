"""Where grafts go: at random, within an area, not too near each other or what is already on the image."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from stemforge.errors import InputError

_TRIES = 12


def free_places(
    area: NDArray[np.bool_],
    number: int,
    rng: np.random.Generator,
    *,
    spacing: float,
    taken: ArrayLike = (),
    clearance: float = 0.0,
) -> NDArray[np.float64]:
    """Draw places in an area at random.

    Parameters
    ----------
    area
        Where places may lie, shape (height, width).
    number
        How many are wanted; fewer come where no more find room.
    rng
        Source of randomness.
    spacing
        Least distance of two places [pixel].
    taken
        Points (x, y) [pixel] that are kept clear, shape (n, 2).
    clearance
        Least distance from them [pixel].

    Returns
    -------
    ndarray
        Points (x, y) [pixel], shape (m, 2) with m ≤ ``number``; uniform within a pixel as well.

    Examples
    --------
    >>> area = np.zeros((40, 60), dtype=bool)
    >>> area[:, 30:] = True
    >>> places = free_places(area, 5, np.random.default_rng(0), spacing=4)
    >>> len(places), bool(places[:, 0].min() >= 29.5)
    (5, True)
    """
    for name, value in (("spacing", spacing), ("clearance", clearance), ("number", number)):
        if not (np.isfinite(value) and value >= 0):
            raise InputError(f"{name} must be 0 or more, not {value}")
    flat = np.flatnonzero(area)
    places = np.empty((0, 2))
    if not len(flat):
        return places
    kept_clear = np.asarray(taken, dtype=float).reshape(-1, 2)
    for _ in range(_TRIES):
        if len(places) >= number:
            break
        pixels = flat[rng.integers(len(flat), size=2 * number)]
        rows, columns = np.divmod(pixels, area.shape[1])
        new = np.column_stack([columns, rows]) + rng.uniform(-0.5, 0.5, (len(pixels), 2))
        if len(kept_clear) and clearance:
            new = new[cKDTree(kept_clear).query(new)[0] >= clearance]
        places = _spaced(np.concatenate([places, new]), spacing, len(places))[:number]
    return places


def _spaced(points: NDArray[np.float64], spacing: float, settled: int) -> NDArray[np.float64]:
    """Drop every point but the first ``settled`` that has an earlier one nearby."""
    if spacing == 0 or len(points) < 2:
        return points
    pairs = cKDTree(points).query_pairs(spacing, output_type="ndarray")
    keep = np.ones(len(points), dtype=bool)
    late = pairs.max(1)
    keep[late[late >= settled]] = False
    return points[keep]
