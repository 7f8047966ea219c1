"""How a counting detector turned electrons into grey values, measured on the image itself."""

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from stemforge.errors import MicrographError
from stemforge.simulate.recording.correlation import counted_share, measured_decay_time, second_differences

_BLOCK = 16  # side of the blocks in which noise is held against the mean [pixel]
# An offset whose error is more than this share of the signal over it is not believed.
_OFFSET_ERROR = 0.1


def detector_response(image: NDArray[np.float64]) -> tuple[float, float]:
    """Find gain and offset of a counting detector: its noise variance is gain · (mean − offset).

    Parameters
    ----------
    image
        Detector units, shape (height, width).

    Returns
    -------
    gain, offset
        Detector units an electron, and at no electron. Where the image is too even to measure the offset, 0 is
        returned.

    Raises
    ------
    MicrographError
        No noise on most of the image, or fewer than 16 pixels along a side.
    """
    height, width = (n // _BLOCK * _BLOCK for n in image.shape)
    if not height or not width:
        raise MicrographError(f"noise is measured on {_BLOCK} × {_BLOCK} pixels at least, not {image.shape}")
    variance = noise_variance(image)

    def blocks(values: NDArray[np.float64]) -> NDArray[np.float64]:
        shape = (height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
        return values[:height, :width].reshape(shape).mean((1, 3)).ravel()

    means, variances = blocks(image), blocks(variance)
    if np.median(variances) <= 0:
        raise MicrographError("the image has no noise: was it filtered or simulated without counting?")
    spread = np.percentile(means, [3, 97])
    level = float(np.median(means))
    # The error of each block's variance is proportional to it: a fit in the logarithm gives all the same weight.
    usable = variances > 0
    floor = float(np.percentile(image, 5))

    def residual(p: NDArray[np.float64]) -> NDArray[np.float64]:
        expected = np.exp(p[0]) * np.maximum(means[usable] - p[1], 1e-3 * abs(level - p[1]) + 1e-12)
        return np.log(variances[usable]) - np.log(expected)

    span = float(spread[1] - spread[0])
    # Of a little vacuum in a corner the darkest block is lower than the darkest twentieth of the pixels.
    highest = float(means.min())
    lowest = min(floor, highest) - 3 * max(span, 1e-12)
    offset = min(floor - 0.3 * span, highest - 0.05 * (highest - lowest))
    start = np.array([np.log(np.median(variances) / max(level - floor, 1e-12)), offset])
    found = optimize.least_squares(
        residual, start, bounds=([-np.inf, lowest], [np.inf, highest]), loss="soft_l1"
    )
    gain, offset = float(np.exp(found.x[0])), float(found.x[1])
    # How well the fit knows the offset, from the curvature at its end.
    curvature = np.linalg.pinv(found.jac.T @ found.jac)[1, 1]
    error = np.sqrt(curvature * 2 * found.cost / max(len(means) - 2, 1))
    if error > _OFFSET_ERROR * abs(level - offset) or level <= offset:
        return float(np.median(variances) / level), 0.0
    return gain, offset


def noise_variance(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance of the counting about every pixel, from second differences along the line: flicker cancels.

    Neighbours on a line that share noise, as the detector's signal decays, differ by less than was counted: by 8 %
    where their correlation is 2.5 %, by 28 % where it is 10 %. The image tells that, see :func:`measured_decay_time`.
    """
    share = 6 * counted_share(measured_decay_time(image))
    second = second_differences(image.T).T
    np.square(second, out=second)
    second /= share
    return np.pad(second, ((0, 0), (1, 1)), mode="edge")
