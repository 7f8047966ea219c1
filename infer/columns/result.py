"""What is known of the columns of an image."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemforge.files import write_csv
from stemforge.infer.columns.averaging import AveragedCells
from stemforge.infer.columns.classes import CLASSES, NONE
from stemforge.infer.columns.guests.result import COLUMNS, GuestColumns
from stemforge.infer.crystals.domains import Domains
from stemforge.infer.crystals.lattice import Lattice
from stemforge.micrograph.image import Micrograph

_HEADER = ("x_px", "y_px", "x_nm", "y_nm", "x_error_px", "y_error_px", "intensity", "intensity_error")


@dataclass(frozen=True)
class MeasuredColumns:
    """Every atom column of a framework on an image.

    Parameters
    ----------
    micrograph
        What was looked at; averaged, where cells were.
    domains
        Where the lattice found on the image as recorded holds.
    lattice
        That of the largest domain; on an averaged image, its own.
    points, errors
        Places (x, y) and their standard deviations [pixel], shape (n, 2).
    intensity, intensity_error
        What a column scatters forward in a unit cell along the beam, in silicon atoms, relative to the framework around
        it; shape (n,).
    site
        Number of the framework's column that is expected at the place, shape (n,).
    probability
        Of each class: T, O, and that there is no column; shape (n, 3).
    way
        Standard deviation of the average cell's columns from the framework's places, along each axis, as learnt [Å].
    spread
        Standard deviation of the copies of a column from where the average cell has it, along each axis, as learnt [Å].
    other
        Share of the framework's columns that are not what the lattice has at their places, as learnt.
    explained
        Share of the average cell's variance that the framework explains.
    fine_detail
        Transfer of detail of 2 Å over that of 5 Å, as fitted: little of it is left out of focus and in thick films.
    averaged
        Where the blocks of cells lie that were averaged; None where none were.
    guests
        Columns of molecules; None where they were not looked for.

    Examples
    --------
    >>> lattice = Lattice((0.0, 0.0), (20.0, 0.0), (0.0, 13.0), 0.5, 0.0, 0.0, 0.9, "mfi", (20.0, 13.0))
    >>> where = np.zeros((4, 4), dtype=int), np.zeros((4, 4, 2)), np.ones((4, 4)), np.zeros((1, 2))
    >>> points, likely = np.array([[3.0, 4.0], [9.0, 4.0]]), np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1]])
    >>> strength = np.array([4.1, 1.8]), np.array([0.3, 0.3]), np.array([0, 1])
    >>> found = MeasuredColumns(
    ...     Micrograph(np.eye(40)), Domains(lattice, *where, 10, (5.0, 5.0)), lattice, points, np.full((2, 2), 0.1),
    ...     *strength, likely, way=0.1, spread=0.05, other=0.0, explained=0.9, fine_detail=0.5,
    ... )
    >>> print(found)
    1 columns with T atoms, 1 of oxygen; places known to 0.05 Å, 0.10 Å from the lattice's
    """

    micrograph: Micrograph
    domains: Domains
    lattice: Lattice
    points: NDArray[np.float64]
    errors: NDArray[np.float64]
    intensity: NDArray[np.float64]
    intensity_error: NDArray[np.float64]
    site: NDArray[np.intp]
    probability: NDArray[np.float64]
    way: float
    spread: float
    other: float
    explained: float
    fine_detail: float
    averaged: AveragedCells | None = None
    guests: GuestColumns | None = None

    @property
    def kind(self) -> NDArray[np.object_]:
        """The most probable class of each column: ``T``, ``O`` or ``none``."""
        return np.array(CLASSES, dtype=object)[self.probability.argmax(1)]

    def count(self, kind: str) -> int:
        """Return how many columns are ``T``, ``O``, or ``none``: expected, and missing."""
        return int(np.sum(self.kind == kind))

    def __str__(self) -> str:
        error = float(np.median(self.errors)) * self.lattice.sampling
        missing = f", {self.count(NONE)} missing" if self.count(NONE) else ""
        guests = "" if self.guests is None else f", {len(self.guests.points)} of guests"
        return (
            f"{self.count('T')} columns with T atoms, {self.count('O')} of oxygen{guests}{missing}; "
            f"places known to {error:.2f} Å, {self.way:.2f} Å from the lattice's"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            **{kind: self.count(kind) for kind in CLASSES},
            "median_error_angstrom": float(np.median(self.errors)) * self.lattice.sampling,
            "from_lattice_angstrom": self.way,
            "from_average_cell_angstrom": self.spread,
            "other_share": self.other,
            "explained": self.explained,
            "fine_detail": self.fine_detail,
            "sampling_angstrom": self.lattice.sampling,
            "correlation": self.lattice.score,
            **({} if self.averaged is None else {"blocks_px": self.averaged.middles.round(2).tolist()}),
            **({} if self.guests is None else self.guests.to_dict()),
            **self.domains.to_dict(),
        }

    def to_csv(self, path: str | Path) -> None:
        """Write a row for each column; nm by the lattice's pixel size; columns of guests last.

        Where cells were averaged, places are those on the averaged image, and the last two columns say where the middle
        of the block that shows them lies on the image as recorded.
        """
        names = (*_HEADER, "class", "probability", *(f"{kind}_probability" for kind in CLASSES))
        blocks: list[tuple[str, ...]] = [()] * len(self.points)
        if self.averaged is not None:
            names = (*names, "block_x_px", "block_y_px")
            blocks = [tuple(f"{value:.2f}" for value in one) for one in self.averaged.block_of(self.points)]
        further = [] if self.guests is None else ["0.0000", *[""] * (len(COLUMNS) - 1)]
        rows = [
            [
                *self._placed(point, error),
                f"{intensity:.3f}",
                f"{intensity_error:.3f}",
                kind,
                f"{probability.max():.4f}",
                *(f"{value:.4f}" for value in probability),
                *block,
                *further,
            ]
            for point, error, intensity, intensity_error, kind, probability, block in zip(
                self.points,
                self.errors,
                self.intensity,
                self.intensity_error,
                self.kind,
                self.probability,
                blocks,
                strict=True,
            )
        ]
        if self.guests is not None:
            names = (*names, *COLUMNS)
            places = zip(self.guests.points, self.guests.errors, strict=True)
            rows += [
                [*self._placed(*place), *cells]
                for place, cells in zip(places, self.guests.rows(), strict=True)
            ]
        write_csv(path, names, rows)

    def _placed(self, point: NDArray[np.float64], error: NDArray[np.float64]) -> list[str]:
        """Return the first fields of a row."""
        nanometre = self.lattice.sampling / 10
        return [
            *(f"{value:.3f}" for value in point),
            *(f"{value * nanometre:.5f}" for value in point),
            *(f"{value:.3f}" for value in error),
        ]
