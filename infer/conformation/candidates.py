"""Candidate structures: one framework, each with its guests in other places."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from stemforge.errors import InputError
from stemforge.infer.crystals.framework import Framework
from stemforge.infer.occupancy.crystal import ChannelCrystal
from stemforge.structures import guests_from_cell, zeolite
from stemforge.structures.tags import Tag

_CELLS_DIFFER = 0.02  # of a length, from which two cells are not one
_ALIKE = 0.9  # correlation of two projected frameworks that are one, relaxed around other guests
_COARSE = 2.0  # spacing down to which frameworks are compared [Å]
_FINE = 64  # steps of the search for a common origin along each axis
SIGNS = ((1, 1), (-1, -1), (1, -1), (-1, 1))
"""Senses of the two axes that a rectangular lattice leaves open."""


@dataclass(frozen=True)
class Candidate:
    """A structure that an image may show.

    Parameters
    ----------
    name
        What it is called.
    crystal
        One cell, guests included, the beam along z.
    bare
        The same without guests.
    """

    name: str
    crystal: ChannelCrystal
    bare: ChannelCrystal

    @classmethod
    def from_atoms(cls, name: str, atoms: Atoms) -> "Candidate":
        """Take one cell along the beam whose guests carry ``Tag.GUEST``, as :func:`guests_from_cell` tags them."""
        bare = atoms[atoms.get_tags() != Tag.GUEST]
        framework = Framework.from_atoms(bare, name)
        none = np.empty((0, 2))
        return cls(
            name, ChannelCrystal(framework, atoms, none, ()), ChannelCrystal(framework, bare, none, ())
        )

    @property
    def cell(self) -> NDArray[np.float64]:
        """Lengths of the in-plane axes [Å]."""
        return self.crystal.cell

    @property
    def guest_positions(self) -> NDArray[np.float64]:
        """Places of the guests' atoms across the beam (x, y) [Å], shape (n, 2)."""
        atoms = self.crystal.atoms
        return np.asarray(atoms.positions[atoms.get_tags() == Tag.GUEST, :2])


def read_candidates(paths: Sequence[str | Path]) -> tuple[Candidate, ...]:
    """Read candidates from CIF files, seen along b, and refuse what cannot be compared.

    Raises
    ------
    InputError
        A file that cannot be read, or what :func:`check_candidates` refuses.
    """
    found = []
    for path, name in zip(paths, _names(paths), strict=True):
        try:
            found.append(Candidate.from_atoms(name, guests_from_cell(zeolite(path))))
        except InputError:
            raise
        except (OSError, ValueError) as error:
            raise InputError(f"candidate {path}: {error}") from error
    return check_candidates(found)


def check_candidates(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return candidates that can be compared.

    Raises
    ------
    InputError
        Fewer than two, two of one name, cells that differ, or frameworks that are not one.
    """
    if len(candidates) < 2:
        raise InputError(f"candidates: at least 2 are needed to choose from, got {len(candidates)}")
    names = [one.name for one in candidates]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"candidates: '{twice[0]}' is given twice; give each structure once")
    first = candidates[0]
    for other in candidates[1:]:
        if np.abs(other.cell / first.cell - 1).max() > _CELLS_DIFFER:
            raise InputError(
                f"candidates: the cell of '{other.name}' ({_lengths(other)}) is not that of '{first.name}' "
                f"({_lengths(first)}); all must have the same axes across the beam within {100 * _CELLS_DIFFER:g} %"
            )
        alike = framework_correlation(first, other)
        if alike < _ALIKE:
            raise InputError(
                f"candidates: '{other.name}' and '{first.name}' have different frameworks (their projections correlate "
                f"by {alike:.2f}, needed {_ALIKE:g}); give structures that differ in their guests"
            )
    return tuple(candidates)


def framework_correlation(one: Candidate, other: Candidate) -> float:
    """Return the correlation of two projected frameworks, highest over origin and senses of the axes."""
    hk = one.crystal.indices(_COARSE)
    first = one.bare.coefficients(hk)
    best = -1.0
    for signs in SIGNS:
        product = first * other.bare.coefficients(hk * np.array(signs)).conj()
        plane = np.zeros((_FINE, _FINE), dtype=complex)
        np.add.at(plane, tuple(hk.T % _FINE), product)
        best = max(best, float((np.fft.ifft2(plane).real * plane.size).max()))
    further = other.bare.coefficients(hk)
    return best / float(np.linalg.norm(first) * np.linalg.norm(further))


def _names(paths: Sequence[str | Path]) -> list[str]:
    """Name files by their stems, and by their folders too where stems repeat."""
    stems = [Path(path).stem for path in paths]
    if len(set(stems)) == len(stems):
        return stems
    return [f"{Path(path).absolute().parent.name}/{Path(path).stem}" for path in paths]


def _lengths(candidate: Candidate) -> str:
    return " × ".join(f"{length:.2f}" for length in candidate.cell) + " Å"
