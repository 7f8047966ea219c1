"""Zeolite frameworks: five built in, any other from its CIF; along the beam as tiles."""

import warnings
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.cell import Cell
from ase.data import atomic_numbers
from ase.spacegroup import Spacegroup

from stemforge.errors import InputError, StructureWarning
from stemforge.structures.cells import Array, Indices
from stemforge.structures.checks import require
from stemforge.structures.reading.files import read_sites
from stemforge.structures.reading.symmetry import expand_sites
from stemforge.structures.zeolites.film import crystal_film
from stemforge.structures.zeolites.known import KNOWN

__all__ = ["DEFAULT_THERMAL_SIGMA", "FRAMEWORKS", "T_ELEMENTS", "mfi", "zeolite", "zeolite_cell"]

FRAMEWORKS = tuple(KNOWN)
"""Frameworks that are built in, by their codes in small letters."""

DEFAULT_THERMAL_SIGMA = 0.15  # Å, for sites of a CIF without U or B; silicalite has 0.144 (Si) and 0.204 (O)
T_ELEMENTS = ("Si", "Al", "P", "Ge", "Ga", "B", "Ti", "Sn", "Zr", "Fe", "Zn", "Be")


def _crystal(numbers: Indices, fractions: Array, cell: Cell, kind: Indices, sigma: Array) -> Atoms:
    """Make a unit cell, with the arrays ``thermal_sigma`` [Å] and ``site``: the number of a T site, or 0."""
    is_t = np.zeros(kind.max() + 1, dtype=bool)
    is_t[kind] = np.isin(numbers, [atomic_numbers[symbol] for symbol in T_ELEMENTS])
    atoms = Atoms(numbers, scaled_positions=fractions, cell=cell, pbc=True)
    atoms.set_array("thermal_sigma", sigma)
    atoms.set_array("site", np.where(is_t, np.cumsum(is_t), 0)[kind])
    atoms.set_array("kind", np.asarray(kind, dtype=int))
    return atoms


def _built_in(name: str) -> Atoms:
    """Make the unit cell of a framework that is built in; sites without U have the usual displacement."""
    known = KNOWN[name]
    t, o = known.silicon, known.oxygen
    usual = DEFAULT_THERMAL_SIGMA**2
    squares = [known.silicon_u or usual] * len(t) + [known.oxygen_u or usual] * len(o)
    numbers = np.array([14] * len(t) + [8] * len(o))
    cell = Cell.new(known.cell)
    operators = Spacegroup(known.space_group, known.setting).get_op()
    fractions, kind = expand_sites(np.array([*t, *o]), operators, cell.array)
    return _crystal(numbers[kind], fractions, cell, kind, np.sqrt(squares)[kind])


def zeolite_cell(framework: str | PathLike[str] = "mfi", *, sha256: str | None = None) -> Atoms:
    """Read the unit cell of a zeolite, periodic in all directions.

    Parameters
    ----------
    framework : str or path-like, default "mfi"
        One of the frameworks that are built in, ``"mfi"``, ``"fau"``, ``"cha"``, ``"mor"`` and ``"bea"`` in small or
        large letters, or a CIF as for `zeolite`.
    sha256 : str or None
        Of the content that the CIF is expected to have.

    Returns
    -------
    ase.Atoms
        Atoms in the lattice's own axes. Arrays: ``site`` (number of the T site, 0 for other atoms), ``kind`` (number
        of the crystallographic site in the file's order, from 0) and ``thermal_sigma`` [Å].

    Raises
    ------
    FileNotFoundError, ValueError
        As from `zeolite`.

    Examples
    --------
    >>> from stemforge.structures import zeolite_cell
    >>> [zeolite_cell(name).get_chemical_formula() for name in ("mfi", "fau", "cha", "mor", "bea")]
    ['O192Si96', 'O384Si192', 'O72Si36', 'O96Si48', 'O128Si64']
    """
    name = str(framework)
    if name.lower() in KNOWN:
        return _built_in(name.lower())
    if "." not in name and not Path(name).exists():
        raise InputError(
            f"framework {name!r} is not known; there are {', '.join(FRAMEWORKS)}, or give a CIF file"
        )
    return _read_crystal(framework, sha256)


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
    return crystal_film(_built_in("mfi"), **film)


def _read_crystal(path: str | PathLike[str], sha256: str | None) -> Atoms:
    """Read a CIF into its unit cell; sites without U have the usual displacement."""
    sites = read_sites(path, cif=True, sha256=sha256)
    partial = np.flatnonzero(sites.partial)
    if len(partial):
        share = float(sites.atoms.arrays["occupancy"][partial[0]])
        mend = "Choose one of the alternatives of each disordered site and remove the others."
        require(False, f"the occupancy of every site in {sites.source!r}", "1", share, mend)
    for remark in sites.remarks:
        warnings.warn(f"{sites.source}: {remark}", StructureWarning, stacklevel=3)
    atoms, sigma = sites.atoms, sites.atoms.arrays["thermal_sigma"]
    sigma = np.where(np.isfinite(sigma), sigma, DEFAULT_THERMAL_SIGMA)
    fractions = atoms.get_scaled_positions()
    return _crystal(atoms.numbers, fractions, atoms.cell, atoms.arrays["kind"], sigma)


def zeolite(path: str | PathLike[str], *, sha256: str | None = None, **film: Any) -> Atoms:
    """Framework that is built in or from a CIF, cut into a film with the beam along a zone axis.

    Parameters
    ----------
    path : str or path-like
        Name of a framework that is built in, as for `zeolite_cell`; or a CIF with symmetry (operators, space group
        number or symbol; ``x, y, z`` alone for a full cell) and fully occupied sites; one structure alone.
    sha256 : str or None
        Of the content that the file is expected to have.
    **film
        Zone axis, tiles, thickness, mistilt and margin, as in `mfi`. Without ``zone_axis`` a built-in framework is
        seen along its widest channels, and a CIF along b; `stemforge.structures.zeolites.viewing.channel_axis` finds
        the direction of its channels.

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
    stemforge.errors.InputError
        If neither a built-in framework nor a file has the name.
    stemforge.errors.ChangedFileError
        If its content is not the expected one.
    ValueError
        If the file cannot be read, states no symmetry, has partial occupancy, unknown species, atoms on top of each
        other or several structures, or a parameter is out of range; the message names the file.

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
    crystal = zeolite_cell(path, sha256=sha256)
    known = KNOWN.get(str(path).lower())
    usual = {"zone_axis": known.zone_axis} if known else {}
    return crystal_film(crystal, **usual | film)
