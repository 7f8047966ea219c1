"""BM3D: denoising by matching blocks and filtering each group of them in three dimensions.

Written anew from Dabov, Foi, Katkovnik & Egiazarian, IEEE Trans. Image Process. 2007, 16, 2080,
doi:10.1109/TIP.2007.901238: the authors' own package may not be used commercially and so cannot be a part of
stemforge.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from stemforge.cache import compiled
from stemforge.errors import InputError

# As published ("normal profile"): side of the blocks, step between reference blocks, reach of the search, and the
# largest group, in the first step and in the second.
_SIDE, _STEP, _REACH = 8, 4, 16
_GROUP = (16, 32)
_THRESHOLD = 2.7
# Largest mean squared distance of matched blocks, in the published grey scale of 0 … 255.
_MATCH = (2500.0, 400.0)
_NOISY = 40 / 255


def denoise_bm3d(image: ArrayLike, sigma: float) -> NDArray[np.float32]:
    """Denoise an image with white Gaussian noise.

    Both steps as published: hard thresholding of groups of similar blocks, then Wiener filtering of groups
    matched on the first step's result. Blocks are transformed by the cosine transform, groups by Haar wavelets.

    Parameters
    ----------
    image
        Between 0 and 1, shape (height, width), at least 8 pixels along each side.
    sigma
        Standard deviation of the noise, on the same scale.

    Returns
    -------
    ndarray
        Shape (height, width), float32.

    Raises
    ------
    InputError
        Image smaller than a block, sigma not positive.

    Examples
    --------
    >>> noisy = np.full((32, 32), 0.5) + np.random.default_rng(0).normal(0, 0.1, (32, 32))
    >>> bool(denoise_bm3d(noisy, 0.1).std() < 0.2 * noisy.std())
    True
    """
    values = np.ascontiguousarray(image, dtype=np.float32)
    if values.ndim != 2 or min(values.shape) < _SIDE:
        raise InputError(f"BM3D needs an image of at least {_SIDE} × {_SIDE} pixels, not {values.shape}")
    if not sigma > 0:
        raise InputError(f"sigma must be positive, not {sigma}")
    dct = np.ascontiguousarray(fft.dct(np.eye(_SIDE), axis=0, norm="ortho"), dtype=np.float32)
    window = np.outer(*[np.kaiser(_SIDE, 2.0)] * 2).astype(np.float32)
    # Very noisy blocks look alike by chance: they are matched by their strong coefficients alone.
    matched = _THRESHOLD * sigma if sigma > _NOISY else 0.0
    limits = [m / 255**2 * _SIDE**2 for m in _MATCH]
    if sigma > _NOISY:
        limits[0] *= 2
    noisy = _blocks(values, dct)
    basic = _step(
        values.shape, noisy, noisy, matched, limits[0], np.float32(sigma), _GROUP[0], False, dct, window
    )
    guide = _blocks(basic, dct)
    return _step(values.shape, noisy, guide, 0.0, limits[1], np.float32(sigma), _GROUP[1], True, dct, window)


def _blocks(image: NDArray[np.float32], dct: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine transform of the block at every pixel, shape (height − 7, width − 7, 8, 8)."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (_SIDE, _SIDE))
    return np.ascontiguousarray(dct @ windows @ dct.T)


@compiled
def _haar(stack: NDArray[np.float32], count: int, inverse: bool) -> None:
    """Haar transform along the first axis of a stack, in place; count is a power of two."""
    root = np.float32(np.sqrt(0.5))
    size = stack.shape[1]
    line = np.empty(count, np.float32)
    for k in range(size):
        if inverse:
            length = 1
            while length < count:
                for i in range(length):
                    a, b = stack[i, k], stack[length + i, k]
                    line[2 * i], line[2 * i + 1] = root * (a + b), root * (a - b)
                for i in range(2 * length):
                    stack[i, k] = line[i]
                length *= 2
        else:
            length = count
            while length > 1:
                half = length // 2
                for i in range(half):
                    a, b = stack[2 * i, k], stack[2 * i + 1, k]
                    line[i], line[half + i] = root * (a + b), root * (a - b)
                for i in range(length):
                    stack[i, k] = line[i]
                length = half


@compiled
def _step(
    shape: tuple[int, int],
    noisy: NDArray[np.float32],
    guide: NDArray[np.float32],
    matched: float,
    limit: float,
    sigma: np.float32,
    most: int,
    wiener: bool,
    dct: NDArray[np.float32],
    window: NDArray[np.float32],
) -> NDArray[np.float32]:
    """One step of BM3D on transformed blocks: match on the guide, filter the noisy groups, put them back."""
    side, reach, step = _SIDE, _REACH, _STEP
    rows, columns = noisy.shape[0], noisy.shape[1]
    area = side * side
    total = np.zeros(shape, np.float32)
    weights = np.zeros(shape, np.float32)
    reference = np.empty(area, np.float32)
    found = np.empty((2 * reach + 1) ** 2, np.float32)
    place = np.empty(((2 * reach + 1) ** 2, 2), np.int64)
    group = np.empty((most, area), np.float32)
    model = np.empty((most, area), np.float32)
    for top0 in range(0, rows + step - 1, step):
        top = min(top0, rows - 1)
        for left0 in range(0, columns + step - 1, step):
            left = min(left0, columns - 1)
            for i in range(area):
                value = guide[top, left, i // side, i % side]
                reference[i] = value if abs(value) >= matched else 0.0
            count = 0
            for y in range(max(top - reach, 0), min(top + reach + 1, rows)):
                for x in range(max(left - reach, 0), min(left + reach + 1, columns)):
                    distance = 0.0
                    for i in range(area):
                        value = guide[y, x, i // side, i % side]
                        if abs(value) < matched:
                            value = np.float32(0.0)
                        distance += (value - reference[i]) ** 2
                        if distance > limit:
                            break
                    if distance <= limit:
                        # The reference block belongs to its group, whatever else matches as well.
                        found[count] = -1.0 if y == top and x == left else distance
                        place[count, 0], place[count, 1] = y, x
                        count += 1
            order = np.argsort(found[:count])
            size = 1
            while 2 * size <= min(count, most):
                size *= 2
            for j in range(size):
                y, x = place[order[j], 0], place[order[j], 1]
                for i in range(area):
                    group[j, i] = noisy[y, x, i // side, i % side]
                    model[j, i] = guide[y, x, i // side, i % side]
            _haar(group, size, False)
            kept = 0.0
            if wiener:
                _haar(model, size, False)
                for j in range(size):
                    for i in range(area):
                        factor = model[j, i] ** 2 / (model[j, i] ** 2 + sigma**2)
                        group[j, i] *= factor
                        kept += factor**2
            else:
                for j in range(size):
                    for i in range(area):
                        if abs(group[j, i]) < _THRESHOLD * sigma:
                            group[j, i] = 0.0
                        else:
                            kept += 1.0
            _haar(group, size, True)
            weight = np.float32(1.0 / max(kept, 1.0))
            for j in range(size):
                y, x = place[order[j], 0], place[order[j], 1]
                block = np.ascontiguousarray(group[j]).reshape(side, side)
                pixels = dct.T @ block @ dct
                for r in range(side):
                    for c in range(side):
                        w = weight * window[r, c]
                        total[y + r, x + c] += w * pixels[r, c]
                        weights[y + r, x + c] += w
    return total / weights
