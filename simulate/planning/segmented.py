"""The cheapest simulation that keeps an asked-for error."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from stemforge.errors import InputError
from stemforge.simulate.engines.segmented import segmented_signal
from stemforge.simulate.microscope import Microscope
from stemforge.simulate.recording.idpc import idpc_image
from stemforge.simulate.scan import Scan

# Potential sampling, as a share of the coarsest that carries the detector's outer angle, and slice thickness [Å]:
# from the cheapest to the best, which stands for the truth.
_LADDER = ((0.95, 8.0), (0.95, 4.0), (0.8, 4.0), (0.65, 4.0), (0.65, 2.0), (0.5, 2.0), (0.5, 1.0))
_REFERENCE = (0.33, 0.5)


@dataclass(frozen=True)
class Plan:
    """Numerical settings and the error found with them.

    Parameters
    ----------
    sampling, slice_thickness
        Of the potential [Å].
    error
        Root mean square deviation of the iDPC image from the reference's, as a share of its standard deviation.
    reference
        Sampling and slice thickness of the reference [Å].
    tried
        (sampling, slice_thickness, error) of every setting looked at, the cheapest first.
    seconds
        What the image took with these settings and with the reference's [s].
    positions
        Pixels of that image.
    """

    sampling: float
    slice_thickness: float
    error: float
    reference: tuple[float, float]
    tried: tuple[tuple[float, float, float], ...]
    seconds: tuple[float, float]
    positions: int


def plan_segmented(atoms: Atoms, microscope: Microscope, focus: float, max_error: float) -> Plan:
    """Find the cheapest settings of :func:`segmented_signal` whose error is within a bound.

    What is not left to choice costs no accuracy: PRISM without interpolation on a periodic cell, probe positions
    at the Nyquist distance λ/4α and the Fourier series between them, equal tiles imaged once. What is left is how
    finely the potential is sampled, in the plane and along the beam. The first tile is imaged with ever finer
    settings, beginning with the coarsest that carry the detector's outer angle, until its iDPC image agrees with
    that of a reference finer than all of them.

    Parameters
    ----------
    atoms, microscope, focus
        As for :func:`segmented_signal`.
    max_error
        Largest root mean square deviation, as a share of the image's standard deviation.

    Returns
    -------
    Plan
        Settings, their error and what was tried.

    Raises
    ------
    InputError
        No setting tried reaches the bound.

    Examples
    --------
    >>> atoms = Atoms("Si", positions=[[3, 3, 1]], cell=[6, 6, 2])
    >>> plan = plan_segmented(atoms, Microscope(preset="low-dose-idpc"), 1.0, max_error=0.01)
    >>> plan.error <= 0.01
    True
    """
    largest = microscope.potential_sampling()
    error_of = _against_reference(atoms, microscope, focus)
    tried: list[tuple[float, float, float]] = []
    for share, thickness in _LADDER:
        found = error_of(share * largest, thickness)
        tried.append((share * largest, thickness, found.error))
        if found.error <= max_error:
            return replace(found, tried=tuple(tried))
    raise InputError(
        f"engine.max_error: {max_error:g} is out of reach, the finest setting gives {tried[-1][2]:.2g}; give a "
        "larger max_error, or set sampling and slice_thickness"
    )


def segmented_error(
    atoms: Atoms, microscope: Microscope, focus: float, *, sampling: float = 0.2, slice_thickness: float = 2.0
) -> Plan:
    """Measure the error of given settings of :func:`segmented_signal` on the first tile.

    Parameters
    ----------
    atoms, microscope, focus, sampling, slice_thickness
        As for :func:`segmented_signal`.

    Returns
    -------
    Plan
        The settings with their error.
    """
    found = _against_reference(atoms, microscope, focus)(sampling, slice_thickness)
    return replace(found, tried=((sampling, slice_thickness, found.error),))


def _against_reference(atoms: Atoms, microscope: Microscope, focus: float) -> Callable[[float, float], Plan]:
    """Image the first tile finely; return what measures other settings against that."""
    if "tiles" in atoms.info:
        first = atoms[atoms.arrays["tile"] == 0]
        first.info = {}
        first.cell = [*atoms.info["tile_size"], atoms.cell[2, 2]]
        first.wrap(pbc=(True, True, False))
        atoms = first

    def image(sampling: float, thickness: float) -> tuple[NDArray[np.float32], float]:
        start = time.perf_counter()
        unit = _unit_image(atoms, microscope, focus, sampling, thickness)
        return unit, time.perf_counter() - start

    reference = (_REFERENCE[0] * microscope.potential_sampling(), _REFERENCE[1])
    truth, reference_seconds = image(*reference)

    def measure(sampling: float, thickness: float) -> Plan:
        found, seconds = image(sampling, thickness)
        error = float(np.sqrt(((found - truth) ** 2).mean()) / truth.std())
        return Plan(sampling, thickness, error, reference, (), (seconds, reference_seconds), found.size)

    return measure


def _unit_image(
    atoms: Atoms, microscope: Microscope, focus: float, sampling: float, thickness: float
) -> NDArray[np.float32]:
    """Image one periodic cell, on square pixels that divide it only nearly: equal for all settings."""
    width, height = float(atoms.cell[0, 0]), float(atoms.cell[1, 1])
    step = microscope.wavelength / (4e-3 * microscope.semiangle_cutoff)
    shape = (int(height // step), int(width // step))
    scan = Scan.model_construct(shape=shape, sampling=step, margin=0.0, rotation=0.0, shift=(0.0, 0.0))
    return idpc_image(
        segmented_signal(atoms, microscope, scan, focus, sampling=sampling, slice_thickness=thickness), step
    )
