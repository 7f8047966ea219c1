"""Everything about where the atoms of one image stand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from matplotlib.figure import Figure

from stemforge.errors import InputError
from stemforge.evaluate.statistics.bonds import BondedFraction, bonded_fraction, check_bonds
from stemforge.evaluate.statistics.clusters import ClusterSizes, clusters
from stemforge.evaluate.statistics.curves import Curve, pair_correlation, ripley
from stemforge.evaluate.statistics.density import counted_density
from stemforge.evaluate.statistics.envelopes import SIMULATIONS
from stemforge.evaluate.statistics.neighbours import (
    ClarkEvans,
    NeighbourDistances,
    clark_evans,
    nearest_neighbours,
)
from stemforge.evaluate.statistics.sheet import draw_arrangement
from stemforge.evaluate.statistics.voronoi import VoronoiAreas, voronoi_areas
from stemforge.evaluate.statistics.window import PointPattern
from stemforge.files import write_csv

# One in so many simulations is spent on Voronoi cells, which take as long as everything else together, and no more than
# so many cells; of images for which that is too little the variation has no interval.
_CELLS = 5
_MOST_CELLS = 60_000
_FEWEST = 39
_Result = TypeVar("_Result")


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Where the atoms of one image stand.

    Parameters
    ----------
    pattern
        The atoms.
    neighbours, clark_evans, k, l_curve, g, cells
        As the functions of these names measure them.
    bonded, sizes
        Bonds and clusters; None where no bond length is known, or the image is too dense for them.
    remarks
        What could not be measured, and why, each with the image's name; cells are None then, or bonds and clusters.

    Examples
    --------
    >>> from stemforge.evaluate import Window
    >>> window = Window.frame((256, 256), sampling=0.293)
    >>> pattern = PointPattern(window.draw(30, np.random.default_rng(2)), window, "area")
    >>> arrangement = analyse_pattern(pattern, simulations=39)
    >>> "{:.2f} ({:.2f} to {:.2f}) per nm²".format(*arrangement.density), arrangement.bonded is None
    ('0.53 (0.36 to 0.76) per nm²', True)
    """

    pattern: PointPattern
    neighbours: NeighbourDistances
    clark_evans: ClarkEvans
    k: Curve
    l_curve: Curve
    g: Curve
    cells: VoronoiAreas | None
    bonded: BondedFraction | None = None
    sizes: ClusterSizes | None = None
    remarks: tuple[str, ...] = ()

    @property
    def density(self) -> tuple[float, float, float]:
        """Atoms found per area of the mask, and an interval of 95 in 100 from counting alone (Garwood 1936)."""
        return counted_density(len(self.pattern), self.pattern.window.area)

    def sentences(self) -> list[str]:
        """Say how to read each statistic."""
        parts = (self.neighbours, self.clark_evans, self.l_curve, self.g, self.cells, self.bonded, self.sizes)
        return [*(part.sentence for part in parts if part is not None), *self.remarks]

    def row(self) -> dict[str, Any]:
        """Return the numbers of the image, by name with unit."""
        window, near = self.pattern.window, self.neighbours
        length, per_area = window.unit, "px2" if window.sampling is None else "nm2"
        density, low, high = self.density
        row: dict[str, Any] = {
            "image": self.pattern.name,
            "atoms": len(self.pattern),
            f"area_{per_area}": window.area,
            f"density_per_{per_area}": density,
            "density_low": low,
            "density_high": high,
            f"nearest_{_ascii(length)}": near.mean,
            "nearest_expected": near.expected,
            "nearest_random_low": near.low,
            "nearest_random_high": near.high,
            "clark_evans": self.clark_evans.index,
            "clark_evans_p": self.clark_evans.p,
            "ripley_l_p": self.l_curve.envelope.p if self.l_curve.envelope else None,
            "pair_correlation_p": self.g.envelope.p if self.g.envelope else None,
            "voronoi_variation": None if self.cells is None else self.cells.variation,
            "voronoi_p": None if self.cells is None else self.cells.p,
        }
        return row | bond_row(self.bonded, [] if self.sizes is None else [self.sizes])

    def to_csv(self, path: str | Path) -> None:
        """Write a row for each atom: distance to its neighbour, area of its cell, number and size of its cluster."""
        window = self.pattern.window
        number = None if self.sizes is None else self.sizes.members
        size = None if number is None else np.bincount(number)[number]
        header = [
            "x_px", "y_px", f"nearest_{_ascii(window.unit)}", "nearest_weight",
            f"cell_{'px2' if window.sampling is None else 'nm2'}", "cell_complete", "cluster", "cluster_atoms",
        ]  # fmt: skip
        rows = []
        for i, (x, y) in enumerate(self.pattern.points):
            near = [f"{self.neighbours.distances[i]:.4f}", f"{self.neighbours.weights[i]:.6g}"]
            cell = (
                ["", ""]
                if self.cells is None
                else [f"{self.cells.areas[i]:.6g}", int(self.cells.complete[i])]
            )
            cluster = ["", ""] if number is None or size is None else [int(number[i]), int(size[i])]
            rows.append([f"{x:.3f}", f"{y:.3f}", *near, *cell, *cluster])
        write_csv(path, header, rows)

    def figure(self) -> Figure:
        """Draw the atoms in their mask, and every statistic, on one sheet."""
        return draw_arrangement(self)


