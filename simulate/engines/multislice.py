"""The reference engine, abTEM's multislice, and what PRISM shares with it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pydantic import Field
from scipy import fft

from stemforge.errors import InputError
from stemforge.simulate.engines.common import (
    Cost,
    EngineSettings,
    Extent,
    Image,
    Rng,
    matched_probe,
    reproducible,
)
from stemforge.simulate.engines.fourier import fourier_series, probe_grid, signal_on
from stemforge.simulate.microscope import Microscope
from stemforge.simulate.scan import Scan

if TYPE_CHECKING:
    import abtem

_BATCH_BYTES = 64 * 2**20

Array = NDArray[np.float64]


class AbtemEngine(EngineSettings):
    """What both of abTEM's engines take.

    Parameters
    ----------
    frozen_phonons
        Number of frozen-phonon configurations to average; 0 keeps the atoms still.
    slice_thickness
        Thickness of a slice of the potential [Å].
    sampling
        Sampling of the potential [Å]; by default just fine enough for the outermost detector angle.
    """

    frozen_phonons: Annotated[int, Field(ge=0)] = 8
    slice_thickness: Annotated[float, Field(gt=0)] = 2.0
    sampling: Annotated[float, Field(gt=0)] | None = None

    def check(self, microscope: Microscope, scan: Scan) -> None:
        """Refuse a potential too coarse for the detectors, and a raster with which segments would have to turn."""
        if microscope.detectors.segmented and not scan.straight:
            raise InputError(
                "scan.rotation, scan.shift: are for prism with a segmented detector; leave them at 0"
            )
        if self.sampling is not None:
            microscope.check_antialias(microscope.wavelength / (3 * self.sampling) * 1e3, self.sampling)

    def image(self, atoms: Atoms, microscope: Microscope, scan: Scan, focus: float, rng: Rng = None) -> Image:
        """Image a structure with abTEM; parameters as in :meth:`EngineSettings.image`."""
        import abtem  # see Microscope.probe

        cell = (float(atoms.cell[0, 0]), float(atoms.cell[1, 1]))
        places = _direct_places(scan, cell)
        grid = probe_grid(microscope, cell)
        # Fewer positions than pixels say as much: the image between them is a Fourier series.
        between = not scan.straight or np.prod(grid) < np.prod(scan.shape)
        if between:
            places = abtem.GridScan((0, 0), cell, gpts=grid, endpoint=False)
        with reproducible(self.device):
            potential = self.potential(atoms, microscope, rng)
            matched_probe(microscope, potential)
            offsets, weights = microscope.focal_series
            images = self._scan(potential, microscope, [float(focus + offset) for offset in offsets], places)
            total = sum(weight * image for weight, image in zip(weights, images, strict=True))
        # abTEM is [x, y] and averages over the phonons itself.
        if between:
            return signal_on(fourier_series(total), scan, cell).astype(np.float32)
        return np.ascontiguousarray(np.swapaxes(total, 1, 2), dtype=np.float32)

    def _scan(
        self, potential: Any, microscope: Microscope, depths: Sequence[float], places: "abtem.GridScan"
    ) -> Iterable[Array]:
        """Image at each focus [Å], shape (channels, x, y)."""
        raise NotImplementedError

    def configurations(self, atoms: Atoms, microscope: Microscope, rng: Rng = None) -> list[Atoms]:
        """Return the atoms as they are imaged: displaced by heat, and on the points of the potential's grid."""
        gpts = self._gpts(atoms, microscope)
        return _configurations(atoms, gpts, self.frozen_phonons, self.thermal_sigma, rng)

    def _gpts(self, atoms: Atoms, microscope: Microscope) -> tuple[int, int]:
        step = self.sampling or microscope.potential_sampling
        x, y = (
            fft.next_fast_len(int(points), real=True) for points in np.ceil(np.diag(atoms.cell)[:2] / step)
        )
        return x, y

    def potential(self, atoms: Atoms, microscope: Microscope, rng: Rng = None) -> Any:
        """Return abTEM's potential of the atoms, built, inside :func:`reproducible`; parameters as in :meth:`image`."""
        import abtem  # see Microscope.probe

        moved = self.configurations(atoms, microscope, rng)
        imaged = abtem.AtomsEnsemble(moved) if self.frozen_phonons else moved[0]
        gpts, thickness = self._gpts(atoms, microscope), self.slice_thickness
        potential = abtem.Potential(imaged, gpts=gpts, slice_thickness=thickness, projection="infinite")
        # Built once: an unbuilt potential is made again for every chunk of the scan.
        return potential.build(lazy=False)

    def is_costly(self, microscope: Microscope) -> bool:
        """Say whether one image may take hours."""
        return not microscope.detectors.segmented

    def _grid_points(self, microscope: Microscope, whole: Extent) -> float:
        return whole.area / (self.sampling or microscope.potential_sampling) ** 2

    def _potential_bytes(self, microscope: Microscope, whole: Extent) -> float:
        slices = max(whole.depth / self.slice_thickness, 1.0)
        return 4 * self._grid_points(microscope, whole) * slices * max(self.frozen_phonons, 1)


