"""Cut a crystal into a film that the beam crosses along a zone axis, in identical lateral tiles."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.build.supercells import lattice_points_in_supercell

from stemforge.structures.cells import Array, Indices, wrapped
from stemforge.structures.checks import require, require_count, require_range
from stemforge.structures.zeolites.centring import primitive_cell

__all__ = ["crystal_film", "tile_cell"]

_LARGEST_MISTILT = 200.0  # mrad; beyond it another zone axis is meant
_MOST_VECTORS = 400  # shortest lattice vectors across the beam that are paired


def _lattice_vectors(cell: Array, longest: float) -> Indices:
    """Integer lattice vectors no longer than `longest` [Å] with a positive first entry, shortest first."""
    most = np.floor(longest * np.linalg.norm(np.linalg.inv(cell), axis=0) + 1e-9).astype(int)
    grid = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in most), indexing="ij"), -1).reshape(-1, 3)
    grid = grid[len(grid) // 2 + 1 :]  # one of each pair v, −v: its first entry other than zero is positive
    lengths = np.linalg.norm(grid @ cell, axis=1)
    order = np.argsort(lengths, kind="stable")
    return grid[order][lengths[order] <= longest]


def tile_cell(
    cell: Array,
    zone_axis: Sequence[int],
    *,
    max_strain: float = 0.02,
    max_length: float = 150.0,
    axes: Array | None = None,
) -> Indices:
    """Smallest cell with one edge along a zone axis and all edges at right angles, or nearly so.

    Parameters
    ----------
    cell : numpy.ndarray
        Lattice vectors [Å] as rows, shape ``(3, 3)``.
    zone_axis : sequence of int
        Direction ``[u v w]`` of the beam in the lattice; a common divisor is dropped.
    max_strain : float, default 0.02
        Largest cosine of an angle between two edges. A lattice without vectors at right angles to the zone
        axis is sheared by this much at most.
    max_length : float, default 150
        Longest lateral edge [Å].
    axes : numpy.ndarray, optional
        Vectors [Å] as rows, by which the edges are put in order; the lattice vectors by default.

    Returns
    -------
    numpy.ndarray of int
        Edges x, y and z as rows in units of the lattice vectors, shape ``(3, 3)``, right-handed. Of the two
        lateral edges, the one nearer to the first lattice vector is x and points along it.

    Raises
    ------
    ValueError
        If the zone axis is not three whole numbers, or no such cell exists.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures.zeolites.film import tile_cell
    >>> tile_cell(np.diag([20.1, 19.9, 13.4]), (0, 1, 0)).tolist()
    [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    """
    axis = np.asarray(zone_axis)
    whole = axis.shape == (3,) and np.issubdtype(axis.dtype, np.integer) and bool(np.any(axis != 0))
    require(whole, "zone_axis", "three whole numbers that are not all zero, such as (0, 1, 0)", zone_axis)
    axis = axis // np.gcd.reduce(axis)
    beam = axis @ cell / np.linalg.norm(axis @ cell)
    vectors = _lattice_vectors(cell, max_length)
    units = vectors @ cell
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    across = np.abs(units @ beam)
    kept = np.flatnonzero(across <= max_strain)[:_MOST_VECTORS]
    vectors, units, across = vectors[kept], units[kept], across[kept]
    cosine = np.abs(units @ units.T)
    i, j = np.nonzero(np.triu(cosine <= max_strain, 1))
    mend = f"Allow more than max_strain={max_strain:g} or max_length={max_length:g} Å, or take another axis."
    allowed = "a direction with an orthogonal cell across it"
    require(len(i) > 0, "zone_axis", allowed, tuple(axis.tolist()), mend)
    area = np.linalg.norm(np.cross(vectors[i] @ cell, vectors[j] @ cell), axis=1)
    strain = np.maximum(np.maximum(across[i], across[j]), cosine[i, j])
    lattice = cell if axes is None else axes
    lattice = lattice / np.linalg.norm(lattice, axis=1, keepdims=True)
    along = np.abs(units @ lattice[0]).round(6)
    best = np.lexsort((-np.maximum(along[i], along[j]), strain.round(6), area.round(3)))[0]
    pair = sorted((i[best], j[best]), key=lambda k: tuple(-np.abs(lattice @ units[k]).round(6)))
    x, y = vectors[pair]
    if np.linalg.det(np.array([x, y, axis])) < 0:
        y = -y
    return np.array([x, y, axis])


def _in_basis(zone_axis: Sequence[int], basis: Array) -> Sequence[int]:
    """Give a direction in terms of a basis, rows in fractions of the lattice vectors; what is none is refused later."""
    if np.shape(zone_axis) != (3,) or not np.issubdtype(np.asarray(zone_axis).dtype, np.integer):
        return zone_axis
    steps = 6 * np.asarray(zone_axis) @ np.linalg.inv(basis)  # whole in every basis of halves and thirds
    return [int(step) for step in np.rint(steps)]


def _whole_where_whole(edges: Array) -> list[list[float]]:
    """Edges as lists, of whole numbers where all are whole."""
    whole = np.rint(edges)
    return [[int(n) for n in row] for row in whole] if np.allclose(edges, whole) else edges.round(6).tolist()


def _cut(crystal: Atoms, edges: Indices) -> Atoms:
    """Atoms of the cell with the given edges, turned and made orthogonal with the volume kept."""
    points = lattice_points_in_supercell(edges) @ edges  # fractions of the new edges → of the old
    inverse = np.linalg.inv(edges)
    fractions = np.mod((crystal.get_scaled_positions() + points[:, None]) @ inverse, 1.0)
    fractions[fractions > 1 - 1e-9] = 0.0
    z = edges[2] @ crystal.cell.array
    frame = np.linalg.qr(np.array([z, *(edges[:2] @ crystal.cell.array)]).T)[1]
    lengths = np.abs(np.diag(frame))[[1, 2, 0]]
    atoms = Atoms(numbers=np.tile(crystal.numbers, len(points)), cell=lengths, pbc=True)
    atoms.positions[:] = fractions.reshape(-1, 3) * lengths
    for name in ("thermal_sigma", "site"):
        atoms.set_array(name, np.tile(crystal.get_array(name), len(points)))
    return atoms


def crystal_film(
    crystal: Atoms,
    *,
    zone_axis: Sequence[int] = (0, 1, 0),
    repeat: tuple[int, int] = (1, 1),
    thickness: int = 1,
    mistilt: tuple[float, float] = (0.0, 0.0),
    vacuum: float = 2.0,
    max_strain: float = 0.02,
    max_length: float = 150.0,
) -> Atoms:
    """Film of a crystal with the beam along a zone axis, as identical tiles side by side.

    Parameters
    ----------
    crystal : ase.Atoms
        Unit cell with the arrays ``thermal_sigma`` [Å] and ``site``.
    zone_axis : sequence of int, default (0, 1, 0)
        Lattice direction of the beam, which is +z of the film.
    repeat : (int, int), default (1, 1)
        Tiles along x and y. A tile is the smallest orthogonal cell, see `tile_cell`; of a centred lattice its edges may
        be fractions of the lattice vectors.
    thickness : int, default 1
        Cells along the beam.
    mistilt : (float, float), default (0, 0)
        Angles [mrad] between beam and zone axis in the x–z and y–z planes. They shear the film about its
        middle, ``x += z · tan(tilt)``, which keeps it periodic.
    vacuum : float, default 2.0
        Empty margin [Å] under and over the film.
    max_strain, max_length : float
        Limits of the search for an orthogonal cell, see `tile_cell`.

    Returns
    -------
    ase.Atoms
        Atoms in an orthogonal cell, periodic in x and y, tile by tile in the same order of atoms. Arrays:
        ``thermal_sigma`` (root mean square displacement along one axis [Å]), ``site`` (number of the T site,
        0 for other atoms), ``tile`` (``iy · nx + ix`` of the lattice cell that the atom belongs to) and
        ``molecule`` (−1). ``info``: ``tiles`` (nx, ny); ``tile_size`` (ax, ay) [Å]; ``lattice``, with the
        projected corner ``origin`` and edges ``a`` and ``b`` of the first tile [Å]; ``mistilt`` [mrad];
        ``vacuum`` [Å]; ``thickness``, in cells; ``zone_axis``;
        ``tile_edges``, in units of the lattice vectors; ``molecules`` (empty).

    Raises
    ------
    ValueError
        If a parameter is out of range, or no orthogonal cell is found.

    Examples
    --------
    >>> import numpy as np
    >>> from ase.build import bulk
    >>> from stemforge.structures.zeolites.film import crystal_film
    >>> silicon = bulk("Si", cubic=True)
    >>> silicon.set_array("thermal_sigma", np.full(8, 0.08))
    >>> silicon.set_array("site", np.ones(8, dtype=int))
    >>> crystal_film(silicon, zone_axis=(1, 1, 0), repeat=(2, 3)).cell.lengths().round(2).tolist()
    [7.68, 16.29, 7.84]
    """
    require(isinstance(repeat, Sequence) and len(repeat) == 2, "repeat", "two whole numbers", repeat)
    for number in repeat:
        require_count("repeat", number)
    require_count("thickness", thickness)
    require(np.shape(mistilt) == (2,), "mistilt", "two angles in mrad", mistilt)
    for angle in mistilt:
        require_range("mistilt", angle, -_LARGEST_MISTILT, _LARGEST_MISTILT, "Choose another zone_axis.")
    require_range("vacuum", vacuum, 0.0)
    require_range("max_strain", max_strain, 0.0, 0.2)
    require_range("max_length", max_length, 1.0)

    conventional = crystal.cell.array
    crystal, basis = primitive_cell(crystal)
    edges = tile_cell(
        crystal.cell.array,
        _in_basis(zone_axis, basis),
        max_strain=max_strain,
        max_length=max_length,
        axes=conventional,
    )
    tile = _cut(crystal, edges)
    size = tile.cell.lengths()
    column = tile.repeat((1, 1, thickness))
    height = thickness * size[2]
    column.positions[:, :2] += (column.positions[:, 2:] - height / 2) * np.tan(np.asarray(mistilt) / 1e3)
    column.positions[:, 2] += vacuum
    nx, ny = (int(n) for n in repeat)
    film = column.repeat((1, 1, 1))[:0]
    film.set_array("tile", np.zeros(0, dtype=int))
    for index in range(nx * ny):
        copy = column.copy()
        copy.positions[:, :2] += (index % nx * size[0], index // nx * size[1])
        copy.set_array("tile", np.full(len(copy), index))
        film += copy
    lateral = np.array([nx, ny]) * size[:2]
    film.set_cell((*lateral, height + 2 * vacuum))
    film.pbc = (True, True, False)
    film.positions[:] = wrapped(film.positions, lateral)
    film.set_array("molecule", np.full(len(film), -1))
    film.info = {
        "tiles": (nx, ny),
        "tile_size": (float(size[0]), float(size[1])),
        "lattice": {"origin": (0.0, 0.0), "a": (float(size[0]), 0.0), "b": (0.0, float(size[1]))},
        "mistilt": (float(mistilt[0]), float(mistilt[1])),
        "vacuum": float(vacuum),
        "thickness": int(thickness),
        "zone_axis": tuple((np.asarray(zone_axis) // np.gcd.reduce(zone_axis)).tolist()),
        "tile_edges": _whole_where_whole(edges @ basis),
        "molecules": [],
    }
    return film
