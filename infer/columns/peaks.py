"""What an image shows of columns: pictures of them at any places."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from stemforge.infer.columns.sites import ColumnSite
from stemforge.infer.columns.structure import Appearance
from stemforge.infer.columns.white import Grid

REACH = 4.0
"""How far from its place a column is drawn [Å]."""
_STEP, _HALF = 0.2, 8.0  # of the tables that pictures are read from [Å]


@dataclass(frozen=True)
class Pictures:
    """Pictures of sites and their slopes, as coefficients of splines.

    Parameters
    ----------
    tables
        Of the picture and of its derivatives along x and y of the crystal, shape (sites, 3, n, n).
    """

    tables: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        sites: Sequence[ColumnSite],
        appearance: Appearance,
        resolution: float,
        weight: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None,
    ) -> "Pictures":
        """Draw sites as an image shows them, down to a spacing [Å]; frequencies multiplied by a weight."""
        frequency = fft.fftfreq(int(2 * _HALF / _STEP), _STEP)
        k = np.stack(np.meshgrid(frequency, frequency), -1)
        factor = (np.hypot(k[..., 0], k[..., 1]) < 1 / resolution).astype(float)
        if weight is not None:
            factor = factor * weight(k)
        spectra = np.array([appearance.of(site, k) for site in sites]) * factor
        slopes = 2j * np.pi * np.moveaxis(k, -1, 0)
        every = np.stack([spectra, spectra * slopes[0], spectra * slopes[1]], axis=1)
        values = fft.fftshift(fft.ifft2(every).real, axes=(2, 3)) / _STEP**2
        splines = [
            [ndimage.spline_filter(one, order=3, mode="grid-wrap") for one in three] for three in values
        ]
        return cls(np.array(splines))

    def at(self, site: int, offsets: NDArray[np.float64], slopes: bool = False) -> NDArray[np.float64]:
        """Return a site's picture at ways from its place (x, y) [Å], and its slopes; shape (1 or 3, n)."""
        where = offsets.T[::-1] / _STEP + self.tables.shape[-1] // 2
        return np.array(
            [
                ndimage.map_coordinates(one, where, order=3, mode="grid-wrap", prefilter=False)
                for one in self.tables[site, : 3 if slopes else 1]
            ]
        )


@dataclass(frozen=True)
class Stamps:
    """Columns on an image's pixels.

    Parameters
    ----------
    pictures
        Of all sites.
    site
        Number of each column's site, ascending, shape (n,).
    grid
        The pixels.
    which, pixel, offset
        From :meth:`Grid.around` the columns' expected places.
    """

    pictures: Pictures
    site: NDArray[np.intp]
    grid: Grid
    which: NDArray[np.intp]
    pixel: NDArray[np.intp]
    offset: NDArray[np.float64]

    @classmethod
    def at(
        cls, points: NDArray[np.float64], site: NDArray[np.intp], pictures: Pictures, grid: Grid
    ) -> "Stamps":
        """Put columns, sorted by site, at points (x, y) [pixel]."""
        return cls(pictures, site, grid, *grid.around(points, REACH))

    def values(self, moved: NDArray[np.float64], slopes: bool = False) -> NDArray[np.float64]:
        """Return pictures and slopes at every pixel near a column, columns moved by (x, y) [Å]; shape (1 or 3, m)."""
        found = np.empty((3 if slopes else 1, len(self.which)))
        offset = self.offset - moved[self.which]
        site = self.site[self.which]
        # Columns are sorted by site, and pixels by column.
        for one in np.unique(self.site):
            part = slice(np.searchsorted(site, one), np.searchsorted(site, one, side="right"))
            found[:, part] = self.pictures.at(int(one), offset[part], slopes)
        return found

    def drawn(self, strength: NDArray[np.float64], moved: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the flat image of columns of some strength."""
        values = self.values(moved)[0] * strength[self.which]
        return np.bincount(self.pixel, values, minlength=self.grid.shape[0] * self.grid.shape[1]).astype(
            np.float64
        )
