"""The search for the placement under which labels lie best on the atoms of their image."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stemforge.evaluate.audit.evidence import STAND_OUT, RankMap, log_ratios
from stemforge.evaluate.audit.placements import ORIENTATIONS, Placement, Shape, oriented

REACH = 64
"""Largest shift that is looked for [pixel]."""
_SCALES = (0.25, 64.0)
_MOST = 200
_SIMPLE = (0.25, 1 / 3, 0.5, 2 / 3, 0.75, 4 / 3, 1.5, 2.0, 3.0, 4.0, 8.0)

# Share of the belief that each kind of placement has before the image is looked at; alternatives of a kind share it
# evenly. The more alternatives are tried, the more each has to show.
PRIORS = {
    "sound": 0.5, "image": 0.1, "orientation": 0.1, "shift": 0.1, "unit": 0.1, "simple scale": 0.05, "scale": 1e-3,
    "orientation and shift": 0.02, "orientation and unit": 0.01, "orientation and simple scale": 0.01,
    "orientation and scale": 1e-3,
}  # fmt: skip


@dataclass(frozen=True)
class Candidate:
    """A placement, and how well labels fit it.

    Parameters
    ----------
    placement
        Where the labels would belong.
    score
        Logarithm of how much likelier the labels are under it than random points, times its prior.
    """

    placement: Placement
    score: float


@dataclass(frozen=True)
class Searcher:
    """Looks for the labels of one file on one image.

    Parameters
    ----------
    points
        Labels (x, y), shape (n, 2), as the file has them.
    shape
        Height and width of the image [pixel].
    maps
        Ranked evidence by name.
    units
        Pixels per unit, by unit of length; empty where the image has no pixel size.
    """

    points: NDArray[np.float64]
    shape: Shape
    maps: Mapping[str, RankMap]
    units: Mapping[str, float]

    @cached_property
    def gaps(self) -> NDArray[np.float64]:
        """Distance of each point from the nearest one before it, as the file has them, shape (n,)."""
        return gaps(self.points)

    def candidates(self, name: str) -> list[list[Candidate]]:
        """Return the best placements of every kind by one map, the best first, for each row of :func:`log_ratios`.

        Scales and shifts are looked for by labels that stand out; what is found is scored by all.
        """
        ranks, ratios = self.maps[name], log_ratios()
        places = [found for turn in range(len(ORIENTATIONS)) for found in self._places(ranks, turn)]
        totals = []
        for place, _ in places:
            separate = self.gaps * place.scale >= ranks.spacing
            levels = ranks.at(place.apply(self.points, self.shape))[separate]
            totals.append(ratios[:, levels].sum(axis=1))
        scores = np.array(totals) + np.log([[prior] for _, prior in places])
        return [
            [Candidate(places[index][0], float(column[index])) for index in np.argsort(-column)]
            for column in scores.T
        ]

    def _places(self, ranks: RankMap, turn: int) -> list[tuple[Placement, float]]:
        """Return what may have happened to labels of one orientation, each with its prior."""
        # Seven orientations share the prior; the sound one has a prior for itself.
        share, kind = (7, "orientation and ") if turn else (1, "")
        found = [(Placement(turn), (PRIORS["orientation"] if turn else PRIORS["sound"]) / share)]
        for unit, scale in self.units.items():
            prior = PRIORS[f"{kind}unit"] / len(self.units) / share
            found.append((Placement(turn, scale, unit=unit), prior))
        for scale in _SIMPLE:
            found.append((Placement(turn, scale), PRIORS[f"{kind}simple scale"] / len(_SIMPLE) / share))
        place, tried = self._scaled(ranks, turn)
        found.append((place, PRIORS[f"{kind}scale"] / tried / share))
        places, tried = self._shifted(ranks, turn)
        return [*found, *((place, PRIORS[f"{kind}shift"] / tried / share) for place in places)]

    def _sample(self, spacing: float) -> NDArray[np.intp]:
        """Return at most 200 rows, evenly through the file, that are evidence: enough to find where to look."""
        rows = np.flatnonzero(self.gaps >= spacing)
        return rows[np.arange(0, len(rows), max(1, len(rows) / _MOST)).astype(int)]

    def _scaled(self, ranks: RankMap, turn: int) -> tuple[Placement, int]:
        """Return the best scale of one orientation, and how many were tried."""
        ratios = log_ratios()[STAND_OUT]
        step = 3 / max(self.shape)
        rows = self._sample(0.0)
        points, gaps = self.points[rows], self.gaps[rows]

        def totals(scales: NDArray[np.float64]) -> NDArray[np.float32]:
            placed = oriented(points * scales[:, None, None], self.shape, turn)
            separate = gaps * scales[:, None] >= ranks.spacing
            sums: NDArray[np.float32] = (ratios[ranks.at(placed)] * separate).sum(axis=1)
            return sums

        scales = np.exp(np.arange(np.log(_SCALES[0]), np.log(_SCALES[1]), step))
        scales = scales[np.abs(np.log(scales)) > step]
        best = float(scales[totals(scales).argmax()])
        # The middle of what fits about as well.
        near = best * np.exp(np.linspace(-step, step, 31))
        sums = totals(near)
        middle = float(np.average(near, weights=np.exp(sums - sums.max())))
        return Placement(turn, middle), len(scales)

    def _shifted(self, ranks: RankMap, turn: int) -> tuple[list[Placement], int]:
        """Return the best shift of one orientation, the best one elsewhere, and how many were tried."""
        reach = np.ceil(REACH * np.asarray(ranks.zoom)).astype(int)
        columns, rows = (np.arange(-r, r + 1) / zoom for r, zoom in zip(reach, ranks.zoom, strict=True))
        totals = self._shift_totals(ranks, turn, reach)
        # Less than the tolerance is no shift.
        totals[np.hypot(columns, rows[:, None]) <= ranks.tolerance] = -np.inf
        places = []
        for _ in range(2):
            row, column = np.unravel_index(totals.argmax(), totals.shape)
            away = np.hypot(columns - columns[column], (rows - rows[row])[:, None])
            # The middle of what fits nearly as well, nearby: labels within the tolerance of their atoms score alike.
            near = np.where(away <= ranks.tolerance + 1, totals, -np.inf)
            weights = np.exp(near - totals.max())
            x = float(np.average(columns, weights=weights.sum(axis=0)))
            y = float(np.average(rows, weights=weights.sum(axis=1)))
            places.append(Placement(turn, shift=(x, y)))
            totals[away <= 3 * ranks.tolerance] = -np.inf
        return places, totals.size

    def _shift_totals(self, ranks: RankMap, turn: int, reach: NDArray[np.int_]) -> NDArray[np.float32]:
        """Return the sum over the points for every shift, shape (2 r + 1, 2 c + 1)."""
        ratios = log_ratios()[STAND_OUT]
        width, height = 2 * reach + 1
        # Rank 0 off the image, as it is for what lies there.
        padded = np.pad(ranks.ranks, ((height, height), (width, width)))
        totals = np.zeros((height, width), dtype=np.float32)
        for x, y in ranks.places(oriented(self.points[self._sample(ranks.spacing)], self.shape, turn)):
            top, left = y + height - reach[1], x + width - reach[0]
            if 0 <= top <= padded.shape[0] - height and 0 <= left <= padded.shape[1] - width:
                totals += ratios[padded[top : top + height, left : left + width]]
            else:
                totals += ratios[0]
        return totals


def gaps(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of each point from the nearest one before it, shape (n,).

    Labels that lie closer than an atom is wide lie on the same evidence: only the first of them counts.

    Examples
    --------
    >>> gaps(np.array([[0.0, 0], [3, 4], [3, 4]]))
    array([inf,  5.,  0.])
    """
    distances = [np.hypot(*(points[:row] - points[row]).T).min() for row in range(1, len(points))]
    return np.array([np.inf, *distances])[: len(points)]
