"""Zeolite frameworks: MFI built in, any other from its CIF; along the beam as tiles."""

import re
import warnings
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.cell import Cell
from ase.data import atomic_numbers
from ase.io.cif import CIFBlock, parse_cif
from ase.neighborlist import neighbor_list
from ase.spacegroup import Spacegroup
from ase.spacegroup.spacegroup import parse_sitesym

from stemforge.structures.cells import Array
from stemforge.structures.checks import require
from stemforge.structures.zeolites import silicalite
from stemforge.structures.zeolites.film import crystal_film

__all__ = ["DEFAULT_THERMAL_SIGMA", "T_ELEMENTS", "mfi", "zeolite"]

DEFAULT_THERMAL_SIGMA = 0.15  # Å, for sites of a CIF without U or B; silicalite has 0.144 (Si) and 0.204 (O)
T_ELEMENTS = ("Si", "Al", "P", "Ge", "Ga", "B", "Ti", "Sn", "Zr", "Fe", "Zn", "Be")
_SAME_SITE = 1e-3  # fraction of a cell; images of a site that come nearer are one atom
_TOO_CLOSE = 0.6  # Å; atoms that come nearer are alternatives of a disordered site


def _expand(
    symbols: Sequence[str],
    fractions: Array,
    sigma: Array,
    operators: tuple[Array, Array],
    cell: Sequence[float],
) -> Atoms:
    """Make the unit cell from its asymmetric unit, with the arrays ``thermal_sigma`` [Å] and ``site``."""
    rotations, translations = operators
    images = np.einsum("oij,sj->soi", rotations, fractions) + translations
    full, kinds = [], []
    for kind, points in enumerate(np.mod(images, 1.0)):
        kept = np.empty((0, 3))
        for point in points:
            separation = kept - point
            separation -= np.round(separation)
            if not np.any(np.all(np.abs(separation) < _SAME_SITE, axis=1)):
                kept = np.vstack([kept, point])
        full.append(kept)
        kinds += [kind] * len(kept)
    is_t = np.isin(symbols, T_ELEMENTS)
    atoms = Atoms(np.asarray(symbols)[kinds], scaled_positions=np.vstack(full), cell=cell, pbc=True)
    atoms.set_array("thermal_sigma", sigma[kinds])
    atoms.set_array("site", np.where(is_t, np.cumsum(is_t), 0)[kinds])
    return atoms


def mfi(**film: Any) -> Atoms:
    """Silicalite-1, the all-silica MFI framework of ZSM-5, seen along its straight channels.

    Parameters
    ----------
    **film
        Zone axis, tiles, thickness, mistilt and margin, as in `stemforge.structures.zeolites.film.crystal_film`:
        ``zone_axis=(0, 1, 0)``, ``repeat=(1, 1)``, ``thickness=1``, ``mistilt=(0, 0)`` [mrad], ``vacuum=2.0``
        [Å], ``max_strain=0.02``, ``max_length=150`` [Å].

    Returns
    -------
    ase.Atoms
        Si₉₆O₁₉₂ per cell. With the default zone axis [010], +x is +a (20.11 Å), +y is −c (13.41 Å) and the
        beam, +z, is +b (19.93 Å). The arrays and ``info`` are those of `crystal_film`; ``site`` is 1–12 for
        T1–T12.

    Raises
    ------
    ValueError
        If a parameter is out of range, or the zone axis has no orthogonal cell.

    References
    ----------
    .. [1] C. Lamberti et al., J. Am. Chem. Soc. 123, 2204 (2001), doi:10.1021/ja003657t; site coordinates
       and U_iso from entry 4115456 of the Crystallography Open Database (public domain).

    Examples
    --------
    >>> from stemforge.structures import mfi
    >>> film = mfi(repeat=(2, 1))
    >>> film.get_chemical_formula(), film.info["tile_size"]
    ('O384Si192', (20.11351, 13.40977))
    """
    t, o = silicalite.SILICON_SITES, silicalite.OXYGEN_SITES
    sigma = np.sqrt([silicalite.SILICON_U] * len(t) + [silicalite.OXYGEN_U] * len(o))
    symbols = ["Si"] * len(t) + ["O"] * len(o)
    operators = Spacegroup(silicalite.SPACE_GROUP).get_op()
    crystal = _expand(symbols, np.array([*t, *o]), sigma, operators, silicalite.CELL)
    return crystal_film(crystal, **film)


def _column(block: CIFBlock, key: str, count: int) -> Array:
    """Column of numbers of the atom table; nan where the file has none."""
    values = block.get(key)
    values = [values] if isinstance(values, (str, int, float)) else list(values or [])
    numbers = [value if isinstance(value, (int, float)) else np.nan for value in values]
    return np.array(numbers if len(numbers) == count else [np.nan] * count, dtype=float)


