"""Places and strengths of all columns of an image, fitted together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse
from scipy.sparse import linalg
from scipy.spatial import cKDTree

from stemforge.infer.columns.peaks import Stamps

_STRENGTH = 2.0  # standard deviation expected of a strength, whose mean is 1: as good as none
_SPREAD = 0.05  # how far copies of a column are from each other at first [Å]
_LEAST, _MOST = 0.003, 0.3  # of what is learnt of that [Å]
_ROUNDS, _LEARNT = 3, 0.1  # in which it is learnt, and how well
_DONE, _TRIES = 0.01, 8  # of each round: largest step [standard deviations expected], and how many
_EXACT = 1e-5  # of each step
_TOGETHER = 6.0  # columns within this determine each other's errors [Å]


@dataclass(frozen=True)
class ColumnFit:
    """What a fit says of columns.

    Parameters
    ----------
    strength
        In units of what was expected, shape (n,).
    moved
        From the places expected (x, y) [Å], shape (n, 2).
    covariance
        Of strength, x and y of each column, shape (n, 3, 3).
    spread
        Standard deviation of the copies of a column from where the average cell has it, along each axis, as learnt [Å].
    """

    strength: NDArray[np.float64]
    moved: NDArray[np.float64]
    covariance: NDArray[np.float64]
    spread: float


def fit_columns(
    white: NDArray[np.float64],
    stamps: Stamps,
    points: NDArray[np.float64],
    scale: NDArray[np.float64],
    *,
    start: NDArray[np.float64],
    whole: NDArray[np.bool_],
) -> ColumnFit:
    """Fit strengths and places of all columns to what a first image of them leaves.

    Least squares over white noise, columns that overlap together. That copies of a column are near where the average
    cell has it is a prior whose width is learnt from all of them (marginal likelihood).

    Parameters
    ----------
    white
        White residual of an image without the first image of the columns, flat.
    stamps
        The columns on its pixels, made white.
    points
        Their places [Å], for who is near whom; shape (n, 2).
    scale
        By what a column's picture is multiplied for strength 1, times √area of a pixel; shape (n,).
    start
        Strength and way (x, y) [Å] in the first image, those of the average cell; shape (n, 3).
    whole
        Which columns the image shows whole, shape (n,). From these it is learnt how far copies are from each other:
        next to the border of an image white noise is not what it is elsewhere.
    """
    count = len(points)
    first = stamps.drawn(start[:, 0] * scale, start[:, 1:])
    spread = _SPREAD

    def widths(spread: float) -> NDArray[np.float64]:
        every = np.full((count, 3), spread)
        every[:, 0] = _STRENGTH
        return every

    def parts(
        x: NDArray[np.float64], unit: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        values = start + x.reshape(-1, 3) * unit
        return values[:, 0], values[:, 1:]

    x = np.zeros(3 * count)
    for number in range(_ROUNDS):
        unit = widths(spread)
        for _ in range(_TRIES):
            strength, moved = parts(x, unit)
            shown = slopes(stamps, strength, moved, scale, len(white)) @ sparse.diags(unit.ravel())
            information = (shown.T @ shown + sparse.identity(3 * count)).tocsr()
            left = white + first - stamps.drawn(strength * scale, moved)
            # Columns are near where they were started: Newton's steps need no damping but the prior.
            step, _ = linalg.cg(
                information, shown.T @ left - x, rtol=_EXACT, M=sparse.diags(1 / information.diagonal())
            )
            x += step
            if np.abs(step).max() < _DONE:
                break
        strength, moved = parts(x, unit)
        covariance = covariances(information, points) * unit[:, :, None] * unit[:, None, :]
        learnt = _spread((moved - start[:, 1:])[whole], covariance[:, [1, 2], [1, 2]][whole], spread)
        if number == _ROUNDS - 1 or abs(learnt / spread - 1) < _LEARNT:
            break
        x *= (unit / widths(learnt)).ravel()
        spread = learnt
    return ColumnFit(strength, moved, covariance, spread)


def slopes(
    stamps: Stamps,
    strength: NDArray[np.float64],
    moved: NDArray[np.float64],
    scale: NDArray[np.float64],
    size: int,
) -> sparse.csr_matrix:
    """Return how white pixels change with strength, x and y of every column, shape (size, 3 n).

    Its product with itself is the information of an image on its columns.
    """
    values = stamps.values(moved, slopes=True) * scale[stamps.which]
    values[1:] *= -strength[stamps.which]
    columns = np.concatenate([3 * stamps.which + part for part in range(3)])
    rows = np.tile(stamps.pixel, 3)
    return sparse.coo_matrix((values.ravel(), (rows, columns)), shape=(size, 3 * len(strength))).tocsr()


def _spread(beside: NDArray[np.float64], variance: NDArray[np.float64], width: float) -> float:
    """Return the most likely standard deviation of values that were fitted under a prior of some width.

    Parameters
    ----------
    beside, variance
        The values, and their variances under that prior.
    width
        Of the prior.
    """
    # What the image says by itself, without the prior.
    information = np.maximum(1 / variance - 1 / width**2, 1e-9 / width**2)
    value, square = beside / (variance * information), 1 / information

    def cost(log: float) -> float:
        every = square + np.exp(2 * log)
        return float((np.log(every / square) + value**2 / every).sum())

    found = optimize.minimize_scalar(cost, bounds=(np.log(_LEAST), np.log(_MOST)), method="bounded")
    return float(np.exp(found.x))


def covariances(information: sparse.csr_matrix, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each column's block of the inverse information, from the equations of it and its neighbours."""
    information = information.tocsr()
    tree = cKDTree(points)
    found = np.empty((len(points), 3, 3))
    for number, near in enumerate(tree.query_ball_point(points, _TOGETHER)):
        order = np.array([number, *(one for one in near if one != number)])
        which = (3 * order[:, None] + np.arange(3)).ravel()
        block = information[which][:, which].toarray()
        found[number] = np.linalg.solve(block, np.eye(len(which), 3))[:3]
    return found
