"""Where a crystal stands on its image, place by place: what drift, distortion and thickness move and fade."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stemforge.infer.occupancy.noise import Noise

_WINDOW = 20.0  # standard deviation of the window that is looked at together [Å]
_GRID = 5.0  # between the places at which it is done [Å]
# How far lattice points are expected from their places [Å], and contrast from that of the mean.
_SHIFT, _FADING = 0.5, 0.15


@dataclass(frozen=True)
class Registration:
    """By how much each pixel of an image shows the crystal shifted and faded.

    Parameters
    ----------
    shift
        (x, y) [pixel], shape (2, height, width).
    strength
        Of the framework's contrast, 1 in the mean; shape (height, width).
    """

    shift: NDArray[np.float64]
    strength: NDArray[np.float64]

    @classmethod
    def none(cls, shape: tuple[int, int]) -> "Registration":
        """Return that of a perfect crystal."""
        return cls(np.zeros((2, *shape)), np.ones(shape))

    def shift_at(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the shift at points (x, y) [pixel], shape (n, 2)."""
        where = points.T[::-1]
        return np.column_stack(
            [ndimage.map_coordinates(one, where, order=1, mode="nearest") for one in self.shift]
        )

    def straightened(self, image: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return an image as the perfect crystal would show it."""
        y, x = np.indices(image.shape)
        return np.asarray(
            ndimage.map_coordinates(image, [y + self.shift[1], x + self.shift[0]], order=3, mode="nearest")
        )

    def moved_by(
        self,
        residual: NDArray[np.float64],
        framework: NDArray[np.float64],
        noise: Noise,
        sampling: float,
        resolution: float,
    ) -> "Registration":
        """Return one that explains more of what the framework, as it was registered, leaves of the image.

        Linear least squares over a Gaussian window, noise made white before, with what is likely as a prior.
        """
        # White noise of unit variance in a pixel, so that sums are log-likelihoods.
        left, shown = (
            noise.divided(values, sampling, resolution, 0.5) * sampling for values in (residual, framework)
        )
        slope_y, slope_x = np.gradient(shown)
        shapes = (-slope_x, -slope_y, shown)
        every = max(1, round(_GRID / sampling))
        window = _WINDOW / sampling

        def summed(values: NDArray[np.float64]) -> NDArray[np.float64]:
            blurred = ndimage.gaussian_filter(values, window, mode="constant", truncate=3)
            return blurred[::every, ::every] * 2 * np.pi * window**2

        expected = np.array([_SHIFT / sampling, _SHIFT / sampling, _FADING])
        prior = np.diag(expected**-2.0)
        right = np.stack([summed(np.asarray(one * left)) for one in shapes], -1)
        matrix = np.empty((*right.shape[:2], 3, 3))
        for i, one in enumerate(shapes):
            for j, other in enumerate(shapes[: i + 1]):
                matrix[..., i, j] = matrix[..., j, i] = summed(np.asarray(one * other))
        now = np.stack([*self.shift, self.strength - 1], -1)[::every, ::every]
        step = np.linalg.solve(matrix + prior, (right - now @ prior)[..., None])[..., 0]
        height, width = residual.shape
        where = np.indices((height, width)) / every
        fields = [
            ndimage.map_coordinates(step[..., i], where, order=1, mode="nearest").reshape(height, width)
            for i in range(3)
        ]
        return Registration(self.shift + np.array(fields[:2]), self.strength + fields[2])
