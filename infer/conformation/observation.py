"""An image as cells: straightened, cut along its lattice, with the noise measured between its cells."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemforge.infer.crystals.cells import Cells
from stemforge.infer.crystals.domains import Domains
from stemforge.infer.occupancy.noise import Noise
from stemforge.infer.occupancy.registration import Registration, noise_weight

_PASSES = 2  # average cell, noise and registration are known better each time
_ALL_PASS = Noise(np.array([0.0, 10.0]), np.ones(2))


@dataclass(frozen=True)
class Observation:
    """Cells of an image.

    Parameters
    ----------
    cells
        Where they lie, each in one domain.
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
        cls, image: NDArray[np.float64], domains: Domains, resolution: float, name: str = "image"
    ) -> "Observation":
        """Cut an image.

        Parameters
        ----------
        image
            As recorded, shape (height, width).
        domains
            Where the lattice found on it holds.
        resolution
            Finest spacing that is looked at [Å].
        name
            Of the image, in messages.

        Raises
        ------
        InputError
            Fewer than nine whole cells, each in one domain.
        """
        shape: tuple[int, int] = image.shape
        lattice, sampling = domains.lattice, domains.lattice.sampling
        cells = Cells.of(lattice, shape, name, domains=domains)
        # What is finer than any candidate's image must not alias into the cells' points.
        smooth = _ALL_PASS.divided(image, sampling, resolution, 0.0)
        registration = Registration.of_domains(domains, shape)
        weight = noise_weight(domains.map(shape), sampling)
        for number in range(_PASSES):
            shown = cells.cut(smooth, registration.bend_at(cells.points))
            mean = shown.mean(0) - shown.mean()
            drawn = registration.drawn(mean, cells.lattice)
            left = smooth - drawn
            noise = _noise(left, len(cells.places), sampling, weight)
            if number < _PASSES - 1:
                left = left - np.average(left, weights=weight)
                registration = registration.moved_by(left, drawn, noise, sampling, resolution)
        return cls(cells, shown, noise)


def _noise(left: NDArray[np.float64], cells: int, sampling: float, weight: NDArray[np.float64]) -> Noise:
    """Measure noise on what the average of some cells leaves, which took its share of the noise with it."""
    noise = Noise.of(left, sampling, weight)
    return Noise(noise.frequency, noise.density * cells / (cells - 1))
