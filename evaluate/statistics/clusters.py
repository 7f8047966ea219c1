"""Clusters of atoms by size: single linkage, less those that are coincidences, with the atoms that were missed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, maximum, minimum
from scipy.optimize import nnls
from scipy.stats import binom

from stemforge.errors import InputError
from stemforge.evaluate.statistics.envelopes import LEVEL
from stemforge.evaluate.statistics.figures import draw_sizes
from stemforge.evaluate.statistics.window import PointPattern, Window, linked
from stemforge.files import write_csv

SIMULATIONS = 199
"""Random placements for each step of the correction."""

_ODDS = 0.5  # missed over found atoms, beyond which numbers of clusters cannot be solved for
_FEWEST, _MOST = 3, 25  # steps of the correction for coincidences
_CLOSE = 2.0  # standard errors of the mean of the random placements, within which they agree with what was observed


@dataclass(frozen=True, eq=False)
class ClusterSizes:
    """How many clusters there are of one, two, three … atoms.

    Parameters
    ----------
    observed
        Clusters of 1, 2, … atoms found, shape (sizes,).
    placed
        What the same atoms form at random places, mean; shape (sizes,): the dimers of a sample that has none.
    low, high
        Between these lie ``level`` of the random patterns, shape (sizes,).
    corrected
        Clusters without coincidences, and with missed atoms, shape (sizes,). Where all atoms were found and there are
        no clusters it comes out a little below 0 as often as above, so that means over images are right; tables have 0
        then. With missed atoms none is below 0. NaN where fewer than two of three atoms were found (one large cluster
        would mean many small ones), or where so many atoms touch by chance that the correction does not settle.
    members
        Number of each atom's cluster, shape (n,).
    length
        Linking length [unit].
    recall
        As given.
    unit
        Å or px.

    Examples
    --------
    >>> observed, placed = np.array([50, 12, 3]), np.array([58.0, 4.0, 0.5])
    >>> corrected = np.array([40.0, 8.5, 2.4])
    >>> sizes = ClusterSizes(observed, placed, placed - 0.5, placed + 3, corrected, np.arange(65), 3.26, 1.0, "Å")
    >>> sizes.sentence.split(", so that ")[1]
    '8.5 dimers and 2.4 trimers are none of chance.'
    """

    observed: NDArray[np.int64]
    placed: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    corrected: NDArray[np.float64]
    members: NDArray[np.int64]
    length: float
    recall: float
    unit: str

    @property
    def dimers(self) -> float:
        """Corrected number of dimers."""
        return float(self.corrected[1])

    @property
    def trimers(self) -> float:
        """Corrected number of trimers."""
        return float(self.corrected[2])

    @property
    def sentence(self) -> str:
        """How to read it."""
        text = f"{self.observed[1]} dimers and {self.observed[2]} trimers are found with links of up to "
        dimers, trimers = (f"{self.placed[i]:.1f} ({self.low[i]:.0f} to {self.high[i]:.0f})" for i in (1, 2))
        text += f"{self.length:.3g} {self.unit}; random places give {dimers} and {trimers}"
        if not _solvable(self.recall):
            return f"{text}. At a recall of {self.recall:.2g} too many atoms are missing to correct these numbers."
        if not np.isfinite(self.corrected).all():
            return f"{text}. Too many atoms touch by chance to say how many of these clusters are real."
        two, three = max(self.dimers, 0), max(self.trimers, 0)
        return f"{text}, so that {two:.1f} dimers and {three:.1f} trimers are none of chance."

    def to_csv(self, path: str | Path) -> None:
        """Write one row a size."""
        columns = (self.observed, self.placed, self.low, self.high, np.maximum(self.corrected, 0))
        rows = [
            [size, *("" if np.isnan(v) else f"{v:.6g}" for v in row)]
            for size, row in enumerate(zip(*columns, strict=True), 1)
        ]
        write_csv(path, ["atoms", "observed", "random", "random_low", "random_high", "corrected"], rows)

    def figure(self) -> Figure:
        """Draw the numbers of clusters by size."""
        return draw_sizes(self)


def clusters(
    pattern: PointPattern,
    length: float,
    *,
    recall: float = 1.0,
    simulations: int = SIMULATIONS,
    level: float = LEVEL,
    rng: np.random.Generator | None = None,
) -> ClusterSizes:
    """Count clusters by size: atoms within ``length`` of each other are of one cluster (single linkage).

    Clusters lie at random in projection, and some of them then touch by chance. How many is found by placing clusters
    as they were found, as rigid bodies and turned at random, again in the mask: what that adds is taken away, and the
    smaller number placed anew, until as many are counted as were observed, within the error of that count. Where
    atoms were missed a cluster of m shows k of them with binomial chance, and what was seen is solved for what is
    there.

    Parameters
    ----------
    pattern
        The atoms found.
    length
        Linking length [Å, or px without pixel size], such as :func:`stemforge.evaluate.bond_length` gives.
    recall
        Chance of an atom of a cluster to be found.
    simulations
        Random placements.
    level
        Share of random patterns between ``low`` and ``high``.
    rng
        Source of the placements; by default seeded with 0.

    Raises
    ------
    InputError
        Length or recall that cannot be.

    Examples
    --------
    >>> rng, window = np.random.default_rng(0), Window.frame((512, 512), sampling=0.293)
    >>> alone, pair = window.draw(50, rng), rng.uniform(20, 490, (10, 2))
    >>> pattern = PointPattern.inside(np.concatenate([alone, pair, pair + [0, 8]]), window)
    >>> sizes = clusters(pattern, 3.26)
    >>> int(sizes.observed[1]), bool(6 < sizes.dimers < 12)
    (10, True)
    """
    if not 0 < recall <= 1:
        raise InputError(f"recall must lie above 0 and at most at 1, not {recall}")
    if not 0 < length < np.inf:
        raise InputError(f"length must be positive, not {length}")
    rng = rng or np.random.default_rng(0)
    window, radius = pattern.window, length / pattern.window.scale
    members = linked(pattern.points, radius)
    most = max(3, int(np.bincount(members).max())) + 2
    observed = _sizes(members, most)
    drawn = np.array([_sizes(linked(one, radius), most) for one in pattern.random(simulations, rng)])
    ends = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    single = _without_coincidences(observed.astype(float), pattern, members, radius, simulations, rng)
    corrected = _with_missed(single, recall)
    low, high = ends
    return ClusterSizes(
        observed, drawn.mean(axis=0), low, high, corrected, members, float(length), recall, window.unit
    )


def _sizes(members: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return how many clusters have 1, 2, … ``most`` atoms, larger ones counted with the last."""
    sizes = np.minimum(np.bincount(members), most)
    return np.bincount(sizes[sizes > 0], minlength=most + 1)[1:]