def _symbols(block: CIFBlock, source: str) -> list[str]:
    """Chemical symbols of the sites, from their types or else their labels."""
    raw = block.get("_atom_site_type_symbol") or block.get("_atom_site_label") or []
    symbols = []
    for text in [raw] if isinstance(raw, str) else raw:
        match = re.match(r"[A-Za-z]+", str(text))
        symbol = {"D": "H"}.get(match.group(0), match.group(0)) if match else ""
        known = symbol in atomic_numbers and symbol != "X"
        mend = "Write chemical symbols into _atom_site_type_symbol, and remove dummy sites."
        require(known, f"the species of every site in {source!r}", "a chemical element", str(text), mend)
        symbols.append(symbol)
    return symbols


def _read_crystal(path: Path) -> Atoms:
    """Read the first structure of a CIF into its unit cell, or refuse the file by name."""
    source = str(path)
    try:
        with warnings.catch_warnings():  # of settings that ASE does not interpret: the operators are used
            warnings.simplefilter("ignore")
            blocks = list(parse_cif(source))
            block = next((b for b in blocks if b.has_structure() and b.get_cellpar() is not None), None)
    except Exception as error:  # ASE's parser fails in many ways
        raise ValueError(
            f"path must be a readable CIF, got {source!r}: {type(error).__name__}: {error}"
        ) from error
    require(block is not None, "path", "a CIF with a cell and atoms", source)
    assert block is not None  # noqa: S101 - for mypy
    symbols = _symbols(block, source)
    occupancy = _column(block, "_atom_site_occupancy", len(symbols))
    partial = np.flatnonzero(occupancy < 1 - 1e-3)
    if len(partial):
        mend = "Choose one of the alternatives of each disordered site and remove the others."
        require(False, f"the occupancy of every site in {source!r}", "1", float(occupancy[partial[0]]), mend)
    # ASE takes a file without symmetry for P1, which would silently lose most of its atoms.
    stated = (block._get_sitesym(), block._get_spacegroup_number(), block._get_spacegroup_name())
    known = any(value not in (None, "", "?", ".", []) for value in stated)
    mend = "Give it _space_group_symop_operation_xyz or _space_group_IT_number; for a full cell, 'x, y, z'."
    require(known, f"the symmetry of {source!r}", "stated in the CIF", None, mend)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            operators = parse_sitesym(stated[0]) if stated[0] else block.get_spacegroup(True).get_op()
            bare = block.get_unsymmetrized_structure()
            cell = Cell.new(block.get_cellpar())
            fractions = cell.scaled_positions(bare.positions)
    except Exception as error:
        raise ValueError(
            f"path must be a CIF with sound symmetry and positions, got {source!r}: "
            f"{type(error).__name__}: {error}"
        ) from error
    finite = bool(np.isfinite(fractions).all()) and cell.rank == 3
    require(finite, "path", "a CIF with finite positions and cell", source)
    u = _column(block, "_atom_site_u_iso_or_equiv", len(symbols))
    b = _column(block, "_atom_site_b_iso_or_equiv", len(symbols))
    u = np.where(np.isfinite(u), u, b / (8 * np.pi**2))
    sigma = np.where(u > 0, np.sqrt(np.where(u > 0, u, 1.0)), DEFAULT_THERMAL_SIGMA)
    crystal = _expand(symbols, fractions, sigma, operators, cell)
    close = neighbor_list("d", crystal, _TOO_CLOSE)
    mend = "Disordered or doubled sites? Keep one of them."
    distance = f"at least {_TOO_CLOSE:g} Å"
    if len(close):
        require(False, f"the distance between atoms in {source!r}", distance, round(min(close), 3), mend)
    return crystal


def zeolite(path: str | PathLike[str], **film: Any) -> Atoms:
    """Framework from a CIF, cut into a film with the beam along a zone axis.

    Parameters
    ----------
    path : str or path-like
        CIF with symmetry (operators, space group number or symbol; ``x, y, z`` alone for a full cell) and
        fully occupied sites. Of several structures the first is taken.
    **film
        Zone axis, tiles, thickness, mistilt and margin, as in `mfi`.

    Returns
    -------
    ase.Atoms
        As from `stemforge.structures.zeolites.film.crystal_film`. ``thermal_sigma`` is the root of the sites'
        isotropic U (or B / 8π²), 0.15 Å for sites without; ``site`` numbers the T sites in the file's order.
        Guests that the file holds are tagged by `guests_from_cell`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file cannot be read, states no symmetry, has partial occupancy, unknown species or atoms on
        top of each other, or a parameter is out of range; the message names the file.

    Examples
    --------
    >>> import tempfile
    >>> from ase.spacegroup import crystal
    >>> from stemforge.structures import zeolite
    >>> sites, cell = [(0.47, 0, 1 / 3), (0.41, 0.27, 0.12)], [4.9, 4.9, 5.4, 90, 90, 120]
    >>> quartz = crystal(["Si", "O"], sites, spacegroup=152, cellpar=cell)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     quartz.write(f"{folder}/quartz.cif")
    ...     film = zeolite(f"{folder}/quartz.cif", zone_axis=(0, 0, 1))
    >>> film.get_chemical_formula(), film.cell.lengths().round(2).tolist()
    ('O12Si6', [4.9, 8.49, 9.4])
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path must be an existing CIF, got {str(path)!r}.")
    return crystal_film(_read_crystal(path), **film)
