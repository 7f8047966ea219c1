"""Augmentation that moves an image and its labels together.

A :class:`View` is a square patch anywhere on an image, turned, mirrored and magnified. It is drawn once and then
applied to everything that belongs together: the noisy image, its clean counterpart, a target with finer pixels,
points and boxes.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator
from scipy import ndimage

from stemforge.settings import Settings

# Cubic splines reach this far [pixel]: a further pixel's weight is below 1e-5.
_REACH = 9


class Augmentation(Settings):
    """How much the training images are varied; validation images never are.

    Parameters
    ----------
    rotation
        ``"any"`` angle, ``"quarter"`` turns, which move pixels but do not interpolate, or ``"none"``.
    flip
        Mirror every other patch.
    zoom
        Smallest and largest magnification.
    brightness
        Largest shift of the image's grey (0 … 1).
    contrast
        Largest relative change of the image's grey about its mean.
    blur
        Largest standard deviation of a Gaussian blur of the input [pixel]; labels and targets stay sharp.

    Examples
    --------
    >>> Augmentation(rotation="quarter", zoom=(1.0, 1.0)).flip
    True
    >>> Augmentation.from_mapping({"zoom": [1.2, 0.8]})
    Traceback (most recent call last):
        ...
    stemforge.errors.RecipeError: settings: zoom must be ordered, got [1.2, 0.8]
    """

    rotation: Literal["any", "quarter", "none"] = "any"
    flip: bool = True
    zoom: tuple[Annotated[float, Field(ge=0.25, le=4)], Annotated[float, Field(ge=0.25, le=4)]] = (0.9, 1.15)
    brightness: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.1
    blur: Annotated[float, Field(ge=0, le=5)] = 0.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.zoom[0] > self.zoom[1]:
            raise ValueError(f"zoom must be ordered, got {list(self.zoom)}")
        return self


PLAIN = Augmentation(rotation="none", flip=False, zoom=(1, 1), brightness=0, contrast=0)
"""No augmentation: a view is then a plain crop."""


@dataclass(frozen=True)
class View:
    """A square patch on an image.

    Parameters
    ----------
    centre
        Its centre on the image, (x, y) [pixel].
    matrix
        Takes an offset (x, y) from the patch's centre to one from ``centre``, shape (2, 2).
    size
        Side of the patch [pixel].

    Examples
    --------
    >>> image = np.zeros((40, 40)); image[10, 25] = 1
    >>> view = View((20.5, 15.5), np.array([[0.0, -1.0], [1.0, 0.0]]), 16)
    >>> x, y = view.move([[25, 10]])[0]
    >>> float(view.cut(image)[int(y), int(x)])
    1.0
    """

    centre: tuple[float, float]
    matrix: NDArray[np.float64]
    size: int

    def cut(self, image: NDArray[np.float32], zoom: int = 1) -> NDArray[np.float32]:
        """Cut the patch out of an image.

        Parameters
        ----------
        image
            Shape (height × zoom, width × zoom).
        zoom
            Pixels of ``image`` along one of the pixels in which the view is given. Images of any zoom cover
            the same area: pixel i of a finer one lies at (i + ½) / zoom − ½.

        Returns
        -------
        ndarray
            Shape (size × zoom, size × zoom), float32; reflected where it reaches beyond the image.
        """
        offsets = (np.arange(self.size * zoom) + 0.5) / zoom - self.size / 2
        dx, dy = offsets[None, :], offsets[:, None]
        x, y = (self.centre[i] + self.matrix[i, 0] * dx + self.matrix[i, 1] * dy for i in (0, 1))
        where = np.stack([(y + 0.5) * zoom - 0.5, (x + 0.5) * zoom - 0.5])
        # Only the neighbourhood is made a spline of: much cheaper, and the same within rounding.
        corner = [max(int(np.floor(w.min())) - _REACH, 0) for w in where]
        ends = [int(np.ceil(w.max())) + _REACH + 1 for w in where]
        part = image[corner[0] : ends[0], corner[1] : ends[1]]
        where -= np.reshape(corner, (2, 1, 1))
        order = 0 if np.allclose(where, np.rint(where), atol=1e-6) else 3
        return ndimage.map_coordinates(part, where, order=order, mode="reflect").astype(np.float32)

    def move(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return where points (x, y) [pixel] of the image lie on the patch, shape (n, 2)."""
        offsets = np.asarray(points, float).reshape(-1, 2) - self.centre
        return offsets @ np.linalg.inv(self.matrix).T + self.size / 2 - 0.5

    def move_boxes(self, boxes: ArrayLike) -> NDArray[np.float64]:
        """Return the boxes (x0, y0, x1, y1) [pixel] of the image's objects on the patch, shape (n, 4).

        A turned object is bounded as the ellipse that its box circumscribes: exact for quarter turns, and for
        round objects at any angle, while a box around the turned box's corners would grow by up to √2.
        """
        boxes = np.asarray(boxes, float).reshape(-1, 4)
        centres = self.move((boxes[:, :2] + boxes[:, 2:]) / 2)
        half = (boxes[:, 2:] - boxes[:, :2]) / 2
        half = np.sqrt(half**2 @ (np.linalg.inv(self.matrix) ** 2).T)
        return np.hstack([centres - half, centres + half])


