"""The image of one atom at every distance from the focal plane, as a Fourier series that can be put anywhere."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy import fft

from stemforge.simulate.detectors import Rings
from stemforge.simulate.engines.kernels import Kernels
from stemforge.simulate.microscope import FWHM, Microscope
from stemforge.simulate.scan import Scan

STEPS = 16
"""Defoci at which an atom's image is simulated, in a depth of field 2λ/α²; in between it is interpolated."""

_THERMAL = 0.08  # root mean square displacement along one direction [Å], as engines assume
_ROOM = 4.0  # of an atom's image beyond the geometric cone of the beam [Å]

Spectrum = NDArray[np.complex64]


@dataclass(frozen=True, eq=False)
class AtomTemplate:
    """Images of one atom over its distance from the focal plane.

    Parameters
    ----------
    defocus
        Distance of the atom below the focal plane [Å], rising evenly, shape (n,).
    spectra
        Fourier coefficients of the images, of a source that is a point, shape (n, qy, qx); the atom is at (0, 0).
    qy, qx
        Their spatial frequencies [1/Å]; those along x are not negative.
    sampling
        Pixel size [Å].
    blur
        Standard deviation of the source [Å].
    """

    defocus: NDArray[np.float64]
    spectra: Spectrum
    qy: NDArray[np.float64]
    qx: NDArray[np.float64]
    sampling: float
    blur: float

    @cached_property
    def radial(self) -> NDArray[np.float64]:
        """Length of the spatial frequencies [1/Å], shape (qy, qx)."""
        return np.hypot(self.qy[:, None], self.qx)

    @cached_property
    def source(self) -> NDArray[np.float32]:
        """Factor by which the source fades the coefficients."""
        return np.exp(-2 * (np.pi * self.blur * self.radial) ** 2).astype(np.float32)

    def blurred(self, source_size: float) -> "AtomTemplate":
        """Return the images with a source of another full width at half maximum [Å]."""
        return replace(self, blur=source_size / FWHM)

    def at(self, defocus: NDArray[np.float64]) -> Spectrum:
        """Interpolate the coefficients at distances from the focal plane [Å], shape (m,); returns (m, qy, qx)."""
        index, weight = cubic_nodes(defocus, self.defocus)
        found = np.zeros((len(defocus), *self.radial.shape), dtype=np.complex64)
        for node, factor in zip(index.T, weight.T, strict=True):
            found += factor[:, None, None].astype(np.float32) * self.spectra[node]
        return np.asarray(found * self.source, dtype=np.complex64)


def make_template(
    element: str,
    microscope: Microscope,
    sampling: float,
    defocus: tuple[float, float],
    room: float,
) -> AtomTemplate:
    """Simulate the images of one atom.

    Parameters
    ----------
    element
        Chemical symbol.
    microscope
        Drawn settings with one annular detector.
    sampling
        Pixel size [Å].
    defocus
        Least and largest distance of the atom below the focal plane [Å].
    room
        Distance from the atom [Å] up to which nothing may come in from the other side of the periodic box.
    """
    step = depth_of_field(microscope) / STEPS
    distances = np.arange(np.floor(defocus[0] / step) - 2, np.ceil(defocus[1] / step) + 3) * step
    reach = np.abs(distances).max() * microscope.semiangle_cutoff * 1e-3
    fine = 0.95 * microscope.nyquist_sampling
    points = fft.next_fast_len(int(np.ceil((2 * room + 2 * _ROOM + reach) / fine)), real=True)
    side = points * fine
    atom = Atoms(element, positions=[[side / 2, side / 2, 0.0]], cell=[side, side, 1.0])
    scan = Scan.of_any_size((points, points), fine)
    angles = next(iter(microscope.detectors.angles.values()))
    only = microscope.replace(detectors=Rings(rings={"HAADF": angles}))
    engine = Kernels(thermal_sigma=_THERMAL, broadening=False)
    qy, qx = fft.fftfreq(points, fine), fft.rfftfreq(points, fine)
    limit = min(2.05e-3 * microscope.semiangle_cutoff / microscope.wavelength, 0.5 / sampling)
    rows, columns = np.flatnonzero(np.abs(qy) <= limit), np.flatnonzero(qx <= limit)
    spectra = np.empty((len(distances), len(rows), len(columns)), dtype=np.complex64)
    # The image starts at the cell's corner, the atom is at its middle.
    centre = np.exp(1j * np.pi * side * (qy[rows, None] + qx[columns]))
    for number, distance in enumerate(distances):
        image = engine.image(atom, only, scan, -float(distance))[0]
        coefficients = fft.rfft2(image.astype(float)) / points**2
        spectra[number] = coefficients[np.ix_(rows, columns)] * centre
    return AtomTemplate(distances, spectra, qy[rows], qx[columns], sampling, 0.0)


def depth_of_field(microscope: Microscope) -> float:
    """Return 2λ/α² [Å]: how far from focus an atom loses about half of its peak to each side."""
    return float(2 * microscope.wavelength / (1e-3 * microscope.semiangle_cutoff) ** 2)


def cubic_nodes(
    values: NDArray[np.float64], nodes: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the four nodes beside each value, of nodes that rise evenly, and their weights (cubic, Lagrange)."""
    place = (np.asarray(values, dtype=float) - nodes[0]) / (nodes[1] - nodes[0])
    first = np.clip(np.floor(place).astype(int) - 1, 0, len(nodes) - 4)
    t = np.clip(place - first, 0, 3)
    weights = [
        -(t - 1) * (t - 2) * (t - 3) / 6,
        t * (t - 2) * (t - 3) / 2,
        -t * (t - 1) * (t - 3) / 2,
        t * (t - 1) * (t - 2) / 6,
    ]
    return first[:, None] + np.arange(4), np.stack(weights, 1)
