"""Put atoms into the cell that abTEM wants: inside it, with empty margins along the beam."""

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from stemforge.structures.checks import require

__all__ = ["Array", "Indices", "Mask", "fit_cell", "require_orthogonal", "wrapped"]

Array = NDArray[np.float64]
Indices = NDArray[np.int_]
Mask = NDArray[np.bool_]


def wrapped(positions: Array, edges: Array) -> Array:
    """Positions [Å], shape ``(n, 3)`` or ``(n, 2)``, brought inside the edges of the cell in x and y."""
    # Most are inside already, and remainders would take longer than all else that is done with a million atoms.
    columns = zip(positions.T, edges[:2], strict=False)
    if all(x.min(initial=0.0) >= 0 and x.max(initial=0.0) < edge for x, edge in columns):
        return positions.copy()
    xy = np.mod(positions[:, :2], edges)
    # A coordinate a rounding error below zero wraps to the edge itself, which is outside.
    return np.column_stack([np.where(xy >= edges, 0.0, xy), positions[:, 2:]])


def require_orthogonal(atoms: Atoms, name: str) -> None:
    """Raise ``ValueError`` unless the cell of the atoms is orthogonal, along x, y and z, and not empty."""
    cell = atoms.cell.array
    lengths = np.diag(cell)
    mend = "Give it one: atoms.center(vacuum=5.0) makes a box around a molecule."
    allowed = "in a cell with three positive edges along x, y and z"
    require(bool(np.all(lengths > 0)), name, allowed, cell.tolist(), mend)
    upright = bool(np.all(np.abs(cell - np.diag(lengths)) <= 1e-4 * lengths.min()))
    mend = "Turn it into one with abtem.orthogonalize_cell(atoms)."
    require(upright, name, "in an orthogonal cell along x, y and z, as abTEM's grid is", cell.tolist(), mend)


def fit_cell(atoms: Atoms, below: float = 2.0, above: float = 2.0) -> Atoms:
    """Wrap atoms into the cell in x and y, and fit its z edge to them with empty margins.

    abTEM wraps an atom that lies just below z = 0 into the last slice, where it scatters a beam that has
    already passed it; a margin prevents it.

    Parameters
    ----------
    atoms : ase.Atoms
        Atoms in an orthogonal cell; changed in place.
    below, above : float, default 2.0
        Margins [Å] under the lowest and over the highest atom.

    Returns
    -------
    ase.Atoms
        The same object. The places in ``info["vacancies"]`` move with the atoms.

    Examples
    --------
    >>> from ase import Atoms
    >>> from stemforge.structures.cells import fit_cell
    >>> atoms = fit_cell(Atoms("C2", positions=[(-1, 0, -3), (0, 0, 5)], cell=(10, 10, 1)))
    >>> atoms.positions.tolist(), atoms.cell.lengths().tolist()
    ([[9.0, 0.0, 2.0], [0.0, 0.0, 10.0]], [10.0, 10.0, 12.0])
    """
    edges = atoms.cell.lengths()
    positions = atoms.positions
    positions[:] = wrapped(positions, edges[:2])
    low, high = (positions[:, 2].min(), positions[:, 2].max()) if len(atoms) else (0.0, 0.0)
    positions[:, 2] += below - low
    if "vacancies" in atoms.info:
        missing = atoms.info["vacancies"]
        atoms.info["vacancies"] = {**missing, "positions": missing["positions"] + (0.0, 0.0, below - low)}
    atoms.set_cell((edges[0], edges[1], below + high - low + above))
    atoms.pbc = (True, True, False)
    return atoms
