"""The part of an image in which atoms could be found, and points in it: what every statistic of places needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, ndimage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from stemforge.errors import InputError

LEAST_ATOMS = 10
"""With fewer atoms nothing can be said of their arrangement."""

_CORNERS = np.sqrt(
    2
)  # from a pixel's centre to where it ends, and from the next one's: at most this together [pixel]
_NM2 = 100.0  # Å² in one nm²
_MOST_DRAWN = 3  # points over those that are left when near ones became one: more of them only grow together


@dataclass(frozen=True, eq=False)
class Window:
    """The part of an image in which atoms could be found.

    Parameters
    ----------
    mask
        True there, shape (height, width); a pixel is a square, its centre at whole numbers. It may have any shape, with
        holes and in several parts.
    sampling
        Pixel size [Å]; without it lengths are in pixels and areas in pixels².
    closest
        Two atoms nearer than that are found as one [:attr:`unit`]; so are those of random patterns.

    Raises
    ------
    InputError
        The mask is no image, or nothing is left by it; a pixel size or distance that cannot be.

    Examples
    --------
    >>> window = Window(np.ones((100, 200), dtype=bool), sampling=0.5)
    >>> window.area, window.area_unit
    (50.0, 'nm²')
    """

    mask: NDArray[np.bool_]
    sampling: float | None = None
    closest: float = 0.0

    def __post_init__(self) -> None:
        mask = np.asarray(self.mask)
        if mask.ndim != 2:
            raise InputError(f"mask must have shape (height, width), not {mask.shape}")
        object.__setattr__(self, "mask", mask.astype(bool))
        if not self.mask.any():
            raise InputError("mask leaves nothing of the image; give one that is true on the specimen")
        if self.sampling is not None and not 0 < self.sampling < np.inf:
            raise InputError(f"sampling must be a positive number of Å, not {self.sampling}")
        if not 0 <= self.closest < np.inf:
            raise InputError(f"closest must be 0 or a positive distance, not {self.closest}")

    @classmethod
    def frame(cls, shape: tuple[int, int], sampling: float | None = None) -> "Window":
        """Return the whole frame of an image of this shape (height, width)."""
        return cls(np.ones(shape, dtype=bool), sampling)

    @property
    def scale(self) -> float:
        """Length of a pixel in :attr:`unit`."""
        return 1.0 if self.sampling is None else self.sampling

    @property
    def unit(self) -> str:
        """Unit of lengths: Å or px."""
        return "px" if self.sampling is None else "Å"

    @property
    def area_unit(self) -> str:
        """Unit of areas: nm² or px²."""
        return "px²" if self.sampling is None else "nm²"

    @property
    def area_scale(self) -> float:
        """Area of a pixel in :attr:`area_unit`."""
        return 1.0 if self.sampling is None else self.sampling**2 / _NM2

    @cached_property
    def pixels(self) -> int:
        """Number of pixels in the mask."""
        return int(np.count_nonzero(self.mask))

    @property
    def area(self) -> float:
        """Area of the mask in :attr:`area_unit`."""
        return self.pixels * self.area_scale

    def contains(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Tell which points (x, y) [pixel], shape (…, 2), lie in the mask."""
        x, y = np.moveaxis(np.rint(np.asarray(points, dtype=float)).astype(np.int64), -1, 0)
        height, width = self.mask.shape
        inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        return np.asarray(inside & self.mask[y.clip(0, height - 1), x.clip(0, width - 1)])

    @cached_property
    def border(self) -> NDArray[np.float64]:
        """A disc round any point of the pixel with this radius [pixel] lies in the mask; negative outside it."""
        padded = np.pad(self.mask, 1)
        return np.asarray(ndimage.distance_transform_edt(padded)[1:-1, 1:-1] - _CORNERS)

    def border_at(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return :attr:`border` at points (x, y) [pixel], shape (…, 2); minus infinity off the image."""
        x, y = np.moveaxis(np.rint(np.asarray(points, dtype=float)).astype(np.int64), -1, 0)
        height, width = self.mask.shape
        inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        return np.where(inside, self.border[y.clip(0, height - 1), x.clip(0, width - 1)], -np.inf)

    @cached_property
    def _sorted_border(self) -> NDArray[np.float64]:
        return np.sort(self.border[self.mask])

    def eroded(self, radii: ArrayLike) -> NDArray[np.int64]:
        """Return how many pixels are further from the edge than radii [pixel], of any shape."""
        return np.asarray(self.pixels - np.searchsorted(self._sorted_border, radii, side="left"))

    @property
    def reach(self) -> int:
        """Longest distance at which pairs are corrected for edges [pixel]: half the shorter side of the image."""
        return max(1, min(self.mask.shape) // 2)

    @cached_property
    def _autocorrelation(self) -> NDArray[np.float64]:
        """Pixels of the mask that are in it again after a shift, rows and columns from −reach − 1 to reach + 1."""
        reach = self.reach + 1
        shape = [fft.next_fast_len(side + reach, real=True) for side in self.mask.shape]
        power = np.abs(fft.rfft2(self.mask.astype(np.float32), shape)) ** 2
        whole = np.rint(fft.irfft2(power, shape))
        span = np.arange(-reach, reach + 1)
        return np.asarray(whole[np.ix_(span % shape[0], span % shape[1])], dtype=np.float64)

    def covariance(self, shifts: ArrayLike) -> NDArray[np.float64]:
        """Return the area [pixel²] that the mask shares with itself moved by shifts (x, y) [pixel], shape (…, 2).

        The set covariance (Ohser & Stoyan 1981). A mask is made of squares, so between whole pixels it is exactly
        linear in each direction. Shifts longer than :attr:`reach` are not allowed.
        """
        x, y = np.moveaxis(np.asarray(shifts, dtype=float) + (self.reach + 1), -1, 0)
        column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
        u, v, table = x - column, y - row, self._autocorrelation
        upper = (1 - u) * table[row, column] + u * table[row, column + 1]
        lower = (1 - u) * table[row + 1, column] + u * table[row + 1, column + 1]
        return np.asarray((1 - v) * upper + v * lower)

    @cached_property
    def _places(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.mask)

    def release(self) -> None:
        """Forget what was computed of the mask, some 30 bytes a pixel; it is computed again where it is needed."""
        for name in ("border", "_sorted_border", "_autocorrelation", "_places"):
            self.__dict__.pop(name, None)

    def draw(self, shape: int | Sequence[int], rng: np.random.Generator) -> NDArray[np.float64]:
        """Return independent points, each anywhere in the mask with the same chance: (x, y) [pixel], shape (…, 2)."""
        size = tuple(shape) if isinstance(shape, Sequence) else (int(shape),)
        row, column = np.divmod(rng.choice(self._places, size), self.mask.shape[1])
        return np.stack([column, row], axis=-1) + rng.uniform(-0.5, 0.5, (*size, 2))

    def draw_found(self, number: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return independent points as they would be found, those nearer than :attr:`closest` as one: (x, y) [pixel].

        So many points are drawn that ``number`` are left, shape (number, 2).

        Raises
        ------
        InputError
            So many atoms do not find place that far from each other.
        """
        points = self.draw(number, rng)
        radius = self.closest / self.scale
        while len(points) <= _MOST_DRAWN * number:
            left = points[np.unique(linked(points, radius), return_index=True)[1]]
            if len(left) >= number:
                return np.asarray(left[:number])
            points = np.concatenate([points, self.draw(number - len(left), rng)])
        raise InputError(
            f"closest {self.closest:g} {self.unit}: {number} atoms at random places are hardly ever that far from "
            "each other"
        )


@dataclass(frozen=True, eq=False)
class PointPattern:
    """Atoms found on an image, in the part of it where they could be found.

    Parameters
    ----------
    points
        Places (x, y) [pixel], shape (n, 2), all in the mask: :meth:`inside` leaves others out.
    window
        Where atoms could be found.
    name
        Name of the image, for messages and figures.

    Raises
    ------
    InputError
        Fewer than :data:`LEAST_ATOMS` points, or points outside the mask.

    Examples
    --------
    >>> window = Window.frame((512, 512), sampling=0.293)
    >>> pattern = PointPattern(window.draw(60, np.random.default_rng(0)), window)
    >>> round(pattern.density, 3), pattern.window.area_unit
    (0.267, 'nm²')
    """

    points: NDArray[np.float64]
    window: Window
    name: str = ""

    def __post_init__(self) -> None:
        points = np.asarray(self.points, dtype=float)
        if points.ndim != 2 or points.shape[1] != 2 or not np.all(np.isfinite(points)):
            raise InputError(f"points must be finite, of shape (n, 2), not {points.shape}")
        object.__setattr__(self, "points", points)
        about = f"{self.name}: " if self.name else ""
        if len(points) < LEAST_ATOMS:
            raise InputError(
                f"{about}{len(points)} atoms in the mask; statistics of their places need {LEAST_ATOMS} at least"
            )
        if self.window.closest > 0:
            shortest = float(cKDTree(points).query(points, k=2)[0][:, 1].min()) * self.window.scale
            if shortest < self.window.closest:
                raise InputError(
                    f"{about}two atoms stand {shortest:.3g} {self.window.unit} from each other; those nearer than "
                    f"{self.window.closest:g} {self.window.unit} would have been found as one (closest)"
                )
        outside = int(np.count_nonzero(~self.window.contains(points)))
        if outside:
            raise InputError(f"{about}{outside} of {len(points)} points lie outside the mask; leave them out")

    @classmethod
    def inside(cls, points: ArrayLike, window: Window, name: str = "") -> "PointPattern":
        """Return the points that lie in the mask."""
        table = np.asarray(points, dtype=float).reshape(-1, 2)
        return cls(table[window.contains(table)], window, name)

    def __len__(self) -> int:
        return len(self.points)

    @property
    def density(self) -> float:
        """Points per area of the mask, per :attr:`Window.area_unit`."""
        return len(self) / self.window.area

    @property
    def density_px(self) -> float:
        """Points per pixel of the mask."""
        return len(self) / self.window.pixels

    def random(self, number: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return patterns of as many points at random places of the mask, as found, shape (number, n, 2) [pixel]."""
        if self.window.closest > 0 and number:
            return np.stack([self.window.draw_found(len(self), rng) for _ in range(number)])
        return self.window.draw((number, len(self)), rng)


def several(pattern: PointPattern | Sequence[PointPattern]) -> list[PointPattern]:
    """Return one pattern or several as a list.

    Raises
    ------
    InputError
        None, some with pixel size and some without, or of different :attr:`Window.closest`.
    """
    patterns = [pattern] if isinstance(pattern, PointPattern) else list(pattern)
    if not patterns:
        raise InputError("patterns: none is given")
    if len({one.window.unit for one in patterns}) > 1:
        bare = next(one.name for one in patterns if one.window.sampling is None)
        raise InputError(
            f"{bare}: has no pixel size, others have; images can be pooled where all have one or none (sampling)"
        )
    if len({one.window.closest for one in patterns}) > 1:
        raise InputError("closest must be the same distance for all patterns that are pooled")
    return patterns


def linked(points: NDArray[np.float64], radius: float) -> NDArray[np.int64]:
    """Return the number of each point's cluster: points within a radius are of one (single linkage), shape (n,)."""
    pairs = cKDTree(points).query_pairs(radius, output_type="ndarray")
    graph = csr_array((np.ones(len(pairs)), pairs.T), shape=(len(points), len(points)))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)
