"""Incoherent imaging of thick light supports by single-atom images.

High-angle scattering from different atoms adds up in intensity, so an image is the sum of every atom's own.
The image of one thin atom is its *object function* (how much an infinitely small probe would scatter, as a
function of place) correlated with the probe's intensity at the atom's depth (Pennycook & Jesson 1991,
doi:10.1016/0304-3991(91)90004-P; Nellist & Pennycook 2000, doi:10.1016/S1076-5670(00)80013-0):

    I(Q) = Σ_z conj(P_z(Q)) Σ_Z a_Z(Q) ρ_{Z,z}(Q)

with ρ the atoms of element Z near depth z, P_z the Fourier transform of the probe intensity there and a_Z that
of the object function. a_Z is measured once: abTEM multislice images one atom in focus, and the image is
divided by the probe. One simulation then serves every defocus and aberration.
"""

import functools
import hashlib
import os
from pathlib import Path

import numpy as np
from abtem import CustomScan
from abtem.distributions import from_values
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray
from scipy import fft

from stemforge.cache import cache_folder, compiled
from stemforge.simulate.abtem_engine import reproducible, scan_single_atom
from stemforge.simulate.microscope import Microscope
from stemforge.simulate.scan import Scan

Complex = NDArray[np.complex64]

# Cell [Å] and probe positions a side of the single-atom image. The object function is smooth in Q, and rings
# of width 1/12 Å⁻¹ resolve it.
_ATOM_CELL = 12.0
_ATOM_SCAN = 36
_CACHE_VERSION = 1
# Nodes and weights for the average over the focal spread.
_SPREAD_NODES, _SPREAD_WEIGHTS = np.polynomial.hermite_e.hermegauss(5)


def kernel_signal(
    atoms: Atoms,
    microscope: Microscope,
    scan: Scan,
    focus: float,
    *,
    thermal_sigma: float = 0.08,
    depth_step: float = 10.0,
    broadening: bool = True,
) -> NDArray[np.float32]:
    """Image a structure as the sum of its atoms' own images.

    Parameters
    ----------
    atoms
        Structure with an orthogonal cell; the beam travels along +z, x and y are periodic.
    microscope
        Drawn settings.
    scan
        Raster, centred on the cell.
    focus
        Depth of the focal plane [Å] below z = 0.
    thermal_sigma
        Root mean square thermal displacement of an atom along one direction [Å].
    depth_step
        Distance of the planes near focus on which the probe is computed [Å], between which it is interpolated;
        it grows away from focus, where the probe changes slowly.
    broadening
        Spread and attenuate the probe by elastic scattering on its way down (see :func:`elastic_scattering`).

    Returns
    -------
    ndarray
        Fraction of incident electrons, shape (detectors, height, width).

    Examples
    --------
    >>> atoms = Atoms("Pt", positions=[[8, 8, 2]], cell=[16, 16, 4])
    >>> image = kernel_signal(atoms, Microscope(), Scan(shape=(48, 48), sampling=0.25, margin=2), focus=2.0)
    >>> np.unravel_index(image[0].argmax(), image[0].shape) == (24, 24)
    True
    """
    grid = _Grid(atoms, microscope, scan)
    positions = atoms.positions
    numbers = atoms.numbers
    elements = [int(z) for z in np.unique(numbers)]
    objects = {
        z: [
            _at(object_function(chemical_symbols[z], microscope, d), grid)
            for d in microscope.detectors.values()
        ]
        for z in elements
    }
    planes = _planes(positions[:, 2], focus, depth_step)
    # Between two planes the probe is interpolated: every atom counts on both, by its nearness.
    fraction = np.interp(positions[:, 2], planes, np.arange(len(planes)))
    above = np.floor(fraction).astype(int)
    order = np.lexsort((numbers, above))
    bounds = np.searchsorted(above[order], np.arange(len(planes) + 1))
    mean_free_path, angle = elastic_scattering(atoms, microscope) if broadening else (np.inf, 0.0)
    entrance = positions[:, 2].min() if len(atoms) else 0.0

    spectrum = np.zeros((len(microscope.detectors), *grid.spectrum_shape), dtype=np.complex64)
    for number, depth in enumerate(planes):
        members = order[bounds[max(number - 1, 0)] : bounds[number + 1]]
        weights = (1 - np.abs(fraction[members] - number)).astype(np.float32)
        scattered = np.zeros_like(spectrum)
        for z in elements:
            group = numbers[members] == z
            if not group.any():
                continue
            density = grid.density(positions[members[group]], weights[group])
            for channel, amplitude in enumerate(objects[z]):
                scattered[channel] += density * amplitude
        if scattered.any():
            scattered *= grid.probe(depth - focus)
            scattered *= grid.spread(depth - entrance, mean_free_path, angle)
            spectrum += scattered
    spectrum *= np.exp(-2 * np.pi**2 * thermal_sigma**2 * grid.q2)
    return grid.image(spectrum)


