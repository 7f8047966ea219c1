"""Random sequential insertion: points in a box, none closer to another than a minimum distance."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stemforge.cache import compiled

Points = NDArray[np.float64]


@compiled
def _is_free(
    x: float, y: float, z: float, cell: tuple, points: Points, lists: tuple, box: Points, d: float
) -> bool:
    """Whether no point lies closer than `d`, looking only into the 27 cells around the candidate's own."""
    first, following = lists
    nx, ny, nz = first.shape
    i, j, k = cell
    for m in range(max(k - 1, 0), min(k + 2, nz)):
        for di in range(-1, 2):
            for dj in range(-1, 2):
                other = first[(i + di) % nx, (j + dj) % ny, m]
                while other >= 0:
                    dx, dy = abs(x - points[other, 0]), abs(y - points[other, 1])
                    dx, dy = min(dx, box[0] - dx), min(dy, box[1] - dy)
                    dz = z - points[other, 2]
                    if dx * dx + dy * dy + dz * dz < d * d:
                        return False
                    other = following[other]
    return True


@compiled
def _insert(candidates: Points, points: Points, count: int, lists: tuple, box: Points, d: float) -> int:
    """Add to `points` each candidate that keeps its distance; return the new count.

    `lists` holds the first point of each cell of a grid, whose edges are not shorter than `d`, and for
    each point the next one in the same cell (-1 ends a list).
    """
    first, following = lists
    nx, ny, nz = first.shape
    for row in candidates:
        x, y, z = row[0], row[1], row[2]
        if count == len(points):
            break
        i, j = min(int(x / box[0] * nx), nx - 1), min(int(y / box[1] * ny), ny - 1)
        k = max(0, min(int(z / box[2] * nz), nz - 1))
        if _is_free(x, y, z, (i, j, k), points, lists, box, d):
            points[count] = row
            following[count] = first[i, j, k]
            first[i, j, k] = count
            count += 1
    return count


def random_packing(
    draw: Callable[[int], Points],
    number: int,
    *,
    box: tuple[float, float, float],
    min_distance: float,
    columns: int = 3,
    max_draws: int = 50,
) -> Points:
    """Insert points one after another, refusing each that lies too close to an earlier one.

    Random sequential insertion reaches about 38 % of space filled by spheres of diameter `min_distance`
    (54 % by discs on a plane); amorphous carbon at 2 g/cm³ and 1.35 Å needs 13 %. One pass over a grid of
    linked lists makes it as cheap as tiling a small block, without seams and without repeated texture.

    Parameters
    ----------
    draw : callable
        ``draw(n)`` returns up to `n` candidates, shape ``(m, columns)``: x, y inside the box, z [Å], and
        whatever further columns shall travel with a point.
    number : int
        Points to insert.
    box : (float, float, float)
        Edges of the box [Å]: periodic in x and y, open in z.
    min_distance : float
        Smallest distance between two points [Å], across the periodic boundary too.
    columns : int, default 3
        Columns of a candidate.
    max_draws : int, default 50
        Batches to draw, each of `number` candidates, before giving up.

    Returns
    -------
    numpy.ndarray
        Points [Å], shape ``(n, columns)``; ``n < number`` where `max_draws` batches did not suffice.

    References
    ----------
    .. [1] B. Widom, "Random sequential addition of hard spheres to a volume",
       J. Chem. Phys. 44, 3888 (1966).

    Examples
    --------
    >>> import numpy as np
    >>> from stemforge.structures.packing import random_packing
    >>> rng = np.random.default_rng(0)
    >>> points = random_packing(lambda n: 10 * rng.random((n, 3)), 50, box=(10, 10, 10), min_distance=1.5)
    >>> points.shape
    (50, 3)
    """
    # More cells than a few per point cost memory and save no work.
    edge = max(min_distance, (float(np.prod(box)) / (4 * number + 64)) ** (1 / 3))
    grid = [max(int(length / edge), 1) for length in box]
    first = np.full(grid, -1, dtype=np.int32)
    following = np.empty(number, dtype=np.int32)
    points = np.empty((number, columns))
    count = 0
    for _ in range(max_draws):
        if count == number:
            break
        count = _insert(draw(number), points, count, (first, following), np.asarray(box, float), min_distance)
    return points[:count]
