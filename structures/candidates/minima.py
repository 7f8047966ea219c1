"""Minima among candidates: which of them are one and the same, and how molecules share them by Boltzmann's law."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import units

from stemforge.structures.candidates.docking import matched_deviation
from stemforge.structures.candidates.guest_at_site import Candidate
from stemforge.structures.cells import Array
from stemforge.structures.checks import require_range
from stemforge.structures.tags import Tag

__all__ = ["Shares", "boltzmann_weights", "first_of_each"]

_SAME_ENERGY = 0.02  # eV; what is left of forces of 0.1 eV/Å, below kT at room temperature
_SAME_PLACE = 0.4  # Å; starting poses of one site differ by 1 Å or more


def first_of_each(candidates: Sequence[Candidate]) -> list[int]:
    """Find candidates that came to rest in the same minimum.

    Two are one where they have the same aluminium atom, energies within 0.02 eV, and the atoms of guest and proton in
    the same places, to within 0.4 Å root mean square. Which of two equal atoms is in a place does not matter: pyridine
    after half a turn about its axis is the same.

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
    found: list[int] = []
    for index in sorted(first, key=lambda k: (candidates[k].energy or 0.0, k)):
        same = (other for other in found if _one_minimum(candidates[index], candidates[other]))
        first[index] = next(same, index)
        if first[index] == index:
            found.append(index)
    return first


def _one_minimum(one: Candidate, other: Candidate) -> bool:
    acids = one.atoms.info["acid"], other.atoms.info["acid"]
    if acids[0]["aluminium"] != acids[1]["aluminium"]:
        return False
    if abs((one.energy or 0.0) - (other.energy or 0.0)) > _SAME_ENERGY:
        return False
    members = np.append(np.flatnonzero(one.atoms.get_tags() == Tag.GUEST), acids[0]["proton"])
    places = one.atoms.positions[members], other.atoms.positions[members]
    return matched_deviation(one.atoms.numbers[members], *places, one.atoms.cell) < _SAME_PLACE


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
