"""Signals of a segmented detector from crystals, one periodic tile at a time.

A crystal's field of view is laid with unit cells, and many of them are equal. Each different one is imaged once as
a periodic cell, by its scattering matrix (PRISM with interpolation 1, which on a periodic cell is multislice:
Ophus 2017, doi:10.1186/s40679-017-0046-1), at the few probe positions that its band-limited signal needs: no
spatial frequency of it exceeds 2α/λ. The signal at any pixel of the field then follows from its Fourier series.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy import fft

from stemforge.errors import InputError
from stemforge.simulate.detectors import SEGMENTS
from stemforge.simulate.engines.common import matched_probe, reproducible, require_cupy
from stemforge.simulate.engines.fourier import fourier_series, probe_grid, signal_at
from stemforge.simulate.microscope import Microscope
from stemforge.simulate.scan import Scan

if TYPE_CHECKING:
    import abtem

# The potential is projected on a grid at least this fine [Å] before it is cut to the wave's frequencies: abTEM
# places atoms by linear interpolation, which on a coarse grid would smear them by an amount that depends on
# their place.
_PROJECTION_SAMPLING = 0.05
# Atoms whose thermal motion differs by less than this are projected together [Å].
_SIGMA_STEP = 0.02
_DEFAULT_SIGMA = 0.08
_DEFAULT_SAMPLING = 0.2


def segmented_signal(
    atoms: Atoms,
    microscope: Microscope,
    scan: Scan,
    focus: float,
    *,
    sampling: float | None = None,
    slice_thickness: float = 2.0,
    device: str = "cpu",
) -> NDArray[np.float32]:
    """Image a crystal with a detector of four quadrants.

    Parameters
    ----------
    atoms
        Structure with an orthogonal cell, periodic in x and y; the beam travels along +z. A structure laid out in
        tiles (``atoms.info["tiles"]``, ``"tile_size"`` and the array ``tile``, as :func:`stemforge.structures.mfi`
        gives) is imaged tile by tile, each as if its neighbours were its equals; any other as one periodic cell.
        The array ``thermal_sigma`` holds each atom's root mean square displacement along one direction [Å], which
        enters as a Debye-Waller factor.
    microscope
        Drawn settings with a segmented detector.
    scan
        Raster, centred on the cell; it may be turned.
    focus
        Depth of the focal plane [Å] below z = 0.
    sampling, slice_thickness
        Of the potential [Å]; by default 0.2 and 2. :func:`stemforge.simulate.choose_engine` finds what a wanted error
        needs.
    device
        ``"cpu"``, or ``"gpu"``: the scattering matrix is then made through CuPy.

    Returns
    -------
    ndarray
        Fraction of incident electrons in the channels :data:`~stemforge.simulate.SEGMENTS`, shape
        (4, height, width).

    Raises
    ------
    InputError
        No segmented detector, or it lies beyond the antialias limit.

    Examples
    --------
    >>> atoms = Atoms("Si", positions=[[4, 4, 1]], cell=[8, 8, 2])
    >>> scan = Scan(shape=(32, 32), sampling=0.25, margin=0)
    >>> segmented_signal(atoms, Microscope(preset="low-dose-idpc"), scan, focus=1.0).shape
    (4, 32, 32)
    """
    if not microscope.detectors.segmented:
        raise InputError(
            "microscope.detectors: must be a detector of four segments, such as {segments: [4, 22]}"
        )
    cell = (float(atoms.cell[0, 0]), float(atoms.cell[1, 1]))
    tiles = atoms.info.get("tiles", (1, 1))
    size = np.array(atoms.info.get("tile_size", cell))
    corner = _corner(atoms, tiles, size)
    owner = _window((atoms.positions[:, :2] - corner) / size, tiles)
    if "molecule" in atoms.arrays:
        # A molecule stays whole, in the window of its own tile.
        guest = atoms.arrays["molecule"] >= 0
        owner[guest] = atoms.arrays["tile"][guest]
    places = scan.positions(cell) - corner
    window = _window(places / size, tiles)

    signal = np.empty((4, *scan.shape), dtype=np.float32)
    series: dict[bytes, NDArray[np.complex128]] = {}
    for number in np.unique(window):
        content = atoms[owner == number]
        content.positions[:, :2] -= corner + size * (number % tiles[0], number // tiles[0])
        content.cell = [*size, atoms.cell[2, 2]]
        content.wrap(pbc=(True, True, False), eps=1e-6)
        key = _fingerprint(content)
        if key not in series:
            with reproducible():
                potential = _potential(content, sampling or _DEFAULT_SAMPLING, slice_thickness)
                matched_probe(microscope, potential)
                series[key] = _fourier_series(potential, size, microscope, focus, scan.rotation, device)
        chosen = window == number
        signal[:, chosen] = signal_at(series[key], places[chosen], (size[0], size[1]))
    return signal


def _corner(atoms: Atoms, tiles: tuple[int, int], size: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where to begin the first window, so that the molecules of a tile lie far from its seams.

    A seam through a molecule would join its one half with the other half of the next tile's.
    """
    owner = atoms.arrays.get("molecule", np.full(len(atoms), -1))
    numbers = np.unique(owner[owner >= 0])
    if not len(numbers):
        return np.zeros(2)
    tile = atoms.arrays["tile"]
    centres = np.array([atoms.positions[owner == n, :2].mean(0) for n in numbers])
    home = np.array([tile[owner == n][0] for n in numbers])
    centres -= np.column_stack([home % tiles[0], home // tiles[0]]) * size
    return (centres.min(0) + centres.max(0) - size) / 2


def _window(places: NDArray[np.float64], tiles: tuple[int, int]) -> NDArray[np.int_]:
    """Return the number of the window in which each place (x, y), in units of a tile, lies."""
    column, row = np.moveaxis(np.floor(places).astype(int), -1, 0)
    return row % tiles[1] * tiles[0] + column % tiles[0]


def _fingerprint(atoms: Atoms) -> bytes:
    """Equal for tiles of equal content."""
    order = np.lexsort((*np.round(atoms.positions, 4).T, atoms.numbers))
    return atoms.numbers[order].tobytes() + np.round(atoms.positions[order], 4).tobytes()


def _potential(atoms: Atoms, sampling: float, slice_thickness: float) -> "abtem.PotentialArray":
    """Projected potential with the atoms' thermal motion, on a grid of about ``sampling``."""
    import abtem  # see Microscope.probe

    lengths = np.diag(atoms.cell)[:2]
    gpts = [fft.next_fast_len(int(np.ceil(length / sampling))) for length in lengths]
    finer = int(np.ceil(sampling / _PROJECTION_SAMPLING))
    fine = [n * finer for n in gpts]
    sigma = atoms.arrays.get("thermal_sigma", np.full(len(atoms), _DEFAULT_SIGMA))
    steps = np.rint(sigma / _SIGMA_STEP).astype(int)
    qx, qy = (np.fft.fftfreq(n, length / n) for n, length in zip(fine, lengths, strict=True))
    q2 = qx[:, None] ** 2 + qy[None, :] ** 2
    keep = np.ix_(*(np.fft.fftfreq(n, 1 / n).astype(int) for n in gpts))
    total: Any = 0
    for step in np.unique(steps):
        built = abtem.Potential(
            atoms[steps == step],
            gpts=(fine[0], fine[1]),
            slice_thickness=slice_thickness,
            projection="infinite",
        ).build(lazy=False)
        damping = np.exp(-2 * np.pi**2 * (step * _SIGMA_STEP) ** 2 * q2)
        total = total + (fft.fft2(built.array) * damping)[:, *keep]
        thicknesses = built.slice_thickness
    array = fft.ifft2(total).real / finer**2
    return abtem.PotentialArray(
        array.astype(np.float32), sampling=tuple(lengths / gpts), slice_thickness=thicknesses
    )


def _fourier_series(
    potential: "abtem.PotentialArray",
    lengths: NDArray[np.float64],
    microscope: Microscope,
    focus: float,
    rotation: float,
    device: str,
) -> NDArray[np.complex128]:
    """Fourier coefficients of the four signals over a periodic cell, shape (4, kx, ky), in FFT order."""
    import abtem  # see Microscope.probe

    if device == "gpu":
        require_cupy()
    waves_in = abtem.SMatrix(
        potential=potential,
        energy=microscope.energy,
        semiangle_cutoff=microscope.semiangle_cutoff,
        interpolation=1,
        device=device,
    )
    matrix = waves_in.build(lazy=False).to_cpu()
    gpts = matrix.array.shape[1:]
    beams = np.rint(np.asarray(matrix.wave_vectors) * lengths).astype(int)
    reached, share = _shares(microscope, rotation, lengths, gpts)
    scattering = fft.fft2(matrix.array)[:, reached]
    # Plane waves of amplitude 1 in, fractions of the incident electrons out.
    scattering = (scattering / (np.prod(gpts) * _plane_wave_amplitude(matrix))).astype(np.complex64)

    nx, ny = probe_grid(microscope, (lengths[0], lengths[1]))
    phase_x = np.exp(-2j * np.pi * np.outer(np.arange(nx) / nx, beams[:, 0]))
    phase_y = np.exp(-2j * np.pi * np.outer(np.arange(ny) / ny, beams[:, 1]))
    signal = np.zeros((4, nx, ny))
    for offset, weight in zip(*microscope.focal_series, strict=True):
        probe = microscope.probe(focus + offset, extent=tuple(lengths), gpts=gpts)
        wave = probe.build(scan=abtem.CustomScan([(0.0, 0.0)]), lazy=False).array[0]
        spectrum = fft.fft2(wave)
        coefficients = spectrum[beams[:, 0], beams[:, 1]] / np.sqrt((np.abs(spectrum) ** 2).sum())
        for i in range(nx):
            waves = (phase_x[i] * coefficients * phase_y).astype(np.complex64)
            signal[:, i] += weight * (np.abs(waves @ scattering) ** 2 @ share).T
    return fourier_series(signal)


def _shares(
    microscope: Microscope, rotation: float, lengths: NDArray[np.float64], gpts: tuple[int, ...]
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Return which outgoing beams reach the detector, on the grid, and the share of each on every segment."""
    index = [np.fft.fftfreq(n, 1 / n).astype(int) for n in gpts]
    out_x, out_y = np.meshgrid(*(i / length for i, length in zip(index, lengths, strict=True)), indexing="ij")
    angle = np.hypot(out_x, out_y) * microscope.wavelength * 1e3
    ((inner, outer),) = microscope.detectors.angles.values()
    reached = (angle >= inner) & (angle < outer)
    azimuth = np.arctan2(out_y[reached], out_x[reached]) - rotation
    # A beam on the border between two segments counts half on each: rounding must not choose.
    share = np.zeros((len(azimuth), len(SEGMENTS)), dtype=np.float32)
    for nudge in (-1e-6, 1e-6):
        segment = np.rint(azimuth / (np.pi / 2) + nudge).astype(int) % 4
        share[np.arange(len(segment)), segment] += 0.5
    return reached, share


def _plane_wave_amplitude(matrix: Any) -> float:
    """Amplitude with which abTEM starts its plane waves: their intensity survives a phase object."""
    return float(np.sqrt((np.abs(matrix.array[0]) ** 2).mean()))
