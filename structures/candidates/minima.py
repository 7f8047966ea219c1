"""Minima among candidates: which of them are one and the same, and how molecules share them by Boltzmann's law."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from scipy.optimize import linear_sum_assignment

from stemforge.structures.candidates.candidate import Candidate
from stemforge.structures.candidates.images import images_near
from stemforge.structures.cells import Array
from stemforge.structures.checks import require_range
from stemforge.structures.tags import Tag

__all__ = ["Shares", "boltzmann_weights", "first_of_each"]

_SAME_ENERGY = 0.02  # eV; what is left of forces of 0.1 eV/Å, below kT at room temperature
_SAME_PLACE = 0.25  # Å, root mean square over distances; poses that docking calls different differ by 1.5 Å
_AROUND = {
    13: 1,
    14: 6,
    8: 8,
}  # how many atoms of the framework, by element, say where an atom of the guest is
_REACH = 12.0  # Å, within which there are as many


def first_of_each(candidates: Sequence[Candidate]) -> list[int]:
    """Find candidates that came to rest in the same minimum.

    Two are one where they have the same T site, energies within 0.02 eV, and guests (the proton among them) whose
    atoms are as far from aluminium, T atoms and oxygens around, to within 0.25 Å. Distances tell it also where the two
    lie at different atoms that symmetry makes equal, and where a symmetric molecule lies the other way round.

    Parameters
    ----------
    candidates : sequence of Candidate
        Those that are relaxed, of one framework and guest.

    Returns
    -------
    list of int
        For each the index of the candidate of lowest energy in its minimum, which may be itself.
    """
    first = list(range(len(candidates)))
    places: dict[int, Array] = {}
    found: list[int] = []
    for index in sorted(range(len(candidates)), key=lambda k: (candidates[k].energy or 0.0, k)):
        one = candidates[index]
        places[index] = _surroundings(one.atoms)
        for other in found:
            alike = candidates[other].t_site == one.t_site and _near(one, candidates[other])
            if alike and _deviation(one, places[index], candidates[other], places[other]) < _SAME_PLACE:
                first[index] = other
                break
        else:
            found.append(index)
    return first


def _near(one: Candidate, other: Candidate) -> bool:
    return abs((one.energy or 0.0) - (other.energy or 0.0)) < _SAME_ENERGY


def _molecule(atoms: Atoms) -> Array:
    """Return indices of the guest and of the proton."""
    return np.append(np.flatnonzero(atoms.get_tags() == Tag.GUEST), atoms.info["acid"]["proton"])


def _surroundings(atoms: Atoms) -> Array:
    """Distances [Å] of each atom of the guest, and of the proton, to the nearest framework atoms, shape ``(n, 15)``."""
    points = atoms.positions[_molecule(atoms)]
    columns = []
    for element, count in _AROUND.items():
        wall = atoms[(atoms.numbers == element) & (atoms.get_tags() != Tag.GUEST)]
        places = images_near(wall, points, _REACH)[1]
        lengths = np.sort(np.linalg.norm(points[:, None] - places, axis=2), axis=1)
        columns.append(lengths[:, :count])
    return np.hstack(columns)


def _deviation(one: Candidate, first: Array, other: Candidate, second: Array) -> float:
    """Root mean square difference [Å] of distances, atoms of one element matched as they fit best."""
    numbers, others = (candidate.atoms.numbers[_molecule(candidate.atoms)] for candidate in (one, other))
    if first.shape != second.shape:
        return np.inf
    squares = ((first[:, None] - second) ** 2).mean(axis=2)
    squares[numbers[:, None] != others] = 1e6
    return float(np.sqrt(squares[linear_sum_assignment(squares)].mean()))


@dataclass(frozen=True)
class Shares:
    """How molecules are shared among candidates.

    Parameters
    ----------
    weights : numpy.ndarray
        Boltzmann weights that add up to 1, shape ``(n,)``; 0 for those whose minimum another candidate stands for.
    first : tuple of int
        For each candidate the index of that which stands for its minimum, as from `first_of_each`.
    """

    weights: Array
    first: tuple[int, ...]

    @classmethod
    def of(cls, candidates: Sequence[Candidate], temperature: float) -> "Shares | None":
        """Return the shares at a temperature [K], each minimum counted once; None where energies are missing."""
        energies = [candidate.energy for candidate in candidates if candidate.energy is not None]
        if not energies or len(energies) < len(candidates):
            return None
        first = first_of_each(candidates)
        distinct = np.unique(first)
        weights = np.zeros(len(candidates))
        weights[distinct] = boltzmann_weights(np.array(energies)[distinct], temperature)
        return cls(weights, tuple(first))


def boltzmann_weights(energies: Array, temperature: float) -> Array:
    """Share of each candidate at a temperature, if all are as frequent as sites.

    Parameters
    ----------
    energies : numpy.ndarray
        Energies [eV], shape ``(n,)``.
    temperature : float
        Temperature [K].

    Returns
    -------
    numpy.ndarray
        Weights that add up to 1, shape ``(n,)``.

    Raises
    ------
    ValueError
        If the temperature is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures.candidates.minima import boltzmann_weights
    >>> boltzmann_weights(np.array([-1.0, -1.0, -0.9]), 300.0).round(3).tolist()
    [0.495, 0.495, 0.01]
    """
    require_range("temperature", temperature, 1.0)
    relative = np.asarray(energies) - np.min(energies)
    weights = np.exp(-relative / (units.kB * temperature))
    return np.asarray(weights / weights.sum())