def draw_view(
    shape: tuple[int, int], size: int, augmentation: Augmentation, rng: np.random.Generator
) -> View:
    """Draw a patch that lies on an image.

    Where the image is too small for the drawn angle and zoom, the angle is rounded to a quarter turn and the
    patch not reduced.

    Parameters
    ----------
    shape
        Height and width of the image [pixel], at least ``size``.
    size
        Side of the patch [pixel].
    augmentation
        How to vary it.
    rng
        Source of the random numbers.

    Examples
    --------
    >>> quarter = Augmentation(rotation="quarter", zoom=(1, 1))
    >>> view = draw_view((256, 200), 64, quarter, np.random.default_rng(0))
    >>> view.cut(np.zeros((256, 200))).shape, np.abs(view.matrix).round(6).sum(0).tolist()
    ((64, 64), [1.0, 1.0])
    """
    quarter = rng.integers(4) * np.pi / 2
    angle = {"any": rng.uniform(0, 2 * np.pi), "quarter": quarter, "none": 0.0}[augmentation.rotation]
    mirror = -1 if augmentation.flip and rng.integers(2) else 1
    zoom = np.exp(rng.uniform(*np.log(augmentation.zoom)))
    matrix = _matrix(angle, mirror, zoom)
    if _extent(matrix, size) > min(shape):
        matrix = _matrix(np.rint(angle / (np.pi / 2)) * np.pi / 2, mirror, max(zoom, 1.0))
    room = np.array(shape[::-1]) - _extent(matrix, size)
    corner = rng.uniform(0, 1, 2) * np.maximum(room, 0)
    if np.isin(matrix, (-1, 0, 1)).all():
        corner = np.rint(corner)  # pixels fall on pixels: nothing to interpolate
    centre = corner + _extent(matrix, size) / 2 - 0.5
    return View((float(centre[0]), float(centre[1])), matrix, size)


def shade(
    image: NDArray[np.float32], augmentation: Augmentation, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Vary brightness, contrast and sharpness of an image between 0 and 1; shape and position stay.

    Examples
    --------
    >>> image = np.random.default_rng(0).random((32, 32), "float32")
    >>> shaded = shade(image, Augmentation(brightness=0.3, contrast=0.0), np.random.default_rng(1))
    >>> shaded.shape, 0 <= float(shaded.min()), float(shaded.max()) <= 1, bool(shaded.mean() != image.mean())
    ((32, 32), True, True, True)
    """
    shift = rng.uniform(-1, 1) * augmentation.brightness
    scale = 1 + rng.uniform(-1, 1) * augmentation.contrast
    blur = rng.uniform(0, 1) * augmentation.blur
    if blur:
        image = ndimage.gaussian_filter(image, blur, mode="reflect")
    if not (augmentation.brightness or augmentation.contrast):
        return image
    mean = image.mean()
    return np.clip((image - mean) * np.float32(scale) + np.float32(mean + shift), 0, 1).astype(np.float32)


def _matrix(angle: float, mirror: int, zoom: float) -> NDArray[np.float64]:
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix = np.array([[cosine * mirror, -sine], [sine * mirror, cosine]])
    # Exact zeros and ones for quarter turns.
    whole = np.rint(matrix)
    return (whole if np.allclose(matrix, whole, atol=1e-9) else matrix) / zoom


def _extent(matrix: NDArray[np.float64], size: int) -> float:
    """Side of the upright square that the patch needs on the image [pixel]."""
    return float(np.abs(matrix).sum(axis=1).max() * size)
