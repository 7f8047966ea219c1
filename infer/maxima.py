"""Maxima to a fraction of a pixel."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def parabola_vertex(
    before: ArrayLike, peak: ArrayLike, after: ArrayLike, least: float = 0.0
) -> NDArray[np.float64]:
    """Return where the parabola through a maximum and its two neighbours has its vertex.

    Parameters
    ----------
    before, peak, after
        Values at −1, 0 and 1, of any shape.
    least
        Curvature, 2 · peak − before − after, above which there is a maximum; elsewhere NaN is returned.

    Examples
    --------
    >>> parabola_vertex([-1.44, 1.0], [-0.04, 1.0], [-0.64, 1.0]).round(3)
    array([0.2, nan])
    """
    lower, middle, upper = (np.asarray(values, dtype=float) for values in (before, peak, after))
    curvature = 2 * middle - lower - upper
    return np.where(curvature > least, (upper - lower) / 2 / np.maximum(curvature, max(least, 1e-30)), np.nan)
