"""An image as cells: straightened, cut along its lattice, with the noise measured between its cells."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemforge.infer.conformation.cells import Cells
from stemforge.infer.crystals.lattice import Lattice
from stemforge.infer.occupancy.noise import Noise
from stemforge.infer.occupancy.registration import Registration

_PASSES = 2  # average cell, noise and registration are known better each time
_ALL_PASS = Noise(np.array([0.0, 10.0]), np.ones(2))


@dataclass(frozen=True)
class Observation:
    """Cells of an image.

    Parameters
    ----------
    cells
        Where they lie.
    shown
        What each shows, down to the finest spacing that is looked at, shape (n, rows, columns).
    noise
        Of the image: what the average cell leaves of it.
    """

    cells: Cells
    shown: NDArray[np.float64]
    noise: Noise

    @classmethod
    def of(
        cls, image: NDArray[np.float64], lattice: Lattice, resolution: float, name: str = "image"
    ) -> "Observation":
        """Cut an image.

        Parameters
        ----------
        image
            As recorded, shape (height, width).
        lattice
            Found on it.
        resolution
            Finest spacing that is looked at [Å].
        name
            Of the image, in messages.

        Raises
        ------
        InputError
            Fewer than nine whole cells.
        """
        shape: tuple[int, int] = image.shape
        cells = Cells.of(lattice, shape, name)
        sampling = lattice.sampling
        # What is finer than any candidate's image must not alias into the cells' points.
        smooth = _ALL_PASS.divided(image, sampling, resolution, 0.0)
        registration = Registration.none(shape)
        for number in range(_PASSES):
            straight = registration.straightened(smooth)
            shown = cells.cut(straight)
            mean = shown.mean(0)
            left = straight - cells.drawn(mean, shape)
            noise = _noise(left, len(cells.places), sampling)
            if number < _PASSES - 1:
                drawn = cells.drawn(mean - mean.mean(), shape, registration.shift) * registration.strength
                rest = smooth - mean.mean() - drawn
                registration = registration.moved_by(rest - rest.mean(), drawn, noise, sampling, resolution)
        return cls(cells, shown, noise)


def _noise(left: NDArray[np.float64], cells: int, sampling: float) -> Noise:
    """Measure noise on what the average of some cells leaves, which took its share of the noise with it."""
    noise = Noise.of(left - left.mean(), sampling)
    return Noise(noise.frequency, noise.density * cells / (cells - 1))
