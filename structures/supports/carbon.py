"""Amorphous carbon, the support film of most STEM specimens."""

from collections.abc import Callable

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers
from ase.units import _amu

from stemforge.structures.cells import Array
from stemforge.structures.checks import require, require_generator, require_lengths, require_range
from stemforge.structures.packing import random_packing

__all__ = ["amorphous_carbon", "fill_with_carbon"]

_CARBON, _NITROGEN = atomic_numbers["C"], atomic_numbers["N"]
_GRAMS_PER_DALTON = _amu * 1e3
_CM3_PER_A3 = 1e-24
# Sequential insertion saturates at 38 % of space; above 30 % nearly every candidate is refused.
_MAX_PACKING_FRACTION = 0.30


def _number_density(density: float, nitrogen_fraction: float) -> float:
    """Atoms per Å³ of carbon with substitutional nitrogen at a mass density [g/cm³]."""
    mass = (1 - nitrogen_fraction) * atomic_masses[_CARBON] + nitrogen_fraction * atomic_masses[_NITROGEN]
    return density * _CM3_PER_A3 / (mass * _GRAMS_PER_DALTON)


def fill_with_carbon(
    draw: Callable[[int], Array],
    volume: float,
    size: tuple[float, float, float],
    *,
    density: float,
    min_distance: float,
    nitrogen_fraction: float,
    vacuum: float,
    rng: np.random.Generator,
) -> Atoms:
    """Fill a body of any shape with amorphous carbon: `draw(n)` returns up to n random points inside it.

    `draw` uses `rng` alone. `volume` is that of the body [Å³] and `size` the box [Å] around it, which begins
    at z = 0; the other parameters are those of `amorphous_carbon`.
    """
    require_range("density", density, 0.0, 25.0, "Densities are in g/cm³; amorphous carbon has 1.8–2.3.")
    require_range("nitrogen_fraction", nitrogen_fraction, 0.0, 1.0)
    require_range("vacuum", vacuum, 0.0)
    mend = "A cell has to hold two atoms a side."
    require_range("min_distance", min_distance, 0.0, min(size[:2]) / 2, mend)

    number_density = _number_density(density, nitrogen_fraction)
    filled = number_density * np.pi / 6 * min_distance**3
    most = _MAX_PACKING_FRACTION / max(filled, 1e-12)
    mend = "Lower density or min_distance."
    allowed = f"at most {density * most:.2f} g/cm³ at min_distance {min_distance:g} Å"
    require(filled <= _MAX_PACKING_FRACTION, "density", allowed, density, mend)
    number = round(number_density * volume)
    # The share of candidates that find room falls about as 1 − 8 filled; up to the last it takes so many.
    candidates = 1 / (1 - 4 * min(filled, 0.2))
    positions = random_packing(
        draw, number, box=size, min_distance=min_distance, rng=rng, candidates=candidates
    )
    found = f"only {len(positions)} found room"
    allowed = f"large enough for {number} atoms {min_distance:g} Å apart ({found})"
    require(len(positions) == number, "size", allowed, size, mend)
    positions[:, 2] += vacuum
    numbers = np.full(number, _CARBON)
    numbers[rng.choice(number, round(nitrogen_fraction * number), replace=False)] = _NITROGEN
    cell = (size[0], size[1], size[2] + 2 * vacuum)
    return Atoms(numbers=numbers, positions=positions, cell=cell, pbc=(True, True, False))


def amorphous_carbon(
    size: tuple[float, float, float],
    *,
    density: float = 2.0,
    min_distance: float = 1.35,
    nitrogen_fraction: float = 0.0,
    vacuum: float = 2.0,
    rng: np.random.Generator,
) -> Atoms:
    """Slab of amorphous carbon: random atoms with a hard core, periodic in x and y.

    Atoms are inserted one after another at random, none nearer to another than a bond. This gives the
    speckle that a film shows in projection, at the cost of a second per million atoms; it does not give
    the threefold coordination of real carbon, which an image of a film thicker than a few nm cannot show.

    Parameters
    ----------
    size : (float, float, float)
        Edges of the cell in x and y and thickness of the slab in z [Å].
    density : float, default 2.0
        Mass density [g/cm³]: 1.8–2.3 for evaporated films. The number of atoms follows from it exactly.
    min_distance : float, default 1.35
        Smallest distance between two atoms [Å], across the periodic boundary too. Longer makes the speckle
        of the film finer and weaker.
    nitrogen_fraction : float, default 0.0
        Share of the sites taken by nitrogen, chosen at random, between 0 and 1.
    vacuum : float, default 2.0
        Empty margin [Å] below and above the slab. abTEM wraps an atom just below z = 0 into the last slice.
    rng : numpy.random.Generator
        Source of randomness; the same state gives the same atoms.

    Returns
    -------
    ase.Atoms
        Atoms with tag `SUPPORT`, in the cell ``(x, y, z + 2 vacuum)``.

    Raises
    ------
    ValueError
        If a parameter is out of range, or `density` is too high for `min_distance`.
    TypeError
        If `rng` is not a ``numpy.random.Generator``.

    References
    ----------
    .. [1] C. Ricolleau et al., "Random vs realistic amorphous carbon models for high resolution microscopy
       and electron diffraction", J. Appl. Phys. 114, 213504 (2013).

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures import amorphous_carbon
    >>> film = amorphous_carbon((30, 30, 20), nitrogen_fraction=0.05, rng=np.random.default_rng(0))
    >>> len(film), film.cell.lengths()
    (1790, array([30., 30., 24.]))
    """
    require_lengths("size", size, 3)
    require_generator(rng)
    box = np.asarray(size, dtype=float)
    return fill_with_carbon(
        lambda n: rng.random((n, 3)) * box,
        float(np.prod(box)),
        size,
        density=density,
        min_distance=min_distance,
        nitrogen_fraction=nitrogen_fraction,
        vacuum=vacuum,
        rng=rng,
    )