def bond_row(bonded: BondedFraction | None, images: Sequence[ClusterSizes]) -> dict[str, Any]:
    """Return what is known of bonds and of the clusters of all images, by name; nothing without a bond length."""
    if bonded is None or not images:
        return {}
    # Below 0 by chance alone; not a number where one image's cannot be corrected.
    dimers, trimers = (
        sum(number) for number in zip(*((one.dimers, one.trimers) for one in images), strict=True)
    )
    return {
        "bonded_observed": bonded.observed,
        "bonded_by_chance": bonded.by_chance,
        "bonded": bonded.fraction,
        "bonded_low": bonded.low,
        "bonded_high": bonded.high,
        "dimers_found": int(sum(one.observed[1] for one in images)),
        "dimers": max(dimers, 0.0) if np.isfinite(dimers) else None,
        "trimers_found": int(sum(one.observed[2] for one in images)),
        "trimers": max(trimers, 0.0) if np.isfinite(trimers) else None,
        "clusters_of_more_found": int(sum(one.observed[3:].sum() for one in images)),
    }


def analyse_pattern(
    pattern: PointPattern,
    length: float | None = None,
    *,
    recall: float = 1.0,
    purity: float = 1.0,
    simulations: int = SIMULATIONS,
    seed: int = 0,
) -> Arrangement:
    """Measure every statistic of where an image's atoms stand.

    Parameters
    ----------
    pattern
        The atoms.
    length
        Bond length [Å, or px without pixel size]; None leaves bonds and clusters out.
    recall, purity
        As for :func:`stemforge.evaluate.bonded_fraction`.
    simulations
        Random patterns for envelopes, at least 199.
    seed
        Root of their randomness.

    Raises
    ------
    InputError
        Length, recall or purity that cannot be. What this image alone does not allow, as it is too dense for bonds or
        its atoms lie on one line, is a remark.

    Examples
    --------
    >>> from stemforge.evaluate import Window
    >>> window = Window.frame((512, 512), sampling=0.293)
    >>> pattern = PointPattern(window.draw(60, np.random.default_rng(2)), window, "a")
    >>> row = analyse_pattern(pattern, 3.26, simulations=199).row()
    >>> row["image"], row["atoms"], round(row["density_per_nm2"], 3)
    ('a', 60, 0.267)
    """
    if length is not None:
        check_bonds(length, recall, purity)
    generators = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(6))
    near = nearest_neighbours(pattern, simulations=simulations, rng=next(generators))
    k, l_curve = ripley(pattern, simulations=simulations, rng=next(generators))
    g = pair_correlation(pattern, simulations=simulations, rng=next(generators))
    number = min(simulations // _CELLS, _MOST_CELLS // len(pattern))
    number = number if number >= _FEWEST else 0
    remarks: list[str] = []
    cells = _measured(
        pattern, remarks, partial(voronoi_areas, pattern, simulations=number, rng=next(generators))
    )
    parts: list[Any] = [None, None]
    if length is not None:
        sources = [next(generators), next(generators)]

        def bonds() -> list[Any]:
            bonded = bonded_fraction(pattern, length, recall=recall, purity=purity, rng=sources[0])
            return [bonded, clusters(pattern, length, recall=recall, rng=sources[1])]

        parts = _measured(pattern, remarks, bonds) or parts
    index, remarked = clark_evans(near), tuple(remarks)
    return Arrangement(pattern, near, index, k, l_curve, g, cells, parts[0], parts[1], remarked)


def _measured(pattern: PointPattern, remarks: list[str], measure: Callable[[], _Result]) -> _Result | None:
    """Return what is measured; None with a remark where this image does not allow it, as others may."""
    try:
        return measure()
    except InputError as error:
        remarks.append(f"{pattern.name or 'image'}: {error}; left out")
        return None


def _ascii(unit: str) -> str:
    return "angstrom" if unit == "Å" else unit
