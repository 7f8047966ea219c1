"""scipy's and numpy's filters on tensors of any size, in operations that ONNX and torch.export know."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

Edge = Literal["reflect", "nearest"]
"""What lies beyond the edge, by scipy's names: the image mirrored about its edge, or its last pixel."""


def extend(images: Tensor, axis: int, by: int, edge: Edge) -> Tensor:
    """Continue images beyond both ends of an axis, which may be shorter than what is added.

    Examples
    --------
    >>> extend(torch.tensor([1, 2, 3]), 0, 4, "reflect").tolist()
    [3, 3, 2, 1, 1, 2, 3, 3, 2, 1, 1]
    """
    size = images.shape[axis]
    index = torch.arange(-by, size + by, device=images.device)
    if edge == "reflect":
        index = index.remainder(torch.full_like(index, 2 * size))  # ONNX wants a tensor
        index = torch.minimum(index, 2 * size - 1 - index)
    return images.index_select(axis, index.clamp(0, size - 1))


def gaussian_mean(images: Tensor, sigma: float, edge: Edge) -> Tensor:
    """Return :func:`scipy.ndimage.gaussian_filter` of images, shape (n, 1, height, width).

    Examples
    --------
    >>> from scipy import ndimage
    >>> image = np.random.default_rng(0).random((9, 30), dtype=np.float32)
    >>> tensor = gaussian_mean(torch.from_numpy(image)[None, None], 5.0, "reflect")
    >>> bool(np.allclose(tensor[0, 0], ndimage.gaussian_filter(image, 5.0), atol=1e-6))
    True
    """
    radius = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel = torch.tensor(weights / weights.sum(), dtype=images.dtype, device=images.device)
    columns = functional.conv2d(extend(images, 2, radius, edge), kernel[None, None, :, None])
    return functional.conv2d(extend(columns, 3, radius, edge), kernel[None, None, None, :])


def median(values: Tensor) -> Tensor:
    """Return the median of a vector; the mean of the middle two where their number is even, as numpy does.

    Examples
    --------
    >>> median(torch.tensor([4.0, 1.0, 2.0, 9.0])).item()
    3.0
    """
    number = values.shape[0]
    lower = torch.topk(values, number // 2 + 1, largest=False, sorted=True).values
    return (lower[-1] + lower[number // 2 - 1 + number % 2]) / 2