@functools.lru_cache(maxsize=256)
def _cached_object_function(
    symbol: str, energy: float, semiangle: float, detector: tuple[float, float], sampling: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    key = f"{_CACHE_VERSION} {symbol} {energy:.6g} {semiangle:.6g} {detector} {sampling:.4f}"
    name = hashlib.sha256(f"{key} {_ATOM_CELL} {_ATOM_SCAN}".encode()).hexdigest()[:16]
    path = cache_folder() / f"object-{name}.npy"
    try:
        table = np.load(path, allow_pickle=False)
    except (OSError, ValueError):
        table = np.stack(_measure_object_function(symbol, energy, semiangle, detector, sampling))
        _store(path, table)
    return table[0], table[1]


def _store(path: Path, table: NDArray[np.float64]) -> None:
    """Keep a table for the next run; a read-only home is no reason to stop."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.stem}.{os.getpid()}.npy")
        np.save(partial, table, allow_pickle=False)
        partial.replace(path)
    except OSError:
        return


def object_function(
    symbol: str, microscope: Microscope, detector: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how one atom scatters to a detector, as a function of spatial frequency.

    Parameters
    ----------
    symbol
        Chemical symbol.
    microscope
        Energy and convergence are used; aberrations do not matter to the object.
    detector
        Inner and outer angle [mrad].

    Returns
    -------
    frequency, amplitude
        Spatial frequency [1/Å] and object function [Å²]; its value at 0 is the atom's cross-section for
        scattering to the detector.
    """
    # Rounded, so that a recipe that draws its convergence angle does not measure anew for every sample.
    semiangle = round(microscope.semiangle_cutoff)
    return _cached_object_function(
        symbol, microscope.energy, semiangle, detector, round(microscope.potential_sampling() * 0.97, 4)
    )


def _measure_object_function(
    symbol: str, energy: float, semiangle: float, detector: tuple[float, float], sampling: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    microscope = Microscope(energy=energy, semiangle_cutoff=semiangle, detectors={"detector": detector})
    image, probe = scan_single_atom(symbol, microscope, _ATOM_CELL, _ATOM_SCAN, sampling)
    ratio = (np.fft.fft2(image) / np.conj(np.fft.fft2(probe / probe.sum()))).real * (
        _ATOM_CELL / _ATOM_SCAN
    ) ** 2
    steps = np.fft.fftfreq(_ATOM_SCAN, 1 / _ATOM_SCAN)
    ring = np.rint(np.hypot(*np.meshgrid(steps, steps, indexing="ij"))).astype(int)
    # Towards the probe's own limit, 2α/λ, both transforms vanish and their quotient is noise.
    limit = int(0.9 * 2 * semiangle * 1e-3 / microscope.wavelength * _ATOM_CELL)
    rings = np.arange(limit + 1)
    amplitude = np.array([ratio[ring == r].mean() for r in rings])
    return rings / _ATOM_CELL, amplitude


def _at(table: tuple[NDArray[np.float64], NDArray[np.float64]], grid: "_Grid") -> NDArray[np.float32]:
    """Interpolate an object function to the grid's frequencies; beyond its end the probe carries next to nothing."""
    return np.interp(np.sqrt(grid.q2), *table).astype(np.float32)


def cross_section(symbol: str, microscope: Microscope, detector: str) -> float:
    """Return an atom's cross-section [Å²] for scattering to a detector of the microscope."""
    return float(object_function(symbol, microscope, microscope.detectors[detector])[1][0])


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


class _Grid:
    """The periodic grid on which an image is put together, and its spatial frequencies."""

    def __init__(self, atoms: Atoms, microscope: Microscope, scan: Scan) -> None:
        width, height = float(atoms.cell[0, 0]), float(atoms.cell[1, 1])
        x0, y0 = scan.origin((width, height))
        self.microscope = microscope
        self.scan = scan
        # Fine enough for the probe's intensity, which ends at 2α/λ; the pixels are every `factor`-th point.
        nyquist = microscope.wavelength / (4e-3 * microscope.semiangle_cutoff)
        self.factor = int(np.ceil(scan.sampling / (0.95 * nyquist)))
        self.step = scan.sampling / self.factor
        periodic = [np.isclose(side % self.step, 0, atol=1e-6) or np.isclose(side % self.step, self.step, atol=1e-6)
                    for side in (width, height)]  # fmt: skip
        # A cell that is no whole number of steps is padded; its margin keeps the seam out of the image.
        sizes = [side / self.step for side in (height, width)]
        self.shape = tuple(
            round(n) if p else fft.next_fast_len(int(np.ceil(n)), real=True)
            for n, p in zip(sizes, reversed(periodic), strict=True)
        )
        self.origin = np.array([x0, y0])
        qy = np.fft.fftfreq(self.shape[0], self.step)
        qx = np.fft.rfftfreq(self.shape[1], self.step)
        self.q2 = (qy[:, None] ** 2 + qx[None, :] ** 2).astype(np.float32)
        self.spectrum_shape = self.q2.shape
        # Undo the smoothing by the splines with which atoms are put on the grid.
        window = np.sinc(qy * self.step)[:, None] ** 4 * np.sinc(qx * self.step)[None, :] ** 4
        self._unspline = (1 / window).astype(np.float32)

    def density(self, positions: NDArray[np.float64], weights: NDArray[np.float32]) -> Complex:
        """Fourier transform of weighted points."""
        grid = np.zeros(self.shape, dtype=np.float32)
        _spread_splines(grid, (positions[:, :2] - self.origin) / self.step, weights)
        return fft.rfft2(grid) * self._unspline

    def probe(self, defocus: float) -> Complex:
        """Conjugate Fourier transform of the probe's intensity, ``defocus`` [Å] from its focus, sum 1."""
        spread = self.microscope.focal_spread
        defoci = defocus + spread * _SPREAD_NODES if spread else np.array([defocus])
        weights = _SPREAD_WEIGHTS / _SPREAD_WEIGHTS.sum() if spread else np.ones(1)
        # The probe needs only as much room as it is wide: a small grid, put into the large one.
        radius = np.abs(defoci).max() * self.microscope.semiangle_cutoff * 1e-3
        radius += 8 + 3 * (self.microscope.A1 + self.microscope.B2) * self.microscope.semiangle_cutoff * 1e-3
        size = [min(n, fft.next_fast_len(int(np.ceil(2 * radius / self.step)))) for n in self.shape]
        probe = self.microscope.probe(from_values(-defoci), gpts=(size[1], size[0]), sampling=self.step)
        # On a grid point: abTEM's own middle lies between two of them where the size is odd.
        middle = CustomScan([(size[1] // 2 * self.step, size[0] // 2 * self.step)])
        with reproducible():
            waves = probe.build(scan=middle, lazy=False).array.reshape(-1, size[1], size[0])
        intensity = np.tensordot(weights, np.abs(waves) ** 2, 1).T  # abTEM is [x, y]
        intensity = (intensity / intensity.sum()).astype(np.float32)
        full = np.zeros(self.shape, dtype=np.float32)
        full[: size[0], : size[1]] = intensity
        full = np.roll(full, [-(n // 2) for n in size], (0, 1))
        return np.conj(fft.rfft2(full))

    def spread(self, depth: float, mean_free_path: float, angle: float) -> NDArray[np.float32] | float:
        """Return what elastic scattering above ``depth`` [Å] leaves of the probe's transform, as a factor."""
        if not np.isfinite(mean_free_path):
            return 1.0
        sharp = np.exp(-depth / mean_free_path)
        # Scattered evenly along the way: the mean square path after scattering is a third of the depth's.
        sigma = angle * depth / np.sqrt(3)
        return (sharp + (1 - sharp) * np.exp(-2 * np.pi**2 * sigma**2 * self.q2)).astype(np.float32)

    def image(self, spectrum: Complex) -> NDArray[np.float32]:
        """Back to pixels; point densities become fractions of the incident electrons."""
        height, width = self.scan.shape
        full = fft.irfft2(spectrum, s=self.shape, axes=(-2, -1)) / self.step**2
        pixels = full[:, :: self.factor, :: self.factor][:, :height, :width]
        return np.ascontiguousarray(np.clip(pixels, 0, None), dtype=np.float32)


@compiled
def _spread_splines(
    grid: NDArray[np.float32], points: NDArray[np.float64], weights: NDArray[np.float32]
) -> None:
    """Add weighted points (x, y) [grid step] to a periodic grid as cubic B-splines."""
    height, width = grid.shape
    wx = np.empty(4)
    wy = np.empty(4)
    for i in range(points.shape[0]):
        x, y = points[i]
        fx, fy = np.floor(x), np.floor(y)
        _spline(x - fx, wx)
        _spline(y - fy, wy)
        for a in range(4):
            row = int(fy + a - 1) % height
            for b in range(4):
                grid[row, int(fx + b - 1) % width] += weights[i] * wy[a] * wx[b]


@compiled
def _spline(t: float, weights: NDArray[np.float64]) -> None:
    """Weights of the four nearest grid points at fraction t between the middle two."""
    weights[0] = (1 - t) ** 3 / 6
    weights[1] = 2 / 3 - t**2 + t**3 / 2
    weights[2] = 2 / 3 - (1 - t) ** 2 + (1 - t) ** 3 / 2
    weights[3] = t**3 / 6


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
    """
    radius = 4 + abs(defocus) * microscope.semiangle_cutoff * 1e-3 + 3 * blur
    size = 2 * int(np.ceil(radius / sampling)) + 1
    side = size * sampling
    # Pixel (size // 2) is the middle one.
    middle = (size // 2) * sampling
    atom = Atoms(symbol, positions=[[middle, middle, 0.0]], cell=[side, side, 1.0])
    scan = Scan.model_construct(shape=(size, size), sampling=sampling, margin=0.0)
    only = microscope.model_copy(update={"detectors": {detector: microscope.detectors[detector]}})
    return kernel_signal(atom, only, scan, focus=-defocus, thermal_sigma=blur, broadening=False)[0]
