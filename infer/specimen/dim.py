"""What of an image in electrons is too dark for its texture to be measured."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_SMOOTH, LOCAL = 6.0, 24.0  # standard deviation of the level, and of the local mean [pixel]
_BRIGHT = 90  # percentile of the local mean
_DIM = 0.3  # of the bright parts' electrons


def dim_parts(counts: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which pixels have less than 0.3 of the electrons of the bright parts, shape (height, width).

    Vacuum and thin parts alike: noise and texture there are not those of the specimen. What is vacuum, for areas and
    densities, is asked of :func:`stemforge.infer.find_specimen`, which looks for an even level and its edge.

    Parameters
    ----------
    counts
        Electrons a pixel, shape (height, width).

    Examples
    --------
    >>> steps = np.where(np.arange(256) < 64, 5.0, 60.0) * np.ones((256, 1))
    >>> round(float(dim_parts(np.random.default_rng(0).poisson(steps).astype(float)).mean()), 2)
    0.23
    """
    bright = np.percentile(ndimage.gaussian_filter(counts, LOCAL), _BRIGHT)
    return np.asarray(ndimage.gaussian_filter(counts, _SMOOTH) < _DIM * bright)
