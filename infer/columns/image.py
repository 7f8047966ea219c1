"""How an image shows a framework: transfer, noise and registration, known better with each pass."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemforge.infer.columns.between import noise_between
from stemforge.infer.columns.sites import ColumnSite
from stemforge.infer.columns.structure import fit_cell
from stemforge.infer.crystals.lattice import Lattice
from stemforge.infer.occupancy.crystal import Crystal, cell_image, finest_spacing
from stemforge.infer.occupancy.noise import Noise
from stemforge.infer.occupancy.registration import Registration
from stemforge.infer.occupancy.transfer import cell_coefficients, tapered

_CELL_STEP = 0.1  # of the framework's cell, from which it is drawn on the image [Å]
_TAPER = 0.3  # of each side, over which the window falls off under which molecules are looked for


@dataclass
class FrameworkImage:
    """A framework on an image, by what is known of it so far.

    Parameters
    ----------
    image
        As recorded, shape (height, width).
    crystal, lattice
        What it shows, and where.
    sites
        The crystal's columns.
    registration
        Of the crystal, as far as it is known before.
    weight
        Of each pixel where noise is measured, shape (height, width).
    """

    image: NDArray[np.float64]
    crystal: Crystal
    lattice: Lattice
    sites: tuple[ColumnSite, ...]
    registration: Registration
    weight: NDArray[np.float64]

    def __post_init__(self) -> None:
        self.resolution = finest_spacing(self.lattice.sampling)
        self.hk = self.crystal.indices(self.resolution)
        self.k = self.hk / self.crystal.cell
        self.powers = self.crystal.powers(self.hk)
        self.drawn = np.zeros(self.image.shape)
        self.known = False
        self.noise = Noise(np.array([0.0, 1.0]), np.ones(2))

    def improve(self) -> None:
        """Fit the average cell, registration and noise again."""
        image = self._centred(self.image)
        measured, variance = cell_coefficients(self.registration.straightened(image), self.lattice, self.hk)
        if self.known:
            variance = self._variance()
        self.cell = fit_cell(
            measured, variance, self.k, self.sites, self.powers, float(self.crystal.cell.prod())
        )
        drawn = self._drawn(self.cell.coefficients)
        if self.known:
            left = self._centred(image - drawn)
            self.registration = self.registration.moved_by(
                left, drawn, self.noise, self.lattice.sampling, self.resolution
            )
            drawn = self._drawn(self.cell.coefficients)
        self.drawn, self.known = drawn, True
        self.noise = noise_between(self.left, self.lattice, self.weight)

    @property
    def left(self) -> NDArray[np.float64]:
        """The image without the framework, and without what all its cells have beside it."""
        left = self._centred(self.image - self.drawn)
        further, _ = cell_coefficients(self.registration.straightened(left), self.lattice, self.hk)
        return self._centred(left - self._drawn(further))

    def average(self) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
        """Return coefficients of the average cell and their variance, with next to all of the image looked at."""
        straight = self.registration.straightened(self._centred(self.image))
        measured, _ = cell_coefficients(straight, self.lattice, self.hk, _TAPER)
        return measured, self._variance(_TAPER)

    def _variance(self, taper: float = 1.0) -> NDArray[np.float64]:
        """Return the variance of the average cell's coefficients, from the noise as it was measured."""
        window = np.outer(*(tapered(n, taper) for n in self.image.shape))
        share = float((window**2).sum() / window.sum() ** 2)
        return np.asarray(self.noise.at(np.hypot(*self.k.T)) * share / self.lattice.sampling**2)

    def _drawn(self, cell: NDArray[np.complex128]) -> NDArray[np.float64]:
        width, height = np.ceil(self.crystal.cell / _CELL_STEP).astype(int)
        picture = cell_image(cell, self.hk, (int(height), int(width)))
        return self.registration.drawn(picture, self.lattice)

    def _centred(self, image: NDArray[np.float64]) -> NDArray[np.float64]:
        return image - np.average(image, weights=self.weight)
