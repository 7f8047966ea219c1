"""Symmetry of a CIF: its operators, and every image of its sites."""

import warnings

import numpy as np
from ase.cell import Cell
from ase.io.cif import CIFBlock
from ase.spacegroup import Spacegroup
from ase.spacegroup.spacegroup import SpacegroupNotFoundError, parse_sitesym

from stemforge.structures.cells import Array, Indices
from stemforge.structures.checks import require

__all__ = ["SAME_SITE", "expand_sites", "symmetry_operators"]

SAME_SITE = 0.1
"""Images of a site that come nearer than this [Å] are one atom on a special position."""
_MISFIT = 0.02  # of the longest edge squared; operators of another setting change the cell by far more
_MONOCLINIC = range(3, 16)
_RHOMBOHEDRAL = (146, 148, 155, 160, 161, 166, 167)
_MEND = "Give it _space_group_symop_operation_xyz, as databases and VESTA do; for a full cell, 'x, y, z'."


def expand_sites(fractions: Array, operators: tuple[Array, Array], cell: Array) -> tuple[Array, Indices]:
    """Write out every image of every site in the unit cell.

    Parameters
    ----------
    fractions : numpy.ndarray
        Fractional coordinates of the sites, shape ``(n, 3)``.
    operators : (numpy.ndarray, numpy.ndarray)
        Rotations, shape ``(m, 3, 3)``, and translations, shape ``(m, 3)``.
    cell : numpy.ndarray
        Lattice vectors [Å] as rows.

    Returns
    -------
    fractions, kinds : numpy.ndarray
        Coordinates, site by site, and the number of the site that each is an image of.
    """
    rotations, translations = operators
    images = np.einsum("oij,sj->soi", rotations, fractions) + translations
    if len(rotations) == 1:  # as they are: 0 and 1 differ still
        return images[:, 0], np.arange(len(images))
    images = np.mod(images, 1.0)
    full, kinds = [], []
    for kind, points in enumerate(images):
        kept = np.empty((0, 3))
        for point in points:
            separation = kept - point
            separation -= np.round(separation)
            if not np.any(np.linalg.norm(separation @ cell, axis=1) < SAME_SITE):
                kept = np.vstack([kept, point])
        full.append(kept)
        kinds += [kind] * len(kept)
    return np.vstack(full), np.array(kinds, dtype=int)


def symmetry_operators(block: CIFBlock, cell: Cell, source: str) -> tuple[Array, Array]:
    """Return rotations and translations of the symmetry that a CIF states.

    Raises
    ------
    ValueError
        The file states none, one that may mean several settings, or one that does not fit its cell.
    """
    stated = (block._get_sitesym(), block._get_spacegroup_number(), block._get_spacegroup_name())
    # ASE takes a file without symmetry for P1, which would silently lose most of its atoms.
    known = any(value not in (None, "", "?", ".", []) for value in stated)
    mend = "Give it _space_group_symop_operation_xyz or _space_group_IT_number; for a full cell, 'x, y, z'."
    require(known, f"the symmetry of {source!r}", "stated in the CIF", None, mend)
    with warnings.catch_warnings():  # of settings that ASE does not interpret
        warnings.simplefilter("ignore")
        if stated[0] and stated[0] != ["?"]:
            rotations, translations = parse_sitesym(stated[0])
        else:
            rotations, translations = _one_setting(block, cell, source).get_op()
    metric = cell.array @ cell.array.T
    misfit = np.abs(np.einsum("oki,kl,olj->oij", rotations, metric, rotations) - metric).max()
    allowed = "one that fits the cell"
    require(
        misfit < _MISFIT * metric.max(),
        f"the symmetry of {source!r}",
        allowed,
        cell.cellpar().tolist(),
        _MEND,
    )
    return np.asarray(rotations, float), np.asarray(translations, float)


def _one_setting(block: CIFBlock, cell: Cell, source: str) -> Spacegroup:
    """Return the space group that number or symbol alone state, where the file leaves no doubt about its setting."""
    what = f"the symmetry of {source!r}"
    number, symbol = block._get_spacegroup_number(), block._get_spacegroup_name()
    number = None if number in (None, "?", ".", "") else int(number)
    symbol = None if symbol in (None, "?", ".", "") else str(symbol).strip()
    # P 21/n has the number of P 21/c: the symbol says more than the number.
    name, setting = _plain_symbol(symbol) if symbol else (number or 0, None)
    try:
        group = Spacegroup(name)
    except SpacegroupNotFoundError:
        require(False, what, "a space group in a setting of ASE's table", symbol or number, _MEND)
    require(number in (None, group.no), what, "one space group", f"{symbol} and {number}", _MEND)
    if group.no in _RHOMBOHEDRAL:
        return Spacegroup(group.no, 1 if abs(cell.angles()[2] - 120) < 1 else 2)
    if group.no in _MONOCLINIC:
        return Spacegroup(group.no, 1 if abs(cell.angles()[2] - 90) < 0.1 else 2)
    setting = block._get_setting() or setting
    if setting is None and _settings(group.no) > 1:
        require(False, what, "given with its origin", symbol or number, f"Two are in use. {_MEND}")
    return Spacegroup(group.no, setting or 1)


def _plain_symbol(symbol: str) -> tuple[str | int, int | None]:
    """Return a symbol without the ones that fill up monoclinic ones, and its setting: "F d -3 m :2", "P 1 2 1"."""
    name, mark, setting = symbol.partition(":")
    parts = name.replace("_", "").split()
    if not mark and len(parts) > 2 and parts[-1] in ("S", "Z"):
        setting = {"S": "1", "Z": "2"}[parts.pop()]
    if len(parts) == 4 and parts.count("1") == 2:
        parts = [part for part in parts if part != "1"]
    return " ".join(parts), int(setting) if setting.strip() in ("1", "2") else None


def _settings(number: int) -> int:
    """Return how many settings of a space group ASE knows."""
    try:
        Spacegroup(number, 2)
    except SpacegroupNotFoundError:
        return 1
    return 2
