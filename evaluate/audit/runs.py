"""Runs of consecutive rows that belong to different images: what a marking tool leaves that wrote to the wrong file."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Run:
    """Consecutive rows of a file that belong together.

    Parameters
    ----------
    first, last
        Rows, counted from 0, both included.
    source
        Which source they fit: an index into the rows of evidence.
    doubtful
        Rows at the ends that could as well belong to the neighbouring run.
    """

    first: int
    last: int
    source: int
    doubtful: tuple[int, ...] = ()

    def __len__(self) -> int:
        return self.last - self.first + 1


def split_runs(evidence: ArrayLike, priors: ArrayLike, changes: ArrayLike) -> tuple[list[Run], float]:
    """Split rows into runs, each from one source, so that they are likeliest.

    A hidden Markov chain of sources: the likeliest path (Viterbi), and for every row how sure its source is
    (forward-backward).

    Parameters
    ----------
    evidence
        Log likelihood of each row by each source, shape (s, n).
    priors
        Log prior of each source at the first row, shape (s,).
    changes
        Log probability of going to each source from another one between two rows, shape (s,) or one for all.

    Returns
    -------
    runs, score
        The runs in order, and the log likelihood of the rows with their priors and changes.

    References
    ----------
    Rabiner, Proc. IEEE 1989, 77, 257, doi:10.1109/5.18626.

    Examples
    --------
    >>> split_runs([[1, 1, 1, -9, -9], [-9, -9, -9, 1, 1]], [-1, -1], -3)[0]
    [Run(first=0, last=2, source=0, doubtful=()), Run(first=3, last=4, source=1, doubtful=())]
    """
    values = np.asarray(evidence, dtype=float)
    sources, number = values.shape
    steps = np.tile(np.broadcast_to(np.asarray(changes, dtype=float), sources), (sources, 1))
    leaving = np.exp(steps).sum(axis=1) - np.exp(np.diag(steps))
    np.fill_diagonal(steps, np.log1p(-np.minimum(leaving, 0.5)))
    best = np.asarray(priors, dtype=float) + values[:, 0]
    origin = np.zeros((sources, number), dtype=int)
    for row in range(1, number):
        options = best[:, None] + steps
        origin[:, row] = options.argmax(axis=0)
        best = options.max(axis=0) + values[:, row]
    path = [int(best.argmax())]
    for row in range(number - 1, 0, -1):
        path.append(int(origin[path[-1], row]))
    chosen = np.array(path[::-1])
    sure = _posterior(values, np.asarray(priors, dtype=float), steps)[chosen, np.arange(number)] > 0.95
    edges = [0, *(np.flatnonzero(np.diff(chosen)) + 1), number]
    runs = [
        Run(
            int(first),
            int(last) - 1,
            int(chosen[first]),
            tuple(int(row) for row in range(first, last) if not sure[row]),
        )
        for first, last in pairwise(edges)
    ]
    return runs, float(best.max())


def _posterior(
    values: NDArray[np.float64], priors: NDArray[np.float64], steps: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the probability of each source at each row, shape (s, n)."""
    forward, backward = np.empty_like(values), np.zeros_like(values)
    forward[:, 0] = priors + values[:, 0]
    for row in range(1, values.shape[1]):
        forward[:, row] = np.logaddexp.reduce(forward[:, row - 1, None] + steps, axis=0) + values[:, row]
    for row in range(values.shape[1] - 2, -1, -1):
        backward[:, row] = np.logaddexp.reduce(steps + values[:, row + 1] + backward[:, row + 1], axis=1)
    both = forward + backward
    return np.asarray(np.exp(both - np.logaddexp.reduce(both, axis=0)))