class Multislice(AbtemEngine):
    """Multislice at every probe position: the reference.

    Examples
    --------
    >>> atoms = Atoms("Pt", positions=[[3, 3, 1]], cell=[6, 6, 2])
    >>> engine = Multislice(frozen_phonons=0)
    >>> engine.image(atoms, Microscope(), Scan.of_any_size((4, 4), 0.5), focus=1.0).shape
    (1, 4, 4)
    """

    name: Literal["multislice"] = "multislice"

    def _scan(
        self, potential: Any, microscope: Microscope, depths: Sequence[float], places: "abtem.GridScan"
    ) -> Iterator[Array]:
        """Scan at each focus."""
        for depth in depths:
            yield self._at_focus(potential, microscope, depth, places)

    def _at_focus(
        self, potential: Any, microscope: Microscope, depth: float, places: "abtem.GridScan"
    ) -> Array:
        """Scan in batches of positions; abTEM would hold all positions' waves at once."""
        import abtem  # see Microscope.probe

        probe = microscope.probe(depth)
        probe.grid.match(potential)
        grid = places.get_positions()
        positions = grid.reshape(-1, 2)
        batch = max(1, _BATCH_BYTES // (8 * int(np.prod(potential.gpts))))
        detectors = microscope.detectors.abtem_detectors()
        parts = []
        for first in range(0, len(positions), batch):
            part = abtem.CustomScan(positions[first : first + batch])
            parts.append(channels_of(probe.scan(potential, scan=part, detectors=detectors, lazy=False)))
        return np.concatenate(parts, axis=1).reshape(-1, *grid.shape[:-1])

    def reference(self, microscope: Microscope) -> EngineSettings:
        """Return this engine: nothing is more exact."""
        if microscope.detectors.segmented:
            raise InputError("engine: with a segmented detector prism can be checked")
        return self

    def cost(self, microscope: Microscope, piece: Extent, whole: Extent, seconds: float) -> Cost:
        """Estimate seconds, growing with probe positions, grid points and slices, and memory [byte]."""
        deeper = max(whole.depth, 1.0) / max(piece.depth, 1.0)
        grown = seconds * whole.positions / piece.positions * (whole.area / piece.area) * deeper
        return grown, self._potential_bytes(microscope, whole) + _BATCH_BYTES


def _direct_places(scan: Scan, cell: tuple[float, float]) -> "abtem.GridScan":
    """Every pixel of a straight raster as a probe position; a field larger than the structure is refused."""
    import abtem  # see Microscope.probe

    x0, y0 = scan.origin(cell)
    width, height = scan.field_of_view
    return abtem.GridScan((x0, y0), (x0 + width, y0 + height), gpts=scan.shape[::-1], endpoint=False)


def _configurations(
    atoms: Atoms, gpts: tuple[int, ...], number: int, sigma: float, rng: np.random.Generator | None
) -> list[Atoms]:
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
        return [snapped(0.0)]
    if rng is None:
        raise InputError("engine.frozen_phonons needs a random generator (rng=)")
    return [snapped(rng.normal(0, sigma, (len(atoms), 2))) for _ in range(number)]


def channels_of(measured: Any) -> Array:
    """Return what abTEM measured as one array for each channel, shape (channels, *scan)."""
    # abTEM gives a list where several detectors are asked for.
    import abtem  # see Microscope.probe

    measured = measured if isinstance(measured, list | tuple) else [measured]
    arrays = []
    for one in measured:
        array = np.asarray(one.to_cpu().array)
        # A segmented detector's two last axes are the ring, here one, and the azimuth.
        polar = isinstance(one, abtem.measurements.PolarMeasurements)
        arrays += list(np.moveaxis(array[..., 0, :], -1, 0)) if polar else [array]
    return np.stack(arrays)
