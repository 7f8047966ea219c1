"""Placements: what may have happened to labels on the way from the image to the file."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Shape = tuple[int, int]

ORIENTATIONS = (
    "as given",
    "mirrored left to right",
    "mirrored top to bottom",
    "turned by 180°",
    "transposed (x and y swapped)",
    "turned by 90° clockwise",
    "turned by 90° anticlockwise",
    "transposed about the other diagonal",
)
"""What was done to the labels, by orientation; :func:`oriented` undoes it."""


@dataclass(frozen=True)
class Placement:
    """Where the labels of a file fit: first the scale is undone, then the orientation, then the shift.

    Parameters
    ----------
    orientation
        Index into ``ORIENTATIONS``.
    scale
        Pixels per unit of the labels.
    shift
        What the labels must be moved by, (x, y) [pixel].
    unit
        The unit in which the labels are, where the scale is that of a unit.
    image
        Name of the other image that the labels fit; None for the file's image.
    """

    orientation: int = 0
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    unit: str | None = None
    image: str | None = None

    @property
    def kind(self) -> str:
        """What the fault would be called: ``"sound"``, ``"image"``, ``"unit"``, ``"scale"``, ``"shift"``, …."""
        if self.image is not None:
            return "image"
        changes = {
            "unit": self.unit is not None,
            "scale": self.unit is None and self.scale != 1,
            "transposed": self.orientation >= 4,
            "mirrored": 0 < self.orientation < 4,
            "shift": self.shift != (0.0, 0.0),
        }
        return " and ".join(name for name, changed in changes.items() if changed) or "sound"

    def apply(self, points: ArrayLike, shape: Shape) -> NDArray[np.float64]:
        """Return where labels (x, y), shape (n, 2), belong on an image of this shape [pixel].

        Examples
        --------
        >>> Placement(orientation=4, shift=(1, 0)).apply([[2, 5]], (8, 8))
        array([[6., 2.]])
        """
        placed = oriented(np.asarray(points, dtype=float) * self.scale, shape, self.orientation)
        moved: NDArray[np.float64] = placed + np.asarray(self.shift)
        return moved

    def words(self) -> str:
        """Say what is wrong with the labels."""
        if self.image is not None:
            return f"the labels are those of image {self.image}"
        parts = []
        if self.unit is not None:
            parts.append(f"are in {self.unit}, not in pixels (1 {self.unit} = {self.scale:.5g} px)")
        elif self.scale != 1:
            parts.append(f"are {1 / self.scale:.4g} times as large as the image's pixels say")
        if self.orientation:
            parts.append(f"are {ORIENTATIONS[self.orientation]}")
        if self.shift != (0.0, 0.0):
            x, y = (-value for value in self.shift)
            parts.append(f"are shifted by x={x:+.1f}, y={y:+.1f} px")
        return f"the labels {' and '.join(parts)}" if parts else "the labels fit"


def oriented(points: ArrayLike, shape: Shape, orientation: int) -> NDArray[np.float64]:
    """Bring points (x, y), shape (n, 2), that were oriented otherwise onto an image of this shape."""
    height, width = shape
    x, y = np.moveaxis(np.asarray(points, dtype=float), -1, 0)
    if orientation >= 4:
        # 5: (x, y) of an image that was turned clockwise lie at (y, height - 1 - x) of the image; 6: the other way.
        x, y = y, x
    if orientation in (1, 3, 6, 7):
        x = width - 1 - x
    if orientation in (2, 3, 5, 7):
        y = height - 1 - y
    return np.stack([x, y], axis=-1)
