"""Cubic B-splines: between the points of a grid, and onto it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemforge.cache import compiled


def cubic_weights(t: Any) -> tuple[Any, Any, Any, Any]:
    """Return the weights of the four nearest points at fraction ``t`` between the middle two.

    Plain arithmetic: ``t`` is a number, an array of NumPy or a tensor of torch.

    Examples
    --------
    >>> [round(weight, 4) for weight in cubic_weights(0.0)]
    [0.1667, 0.6667, 0.1667, 0.0]
    """
    return (1 - t) ** 3 / 6, 2 / 3 - t**2 + t**3 / 2, 2 / 3 - (1 - t) ** 2 + (1 - t) ** 3 / 2, t**3 / 6


_compiled_weights = compiled(cubic_weights)


@compiled
def add_points(grid: NDArray[np.float32], points: NDArray[np.float64], weights: NDArray[np.float32]) -> None:
    """Add weighted points (x, y) [grid step] to a periodic grid as cubic B-splines."""
    height, width = grid.shape
    for i in range(points.shape[0]):
        x, y = points[i]
        fx, fy = np.floor(x), np.floor(y)
        wx = _compiled_weights(x - fx)
        wy = _compiled_weights(y - fy)
        for a in range(4):
            row = int(fy + a - 1) % height
            for b in range(4):
                grid[row, int(fx + b - 1) % width] += weights[i] * wy[a] * wx[b]
