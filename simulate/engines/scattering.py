"""How one atom scatters to a detector: its object function, worked out once and kept.

With the probe at r₀ the wave behind one thin atom is P(r − r₀) t(r), and the intensity at angle K

    |Σ_k A(k) T(K − k) exp(−2πi k·r₀)|²

with A the aperture and T the Fourier transform of the atom's transmission function t = exp(iσV), whose potential V and
limit of angles are abTEM's. As a function of r₀ that is one small Fourier transform for each K, over the aperture
alone. Probe, atom and rings look the same from eight sides, so that an eighth of the detector's points is enough. The
sum over K is abTEM's multislice image of the atom in focus (a test compares them), at a fifteenth to a fortieth of its
cost; divided by the probe's intensity it is the object function (:mod:`stemforge.simulate.engines.kernels`).
"""

import functools
import hashlib
import io
from contextlib import suppress
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft

from stemforge.cache import cache_folder
from stemforge.errors import WriteError
from stemforge.files import write_whole
from stemforge.simulate.detectors import Rings
from stemforge.simulate.engines.common import reproducible
from stemforge.simulate.engines.fourier import probe_grid
from stemforge.simulate.engines.multislice import Multislice
from stemforge.simulate.engines.probe import aperture_waves
from stemforge.simulate.microscope import Microscope

# Cell [Å] and probe positions a side of the single-atom image. The object function is smooth in Q, and rings
# of width 1/12 Å⁻¹ resolve it.
_ATOM_CELL = 12.0
_ATOM_SCAN = 36
_CACHE_VERSION = 2
_BATCH_BYTES = 2**20  # that stay in the processor's cache

Table = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Spatial frequency [1/Å] and object function [Å²]."""
Complex = NDArray[np.complex64]


def object_function(symbol: str, microscope: Microscope, detector: tuple[float, float]) -> Table:
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

    Examples
    --------
    >>> frequency, amplitude = object_function("Pt", Microscope(), (90.0, 185.0))
    >>> round(float(amplitude[0]), 3)
    0.031
    """
    # Rounded, so that a recipe that draws its convergence angle does not measure anew for every sample.
    semiangle = round(microscope.semiangle_cutoff)
    sampling = round(microscope.potential_sampling, 4)
    return _cached_object_function(symbol, microscope.energy, semiangle, detector, sampling)


@functools.lru_cache(maxsize=256)
def _cached_object_function(
    symbol: str, energy: float, semiangle: float, detector: tuple[float, float], sampling: float
) -> Table:
    key = f"{_CACHE_VERSION} {symbol} {energy:.6g} {semiangle:.6g} {detector} {sampling:.4f}"
    name = hashlib.sha256(f"{key} {_ATOM_CELL} {_ATOM_SCAN} or more".encode()).hexdigest()[:16]
    folder = cache_folder()
    path = None if folder is None else folder / f"object-{name}.npy"
    table = None if path is None else _stored(path)
    if table is None:
        table = np.stack(measure_object_function(symbol, energy, semiangle, detector, sampling))
        if path is not None:
            _store(path, table)
    return table[0], table[1]


def _stored(path: Path) -> NDArray[np.float64] | None:
    with suppress(OSError, ValueError, EOFError):
        return np.load(path, allow_pickle=False)
    return None


def _store(path: Path, table: NDArray[np.float64]) -> None:
    """Keep a table for the next run; a read-only home is no reason to stop."""
    content = io.BytesIO()
    np.save(content, table, allow_pickle=False)
    with suppress(OSError, WriteError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content.getvalue())


