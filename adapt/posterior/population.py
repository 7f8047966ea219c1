"""From the posteriors of many patches to one distribution over images, which replaces the prior in a recipe.

Each image has its own thickness, dose and focus. The distribution they come from is fitted by expectation and
maximisation: samples of each patch's posterior are weighted by the distribution as it is, and the weighted samples are
the next one. The first step is the mean of the posteriors, which is too wide, as each carries its own uncertainty; each
further step takes some of that away. Weights are of all parameters together: what trades thickness for dose in one
patch is decided by the others.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

BINS = 24
_STEPS = 5
_SMOOTH = 1.0  # bins
_PRIOR = 1.0  # images that the prior counts as


def fit_population(
    samples: NDArray[np.floating], source: NDArray[np.int64], steps: int = _STEPS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit the distribution from which the images' parameters come.

    Parameters
    ----------
    samples
        Of each patch's posterior, as shares of the prior, shape (patches, number, parameters).
    source
        The image each patch is of; every image counts once, however many patches it has.
    steps
        Of expectation and maximisation; 1 is the mean of the posteriors.

    Returns
    -------
    heights, weights
        Histogram of each parameter between 0 and 1, shape (parameters, BINS), each of sum 1; and the weight of each
        sample, shape (patches, number), each patch of sum 1.

    Examples
    --------
    >>> patches = np.random.default_rng(0).normal(0.7, 0.1, (20, 500, 1)).clip(0, 1)
    >>> heights, _ = fit_population(patches, np.arange(20))
    >>> 0.65 < float(heights[0] @ (np.arange(BINS) + 0.5) / BINS) < 0.75
    True
    """
    patches, number, parameters = samples.shape
    places = (samples * BINS).astype(int).clip(0, BINS - 1)
    _, image, counted = np.unique(source, return_inverse=True, return_counts=True)
    share = 1.0 / counted[image]
    heights = np.full((parameters, BINS), 1 / BINS)
    weights = np.full((patches, number), 1 / number)
    for step in range(steps):
        if step:
            logarithm = sum(np.log(heights[p])[places[:, :, p]] for p in range(parameters))
            weights = np.exp(logarithm - np.max(logarithm, axis=1, keepdims=True))
            weights /= weights.sum(1, keepdims=True)
        counts = (weights * share[:, None]).ravel()
        found = np.stack([np.bincount(places[:, :, p].ravel(), counts, BINS) for p in range(parameters)])
        found = ndimage.gaussian_filter1d(found, _SMOOTH, axis=1, mode="reflect") + _PRIOR / BINS
        heights = found / found.sum(1, keepdims=True)
    return heights, weights
