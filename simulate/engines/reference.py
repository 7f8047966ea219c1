"""The reference engines: abTEM's multislice and scattering-matrix (PRISM) algorithms."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import abtem
import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy import fft

from stemforge.errors import InputError
from stemforge.simulate.microscope import Microscope
from stemforge.simulate.scan import Scan

_BATCH_BYTES = 64 * 2**20


@contextmanager
def reproducible(device: str = "cpu") -> Iterator[None]:
    """Run abTEM so that the same input gives the same bytes, on the CPU.

    FFTW's MEASURE planning may pick another algorithm from run to run and change the last bits.

    Raises
    ------
    InputError
        On ``"gpu"`` without CuPy or without a GPU.
    """
    if device == "gpu":
        require_cupy()
    settings = {
        "device": device,
        "fftw.planning_effort": "FFTW_ESTIMATE",
        "fftw.threads": 1,
        "diagnostics.progress_bar": False,
        "diagnostics.task_level_progress": False,
    }
    with abtem.config.set(settings):
        yield


def require_cupy() -> None:
    """Refuse to compute on a GPU where abTEM could not."""
    try:
        import cupy

        cupy.zeros(1)
    except Exception as error:  # CuPy fails in many ways where there is no driver
        raise InputError(
            f"engine.device: abTEM needs CuPy and a GPU for gpu ({error}); install cupy-cuda12x, or take cpu"
        ) from error


def abtem_signal(
    atoms: Atoms,
    microscope: Microscope,
    scan: Scan,
    focus: float,
    *,
    algorithm: str = "multislice",
    interpolation: int = 1,
    sampling: float | None = None,
    slice_thickness: float = 1.0,
    frozen_phonons: int = 8,
    thermal_sigma: float = 0.08,
    device: str = "cpu",
    rng: np.random.Generator | None = None,
) -> NDArray[np.float32]:
    """Image a structure with abTEM.

    Parameters
    ----------
    atoms
        Structure with an orthogonal cell; the beam travels along +z.
    microscope
        Drawn settings.
    scan
        Raster, centred on the cell.
    focus
        Depth of the focal plane [Å] below z = 0.
    algorithm
        ``"multislice"`` or ``"prism"``.
    interpolation
        PRISM interpolation factor; 1 gives multislice's image on a periodic cell.
    sampling
        Potential sampling [Å]; by default just fine enough for the outermost detector angle.
    slice_thickness
        Thickness of a multislice slice [Å].
    frozen_phonons
        Number of frozen-phonon configurations to average; 0 keeps the atoms still.
    thermal_sigma
        Root mean square thermal displacement of an atom along one direction [Å].
    device
        ``"cpu"``, or ``"gpu"`` through CuPy.
    rng
        Source of the thermal displacements; needed with frozen phonons.

    Returns
    -------
    ndarray
        Fraction of incident electrons, shape (detectors, height, width).

    Raises
    ------
    InputError
        Detector beyond the antialias limit, or field of view larger than the structure.
    """
    if algorithm not in {"multislice", "prism"}:
        raise InputError(f"engine.algorithm must be multislice or prism, not {algorithm!r}")
    x0, y0 = scan.origin((atoms.cell[0, 0], atoms.cell[1, 1]))
    width, height = scan.field_of_view
    places = abtem.GridScan((x0, y0), (x0 + width, y0 + height), gpts=scan.shape[::-1], endpoint=False)
    with reproducible(device):
        step = sampling or 0.97 * microscope.potential_sampling()
        gpts = tuple(
            fft.next_fast_len(int(np.ceil(side / step)), real=True) for side in np.diag(atoms.cell)[:2]
        )
        potential: Any = abtem.Potential(
            _configurations(atoms, gpts, frozen_phonons, thermal_sigma, rng),
            gpts=gpts,
            slice_thickness=slice_thickness,
            projection="infinite",
        )
        # Built once: an unbuilt potential is made again for every chunk of the scan.
        potential = potential.build(lazy=False)
        detectors = _detectors(microscope, potential)
        spread = microscope.focal_spread
        nodes, weights = np.polynomial.hermite_e.hermegauss(5) if spread else (np.zeros(1), np.ones(1))
        total: Any = 0
        for node, weight in zip(nodes, weights / weights.sum(), strict=True):
            depth = focus + spread * node
            if algorithm == "multislice":
                probe = microscope.probe(depth)
                probe.grid.match(potential)
                images = _scan_in_batches(probe, potential, places, detectors)
            else:
                matrix = abtem.SMatrix(
                    potential=potential,
                    energy=microscope.energy,
                    semiangle_cutoff=microscope.semiangle_cutoff,
                    interpolation=interpolation,
                )
                ctf = abtem.CTF(
                    aberration_coefficients=microscope.probe(depth).aberrations.aberration_coefficients,
                    semiangle_cutoff=microscope.semiangle_cutoff,
                    energy=microscope.energy,
                )
                images = _channels(matrix.scan(scan=places, ctf=ctf, detectors=detectors, lazy=False))
            total = total + weight * images
    # abTEM is [x, y] and averages over the phonons itself.
    return np.ascontiguousarray(np.swapaxes(total, 1, 2), dtype=np.float32)


def _configurations(
    atoms: Atoms, gpts: tuple[int, ...], number: int, sigma: float, rng: np.random.Generator | None
) -> Any:
    """Thermally displaced copies of the atoms, on the points of the potential's grid.

    abTEM 1.0.11 puts an atom between grid points by linear interpolation, which changes how strongly it
    scatters to high angles: at 0.085 Å sampling by −25 % for C and +12 % for Pt (90–185 mrad, 60 kV), where on
    a grid point both are within 3 % of the integral of the scattering amplitude over the detector. Moving
    atoms to the nearest point costs 0.025 Å rms, little beside their thermal motion. Displacements are in the
    plane: along z they would make atoms hop slices under the infinite projection.
    """
    steps = np.diag(atoms.cell)[:2] / gpts

    def snapped(displacement: NDArray[np.float64] | float) -> Atoms:
        moved = atoms.copy()
        moved.positions[:, :2] = np.rint((atoms.positions[:, :2] + displacement) / steps) * steps
        moved.wrap(pbc=(True, True, False))
        return moved

    if not number:
        return snapped(0.0)
    if rng is None:
        raise InputError("engine.frozen_phonons needs a random generator (rng=)")
    return abtem.AtomsEnsemble([snapped(rng.normal(0, sigma, (len(atoms), 2))) for _ in range(number)])


def _scan_in_batches(
    probe: abtem.Probe, potential: Any, scan: abtem.GridScan, detectors: list[Any]
) -> NDArray[np.float64]:
    """Multislice at every probe position; abTEM would hold all positions' waves at once."""
    places = scan.get_positions().reshape(-1, 2)
    batch = max(1, _BATCH_BYTES // (8 * int(np.prod(potential.gpts))))
    parts = []
    for first in range(0, len(places), batch):
        where = abtem.CustomScan(places[first : first + batch])
        parts.append(_channels(probe.scan(potential, scan=where, detectors=detectors, lazy=False)))
    gpts = tuple(scan.gpts or ())
    return np.concatenate(parts, axis=1).reshape(-1, *gpts)


def _channels(measured: Any) -> NDArray[np.float64]:
    """One array for each channel, shape (channels, *scan)."""
    # abTEM gives a list where several detectors are asked for.
    measured = measured if isinstance(measured, list | tuple) else [measured]
    arrays = []
    for one in measured:
        array = np.asarray(one.to_cpu().array)
        # A segmented detector's two last axes are the ring, here one, and the azimuth.
        polar = isinstance(one, abtem.measurements.PolarMeasurements)
        arrays += list(np.moveaxis(array[..., 0, :], -1, 0)) if polar else [array]
    return np.stack(arrays)


def _detectors(microscope: Microscope, potential: Any) -> list[Any]:
    plain = abtem.Probe(energy=microscope.energy, semiangle_cutoff=microscope.semiangle_cutoff)
    plain.grid.match(potential)
    microscope.check_antialias(min(plain.cutoff_angles), max(potential.sampling))
    if microscope.segments is not None:
        inner, outer = microscope.segments
        # Radians; turned so that segment 0 is centred on the x axis.
        return [abtem.SegmentedDetector(1, 4, inner=inner, outer=outer, rotation=-np.pi / 4)]
    return [abtem.AnnularDetector(inner, outer) for inner, outer in microscope.detectors.values()]


def scan_single_atom(
    symbol: str, microscope: Microscope, cell: float, gpts: int, sampling: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Image one still atom in focus with multislice.

    Parameters
    ----------
    symbol
        Chemical symbol.
    microscope
        Drawn settings with one detector.
    cell
        Side of the square cell [Å].
    gpts
        Probe positions along a side.
    sampling
        Potential sampling [Å].

    Returns
    -------
    image, probe
        The atom's image and the probe's intensity, shape (gpts, gpts), both centred on element (0, 0).
    """
    # The slice's entrance is the focal plane and the whole atom is projected into it: in focus exactly.
    atom = Atoms(symbol, positions=[[0.0, 0.0, 0.5]], cell=[cell, cell, 1.0])
    scan = Scan.model_construct(shape=(gpts, gpts), sampling=cell / gpts, margin=0.0)
    still = {"slice_thickness": 1.0, "frozen_phonons": 0, "sampling": sampling}
    image = abtem_signal(atom, microscope, scan, 0.0, **still)[0]  # type: ignore[arg-type]
    # The intensity reaches twice the wave's frequencies: built on a finer grid, then every other point.
    with reproducible():
        wave = microscope.probe(0.0, extent=cell, gpts=2 * gpts).build(lazy=False).array
    intensity = np.fft.ifftshift(np.abs(wave.T) ** 2)[::2, ::2]
    return image.astype(float), intensity.astype(float)
