"""How an image shows a framework: transfer, noise and registration, known better with each pass."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stemforge.infer.crystals.lattice import Lattice
from stemforge.infer.occupancy.crystal import RESOLUTION, ChannelCrystal, cell_image
from stemforge.infer.occupancy.noise import Noise
from stemforge.infer.occupancy.registration import Registration
from stemforge.infer.occupancy.transfer import Transfer, cell_coefficients, fit_transfer

_CELL_STEP = 0.1  # of the framework's cell, from which it is drawn on the image [Å]
_NYQUIST = 2.1  # pixels in the finest spacing
_SLIVER = 1e-3  # of the transfer's power, below which it does not tell a potential


@dataclass
class FrameworkImage:
    """A framework on an image, by what is known of it so far.

    Parameters
    ----------
    image
        As recorded, shape (height, width).
    crystal, lattice
        What it shows, and where.
    """

    image: NDArray[np.float64]
    crystal: ChannelCrystal
    lattice: Lattice

    def __post_init__(self) -> None:
        self.resolution = max(RESOLUTION, _NYQUIST * self.lattice.sampling)
        self.hk = self.crystal.indices(self.resolution)
        self.k = self.hk / self.crystal.cell
        self.potential, self.powers = self.crystal.coefficients(self.hk), self.crystal.powers(self.hk)
        self.registration = Registration.none(self.image.shape)
        self.transfer = Transfer(np.zeros(0))
        self.drawn = np.zeros(self.image.shape)
        self.noise = Noise(np.array([0.0, 1.0]), np.ones(2))  # white, as long as none is known
        self.explained = 0.0
        y, x = np.indices(self.image.shape)
        self._pixels = np.column_stack([x.ravel(), y.ravel()]).astype(float)

    def improve(self, beside: NDArray[np.float64]) -> None:
        """Fit transfer, registration and noise again; ``beside`` is what the image shows beside the framework."""
        straight = self.registration.straightened(self.image)
        measured, variance = cell_coefficients(straight, self.lattice, self.hk)
        in_cell = np.zeros(len(self.hk), dtype=complex)
        if len(self.transfer.values):
            shown, _ = cell_coefficients(self.registration.straightened(beside), self.lattice, self.hk)
            response = self.transfer.at(self.k)
            power = np.abs(response) ** 2
            in_cell = shown * response.conj() / (power + _SLIVER * power.max())
        self.transfer, products = fit_transfer(
            measured, variance, self.k, self.potential + in_cell, self.powers
        )
        response = self.transfer.at(self.k)
        cell = response * self.potential + products
        drawn = self._drawn(cell)
        if self.explained:  # the noise is known
            left = self._centred(self.image - drawn - beside)
            self.registration = self.registration.moved_by(
                left, drawn, self.noise, self.lattice.sampling, self.resolution
            )
            drawn = self._drawn(cell)
        missed = measured - cell - response * in_cell
        self.explained = 1 - float((np.abs(missed) ** 2).sum() / (np.abs(measured) ** 2).sum())
        self.drawn = drawn
        self.noise = Noise.of(self._centred(self.image - drawn - beside), self.lattice.sampling)

    @property
    def left(self) -> NDArray[np.float64]:
        """The image without the framework."""
        return self._centred(self.image - self.drawn)

    def _drawn(self, cell: NDArray[np.complex128]) -> NDArray[np.float64]:
        width, height = np.ceil(self.crystal.cell / _CELL_STEP).astype(int)
        picture = cell_image(cell, self.hk, (int(height), int(width)))
        points = self._pixels - self.registration.shift.reshape(2, -1).T
        where = (self.lattice.to_fractional(points) % 1) * np.array([width, height])
        drawn = ndimage.map_coordinates(picture, where.T[::-1], order=3, mode="grid-wrap")
        return np.asarray(drawn.reshape(self.image.shape) * self.registration.strength)

    @staticmethod
    def _centred(image: NDArray[np.float64]) -> NDArray[np.float64]:
        return image - image.mean()
