"""Classical detectors of bright spots, to stand beside the networks: template, Laplacian of Gaussian, top-hat."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from skimage.feature import blob_log, match_template, peak_local_max
from skimage.morphology import disk, white_tophat

from stemforge.micrograph.annotations import Annotations
from stemforge.train.atom_net.preparation import standardise_image

SIGMA = 3.75
"""Standard deviation of an atom's image [pixel of 0.293 Å]: 1.1 Å, as measured on the brightest spots of Pt/NC."""


def find_by_template(image: ArrayLike, threshold: float, sigma: float = SIGMA) -> Annotations:
    """Find spots by normalised cross-correlation with a Gaussian.

    Parameters
    ----------
    image
        As recorded, shape (height, width).
    threshold
        Smallest correlation, −1 to 1.
    sigma
        Standard deviation of the Gaussian [pixel].

    Returns
    -------
    Annotations
        Points (x, y) [pixel] with column ``score``, the correlation; highest first.

    Examples
    --------
    >>> y, x = np.mgrid[:64, :64]
    >>> spot = np.exp(-((x - 20) ** 2 + (y - 40) ** 2) / (2 * 3.75**2))
    >>> noise = np.random.default_rng(0).normal(0, 0.02, (64, 64))
    >>> find_by_template(spot + noise, 0.9).points
    array([[20., 40.]])
    """
    reach = int(np.ceil(2.5 * sigma))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    template = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    found = match_template(standardise_image(image), template, pad_input=True, mode="reflect")
    return _peaks(found, threshold, sigma)


def find_by_laplacian(image: ArrayLike, threshold: float, sigma: float = SIGMA) -> Annotations:
    """Find spots by the Laplacian of Gaussians of several widths; arguments as for :func:`find_by_template`.

    ``threshold`` is on the scale-normalised Laplacian in units of the noise, which is also the score.
    """
    values = standardise_image(image)
    blobs = blob_log(
        values, min_sigma=0.7 * sigma, max_sigma=1.4 * sigma, num_sigma=3, threshold=threshold, overlap=0.5
    )
    rows, columns = blobs[:, 0].astype(int), blobs[:, 1].astype(int)
    # blob_log does not say how strong a blob is.
    scale = -ndimage.gaussian_laplace(values, sigma) * sigma**2
    score = scale[rows, columns]
    order = np.argsort(-score, kind="stable")
    return Annotations(np.column_stack([columns, rows])[order], columns={"score": score[order]})


def find_by_tophat(image: ArrayLike, threshold: float, sigma: float = SIGMA) -> Annotations:
    """Find spots that a disc of three standard deviations does not fit under; arguments as above.

    ``threshold`` is on the smoothed image's white top-hat in units of the noise, which is also the score.
    """
    smooth = ndimage.gaussian_filter(standardise_image(image), sigma / 2)
    return _peaks(white_tophat(smooth, disk(int(np.ceil(3 * sigma)))), threshold, sigma)


CLASSICAL: Mapping[str, Callable[[ArrayLike, float], Annotations]] = {
    "template": find_by_template,
    "laplacian": find_by_laplacian,
    "tophat": find_by_tophat,
}
"""Classical detectors by name."""


def _peaks(score: NDArray[np.float64], threshold: float, sigma: float) -> Annotations:
    places = peak_local_max(
        score, min_distance=max(1, round(1.5 * sigma)), threshold_abs=threshold, exclude_border=False
    )
    strength = score[places[:, 0], places[:, 1]]
    order = np.argsort(-strength, kind="stable")
    return Annotations(places[order, ::-1].astype(float), columns={"score": strength[order]})
