"""Places and strengths of all columns of an image, fitted together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse
from scipy.spatial import cKDTree

from stemforge.infer.columns.peaks import Stamps

_STRENGTH = 2.0  # standard deviation expected of a strength, whose mean is 1: as good as none
_WAY = 0.15  # how far columns are from their places at first [Å]
_LEAST, _MOST = 0.01, 0.3  # of what is learnt of that [Å]
_ROUNDS, _LEARNT = 3, 0.05  # in which it is learnt, and how well
_DONE, _TRIES = 1e-4, 8  # of each round
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
    way
        Standard deviation of the columns' ways from the places expected, as learnt [Å].
    """

    strength: NDArray[np.float64]
    moved: NDArray[np.float64]
    covariance: NDArray[np.float64]
    way: float


def fit_columns(
    white: NDArray[np.float64],
    stamps: Stamps,
    points: NDArray[np.float64],
    scale: NDArray[np.float64],
    *,
    start: NDArray[np.float64],
) -> ColumnFit:
    """Fit strengths and places of all columns to what a first image of them leaves.

    Least squares over white noise, columns that overlap together. That columns are near the places expected is a prior
    whose width is learnt from all of them (expectation maximisation).

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
        Strength and way (x, y) [Å] in the first image, shape (n, 3).
    """
    count = len(points)
    first = stamps.drawn(start[:, 0] * scale, start[:, 1:])
    way = _WAY
    size = len(white)

    def widths(way: float) -> NDArray[np.float64]:
        every = np.full((count, 3), way)
        every[:, 0] = _STRENGTH
        return every

    def parts(
        x: NDArray[np.float64], unit: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        values = x.reshape(-1, 3) * unit
        return 1 + values[:, 0], values[:, 1:]

    def residual(x: NDArray[np.float64], unit: NDArray[np.float64]) -> NDArray[np.float64]:
        strength, moved = parts(x, unit)
        return np.concatenate([white + first - stamps.drawn(strength * scale, moved), x])

    def jacobian(x: NDArray[np.float64], unit: NDArray[np.float64]) -> sparse.csr_matrix:
        strength, moved = parts(x, unit)
        values = stamps.values(moved, slopes=True) * scale[stamps.which]
        values[1:] *= -strength[stamps.which]
        rows = np.tile(stamps.pixel, 3)
        columns = np.concatenate([3 * stamps.which + part for part in range(3)])
        data = -values * unit.T[:, stamps.which]
        shown = sparse.coo_matrix((data.ravel(), (rows, columns)), shape=(size, 3 * count))
        return sparse.vstack([shown, sparse.identity(3 * count)]).tocsr()

    x = ((start - [1, 0, 0]) / widths(way)).ravel()
    for number in range(_ROUNDS):
        unit = widths(way)
        found = optimize.least_squares(
            residual,
            x,
            jacobian,
            args=(unit,),
            method="trf",
            tr_solver="lsmr",
            ftol=_DONE,
            xtol=_DONE,
            gtol=_DONE,
            max_nfev=_TRIES,
        )
        strength, moved = parts(found.x, unit)
        covariance = _covariance(found.jac, points) * unit[:, :, None] * unit[:, None, :]
        square = moved**2 + covariance[:, [1, 2], [1, 2]]
        learnt = float(np.clip(np.sqrt(square.mean()), _LEAST, _MOST))
        if number == _ROUNDS - 1 or abs(learnt / way - 1) < _LEARNT:
            break
        x = found.x * (unit / widths(learnt)).ravel()
        way = learnt
    return ColumnFit(strength, moved, covariance, way)


def _covariance(jacobian: sparse.csr_matrix, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each column's block of the inverse information, from the equations of it and its neighbours."""
    information = (jacobian.T @ jacobian).tocsr()
    tree = cKDTree(points)
    found = np.empty((len(points), 3, 3))
    for number, near in enumerate(tree.query_ball_point(points, _TOGETHER)):
        order = np.array([number, *(one for one in near if one != number)])
        which = (3 * order[:, None] + np.arange(3)).ravel()
        block = information[which][:, which].toarray()
        found[number] = np.linalg.solve(block, np.eye(len(which), 3))[:3]
    return found
