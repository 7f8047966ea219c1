"""What every engine knows: its image, its reference, its cost, and what it cannot do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pydantic import Field

from stemforge.errors import InputError
from stemforge.settings import Settings
from stemforge.simulate.microscope import Microscope
from stemforge.simulate.scan import Scan

if TYPE_CHECKING:
    import abtem

Image = NDArray[np.float32]
"""Fraction of incident electrons, shape (channels, height, width)."""
Rng = np.random.Generator | None
Cost = tuple[float, float]
"""Seconds [s] and memory [byte]."""


@dataclass(frozen=True)
class Extent:
    """How much is imaged: area [Å²] and depth [Å] of the structure, and the number of probe positions."""

    area: float
    depth: float
    positions: int


class EngineSettings(Settings):
    """Base of all engines.

    Parameters
    ----------
    name
        Which engine it is.
    thermal_sigma
        Root mean square thermal displacement of an atom along one direction [Å].
    device
        ``cpu``, or ``gpu``: ``kernels`` then sums through torch, and abTEM runs through CuPy. The images are the
        same to 1e-3, not to the bit.
    """

    name: str
    thermal_sigma: Annotated[float, Field(ge=0)] = 0.08
    device: Literal["cpu", "gpu"] = "cpu"

    @property
    def title(self) -> str:
        """Name as a table shows it."""
        return self.name

    def image(self, atoms: Atoms, microscope: Microscope, scan: Scan, focus: float, rng: Rng = None) -> Image:
        """Image a structure.

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
        rng
            Source of the frozen phonons; only engines that have them need it.

        Returns
        -------
        ndarray
            Fraction of incident electrons, shape (channels, height, width).

        Raises
        ------
        InputError
            A detector that the engine cannot image, or a field of view larger than the structure.
        """
        raise NotImplementedError

    def check(self, microscope: Microscope, scan: Scan) -> None:
        """Refuse a microscope or raster that the engine cannot do; either may hold distributions.

        Raises
        ------
        InputError
            Names the field.
        """
        if not scan.straight:
            raise InputError(
                f"scan.rotation, scan.shift: {self.name} images straight rasters only; leave them at 0, or take "
                "prism or multislice"
            )

    def reference(self, microscope: Microscope) -> "EngineSettings":
        """Return the engine that this one is compared with.

        Raises
        ------
        InputError
            The engine cannot be compared with any on this microscope.
        """
        raise NotImplementedError

    def is_costly(self, microscope: Microscope) -> bool:
        """Say whether one image may take hours, so that its cost is estimated and not measured."""
        return False

    def cost(self, microscope: Microscope, piece: Extent, whole: Extent, seconds: float) -> Cost:
        """Estimate what a whole image takes from what a piece of it took.

        Parameters
        ----------
        microscope
            Drawn settings.
        piece, whole
            Extents of both.
        seconds
            That the piece took [s].

        Returns
        -------
        seconds, memory
            Of the whole [s], [byte].
        """
        raise NotImplementedError


@contextmanager
def reproducible(device: str = "cpu") -> Iterator[None]:
    """Run abTEM so that the same input gives the same bytes, on the CPU.

    FFTW's MEASURE planning may pick another algorithm from run to run and change the last bits.

    Raises
    ------
    InputError
        On ``"gpu"`` without CuPy or without a GPU.
    """
    import abtem  # see Microscope.probe

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


def matched_probe(microscope: Microscope, potential: "abtem.PotentialArray") -> "abtem.Probe":
    """Return a probe without aberrations on a potential's grid; refuse a grid too coarse for the detectors."""
    import abtem  # see Microscope.probe

    probe = abtem.Probe(energy=microscope.energy, semiangle_cutoff=microscope.semiangle_cutoff)
    probe.grid.match(potential)
    microscope.check_antialias(min(probe.cutoff_angles), float(max(potential.sampling or (0.0,))))
    return probe