def _shapes(points: NDArray[np.float64], members: NDArray[np.int64]) -> dict[int, list[NDArray[np.float64]]]:
    """Return the clusters found, by size, each round its first atom."""
    found: dict[int, list[NDArray[np.float64]]] = {}
    if not len(points):
        return found
    order = np.argsort(members, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(members[order])) + 1):
        found.setdefault(len(group), []).append(points[group] - points[group[0]])
    return found


def _without_coincidences(
    observed: NDArray[np.float64],
    pattern: PointPattern,
    members: NDArray[np.int64],
    radius: float,
    simulations: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the numbers of clusters that, placed at random, are counted as observed."""
    most, window, points = len(observed), pattern.window, pattern.points
    large = _large(points, members, window)
    shapes, still = _shapes(points[~large], members[~large]), points[large]
    outer, fixed = _widened(window, shapes), _sizes(members[large], most)
    # Of sizes that were not found there is no shape, and no number to place.
    can = np.array([size in shapes for size in range(1, most + 1)])
    number = observed - fixed
    for step in range(1, _MOST + 1):
        drawn = (
            np.concatenate([still, _place(number, shapes, window, outer, rng)]) for _ in range(simulations)
        )
        counts = np.array([_sizes(linked(points, radius), most) for points in drawn])
        lacking = observed - counts.mean(axis=0)
        corrected = number + lacking
        # Of a size of which none is placed there may be too many still, but not too few.
        lacking[(number == 0) | ~can] = np.maximum(lacking, 0)[(number == 0) | ~can]
        close = np.abs(lacking) <= _CLOSE * counts.std(axis=0) / np.sqrt(simulations)
        if step >= _FEWEST and close[can].all():
            break
        number = np.where(can, np.maximum(corrected, 0), 0)
        # Where most atoms touch others, what is added at one step makes more touch at the next.
        if number @ np.arange(1, most + 1) > 2 * len(points):
            return np.full(most, np.nan)
    else:
        return np.full(most, np.nan)
    # Where lone atoms touch one that stays in place it is no less there.
    return np.asarray(np.where(can | (fixed == 0), corrected + fixed, observed))


def _large(points: NDArray[np.float64], members: NDArray[np.int64], window: Window) -> NDArray[np.bool_]:
    """Tell atoms of clusters that reach over half the image: these stay in place, as they fit nowhere else."""
    numbers = np.arange(members.max() + 1)
    ends = [[find(axis, members, numbers) for axis in points.T] for find in (minimum, maximum)]
    spans = (np.array(ends[1]) - np.array(ends[0])).max(axis=0)
    return np.asarray((spans * np.sqrt(2) > max(window.mask.shape) / 2)[members])


def _widened(window: Window, shapes: dict[int, list[NDArray[np.float64]]]) -> tuple[Window, int]:
    """Return the mask with everything from where a cluster may reach into it, and by how much the image grew."""
    extent = max((float(np.abs(shape).max()) for pool in shapes.values() for shape in pool), default=0.0)
    margin = int(np.ceil(extent * np.sqrt(2))) + 1
    beside = distance_transform_edt(~np.pad(window.mask, margin))
    return Window(beside <= margin), margin


def _place(
    number: NDArray[np.float64],
    shapes: dict[int, list[NDArray[np.float64]]],
    window: Window,
    outer: tuple[Window, int],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Place so many clusters of each size per area of the mask, turned at random; return what lies in the mask."""
    wide, margin = outer
    whole = np.floor(number * wide.pixels / window.pixels + rng.random(len(number))).astype(int)
    parts = [np.empty((0, 2))]
    for size in np.flatnonzero(whole) + 1:
        pool = np.array(shapes[int(size)])
        chosen = pool[rng.integers(len(pool), size=whole[size - 1])]
        angle = rng.uniform(0, 2 * np.pi, len(chosen))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        turned = np.einsum("ijn,nkj->nki", turn, chosen)
        parts.append((turned + wide.draw((len(chosen), 1), rng) - margin).reshape(-1, 2))
    points = np.concatenate(parts)
    return points[window.contains(points)]


def _solvable(recall: float) -> bool:
    """Tell whether enough atoms were found to solve for what is missing."""
    return (1 - recall) / recall <= _ODDS


def _with_missed(number: NDArray[np.float64], recall: float) -> NDArray[np.float64]:
    """Solve for the clusters of which each atom is found with this chance; NaN where that would say nothing."""
    if recall == 1:
        return number
    if not (_solvable(recall) and np.isfinite(number).all()):
        return np.full(len(number), np.nan)
    sizes = np.arange(1, len(number) + 1)
    shown = binom.pmf(sizes[:, None], sizes[None, :], recall)
    # Without the bound, one large cluster makes hundreds of small ones, and of those fewer than none.
    return np.asarray(nnls(shown, number)[0])
