"""Where the probe goes: the raster of an image, and its place on the structure."""

from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from stemforge.errors import InputError
from stemforge.settings import Random, Settings, within


class Scan(Settings):
    """Raster of probe positions.

    Parameters
    ----------
    shape
        Height and width of the image [pixel].
    sampling
        Distance between probe positions [Å per pixel], 0.01 to 10.
    margin
        Width of structure that is built around the field of view [Å], so that atoms just outside it add their
        share and nothing wraps around.
    rotation
        Azimuth of the scan's x axis in the structure [rad]. Engines for crystals turn the raster and their
        segmented detector with it; the others take 0 only.
    shift
        Displacement (x, y) of the field from the structure's middle [Å]; for crystals, as above.

    Examples
    --------
    >>> scan = Scan(shape=(64, 128), sampling=0.25)
    >>> scan.field_of_view, scan.cell
    ((32.0, 16.0), (44.0, 28.0))
    """

    shape: tuple[int, int] = (512, 512)
    sampling: Annotated[Random, within(0.01, 10)] = 0.293
    margin: float = 6.0
    rotation: Random = 0.0
    shift: tuple[Random, Random] = (0.0, 0.0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if min(self.shape) < 16 or max(self.shape) > 8192:
            raise ValueError(f"shape must be 16 to 8192 pixels a side, got {list(self.shape)}")
        if self.margin < 0:
            raise ValueError(f"margin must not be negative, got {self.margin:g}")
        return self

    @classmethod
    def of_any_size(
        cls,
        shape: tuple[int, int],
        sampling: float,
        rotation: float = 0.0,
        shift: tuple[float, float] = (0.0, 0.0),
    ) -> "Scan":
        """Return a raster without margin and without the limits of a recipe's: for a piece, or for one atom."""
        # Not checked: a few probe positions are enough to compare engines, one row to look at a peak.
        return Scan.model_construct(
            shape=shape, sampling=sampling, margin=0.0, rotation=rotation, shift=shift
        )

    @property
    def straight(self) -> bool:
        """Whether the raster is neither turned nor shifted, in any sample."""
        return (self.rotation, *self.shift) == (0.0, 0.0, 0.0)

    @property
    def field_of_view(self) -> tuple[float, float]:
        """Width and height (x, y) [Å]."""
        return self.shape[1] * self.sampling, self.shape[0] * self.sampling

    @property
    def cell(self) -> tuple[float, float]:
        """Width and height (x, y) of the structure to build [Å]."""
        width, height = self.field_of_view
        cos, sin = abs(np.cos(self.rotation)), abs(np.sin(self.rotation))
        across, down = width * cos + height * sin, width * sin + height * cos
        return float(across + 2 * self.margin), float(down + 2 * self.margin)

    def positions(self, cell: tuple[float, float]) -> NDArray[np.float64]:
        """Return the probe positions (x, y) [Å] in a structure of this width and height; shape (height, width, 2)."""
        rows, columns = np.indices(self.shape)
        pixels = np.stack([columns, rows], axis=-1) - np.array(self.shape[::-1]) / 2
        return self._middle(cell) + self.sampling * pixels @ self._axes

    def pixels(self, places: NDArray[np.float64], cell: tuple[float, float]) -> NDArray[np.float64]:
        """Return where places (x, y) [Å] of such a structure lie on the image (x, y) [pixel]; shape (n, 2)."""
        turned = (places - self._middle(cell)) @ self._axes.T
        return turned / self.sampling + np.array(self.shape[::-1]) / 2

    def first_pixel(self, cell: tuple[float, float]) -> NDArray[np.float64]:
        """Return where pixel (0, 0) lies (x, y) [Å] in a structure of this width and height, of a turned raster too.

        Examples
        --------
        >>> scan = Scan(shape=(64, 128), sampling=0.25, shift=(1.0, 0.0))
        >>> scan.first_pixel((44.0, 28.0)).tolist()
        [7.0, 6.0]
        """
        return self._middle(cell) - self.sampling * np.array(self.shape[::-1]) / 2 @ self._axes

    def _middle(self, cell: tuple[float, float]) -> NDArray[np.float64]:
        return np.array(cell) / 2 + np.array(self.shift, dtype=float)

    @property
    def _axes(self) -> NDArray[np.float64]:
        """The scan's unit vectors, x and y, as rows."""
        cos, sin = np.cos(self.rotation), np.sin(self.rotation)
        return np.array([[cos, sin], [-sin, cos]])

    def origin(self, cell: tuple[float, float]) -> tuple[float, float]:
        """Return (x, y) [Å] of pixel (0, 0) in a structure of this width and height: the field is centred.

        Raises
        ------
        InputError
            The structure is smaller than the field of view.
        """
        offsets = tuple((c - f) / 2 for c, f in zip(cell, self.field_of_view, strict=True))
        if min(offsets) < -1e-6:
            raise InputError(
                f"scan: the structure is {cell[0]:.1f} × {cell[1]:.1f} Å, the field of view "
                f"{self.field_of_view[0]:.1f} × {self.field_of_view[1]:.1f} Å; repeat the structure or make the "
                "scan smaller"
            )
        return max(offsets[0], 0.0), max(offsets[1], 0.0)
