"""PRISM, abTEM's scattering matrix; crystals on a segmented detector tile by tile."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from ase import Atoms
from pydantic import Field
from scipy import fft

from stemforge.errors import InputError
from stemforge.simulate.engines.common import Cost, EngineSettings, Extent, Image, Rng
from stemforge.simulate.engines.multislice import AbtemEngine, Array, Multislice, channels_of
from stemforge.simulate.engines.segmented import segmented_signal
from stemforge.simulate.microscope import Microscope
from stemforge.simulate.scan import Scan

if TYPE_CHECKING:
    import abtem

# Of the reference on a segmented detector: potential sampling as a share of the coarsest, and slice thickness [Å].
_FINEST = (0.33, 0.5)


def largest_interpolation(microscope: Microscope, side: float, depth: float) -> int:
    """Return the highest interpolation whose window holds what the detectors count (:func:`narrowest_window`).

    Parameters
    ----------
    microscope
        Its detectors count.
    side
        Width of the field [Å], the smaller one.
    depth
        Of the structure [Å].

    Examples
    --------
    >>> [largest_interpolation(Microscope(), side, 40.0) for side in (10.0, 30.0, 100.0)]
    [1, 2, 6]
    """
    window = narrowest_window(microscope, depth)
    return max(1, int(side / window)) if window else int(side)


def narrowest_window(microscope: Microscope, depth: float) -> float:
    """Return the width [Å] of the narrowest window in which PRISM may compute waves without losing electrons.

    A window is the field's width over the interpolation. An electron that the top of a structure scatters to the
    outermost detector angle α moves sideways by α × depth; where that is more than half a window it is lost. One Pt
    atom above vacuum, HAADF 70 to 170 mrad at 200 kV: within 3 % of multislice's signal while it is less, 0.68 of it
    at 1.7 half windows, 0.07 at 3.4 (``tests/physics/test_engines.py``).

    Parameters
    ----------
    microscope
        Its detectors count.
    depth
        Of the structure [Å].

    Examples
    --------
    >>> round(narrowest_window(Microscope(), 40.0), 1)  # to 185 mrad
    14.8
    """
    return 2e-3 * max(outer for _, outer in microscope.detectors.angles.values()) * depth


class Prism(AbtemEngine):
    """The scattering matrix of the whole field.

    With a segmented detector crystals are imaged tile by tile (:func:`stemforge.simulate.segmented_signal`); atoms
    move as their Debye-Waller factors say, and phonons and interpolation play no part.

    Parameters
    ----------
    interpolation
        1 gives multislice's image on a periodic cell; a higher factor takes less time and memory. Waves are then
        computed in a window of that part of the field, and what is scattered out of it is lost: a
        window that is too narrow is refused before work starts, and the highest factor is said.

    Examples
    --------
    >>> from stemforge.simulate import Multislice
    >>> atoms, scan = Atoms("Pt", positions=[[3, 3, 1]], cell=[6, 6, 2]), Scan.of_any_size((4, 4), 0.5)
    >>> engines = Prism(frozen_phonons=0), Multislice(frozen_phonons=0)
    >>> images = [engine.image(atoms, Microscope(), scan, focus=1.0) for engine in engines]
    >>> bool(np.allclose(*images, rtol=1e-3)), Prism(interpolation=2).title
    (True, 'prism (interpolation 2)')
    """

    name: Literal["prism"] = "prism"
    interpolation: Annotated[int, Field(ge=1)] = 1

    @property
    def title(self) -> str:
        """Name, and interpolation where there is any."""
        return f"prism (interpolation {self.interpolation})" if self.interpolation > 1 else "prism"

    def check(self, microscope: Microscope, scan: Scan) -> None:
        """Refuse a potential too coarse for the detectors, and what goes with a segmented detector alone."""
        if microscope.detectors.segmented and self.interpolation > 1:
            raise InputError("engine.interpolation: must be 1 with a segmented detector")
        # Its segments turn with the raster.
        super().check(microscope, scan.replace(rotation=0.0, shift=(0.0, 0.0)))

    def image(self, atoms: Atoms, microscope: Microscope, scan: Scan, focus: float, rng: Rng = None) -> Image:
        """Image a structure; parameters as in :meth:`EngineSettings.image`."""
        if not microscope.detectors.segmented:
            return super().image(atoms, microscope, scan, focus, rng)
        settings = self.model_dump(include={"sampling", "slice_thickness", "device"})
        return segmented_signal(atoms, microscope, scan, focus, **settings)

    def _gpts(self, atoms: Atoms, microscope: Microscope) -> tuple[int, int]:
        """Return a grid that the interpolation divides; on others abTEM warns that intensities may be wrong."""
        share = self.interpolation
        x, y = (
            share * fft.next_fast_len(-(-points // share), real=True)
            for points in super()._gpts(atoms, microscope)
        )
        return x, y

    def _scan(
        self, potential: Any, microscope: Microscope, depths: Sequence[float], places: "abtem.GridScan"
    ) -> list[Array]:
        """Image at each focus; the scattering matrix of a configuration is made once for all of them."""
        import abtem  # see Microscope.probe

        detectors = microscope.detectors.abtem_detectors()
        configurations = _configurations_of(potential)
        images: list[Any] = [0] * len(depths)
        for still in configurations:
            matrix = abtem.SMatrix(
                potential=still,
                energy=microscope.energy,
                semiangle_cutoff=microscope.semiangle_cutoff,
                interpolation=self.interpolation,
            ).build(lazy=False)
            for number, depth in enumerate(depths):
                ctf = abtem.CTF(
                    aberration_coefficients=microscope.probe(depth).aberrations.aberration_coefficients,
                    semiangle_cutoff=microscope.semiangle_cutoff,
                    energy=microscope.energy,
                )
                measured = matrix.reduce(scan=places, ctf=ctf, detectors=detectors)
                images[number] = images[number] + channels_of(measured) / len(configurations)
        return images

    def reference(self, microscope: Microscope) -> EngineSettings:
        """Return multislice; with a segmented detector, PRISM with much finer sampling and slices."""
        if not microscope.detectors.segmented:
            return Multislice(**self.model_dump(exclude={"name", "interpolation"}))
        share, thickness = _FINEST
        sampling = round(share * microscope.coarsest_sampling, 6)
        return self.replace(sampling=sampling, slice_thickness=thickness)

    def cost(self, microscope: Microscope, piece: Extent, whole: Extent, seconds: float) -> Cost:
        """Estimate seconds and memory [byte].

        Most of the time builds the scattering matrix: it grows with beams (in proportion to the area), grid points
        and slices.
        """
        beams = np.pi * (microscope.semiangle_cutoff * 1e-3 / microscope.wavelength) ** 2 * whole.area
        beams /= self.interpolation**2
        matrix = 2 * 8 * float(beams) * self._grid_points(microscope, whole)
        deeper = max(whole.depth, 1.0) / max(piece.depth, 1.0)
        memory = self._potential_bytes(microscope, whole) + matrix
        return seconds * (whole.area / piece.area) ** 2 * deeper, memory


def _configurations_of(potential: Any) -> list[Any]:
    """Return the potential of each frozen-phonon configuration."""
    import abtem  # see Microscope.probe

    if potential.array.ndim == 3:
        return [potential]
    grid = {"sampling": potential.sampling, "slice_thickness": potential.slice_thickness}
    return [abtem.PotentialArray(array, **grid) for array in potential.array]
