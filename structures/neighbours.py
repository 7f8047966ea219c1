"""Which points lie near which: points sorted into the cells of a grid, for loops over a million atoms."""

import numpy as np
from numpy.typing import NDArray

from stemforge.cache import compiled
from stemforge.structures.cells import Array, Mask, wrapped

__all__ = ["cell_index", "clear_of", "make_cells", "near_any", "sort_into_cells"]

Cells = tuple[Array, tuple[int, int, int]]
"""Lower end along z and edges of the box [Å], ``(z0, x, y, z)``, and the number of cells along x, y and z."""
# More cells than a few per point cost memory and save no work.
_CELLS_PER_POINT = 4


def make_cells(box: Array, floor: float, number: int, distance: float) -> Cells:
    """Divide a box [Å] that begins at z = `floor` into cells no narrower than `distance`, a few for each point."""
    edge = max(distance, (float(np.prod(box)) / (_CELLS_PER_POINT * number + 64)) ** (1 / 3))
    nx, ny, nz = (max(int(length / edge), 1) for length in box)
    return np.array([floor, *box], dtype=float), (nx, ny, nz)


@compiled
def cell_index(x: float, y: float, z: float, cells: Cells) -> tuple[int, int, int]:
    """Cell of a place: x and y lie inside the box, a z outside counts to the outermost cell."""
    (floor, width, height, depth), (nx, ny, nz) = cells[0], cells[1]
    i, j = min(int(x / width * nx), nx - 1), min(int(y / height * ny), ny - 1)
    return i, j, max(0, min(int((z - floor) / depth * nz), nz - 1))


@compiled
def sort_into_cells(points: Array, cells: Cells) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Sort points by the cells in which they lie, in each cell by their number.

    Parameters
    ----------
    points : numpy.ndarray
        Places [Å], shape ``(n, 3 or more)``.
    cells : tuple
        From `make_cells`.

    Returns
    -------
    starts, order : numpy.ndarray
        ``order[starts[c]:starts[c + 1]]`` are the points in cell ``c = (i * ny + j) * nz + k``.
    """
    nx, ny, nz = cells[1]
    number = points.shape[0]
    cell = np.empty(number, dtype=np.int32)
    starts = np.zeros(nx * ny * nz + 1, dtype=np.int32)
    for n in range(number):
        i, j, k = cell_index(points[n, 0], points[n, 1], points[n, 2], cells)
        cell[n] = (i * ny + j) * nz + k
        starts[cell[n] + 1] += 1
    for c in range(nx * ny * nz):
        starts[c + 1] += starts[c]
    place = starts[:-1].copy()
    order = np.empty(number, dtype=np.int32)
    for n in range(number):
        order[place[cell[n]]] = n
        place[cell[n]] += 1
    return starts, order


@compiled
def _busy_cells(points: Array, cells: Cells) -> NDArray[np.bool_]:
    """Which cells hold a point or lie beside one that does."""
    nx, ny, nz = cells[1]
    busy = np.zeros(nx * ny * nz, dtype=np.bool_)
    for n in range(points.shape[0]):
        i, j, k = cell_index(points[n, 0], points[n, 1], points[n, 2], cells)
        for di in range(-1, 2):
            for dj in range(-1, 2):
                row = ((i + di) % nx * ny + (j + dj) % ny) * nz
                busy[row + max(k - 1, 0) : row + min(k + 2, nz)] = True
    return busy


@compiled
def _has_near(place: tuple, others: Array, lists: tuple, cells: Cells, distance: float) -> bool:
    """Whether one of the others, listed by cells, lies nearer than `distance` to a place."""
    (starts, order), (x, y, z) = lists, place
    width, height = cells[0][1], cells[0][2]
    nx, ny, nz = cells[1]
    i, j, k = cell_index(x, y, z, cells)
    for di in range(-1, 2):
        for dj in range(-1, 2):
            row = ((i + di) % nx * ny + (j + dj) % ny) * nz
            for m in range(starts[row + max(k - 1, 0)], starts[row + min(k + 2, nz)]):
                other = order[m]
                dx, dy = abs(x - others[other, 0]), abs(y - others[other, 1])
                dx, dy = min(dx, width - dx), min(dy, height - dy)
                dz = z - others[other, 2]
                if dx * dx + dy * dy + dz * dz < distance * distance:
                    return True
    return False


@compiled
def _near_any(positions: Array, others: Array, cells: Cells, distance: float) -> NDArray[np.bool_]:
    _, ny, nz = cells[1]
    busy = _busy_cells(others, cells)
    lists = sort_into_cells(others, cells)
    near = np.empty(positions.shape[0], dtype=np.bool_)
    for n in range(positions.shape[0]):
        place = (positions[n, 0], positions[n, 1], positions[n, 2])
        i, j, k = cell_index(place[0], place[1], place[2], cells)
        # Most positions have nothing near: they are done after one look.
        near[n] = busy[(i * ny + j) * nz + k] and _has_near(place, others, lists, cells, distance)
    return near


def near_any(positions: Array, others: Array, distance: float, edges: Array) -> Mask:
    """Which positions have one of the others nearer than a distance, periodic in x and y.

    Made for many positions and few others, some 10 ns a position: looked up in a tree of the others, each takes
    a microsecond.

    Parameters
    ----------
    positions, others : numpy.ndarray
        Places [Å], shape ``(n, 3)``, inside the edges in x and y (see `wrapped`).
    distance : float
        How near [Å].
    edges : numpy.ndarray
        Edges of the cell in x and y [Å].

    Returns
    -------
    numpy.ndarray of bool
        Shape ``(len(positions),)``.

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures.neighbours import near_any
    >>> positions = np.array([[0.5, 5.0, 1.0], [5.0, 5.0, 1.0]])
    >>> near_any(positions, np.array([[9.8, 5.0, 1.0]]), 1.0, np.array([10.0, 10.0]))
    array([ True, False])
    """
    if not len(positions) or not len(others):
        return np.zeros(len(positions), dtype=bool)
    floor = float(others[:, 2].min())
    depth = max(float(others[:, 2].max()) - floor, distance)
    cells = make_cells(np.array([edges[0], edges[1], depth]), floor, len(others), distance)
    return _near_any(np.ascontiguousarray(positions), np.ascontiguousarray(others), cells, float(distance))


def clear_of(positions: Array, others: Array, distance: float, edges: Array) -> Mask:
    """Which positions have none of the others nearer than `distance` [Å], periodic in x and y."""
    return ~near_any(wrapped(positions, edges), wrapped(others, edges), distance, edges)
