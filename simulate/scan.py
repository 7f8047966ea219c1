"""Where the probe goes: the raster of an image, and its place on the structure."""

from typing import Self

from pydantic import model_validator

from stemforge.errors import InputError
from stemforge.recipe import Settings


class Scan(Settings):
    """Raster of probe positions.

    Parameters
    ----------
    shape
        Height and width of the image [pixel].
    sampling
        Distance between probe positions [Å per pixel].
    margin
        Width of structure that is built around the field of view [Å], so that atoms just outside it add their
        share and nothing wraps around.

    Examples
    --------
    >>> scan = Scan(shape=(64, 128), sampling=0.25)
    >>> scan.field_of_view, scan.cell
    ((32.0, 16.0), (44.0, 28.0))
    """

    shape: tuple[int, int] = (512, 512)
    sampling: float = 0.293
    margin: float = 6.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if min(self.shape) < 16 or max(self.shape) > 8192:
            raise ValueError(f"shape must be 16 to 8192 pixels a side, got {list(self.shape)}")
        if not 0.01 <= self.sampling <= 10:
            raise ValueError(f"sampling must be 0.01 to 10 Å per pixel, got {self.sampling:g}")
        if self.margin < 0:
            raise ValueError(f"margin must not be negative, got {self.margin:g}")
        return self

    @property
    def field_of_view(self) -> tuple[float, float]:
        """Width and height (x, y) [Å]."""
        return self.shape[1] * self.sampling, self.shape[0] * self.sampling

    @property
    def cell(self) -> tuple[float, float]:
        """Width and height (x, y) of the structure to build [Å]."""
        width, height = self.field_of_view
        return width + 2 * self.margin, height + 2 * self.margin

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
