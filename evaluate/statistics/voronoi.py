"""Voronoi cells: the area nearer to an atom than to any other, and which cells the mask shows whole."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.spatial import QhullError, Voronoi, cKDTree

from stemforge.errors import InputError
from stemforge.evaluate.statistics.cell_moments import cell_moments
from stemforge.evaluate.statistics.envelopes import LEVEL, rank_envelope
from stemforge.evaluate.statistics.figures import draw_cells
from stemforge.evaluate.statistics.window import PointPattern, Window
from stemforge.files import write_csv

SIMULATIONS = 199
"""Random patterns by default."""

_GRID = 36  # places of a cell along the image's longer side that are tried


@dataclass(frozen=True, eq=False)
class VoronoiAreas:
    """Areas of Voronoi cells.

    Parameters
    ----------
    areas
        Of each atom's cell within the mask [area unit], shape (n,): together they fill it.
    complete
        Whether no atom beyond the edge could change the cell, shape (n,).
    weights
        What each cell counts in the distribution that is drawn, shape (n,), in all 1; 0 where it is not complete.
    mean
        Corrected mean area of cells [area unit], 1/λ for whatever places; NaN where the mask is too narrow.
    variation
        Corrected standard deviation over mean: 0.529 of random places, less where atoms avoid each other, 0 on a
        lattice (0.05 at most, by the grid it is summed on), more where they cluster.
    low, high
        Between these lie the variations of ``level`` of random patterns in the same mask; NaN without any.
    p
        Share of them that are at least as extreme.
    labels
        Number of the atom to whose cell each pixel belongs, −1 outside the mask, shape (height, width).
    unit
        Unit of areas, nm² or px².
    level
        As above.

    Examples
    --------
    >>> y, x = np.mgrid[15:480:30, 15:480:30]
    >>> square = PointPattern.inside(np.stack([x.ravel(), y.ravel()], axis=1), Window.frame((480, 480)))
    >>> cells = voronoi_areas(square, simulations=0)
    >>> round(cells.mean), cells.unit, cells.variation < 0.05
    (897, 'px²', True)
    """

    areas: NDArray[np.float64]
    complete: NDArray[np.bool_]
    weights: NDArray[np.float64]
    mean: float
    variation: float
    low: float
    high: float
    p: float
    labels: NDArray[np.int32]
    pattern: PointPattern
    level: float

    @property
    def unit(self) -> str:
        """Unit of areas."""
        return self.pattern.window.area_unit

    @property
    def sentence(self) -> str:
        """How to read it."""
        if np.isnan(self.variation):
            return "Voronoi cells cannot be measured: the mask is too narrow for its atoms."
        text = f"Areas of cells vary by {100 * self.variation:.0f} % of their mean; 53 % is random, less is ordered, "
        text += "more is clustered"
        if np.isnan(self.low):
            return f"{text}."
        return f"{text}, and 95 % of random patterns give {100 * self.low:.0f} to {100 * self.high:.0f} %."

    def to_csv(self, path: str | Path) -> None:
        """Write each atom's place, the area of its cell, whether that is complete, and its weight."""
        points = self.pattern.points
        rows = [
            [f"{x:.3f}", f"{y:.3f}", f"{area:.6g}", int(whole), f"{weight:.6g}"]
            for (x, y), area, whole, weight in zip(
                points, self.areas, self.complete, self.weights, strict=True
            )
        ]
        write_csv(path, ["x_px", "y_px", f"area_{self.unit}", "complete", "weight"], rows)

    def figure(self) -> Figure:
        """Draw the cells by area, and their distribution."""
        return draw_cells(self)


