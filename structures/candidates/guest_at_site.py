"""A candidate: a guest at an acid site, and what was measured on it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from ase import Atoms

__all__ = ["Candidate"]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_KINDS: dict[Any, Callable[[object], bool]] = {
    str: lambda value: isinstance(value, str),
    bool: lambda value: isinstance(value, bool),
    int: lambda value: isinstance(value, int) and not isinstance(value, bool),
    float: _is_number,
    float | None: lambda value: value is None or _is_number(value),
}
"""Which values the fields of a candidate may have, by their type."""


@dataclass(frozen=True)
class Candidate:
    """An acid site with its guest.

    Parameters
    ----------
    name : str
        Such as ``T12-O20-1``.
    t_site, oxygen_site : int
        Numbers of the sites.
    atoms : ase.Atoms
        The whole unit cell.
    energy : float or None
        Of the guest at the site, against the empty site and the molecule alone, all three relaxed [eV]; None if
        it was not relaxed.
    head_proton, head_oxygen, oxygen_proton : float
        Distances [Å] between the guest's heteroatom, the proton, and the nearest oxygen of the aluminium.
    transferred : bool
        Whether the proton is nearer to the guest than to the framework.
    displacement : float
        Root mean square displacement of the guest's heavy atoms by the relaxation [Å].
    force : float or None
        Largest force that is left [eV/Å].
    steps : int
        Steps of the relaxation.
    converged : bool
        Whether all forces are below the limit.
    reference_force : float or None, default None
        Largest force that is left on the empty site and on the molecule alone, which the energy refers to [eV/Å].

    Examples
    --------
    >>> from stemforge.structures import CandidateSearch, candidates
    >>> search = CandidateSearch(t_sites=(12,), max_tries=100)
    >>> made = candidates("mfi", "pyridine", "docked", search, calculator="none", quiet=True)
    >>> one = made.candidates[0]
    >>> one.name, one.oxygen_site, one.energy, one.transferred
    ('T12-O11-1', 11, None, False)
    """

    name: str
    t_site: int
    oxygen_site: int
    atoms: Atoms
    energy: float | None
    head_proton: float
    head_oxygen: float
    oxygen_proton: float
    transferred: bool
    displacement: float
    force: float | None
    steps: int
    converged: bool
    reference_force: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the atoms, as plain values."""
        return {name: value for name, value in vars(self).items() if name != "atoms"}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], atoms: Atoms) -> "Candidate":
        """Return what `to_dict` described; values that another version noted beside are left out.

        Raises
        ------
        ValueError
            A value is missing, or is not of its kind.
        """
        found: dict[str, Any] = {}
        for field in fields(cls):
            if field.name != "atoms":
                if field.name not in values or not _KINDS[field.type](values[field.name]):
                    raise ValueError(f"{field.name} is missing, or not {field.type}")
                found[field.name] = values[field.name]
        return cls(atoms=atoms, **found)
