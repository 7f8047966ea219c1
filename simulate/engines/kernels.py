"""Incoherent imaging of thick light supports by single-atom images.

High-angle scattering from different atoms adds up in intensity, so an image is the sum of every atom's own.
The image of one thin atom is its *object function* (how much an infinitely small probe would scatter, as a
function of place) correlated with the probe's intensity at the atom's depth (Pennycook & Jesson 1991,
doi:10.1016/0304-3991(91)90004-P; Nellist & Pennycook 2000, doi:10.1016/S1076-5670(00)80013-0):

    I(Q) = Σ_z conj(P_z(Q)) Σ_Z a_Z(Q) ρ_{Z,z}(Q)

with ρ the atoms of element Z near depth z, P_z the Fourier transform of the probe intensity there and a_Z that
of the object function. a_Z is worked out once (:mod:`stemforge.simulate.engines.scattering`): the multislice image of
one atom in focus, divided by the probe, serves every defocus and aberration.
"""

from typing import Annotated, Literal

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray
from pydantic import Field

from stemforge.errors import InputError
from stemforge.simulate.detectors import Rings
from stemforge.simulate.engines.common import EngineSettings, Image, Rng
from stemforge.simulate.engines.grid import Grid, make_grid
from stemforge.simulate.engines.multislice import Multislice
from stemforge.simulate.engines.scattering import Table, object_function
from stemforge.simulate.microscope import Microscope
from stemforge.simulate.scan import Scan


class Kernels(EngineSettings):
    """The sum of the atoms' own images, for thick light supports.

    Parameters
    ----------
    depth_step
        Distance of the planes near focus on which the probe is computed [Å], between which it is interpolated;
        it grows away from focus, where the probe changes slowly.
    broadening
        Spread and attenuate the probe by elastic scattering on its way down (see :func:`elastic_scattering`).

    Examples
    --------
    >>> atoms = Atoms("Pt", positions=[[8, 8, 2]], cell=[16, 16, 4])
    >>> image = Kernels().image(atoms, Microscope(), Scan(shape=(48, 48), sampling=0.25, margin=2), focus=2.0)
    >>> np.unravel_index(image[0].argmax(), image[0].shape) == (24, 24)
    True
    """

    name: Literal["kernels"] = "kernels"
    depth_step: Annotated[float, Field(gt=0)] = 10.0
    broadening: bool = True

    def check(self, microscope: Microscope, scan: Scan) -> None:
        """Refuse a segmented detector, and a turned or shifted raster."""
        _refuse_segments(microscope)
        super().check(microscope, scan)

    def image(self, atoms: Atoms, microscope: Microscope, scan: Scan, focus: float, rng: Rng = None) -> Image:
        """Image a structure, periodic in x and y; parameters as in :meth:`EngineSettings.image`."""
        _refuse_segments(microscope)
        device = "cuda" if self.device == "gpu" else "cpu"
        return self.image_on(make_grid(atoms, microscope, scan, device), atoms, focus)

    def image_on(self, grid: Grid, atoms: Atoms, focus: float) -> NDArray[np.float32]:
        """Image a structure on a grid that was made for it."""
        positions, numbers, microscope = atoms.positions, atoms.numbers, grid.microscope
        angles = microscope.detectors.angles.values()
        objects = {
            int(z): [grid.put(_at(object_function(chemical_symbols[z], microscope, d), grid)) for d in angles]
            for z in np.unique(numbers)
        }
        planes = _planes(positions[:, 2], focus, self.depth_step)
        # Between two planes the probe is interpolated: every atom counts on both, by its nearness.
        fraction = np.interp(positions[:, 2], planes, np.arange(len(planes)))
        above = np.floor(fraction).astype(int)
        kinds, kind = np.unique(numbers, return_inverse=True)
        # Sorted once, so that atoms of a kind between two planes are a slice; small keys are sorted by radix.
        key = (above * len(kinds) + kind).astype(np.uint16)
        order = np.argsort(key, kind="stable")
        bounds = np.searchsorted(key[order], np.arange(len(planes) * len(kinds) + 1))
        sorted_positions, sorted_fraction = positions[order], fraction[order]
        mean_free_path, angle = elastic_scattering(atoms, microscope) if self.broadening else (np.inf, 0.0)
        entrance = positions[:, 2].min() if len(atoms) else 0.0

        spectrum = grid.zeros(len(angles))
        for number, depth in enumerate(planes):
            scattered = None
            for kind_number, z in enumerate(kinds):
                between = [n * len(kinds) + kind_number for n in (number - 1, number) if n >= 0]
                slices = [slice(bounds[n], bounds[n + 1]) for n in between]
                nearness = np.concatenate([1 - np.abs(sorted_fraction[part] - number) for part in slices])
                if not len(nearness):
                    continue
                points = np.concatenate([sorted_positions[part] for part in slices])
                density = grid.density(points, nearness.astype(np.float32))
                scattered = grid.zeros(len(angles)) if scattered is None else scattered
                for channel, amplitude in enumerate(objects[int(z)]):
                    scattered[channel] += density * amplitude
            if scattered is None:
                continue
            scattered *= grid.put(grid.probe(depth - focus))
            scattered *= grid.put(grid.spread(depth - entrance, mean_free_path, angle))
            spectrum += scattered
        spectrum *= grid.put(grid.sharpened(self.thermal_sigma))
        return grid.image(spectrum)

    def reference(self, microscope: Microscope) -> EngineSettings:
        """Return multislice, with the same thermal motion."""
        return Multislice(thermal_sigma=self.thermal_sigma, device=self.device)