def voronoi_areas(
    pattern: PointPattern,
    *,
    simulations: int = SIMULATIONS,
    level: float = LEVEL,
    rng: np.random.Generator | None = None,
) -> VoronoiAreas:
    """Measure the areas of Voronoi cells within the mask, and their distribution without the effect of its edge.

    Mean and variation are of all cells, whole or not, place by place
    (:func:`stemforge.evaluate.statistics.cell_moments.cell_moments`). The distribution that is drawn is of whole cells:
    those whose corners' discs through the atom, in which no other atom is, lie in the mask. Large cells are whole more
    rarely: each counts by 1 / (area of the shifts with which it would still be whole), as distances do in
    :func:`stemforge.evaluate.nearest_neighbours` (Horvitz & Thompson 1952; Chiu, Stoyan, Kendall & Mecke 2013, ch. 9).

    Parameters
    ----------
    pattern
        The atoms.
    simulations
        Random patterns in the same mask for the interval of the variation; 0 for none.
    level
        Share of them that it holds.
    rng
        Source of the random patterns; by default seeded with 0.

    Raises
    ------
    InputError
        All atoms lie on one line.

    Examples
    --------
    >>> window = Window.frame((512, 512), sampling=0.293)
    >>> pattern = PointPattern(window.draw(80, np.random.default_rng(1)), window)
    >>> cells = voronoi_areas(pattern, simulations=0)
    >>> bool(abs(cells.areas.sum() - window.area) < 1e-6), bool(0.3 < cells.variation < 0.8)
    (True, True)
    """
    window = pattern.window
    labels = _labels(pattern)
    clipped = np.bincount(labels[labels >= 0], minlength=len(pattern)).astype(float)
    weights = _weights(pattern.points, window)
    mean, variation = cell_moments(pattern.points, window)
    mean *= window.area_scale
    low, high, p = np.nan, np.nan, np.nan
    if simulations:
        draws = pattern.random(simulations, rng or np.random.default_rng(0))
        drawn = np.array([cell_moments(points, window)[1] for points in draws])
        drawn = drawn[np.isfinite(drawn)]
        # Where some random patterns leave too little that is known, the others are a choice.
        if np.isfinite(variation) and len(drawn) > max(0.9 * simulations, 2 / (1 - level) - 1.5):
            envelope = rank_envelope(variation, drawn, level)
            low, high, p = float(envelope.low[0]), float(envelope.high[0]), envelope.p
    share = weights / max(weights.sum(), 1e-300)
    areas = clipped * window.area_scale
    return VoronoiAreas(areas, weights > 0, share, mean, variation, low, high, p, labels, pattern, level)


def _labels(pattern: PointPattern) -> NDArray[np.int32]:
    mask = pattern.window.mask
    labels = np.full(mask.shape, -1, dtype=np.int32)
    row, column = np.nonzero(mask)
    labels[row, column] = cKDTree(pattern.points).query(np.stack([column, row], axis=1))[1]
    return labels


def _weights(points: NDArray[np.float64], window: Window) -> NDArray[np.float64]:
    """Return the weight [1/pixel²] of each whole cell, 0 of others, shape (n,)."""
    weights = np.zeros(len(points))
    try:
        diagram = Voronoi(points)
    except (QhullError, ValueError) as error:
        raise InputError("Voronoi cells need atoms that do not all lie on one line") from error
    places, square = _places(window)
    for index, region in enumerate(diagram.point_region):
        corners = diagram.regions[region]
        if not corners or -1 in corners:
            continue
        vertices = diagram.vertices[corners]
        radii = np.hypot(*(vertices - points[index]).T)
        if np.all(window.border_at(vertices) >= radii):
            weights[index] = 1 / (_possible(vertices - points[index], radii, window, places) * square)
    return weights


def _places(window: Window) -> tuple[NDArray[np.float64], float]:
    """Return points (x, y) of a square grid in the mask, shape (n, 2), and the area of its squares [pixel²]."""
    step = max(1, max(window.mask.shape) // _GRID)
    row, column = np.nonzero(window.mask[step // 2 :: step, step // 2 :: step])
    return np.stack([column, row], axis=1) * float(step) + step // 2, float(step**2)


def _possible(
    corners: NDArray[np.float64], radii: NDArray[np.float64], window: Window, places: NDArray[np.float64]
) -> int:
    """Return at how many places of its atom a cell would lie in the mask with all its discs; one at least."""
    left = places
    # The largest disc excludes most.
    for k in np.argsort(-radii):
        left = left[window.border_at(corners[k] + left) >= radii[k]]
    return max(len(left), 1)
