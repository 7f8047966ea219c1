"""Seams: lines right across an image where one field ends and another begins."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

EVIDENCE = 6.0
"""Logarithm of the likelihood ratio from which on lines are as different as those far from each other; in each part."""
OUTLIER = 6.0
"""How far such evidence lies above that of all lines, in standard deviations of it."""
STEP = 8.0
"""Step in brightness from which on there is a seam, in standard deviations of steps between all lines."""
_SMALLEST = 64  # a smaller image says too little of how different its lines are
_BAND = 2  # lines compared on each side
_LAG = 32  # lines this far from each other show different things
_WINDOW = 48  # lines by which it is told how different lines are hereabouts
_LEAST = 0.1  # share of that difference below which lines count as equal: smooth images without noise are no evidence
_PARTS = 4  # a seam must show in each of them, or a bright edge would do
_LASTING = 6

Lines = NDArray[np.float32]


def find_seams(image: NDArray[np.float32]) -> tuple[list[int], list[int]]:
    """Find seams between rows and between columns, as stitching and tiling leave them.

    At a seam, lines beside each other are as different as lines far from each other are elsewhere. That is tested by
    the likelihood ratio of the two, for contrasts of all lengths along the line: fine ones count little where noise
    makes all lines different. A line's mean does not enter, since lines flicker; but where it steps by far more than
    they do, at once and for good, there is a seam, too.

    Parameters
    ----------
    image
        Shape (height, width).

    Returns
    -------
    rows, columns
        The first row, and the first column, after each seam.

    Examples
    --------
    >>> from scipy.ndimage import gaussian_filter
    >>> rng = np.random.default_rng(0)
    >>> upper, lower = (gaussian_filter(rng.normal(size=(100, 256)), 4) for _ in range(2))
    >>> find_seams(np.vstack([upper, lower]) + rng.normal(0, 0.02, (200, 256)))
    ([100], [])
    """
    values = np.asarray(image, dtype=np.float32)
    if min(values.shape) < _SMALLEST:
        return [], []
    largest = float(np.abs(values).max())
    if not 1e-9 < largest < 1e9:  # their squares would leave the range of single precision
        values = values / np.float32(largest or 1)
    return _between_rows(values), _between_rows(np.ascontiguousarray(values.T))


def _between_rows(image: Lines) -> list[int]:
    evidence = _evidence(image, _BAND)
    total = evidence.sum(axis=1)
    middle = np.median(total)
    outlying = total - middle > OUTLIER * 1.4826 * np.median(np.abs(total - middle))
    # The lines beside a seam are in bands with those across it: the seam is where the evidence is best.
    best = outlying & (total == ndimage.maximum_filter1d(total, 2 * _BAND + 1))
    differing = (evidence > EVIDENCE) & best[:, None]
    shown = _brightness_steps(image)
    shown[_BAND - 1 : len(evidence) + _BAND - 1] |= differing
    found = np.flatnonzero(shown.all(axis=1)) + 1
    if len(found) and differing.any():
        # A single line that jittered far is between lines that are alike.
        lasting = _evidence(image, _LASTING).sum(axis=1)
        at = np.clip(found - _LASTING, 0, len(lasting) - 1)
        steps = _brightness_steps(image)[found - 1].all(axis=1)
        found = found[steps | (lasting[at] > 0)]
    return found.tolist()


def _evidence(image: Lines, band: int) -> NDArray[np.float64]:
    """Return the logarithm of the likelihood ratio in each part, shape (lines, parts); first of it for line ``band``.

    What is compared are the means of as many lines on both sides.
    """
    even = image.shape[1] // 2 * 2
    pairs = (image[:, 0:even:2] + image[:, 1:even:2]) - 2 * image.mean()
    last = len(pairs) - band + 1
    bands = np.sum([pairs[i : i + last] for i in range(band)], axis=0)
    total = np.zeros((len(bands) - band, _PARTS))
    for contrasts in _contrasts(bands):
        near, number = _power(contrasts[band:] - contrasts[:-band])
        far, _ = _power(contrasts[_LAG:] - contrasts[:-_LAG])
        usual = _larger_of_both_sides(near, band)
        # far[i] is of the lines round i + LAG / 2.
        shift = np.clip(np.arange(len(near)) - (_LAG - band) // 2, 0, len(far) - 1)
        strange = np.maximum(_median(far)[shift], usual)
        known = usual > 1e-6 * near.max(initial=1e-30)
        usual, strange = np.where(known, usual, 1.0), np.where(known, strange, 1.0)
        usual = np.maximum(usual, _LEAST * strange)
        ratio = near / usual - near / strange - np.log(strange / usual)
        total += np.where(known, number / 2 * ratio, 0.0)
    return total


def _contrasts(bands: Lines) -> Iterator[Lines]:
    """Return differences between neighbouring stretches of lines, one value long, two, four, … (a Haar transform)."""
    while bands.shape[1] >= 2 * _PARTS:
        even = bands.shape[1] // 2 * 2
        left, right = bands[:, 0:even:2], bands[:, 1:even:2]
        yield (left - right) * np.float32(np.sqrt(0.5))
        bands = (left + right) * np.float32(np.sqrt(0.5))


def _power(contrasts: Lines) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the mean square in each part of the lines, and the number of values in each."""
    parts = np.array_split(contrasts**2, _PARTS, axis=1)
    number = np.array([part.shape[1] for part in parts])
    return np.column_stack([part.mean(axis=1, dtype=np.float64) for part in parts]), number


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(ndimage.median_filter(values, (_WINDOW + 1, 1), mode="nearest"))


def _larger_of_both_sides(values: NDArray[np.float64], band: int) -> NDArray[np.float64]:
    """Return the larger of the medians of the lines above and below: noise may differ on both sides."""
    middle = _median(values)
    reach = min(_WINDOW // 2 + 2 * band + 2, len(middle) - 1)
    above = np.vstack([np.repeat(middle[:1], reach, axis=0), middle[:-reach]])
    below = np.vstack([middle[reach:], np.repeat(middle[-1:], reach, axis=0)])
    return np.maximum(above, below)


def _brightness_steps(image: Lines) -> NDArray[np.bool_]:
    """Find where each part of the image becomes brighter or darker at once, after line i: shape (lines − 1, parts)."""
    parts = np.array_split(image, _PARTS, axis=1)
    means = np.column_stack([part.mean(axis=1, dtype=np.float64) for part in parts])
    steps = np.diff(means, axis=0)
    spread = 1.4826 * np.median(np.abs(steps), axis=0)
    # The step that lasts: from the lines before it to the lines after it.
    sums = np.cumsum(np.pad(means, ((1, 0), (0, 0))), axis=0)
    bands = (sums[_LASTING:] - sums[:-_LASTING]) / _LASTING
    lasting = np.zeros_like(steps)
    lasting[_LASTING - 1 : len(steps) - _LASTING + 1] = bands[_LASTING:] - bands[:-_LASTING]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((np.abs(steps) > STEP * spread) & (np.abs(steps / lasting - 1) < 0.3))
