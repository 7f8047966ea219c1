"""Images whose noise is white, at pixels no finer than what they hold, and points on them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from stemforge.infer.crystals.lattice import Lattice
from stemforge.infer.occupancy.noise import Noise

_PIXELS = 2.2  # in the finest spacing


@dataclass(frozen=True)
class Grid:
    """Pixels, and how a crystal lies on them.

    Parameters
    ----------
    shape
        Height and width.
    axes
        The crystal's Cartesian axes x and y as columns (x, y) [pixel/Å].
    """

    shape: tuple[int, int]
    axes: NDArray[np.float64]

    @classmethod
    def of(cls, lattice: Lattice, shape: tuple[int, int]) -> "Grid":
        """Return an image's own grid."""
        return cls(shape, lattice.matrix / np.array(lattice.cell))

    @property
    def area(self) -> float:
        """Of a pixel [Å²]."""
        return float(1 / abs(np.linalg.det(self.axes)))

    def frequencies(self, cycles: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return frequencies (x, y) [cycles/pixel], shape (..., 2), in the crystal's axes [1/Å]."""
        return np.asarray(cycles @ self.axes)

    def around(
        self, points: NDArray[np.float64], reach: float
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
        """Return the pixels near points.

        Parameters
        ----------
        points
            (x, y) [pixel], shape (n, 2).
        reach
            How far they may be [Å].

        Returns
        -------
        which, pixel, offset
            The point's number, the pixel's number in the flat image, and the way from the point to the pixel (x, y) in
            the crystal's axes [Å]; shapes (m,), (m,) and (m, 2), by point.
        """
        inverse = np.linalg.inv(self.axes)
        half = int(np.ceil(reach * np.linalg.norm(self.axes, 2))) + 1
        steps = np.arange(-half, half + 1)
        square = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
        pixels = np.rint(points).astype(int)[:, None] + square
        offsets = (pixels - points[:, None]) @ inverse.T
        near = (np.hypot(offsets[..., 0], offsets[..., 1]) < reach) & (pixels >= 0).all(-1)
        near &= (pixels < np.array(self.shape[::-1])).all(-1)
        which = np.nonzero(near)[0]
        chosen = pixels[near]
        return which, chosen[:, 1] * self.shape[1] + chosen[:, 0], offsets[near]


@dataclass(frozen=True)
class Whitening:
    """What makes an image's noise white, so that sums of squares are log-likelihoods.

    Parameters
    ----------
    noise
        Of the image.
    grid
        The image's pixels.
    resolution
        Spacing down to which the image is looked at [Å].
    """

    noise: Noise
    grid: Grid
    resolution: float

    @property
    def coarse(self) -> Grid:
        """The pixels of white images: as many as the resolution asks for."""
        scale = self._scale
        return Grid(self._shape, self.grid.axes * scale[:, None])

    @property
    def _shape(self) -> tuple[int, int]:
        step = self.resolution / _PIXELS
        fine = np.sqrt(self.grid.area)
        height, width = (min(n, int(np.ceil(n * fine / step))) for n in self.grid.shape)
        return height, width

    @property
    def _scale(self) -> NDArray[np.float64]:
        return np.array(self._shape[::-1]) / np.array(self.grid.shape[::-1])

    def points(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where points (x, y) [pixel] of the image lie on white ones."""
        return points * self._scale

    def weight(self, k: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return by what frequencies (x, y) [1/Å] are multiplied, shape (..., 2)."""
        radius = np.hypot(k[..., 0], k[..., 1])
        return np.where(radius < 1 / self.resolution, self.noise.at(radius) ** -0.5, 0.0)

    def of(self, image: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return an image made white, with a variance of 1 for each independent value: times √area of its pixels."""
        height, width = image.shape
        rows, columns = self._shape
        spectrum = fft.fft2(np.pad(image, ((0, height), (0, width)), mode="symmetric"))
        y, x = (fft.fftfreq(2 * n) for n in image.shape)
        k = self.grid.frequencies(np.stack(np.meshgrid(x, y), -1))
        spectrum *= self.weight(k)
        for axis, (old, new) in enumerate(((height, rows), (width, columns))):
            kept = np.r_[np.arange(new), np.arange(2 * old - new, 2 * old)]
            spectrum = np.take(spectrum, kept, axis=axis)
        small = fft.ifft2(spectrum).real[:rows, :columns] * (rows * columns / (height * width))
        return np.asarray(small * np.sqrt(self.coarse.area))
