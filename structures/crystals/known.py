"""Unit cells of well-known crystals."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_numbers, reference_states
from ase.spacegroup import crystal

from stemforge.structures.checks import require
from stemforge.structures.reading.sites import Sites

__all__ = ["KNOWN_CRYSTALS", "is_known_crystal", "known_crystal"]

_SYMMETRIES = ("fcc", "bcc", "hcp", "diamond", "sc")  # of the elements that ase.build.bulk makes


@dataclass(frozen=True)
class _Cell:
    """A crystal as it is published: sites ``(element, fractional coordinates, occupancy)``, group and cell."""

    group: int
    cell: tuple[float, ...]
    sites: tuple[tuple[str, tuple[float, float, float], float], ...]
    setting: int = 1


def _cubic(edge: float) -> tuple[float, ...]:
    return (edge, edge, edge, 90.0, 90.0, 90.0)


# With each cell stands where it was read. AMCSD: entry of the American Mineralogist Crystal Structure Database.
# tests/structures/crystals/test_known.py compares all with other measurements.
_CELLS = {
    # R. W. G. Wyckoff, Crystal Structures, vol. 1 (1963), p. 85. Read in AMCSD 0011349.
    "mgo": _Cell(225, _cubic(4.2112), (("Mg", (0, 0, 0), 1), ("O", (0.5, 0.5, 0.5), 1))),
    # Wyckoff (1963), p. 85. Read in AMCSD 0011371.
    "nio": _Cell(225, _cubic(4.1684), (("Ni", (0, 0, 0), 1), ("O", (0.5, 0.5, 0.5), 1))),
    # Wyckoff (1963), p. 239, the fluorite structure. Read in AMCSD 0011686.
    "ceo2": _Cell(225, _cubic(5.411), (("Ce", (0, 0, 0), 1), ("O", (0.25, 0.25, 0.25), 1))),
    # E. P. Meagher and G. A. Lager, Can. Mineral. 17, 77 (1979), at 25 °C, could not be read. Within 0.11 % of C. J.
    # Howard, T. M. Sabine and F. Dickson, Acta Cryst. B47, 462 (1991): 4.5937 Å, 2.9587 Å, 0.30478 (AMCSD 0019092).
    "tio2-rutile": _Cell(
        136, (4.593, 4.593, 2.959, 90, 90, 90), (("Ti", (0, 0, 0), 1), ("O", (0.3051, 0.3051, 0), 1))
    ),
    # M. Horn, C. F. Schwerdtfeger and E. P. Meagher, Z. Kristallogr. 136, 273 (1972), at 25 °C; z is that of O from the
    # Ti atom. Read in AMCSD 0010735.
    "tio2-anatase": _Cell(
        141, (3.7842, 3.7842, 9.5146, 90, 90, 90), (("Ti", (0, 0, 0), 1), ("O", (0, 0, 0.2081), 1))
    ),
    # L. Lutterotti and P. Scardi, J. Appl. Cryst. 23, 246 (1990). Read in entry 1000032 of the Crystallography Open
    # Database, which is AMCSD 0012859.
    "al2o3-alpha": _Cell(
        167,
        (4.7605, 4.7605, 12.9956, 90, 90, 120),
        (("Al", (0, 0, 0.35216), 1), ("O", (0.30668, 0, 0.25), 1)),
    ),
    # The spinel with vacancies, Al(21⅓)O(32). a and x(O) are those of R.-S. Zhou and R. L. Snyder, Acta Cryst. B47, 617
    # (1991); neither this paper nor another measurement could be read: they are unchecked. Both spinel sites of Al are
    # 8/9 full: L. Smrčok, V. Langer and J. Křesťan, Acta Cryst. C62, i83 (2006), find 0.83(3) on 8a and 0.818(13) on
    # 16d (read in its abstract), equal within errors, and 6 % of the Al elsewhere, which is left out here.
    "al2o3-gamma": _Cell(
        227,
        _cubic(7.911),
        (
            ("O", (0.2547, 0.2547, 0.2547), 1),
            ("Al", (0.125, 0.125, 0.125), 8 / 9),
            ("Al", (0.5, 0.5, 0.5), 8 / 9),
        ),
        setting=2,
    ),
    # Within 0.01 % of R. H. Mitchell, A. R. Chakhmouradian and P. M. Woodward, Phys. Chem. Minerals 27, 583 (2000):
    # 3.90528 Å (AMCSD 0008446). Read in xrayutilities 1.8.0, predefined_materials.py.
    "srtio3": _Cell(
        221, _cubic(3.905), (("Sr", (0, 0, 0), 1), ("Ti", (0.5, 0.5, 0.5), 1), ("O", (0.5, 0.5, 0), 1))
    ),
}

KNOWN_CRYSTALS = tuple(_CELLS)
"""Names of the compounds; any element that ``ase.build.bulk`` makes is known by its symbol."""


def is_known_crystal(name: str) -> bool:
    """Whether :func:`known_crystal` makes it.

    Examples
    --------
    >>> [is_known_crystal(name) for name in ("mgo", "Pt", "unobtainium")]
    [True, True, False]
    """
    return name.lower() in _CELLS or _is_simple_element(name)


def known_crystal(name: str) -> Sites:
    """Return the conventional unit cell of a well-known crystal.

    Parameters
    ----------
    name : str
        One of `KNOWN_CRYSTALS`, or the symbol of an element that ``ase.build.bulk`` makes, such as ``"Au"``.

    Returns
    -------
    Sites
        As a structure file would give them, with occupancies. Elements have the lattice parameters of
        ``ase.data.reference_states`` (from Ashcroft and Mermin, Solid State Physics, 1976).

    Raises
    ------
    ValueError
        There is no such crystal in the table.

    Examples
    --------
    >>> from stemforge.structures.crystals.known import known_crystal
    >>> known_crystal("mgo").atoms.get_chemical_formula()
    'Mg4O4'
    """
    mend = "An element is named by its symbol; any other crystal is given as a CIF."
    require(is_known_crystal(name), "crystal", f"one of {', '.join(KNOWN_CRYSTALS)}", name, mend)
    return _compound(name.lower()) if name.lower() in _CELLS else _element(name)


def _is_simple_element(name: str) -> bool:
    state = _state(name) if name in atomic_numbers else {}
    return state.get("symmetry") in _SYMMETRIES and "a" in state


def _state(name: str) -> dict[str, Any]:
    """Symmetry and lattice parameters of an element at room temperature, as ASE knows them."""
    return dict(reference_states[atomic_numbers[name]] or {})


@functools.cache
def _compound(name: str) -> Sites:
    cell = _CELLS[name]
    symbols, places, shares = zip(*cell.sites, strict=True)
    made = crystal(symbols, places, spacegroup=cell.group, setting=cell.setting, cellpar=cell.cell)
    return _sites(name, made, made.arrays["spacegroup_kinds"], shares)


@functools.cache
def _element(name: str) -> Sites:
    made = bulk(name) if _state(name)["symmetry"] == "hcp" else bulk(name, cubic=True)
    return _sites(name, made, np.zeros(len(made), dtype=int), (1.0,))


def _sites(name: str, made: Atoms, kind: np.ndarray, shares: tuple[float, ...]) -> Sites:
    atoms = Atoms(made.numbers, positions=made.positions, cell=made.cell, pbc=True)
    atoms.set_array("kind", np.asarray(kind, dtype=int))
    atoms.set_array("occupancy", np.asarray(shares, dtype=float)[kind])
    atoms.set_array("thermal_sigma", np.full(len(atoms), np.nan))
    labels = [str(atoms.symbols[np.flatnonzero(kind == one)[0]]) for one in np.unique(kind)]
    return Sites(name, atoms, tuple(labels), ())