def _refuse_segments(microscope: Microscope) -> None:
    if microscope.detectors.segmented:
        raise InputError(
            "engine.name: kernels adds intensities, a segmented detector needs prism or multislice"
        )


def _at(table: Table, grid: Grid) -> NDArray[np.float32]:
    """Interpolate an object function to the grid's frequencies; beyond its end the probe carries next to nothing."""
    return np.interp(np.sqrt(grid.q2), *table).astype(np.float32)


def cross_section(symbol: str, microscope: Microscope, detector: str) -> float:
    """Return an atom's cross-section [Å²] for scattering to a detector of the microscope.

    Examples
    --------
    >>> pt, c = (cross_section(symbol, Microscope(), "HAADF") for symbol in ("Pt", "C"))
    >>> round(pt, 4), round(pt / c)
    (0.0314, 56)
    """
    return float(object_function(symbol, microscope, microscope.detectors.angles[detector])[1][0])


def elastic_scattering(atoms: Atoms, microscope: Microscope) -> tuple[float, float]:
    """Return how the probe loses its shape in the specimen.

    An electron scattered elastically on the way down no longer belongs to the sharp probe: a fraction
    exp(−z/Λ) is left at depth z. The rest arrives spread by its scattering angle times the way.

    Returns
    -------
    mean_free_path, angle
        Λ [Å] from the cross-section of Langmore & Smith (1992) as given by Egerton, Electron Energy-Loss
        Spectroscopy (2011), eq. 3.5; characteristic angle θ₀ = λ/2πR, R = a₀ Z^(−1/3) [rad] (Lenz model).
    """
    positions = atoms.positions
    if len(atoms) < 2:
        return np.inf, 0.0
    Z = atoms.numbers.astype(float)
    beta2 = 1 - (1 + microscope.energy / 510998.95) ** -2
    sigma = 1.4e-4 * Z**1.5 / beta2 * (1 - 0.26 * Z / (137 * np.sqrt(beta2)))  # Å²: 1.4e-6 nm²
    area = atoms.cell[0, 0] * atoms.cell[1, 1]
    thickness = max(np.ptp(positions[:, 2]), 1.0)
    radius = 0.529 * np.average(Z, weights=sigma) ** (-1 / 3)
    return float(area * thickness / sigma.sum()), microscope.wavelength / (2 * np.pi * radius)


def _planes(z: NDArray[np.float64], focus: float, step: float) -> NDArray[np.float64]:
    """Depths at which the probe is computed: ``step`` apart at focus, further apart away from it."""
    if not len(z):
        return np.array([focus])
    first, last = z.min() - focus, z.max() - focus
    offsets = [0.0]
    while offsets[-1] < max(-first, last):
        offsets.append(offsets[-1] + max(step, 0.12 * offsets[-1]))
    both = np.concatenate([-np.array(offsets[:0:-1]), offsets])
    # The first and last planes lie at the outermost atoms.
    inner = both[(both > first + 0.1 * step) & (both < last - 0.1 * step)]
    return focus + np.unique(np.concatenate([[first], inner, [last]]))


def atom_image(
    symbol: str, microscope: Microscope, detector: str, defocus: float, sampling: float, blur: float = 0.0
) -> NDArray[np.float32]:
    """Return one atom's image: what a detector of single atoms looks for.

    Parameters
    ----------
    symbol, microscope
        Element and drawn settings.
    detector
        Name of a detector of the microscope.
    defocus
        Distance of the atom from the focal plane [Å].
    sampling
        Pixel size [Å].
    blur
        Standard deviation of a further Gaussian blur, such as the source or thermal motion [Å].

    Returns
    -------
    ndarray
        Fraction of incident electrons, square, the atom on the middle pixel.

    Examples
    --------
    >>> image = atom_image("Pt", Microscope(), "HAADF", defocus=0.0, sampling=0.25)
    >>> image.shape, [int(n) for n in np.unravel_index(image.argmax(), image.shape)]
    ((33, 33), [16, 16])
    >>> round(float(image.sum() * 0.25**2), 3), round(cross_section("Pt", Microscope(), "HAADF"), 3)
    (0.031, 0.031)
    """
    radius = 4 + abs(defocus) * microscope.semiangle_cutoff * 1e-3 + 3 * blur
    size = 2 * int(np.ceil(radius / sampling)) + 1
    side = size * sampling
    middle = (size // 2) * sampling  # where the middle pixel is
    atom = Atoms(symbol, positions=[[middle, middle, 0.0]], cell=[side, side, 1.0])
    scan = Scan.of_any_size((size, size), sampling)
    only = microscope.replace(detectors=Rings(rings={detector: microscope.detectors.angles[detector]}))
    return Kernels(thermal_sigma=blur, broadening=False).image(atom, only, scan, -defocus)[0]
