"""Candidate structures: one framework, each with its guests in other places."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from stemforge.errors import InputError
from stemforge.infer.crystals.framework import Framework
from stemforge.infer.occupancy.crystal import Crystal
from stemforge.structures import guests_from_cell, zeolite
from stemforge.structures.tags import Tag

_CELLS_DIFFER = 0.02  # of a length, from which two cells are not one
_ALIKE = 0.9  # correlation of two projected frameworks that are one, relaxed around other guests
_FARTHEST = 2.0  # Å; beyond, another conformer is meant
_COARSE = 2.0  # spacing down to which frameworks are compared [Å]
_FINE = 64  # steps of the search for a common origin along each axis
NONE = "none of the candidates"
"""What is concluded where another structure is more probable than any candidate."""
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
    displacement
        How far the guests of an image may lie beside where they are here, across the beam: root mean square [Å].

    Examples
    --------
    >>> from stemforge.structures import mfi, place_guest
    >>> film = place_guest(mfi(), "pyridine", rng=np.random.default_rng(0))
    >>> candidate = Candidate.from_atoms("one", film)
    >>> candidate.cell.round(1).tolist(), len(candidate.guest_positions)
    ([20.1, 13.4], 22)
    """

    name: str
    crystal: Crystal
    bare: Crystal
    displacement: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.displacement <= _FARTHEST:
            raise InputError(f"displacement must be 0 to {_FARTHEST:g} Å, got {self.displacement:g}")

    @classmethod
    def from_atoms(cls, name: str, atoms: Atoms) -> "Candidate":
        """Take one cell along the beam whose guests carry ``Tag.GUEST``, as :func:`guests_from_cell` tags them."""
        bare = atoms[atoms.get_tags() != Tag.GUEST]
        framework = Framework.from_atoms(bare, name)
        return cls(name, Crystal(framework, atoms), Crystal(framework, bare))

    @property
    def cell(self) -> NDArray[np.float64]:
        """Lengths of the in-plane axes [Å]."""
        return self.crystal.cell

    @property
    def guest_positions(self) -> NDArray[np.float64]:
        """Places of the guests' atoms across the beam (x, y) [Å], shape (n, 2)."""
        atoms = self.crystal.atoms
        return np.asarray(atoms.positions[atoms.get_tags() == Tag.GUEST, :2])


def read_candidates(paths: Sequence[str | Path], *, displacement: float = 0.0) -> tuple[Candidate, ...]:
    """Read candidates from CIF files, seen along b, and refuse what cannot be compared.

    Parameters
    ----------
    paths
        Two files or more.
    displacement
        How far the guests may lie beside where the files have them, as for :class:`Candidate` [Å].

    Raises
    ------
    InputError
        A file that cannot be read, or what :func:`check_candidates` refuses.

    Examples
    --------
    >>> read_candidates(["one.cif", "other.cif"])
    Traceback (most recent call last):
        ...
    stemforge.errors.InputError: candidate one.cif: path must be an existing CIF, got 'one.cif'.
    """
    found = []
    for path, name in zip(paths, names_of(paths), strict=True):
        try:
            one = Candidate.from_atoms(name, guests_from_cell(zeolite(path)))
            found.append(replace(one, displacement=displacement))
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
        Fewer than two, two of one name, a name that says something else, more than one without guests, cells that
        differ, or frameworks that are not one.
    """
    if len(candidates) < 2:
        raise InputError(f"candidates: at least 2 are needed to choose from, got {len(candidates)}")
    names = [one.name for one in candidates]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"candidates: '{twice[0]}' is given twice; give each structure once")
    if NONE in names:
        raise InputError(f"candidates: '{NONE}' is what is said where no candidate fits; give another name")
    empty = [one.name for one in candidates if not len(one.guest_positions)]
    if len(empty) > 1:
        raise InputError(
            f"candidates: '{empty[0]}' and '{empty[1]}' hold no molecule that is not bonded to the framework; give the "
            "empty framework once, or not at all"
        )
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


def names_of(paths: Sequence[str | Path]) -> list[str]:
    """Name files by their stems, and by as many of the folders above as it takes to tell them.

    Raises
    ------
    InputError
        One file is given twice.

    Examples
    --------
    >>> names_of(["relaxed/one.cif", "relaxed/other.cif"])
    ['one', 'other']
    >>> names_of(["a/x/1.cif", "b/x/1.cif"])
    ['a/x/1', 'b/x/1']
    """
    files = [Path(path).resolve() for path in paths]
    for number, file in enumerate(files):
        if file in files[:number]:
            raise InputError(f"candidates: {paths[number]} is given twice; give each structure once")
    parts = [(*file.parent.parts, file.stem) for file in map(Path.absolute, map(Path, paths))]
    for depth in range(1, max(map(len, parts), default=1) + 1):
        names = ["/".join(one[-depth:]) for one in parts]
        if len(set(names)) == len(names):
            return names
    # Files of one folder that differ in their suffix alone.
    return [str(path) for path in paths]


def _lengths(candidate: Candidate) -> str:
    return " × ".join(f"{length:.2f}" for length in candidate.cell) + " Å"
