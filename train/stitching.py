"""Restoring whole images with a network that takes tiles: overlapping ones, blended."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from stemforge.errors import MicrographError


@dataclass(frozen=True)
class Tiles:
    """What tiles a network takes.

    Parameters
    ----------
    smallest, largest
        Sides between which a tile lies [pixel].
    scale
        Pixels of the result along one pixel of a tile.
    fold
        Sides are multiples of this [pixel].
    batch
        Tiles that are restored at once.
    """

    smallest: int
    largest: int
    scale: int = 2
    fold: int = 1
    batch: int = 1


def restore_image(
    model: torch.nn.Module, image: NDArray[np.float32], *, overlap: int = 16
) -> NDArray[np.float32]:
    """Restore an image of any size.

    Parameters
    ----------
    model
        DIVAESR or U-Net, in evaluation mode.
    image
        Between 0 and 1, from :func:`stemforge.train.prepare_idpc`; shape (height, width), at least as large as the
        network's smallest tile.
    overlap
        How far neighbouring tiles overlap at least [pixel]; one fades into the other.

    Returns
    -------
    ndarray
        Shape (scale × height, scale × width), float32; pixel i lies at (i + ½) / scale − ½ of the image's.

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
    return restore_planes(model, image, overlap=overlap)[0]


def restore_planes(
    model: torch.nn.Module, image: NDArray[np.float32], *, overlap: int = 16
) -> NDArray[np.float32]:
    """Return all that a network puts out of an image, shape (planes, height, width); as :func:`restore_image`."""
    tiles: Tiles = model.tiles  # type: ignore[assignment]
    if min(image.shape) < tiles.smallest:
        raise MicrographError(
            f"the image of {image.shape[0]} × {image.shape[1]} pixels is smaller than a patch of {tiles.smallest} × "
            f"{tiles.smallest}"
        )
    fold, scale = tiles.fold, tiles.scale
    # Networks may fold pixels together; a last row that does not fill a fold is given mirror images.
    tall = tuple(-(-n // fold) * fold for n in image.shape)
    padded = np.pad(image, [(0, t - n) for t, n in zip(tall, image.shape, strict=True)], mode="symmetric")
    sides = tuple(min(tiles.largest, n) for n in tall)
    corners = [
        (top, left)
        for top in _starts(tall[0], sides[0], overlap, fold)
        for left in _starts(tall[1], sides[1], overlap, fold)
    ]
    device = next(model.parameters()).device
    weight = np.outer(_fade(sides[0] * scale, overlap * scale), _fade(sides[1] * scale, overlap * scale))
    weight = weight.astype(np.float32)
    weights = np.zeros((tall[0] * scale, tall[1] * scale), np.float32)
    for first in range(0, len(corners), tiles.batch):
        group = corners[first : first + tiles.batch]
        cut = np.stack([padded[top : top + sides[0], left : left + sides[1]] for top, left in group])
        tensor = torch.from_numpy(np.ascontiguousarray(cut[:, None], dtype=np.float32)).to(device)
        restored = model.restore(tensor).cpu().numpy()  # type: ignore[operator]
        if not first:
            total = np.zeros((restored.shape[1], *weights.shape), np.float32)
        for (top, left), planes in zip(group, restored, strict=True):
            rows = slice(top * scale, (top + sides[0]) * scale)
            columns = slice(left * scale, (left + sides[1]) * scale)
            total[:, rows, columns] += planes * weight
            weights[rows, columns] += weight
    total /= weights
    return total[:, : image.shape[0] * scale, : image.shape[1] * scale]


def _starts(length: int, side: int, overlap: int, fold: int) -> list[int]:
    """Return where tiles begin so that they cover a length evenly."""
    if length <= side:
        return [0]
    count = -(-(length - overlap) // (side - overlap))
    return [round(i * (length - side) / (count - 1) / fold) * fold for i in range(count)]


def _fade(side: int, overlap: int) -> NDArray[np.float64]:
    """Weight of a tile's output pixels: rising from its ends over the overlap, nowhere zero."""
    distance = np.minimum(np.arange(side) + 0.5, side - np.arange(side) - 0.5)
    return np.clip(distance / max(overlap, 1), 1e-3, 1)
