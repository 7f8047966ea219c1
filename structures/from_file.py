"""A structure of your own: any file that ASE reads, with its single atoms tagged."""

import warnings
from collections.abc import Sequence
from os import PathLike
from typing import cast

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from stemforge.errors import StructureWarning
from stemforge.structures.cells import Array, fit_cell, require_orthogonal
from stemforge.structures.checks import require, require_count, require_generator, require_range
from stemforge.structures.reading.disorder import draw_occupied
from stemforge.structures.reading.files import read_sites
from stemforge.structures.reading.sites import Sites
from stemforge.structures.tags import Tag

__all__ = ["structure_from_file"]

# A gap along the beam that is wider lies between a film and its next image [Å].
_VACUUM_GAP = 6.0


def structure_from_file(
    path: str | PathLike[str],
    *,
    single_atoms: Sequence[str] = (),
    vacuum: float = 2.0,
    species: Sequence[str] = (),
    repeat: tuple[int, int] = (1, 1),
    rng: np.random.Generator | None = None,
    sha256: str | None = None,
) -> Atoms:
    """Read a structure from a file and prepare it for simulation along z.

    Parameters
    ----------
    path : str or path-like
        File in a format that ASE reads, such as CIF, extended XYZ, POSCAR or PDB. Of several structures in a
        trajectory the last is taken. Formats that hold Python pickles are refused, and those that name no elements.
    single_atoms : sequence of str, default ()
        Symbols of the elements that count as single atoms; all other atoms are support. Tags in the file
        are ignored.
    vacuum : float, default 2.0
        Empty margin [Å] below the lowest and above the highest atom; replaces what the file has.
    species : sequence of str, default ()
        Element of each type, in order, for files that number their types: LAMMPS data and dumps. Not needed where
        the file states elements, or masses of elements.
    repeat : (int, int), default (1, 1)
        Cells along x and y.
    rng : numpy.random.Generator or None
        Draws which sites are occupied, where the file has partial occupancies: each holds its element as often as
        it says, every repeated cell anew, and no two alternatives at once.
    sha256 : str or None
        Of the content that the file is expected to have.

    Returns
    -------
    ase.Atoms
        Atoms with tags, wrapped into the cell in x and y. Atoms of one element within 0.1 Å are one atom.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    stemforge.errors.ChangedFileError
        If its content is not the expected one.
    ValueError
        If the file cannot be read, holds no atoms, has unknown or missing elements, partial occupancies and no
        `rng`, or atoms nearer than 0.6 Å, or its cell is not orthogonal; the message names the file.

    Warns
    -----
    stemforge.errors.StructureWarning
        If something was put right: atoms written twice, the last of several structures.

    Examples
    --------
    >>> import tempfile
    >>> from ase.build import fcc100
    >>> from stemforge.structures import structure_from_file
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fcc100("Pt", (2, 2, 2), vacuum=5.0).write(f"{folder}/slab.xyz")
    ...     structure_from_file(f"{folder}/slab.xyz", single_atoms=["Pt"]).get_tags().tolist()
    [1, 1, 1, 1, 1, 1, 1, 1]
    """
    _require_symbols("single_atoms", single_atoms)
    _require_symbols("species", species)
    require_range("vacuum", vacuum, 0.0)
    for number in repeat:
        require_count("repeat", number)
    sites = read_sites(path, species, sha256=sha256)
    require_orthogonal(sites.atoms, f"the structure in {sites.source!r}")
    _require_present(single_atoms, sites)
    for remark in sites.remarks:
        warnings.warn(f"{sites.source}: {remark}", StructureWarning, stacklevel=2)
    single = np.isin(sites.atoms.numbers, [atomic_numbers[symbol] for symbol in single_atoms])
    # Only what is simulated goes on: constraints, calculators and the tags of the file stay behind.
    atoms = Atoms(numbers=sites.atoms.numbers, positions=_whole_film(sites.atoms), cell=sites.atoms.cell)
    atoms.set_tags(np.where(single, Tag.SINGLE_ATOM, Tag.SUPPORT))
    for name in ("occupancy", "kind"):
        atoms.set_array(name, sites.atoms.arrays[name])
    atoms = fit_cell(atoms, vacuum, vacuum).repeat((*repeat, 1))
    if sites.partial.any():
        atoms = fit_cell(atoms[draw_occupied(atoms, sites, _generator(rng, sites))], vacuum, vacuum)
    for name in ("occupancy", "kind"):
        del atoms.arrays[name]
    return atoms


def _require_symbols(name: str, symbols: Sequence[str]) -> None:
    require(not isinstance(symbols, str), name, "a sequence of symbols such as ['Pt']", symbols)
    for symbol in symbols:
        known = symbol in atomic_numbers and symbol != "X"
        require(known, name, "chemical symbols such as 'Pt'", symbol)


def _generator(rng: np.random.Generator | None, sites: Sites) -> np.random.Generator:
    """Return the generator, or refuse to go on without one where sites are partly occupied."""
    if rng is None:
        first = np.flatnonzero(sites.partial)[:1]
        mend = f"{sites.names(first)[0]} is partly occupied: give rng, which draws, or make a file without."
        share = float(sites.atoms.arrays["occupancy"][first[0]])
        require(False, f"the occupancy of every site in {sites.source!r}", "1", share, mend)
    require_generator(rng)
    return cast(np.random.Generator, rng)


def _require_present(single_atoms: Sequence[str], sites: Sites) -> None:
    missing = [symbol for symbol in single_atoms if symbol not in sites.elements]
    mend = "No atom would have a label."
    allowed = f"among the elements in {sites.source!r}, which are {', '.join(sites.elements)}"
    require(not missing, "single_atoms", allowed, list(single_atoms), mend)


def _whole_film(atoms: Atoms) -> Array:
    """Positions [Å] of a film in one piece along z: what crosses the cell's face in z is put together again."""
    positions, edge = atoms.positions.copy(), float(atoms.cell[2, 2])
    if not atoms.pbc[2] or len(atoms) < 2:
        return positions
    z = np.mod(positions[:, 2], edge)
    heights = np.sort(z)
    gaps = np.diff(heights, append=heights[0] + edge)
    widest = int(np.argmax(gaps))
    split = widest < len(gaps) - 1 and gaps[widest] > max(_VACUUM_GAP, gaps[-1])
    bottom = heights[widest + 1] if split else heights[0]
    thickness = edge - gaps[widest] if split else edge
    if np.ptp(positions[:, 2]) > thickness + 1e-6:
        positions[:, 2] = np.mod(z - bottom + 1e-9, edge)
    return positions
