"""Boxes that a detector finds in all eight orientations of an image, brought together."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import from_numpy
from torchvision.ops import box_iou, nms

ORIENTATIONS = 8
"""Quarter turns of an image, and of its mirror image."""

Found = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]
"""Boxes (x0, y0, x1, y1), 0 being the outer edge of the first pixel, labels and scores; shapes (n, 4), (n,), (n,)."""


def in_all_orientations(
    find: Callable[[NDArray[np.float32]], Found], image: NDArray[np.float32], iou: float = 0.5
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Find boxes in an image and its seven other orientations, and average what is the same.

    What an image shows does not turn with it; what a network takes noise for often does.

    Parameters
    ----------
    find
        Finds boxes in an image, none of which overlap by more than ``iou``.
    image
        Shape (height, width).
    iou
        Overlap (intersection over union) from which boxes of two orientations are the same.

    Returns
    -------
    boxes, labels, scores, agreement
        Boxes on the image, best first, mean of the orientations weighed by score; the mean score, 0 where an
        orientation does not have the box; and the share of the orientations that have it. Shapes (n, 4), (n,), (n,),
        (n,).

    Examples
    --------
    >>> def brightest(image):
    ...     y, x = np.unravel_index(image.argmax(), image.shape)
    ...     return np.array([[x, y, x + 1.0, y + 1.0]]), np.array([1]), np.array([0.8])
    >>> image = np.zeros((4, 6), dtype="float32")
    >>> image[1, 4] = 1
    >>> boxes, _, scores, agreement = in_all_orientations(brightest, image)
    >>> boxes.round(9).tolist(), round(float(scores[0]), 3), agreement.tolist()
    ([[4.0, 1.0, 5.0, 2.0]], 0.8, [1.0])
    """
    parts, kinds, scores, orientation = [], [], [], []
    for number in range(ORIENTATIONS):
        turned = np.rot90(image, number % 4)
        mirrored = number >= ORIENTATIONS // 2
        boxes, labels, score = find(np.ascontiguousarray(turned[:, ::-1] if mirrored else turned))
        parts.append(_turned_back(boxes, turned.shape, number % 4, mirrored))
        kinds.append(labels)
        scores.append(score)
        orientation.append(np.full(len(score), number))
    found = np.concatenate(parts), np.concatenate(kinds), np.concatenate(scores)
    return _together(found, np.concatenate(orientation), iou)


def _turned_back(
    boxes: NDArray[np.float64], shape: tuple[int, ...], turns: int, mirrored: bool
) -> NDArray[np.float64]:
    """Return boxes on an image that was turned by quarters, then perhaps mirrored, on the image as it was."""
    height, width = shape
    x0, y0, x1, y1 = np.asarray(boxes, dtype=float).reshape(-1, 4).T
    if mirrored:
        x0, x1 = width - x1, width - x0
    for _ in range(turns):
        # Before the turn, columns ran as rows do now, the other way round.
        x0, y0, x1, y1 = height - y1, x0, height - y0, x1
        height, width = width, height
    return np.column_stack([x0, y0, x1, y1])


def _together(
    found: Found, orientation: NDArray[np.int64], iou: float
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Group the boxes of all orientations about the best of them, one of each orientation at most."""
    boxes, labels, scores = found
    overlap = box_iou(from_numpy(boxes), from_numpy(boxes)).numpy()
    left = np.ones(len(boxes), dtype=bool)
    groups = []
    for best in np.argsort(-scores, kind="stable"):
        if not left[best]:
            continue
        near = np.where(left & (overlap[best] >= iou), overlap[best], 0)
        group = [int(best)]
        for number in set(range(ORIENTATIONS)) - {int(orientation[best])}:
            of_it = np.where(orientation == number, near, 0)
            if len(of_it) and of_it.max() > 0:
                group.append(int(of_it.argmax()))
        left[group] = False
        groups.append(group)
    mean = np.array([np.average(boxes[group], axis=0, weights=scores[group]) for group in groups])
    score = np.array([scores[group].sum() / ORIENTATIONS for group in groups])
    kept = nms(from_numpy(mean.reshape(-1, 4)), from_numpy(score), iou).numpy()
    label = np.array([labels[group[0]] for group in groups], dtype=np.int64)
    share = np.array([len(group) / ORIENTATIONS for group in groups])
    return mean.reshape(-1, 4)[kept], label[kept], score[kept], share[kept]
