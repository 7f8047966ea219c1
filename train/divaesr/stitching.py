"""Restoring whole images with DIVAESR: overlapping tiles, blended."""

import numpy as np
import torch
from numpy.typing import NDArray

from stemforge.errors import MicrographError
from stemforge.train.divaesr.model import DIVAESR, PATCH, SCALE

# Pure super-resolution takes tiles of any size; these fit in little memory.
_LARGE_TILE = 256


def restore_image(
    model: DIVAESR, image: NDArray[np.float32], *, overlap: int = 16, batch: int = 16
) -> NDArray[np.float32]:
    """Restore an image of any size.

    Parameters
    ----------
    model
        In evaluation mode.
    image
        Between 0 and 1, from :func:`stemforge.train.prepare_idpc`; shape (height, width), at least 64 × 64.
    overlap
        How far neighbouring tiles overlap at least [pixel]; there one fades into the other.
    batch
        Tiles that are restored at once.

    Returns
    -------
    ndarray
        Between 0 and 1, shape (2 × height, 2 × width), float32; pixel i lies at (i + ½) / 2 − ½ of the image's.

    Raises
    ------
    MicrographError
        An image smaller than a tile.

    Examples
    --------
    >>> from stemforge.train import DIVAESR, DIVAESRSettings
    >>> network = DIVAESR(DIVAESRSettings(mode="sr", blocks=1, features=4)).eval()
    >>> restore_image(network, np.random.default_rng(0).random((70, 100), dtype="float32")).shape
    (140, 200)
    """
    if min(image.shape) < PATCH:
        raise MicrographError(
            f"the image of {image.shape[0]} × {image.shape[1]} pixels is smaller than a patch of {PATCH} × {PATCH}"
        )
    side = _LARGE_TILE if model.any_size else PATCH
    sides = tuple(min(side, n) for n in image.shape)
    # EDSR may fold pixels together; an odd last row is given a mirror image of itself.
    fold = model.settings.squeeze
    tall = tuple(-(-n // fold) * fold for n in image.shape)
    padded = np.pad(image, [(0, t - n) for t, n in zip(tall, image.shape, strict=True)], mode="symmetric")
    sides = tuple(-(-s // fold) * fold for s in sides)
    corners = [
        (top, left)
        for top in _starts(tall[0], sides[0], overlap, fold)
        for left in _starts(tall[1], sides[1], overlap, fold)
    ]
    device = next(model.parameters()).device
    weight = np.outer(_fade(sides[0], overlap), _fade(sides[1], overlap)).astype(np.float32)
    total = np.zeros((tall[0] * SCALE, tall[1] * SCALE), np.float32)
    weights = np.zeros_like(total)
    count = 1 if model.any_size else batch
    for first in range(0, len(corners), count):
        group = corners[first : first + count]
        tiles = np.stack([padded[top : top + sides[0], left : left + sides[1]] for top, left in group])
        tensor = torch.from_numpy(np.ascontiguousarray(tiles[:, None], dtype=np.float32)).to(device)
        for (top, left), tile in zip(group, model.restore(tensor)[:, 0].cpu().numpy(), strict=True):
            where = np.s_[
                top * SCALE : (top + sides[0]) * SCALE,
                left * SCALE : (left + sides[1]) * SCALE,
            ]
            total[where] += tile * weight
            weights[where] += weight
    total /= weights
    return total[: image.shape[0] * SCALE, : image.shape[1] * SCALE]


def _starts(length: int, side: int, overlap: int, fold: int) -> list[int]:
    """Return where tiles begin so that they cover a length evenly."""
    if length <= side:
        return [0]
    count = -(-(length - overlap) // (side - overlap))
    return [round(i * (length - side) / (count - 1) / fold) * fold for i in range(count)]


def _fade(side: int, overlap: int) -> NDArray[np.float64]:
    """Weight of a tile's output pixels: rising from its ends over the overlap, nowhere zero."""
    distance = np.minimum(np.arange(side * SCALE) + 0.5, side * SCALE - np.arange(side * SCALE) - 0.5)
    return np.clip(distance / max(overlap * SCALE, 1), 1e-3, 1)