def measure_object_function(
    symbol: str, energy: float, semiangle: float, detector: tuple[float, float], sampling: float
) -> Table:
    """Work out an object function, whether it is kept or not.

    Parameters
    ----------
    symbol
        Chemical symbol.
    energy, semiangle
        Of the electrons [eV], of the aperture [mrad].
    detector
        Inner and outer angle [mrad]; the potential must carry the outer one.
    sampling
        Of the potential [Å].

    Returns
    -------
    frequency, amplitude
        As :func:`object_function` returns them.
    """
    only = Rings(rings={"detector": detector})
    microscope = Microscope(energy=energy, semiangle_cutoff=semiangle, detectors=only)
    # A short wave in a wide aperture has finer detail than the usual number of probe positions can hold.
    positions = max(_ATOM_SCAN, *probe_grid(microscope, (_ATOM_CELL, _ATOM_CELL)))
    aperture = aperture_waves(microscope, np.zeros(1), (positions, positions), _ATOM_CELL / positions)[0]
    aperture /= np.sqrt((np.abs(aperture) ** 2).sum())
    probe = _intensities(aperture[None], positions)
    image = _image(_transmission(symbol, microscope, sampling), microscope, aperture, positions)
    ratio = (np.fft.fft2(image) / np.conj(np.fft.fft2(probe / probe.sum()))).real
    ratio *= (_ATOM_CELL / positions) ** 2
    steps = np.fft.fftfreq(positions, 1 / positions)
    ring = np.rint(np.hypot(*np.meshgrid(steps, steps, indexing="ij"))).astype(int)
    # Towards the probe's own limit, 2α/λ, both transforms vanish and their quotient is noise.
    limit = int(0.9 * 2 * semiangle * 1e-3 / microscope.wavelength * _ATOM_CELL)
    rings = np.arange(limit + 1)
    amplitude = np.array([ratio[ring == r].mean() for r in rings])
    return rings / _ATOM_CELL, amplitude


def _transmission(symbol: str, microscope: Microscope, sampling: float) -> Complex:
    """Fourier coefficients of the atom's transmission function, in FFT order, beyond abTEM's limit of angles 0."""
    from abtem.antialias import antialias_aperture  # see Microscope.probe

    atom = Atoms(symbol, positions=[[0.0, 0.0, 0.5]], cell=[_ATOM_CELL, _ATOM_CELL, 1.0])
    still = Multislice(slice_thickness=1.0, frozen_phonons=0, sampling=sampling)
    with reproducible():
        potential = still.potential(atom, microscope)
        transmission = potential.transmission_function(microscope.energy)
        limit = antialias_aperture(transmission.gpts, transmission.sampling, np)
    array = transmission.array[0].astype(np.complex128)
    return (fft.fft2(array, norm="forward") * limit).astype(np.complex64)


def _image(
    transmission: Complex, microscope: Microscope, aperture: Complex, positions: int
) -> NDArray[np.float64]:
    """Fraction of the electrons that the detector counts, at each probe position.

    It is the atom's image when it is averaged over rings: the other seven eighths are this one, turned and mirrored.
    """
    ((inner, outer),) = microscope.detectors.angles.values()
    step = microscope.wavelength / _ATOM_CELL * 1e3  # between two points of the detector [mrad]
    reach, last = len(aperture) // 2, int(outer / step) + 1
    index = np.arange(last + 1)
    angle = np.hypot(index[:, None], index) * step
    # An eighth of the detector: points on its two edges count for four, the one in the middle for itself alone.
    y, x = np.nonzero((inner <= angle) & (angle < outer) & (index <= index[:, None]))
    count = np.where((x == 0) | (x == y), 4, 8)
    count[y == 0] = 1
    weights = np.sqrt(count).astype(np.float32)[:, None, None]
    near, points = np.arange(-reach, last + reach + 1), len(transmission)
    known = 2 * np.abs(near) < points
    around = transmission[np.ix_(near % points, near % points)] * np.outer(known, known)
    windows = sliding_window_view(around, aperture.shape)
    image = np.zeros((positions, positions))
    batch = max(1, _BATCH_BYTES // (8 * positions**2))
    for first in range(0, len(y), batch):
        part = slice(first, first + batch)
        image += _intensities(windows[y[part], x[part]] * aperture * weights[part], positions)
    return image


def _intensities(waves: Complex, positions: int) -> NDArray[np.float64]:
    """Sum over waves of the intensity at each probe position; each is given by its beams, shape (n, beams, beams)."""
    number, beams = waves.shape[:2]
    # Where their middle lies matters to phases alone. Rows without beams are not transformed.
    rows = np.zeros((number, beams, positions), dtype=np.complex64)
    rows[:, :, :beams] = waves
    rows = fft.fft(rows, axis=2, overwrite_x=True)
    full = np.zeros((number, positions, positions), dtype=np.complex64)
    full[:, :beams] = rows
    full = fft.fft(full, axis=1, overwrite_x=True)
    total: NDArray[np.float64] = (full.real**2 + full.imag**2).sum(0, dtype=float)
    return total
