"""What is known of the columns of an image."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemforge.files import write_csv
from stemforge.infer.columns.classes import CLASSES, NONE
from stemforge.infer.crystals.lattice import Lattice
from stemforge.micrograph.image import Micrograph

_HEADER = ("x_px", "y_px", "x_nm", "y_nm", "x_error_px", "y_error_px", "intensity", "intensity_error")


@dataclass(frozen=True)
class MeasuredColumns:
    """Every atom column of a framework on an image.

    Parameters
    ----------
    micrograph, lattice
        What was looked at (averaged, where cells were), and the lattice on it.
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
        Standard deviation of the framework's columns from the lattice along each axis, as learnt [Å].
    other
        Share of the framework's columns that are not what the lattice has at their places, as learnt.
    explained
        Share of the average cell's variance that the framework explains.
    """

    micrograph: Micrograph
    lattice: Lattice
    points: NDArray[np.float64]
    errors: NDArray[np.float64]
    intensity: NDArray[np.float64]
    intensity_error: NDArray[np.float64]
    site: NDArray[np.intp]
    probability: NDArray[np.float64]
    way: float
    other: float
    explained: float

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
        return (
            f"{self.count('T')} columns with T atoms, {self.count('O')} of oxygen{missing}; "
            f"places known to {error:.2f} Å, {self.way:.2f} Å from the lattice's"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            **{kind: self.count(kind) for kind in CLASSES},
            "median_error_angstrom": float(np.median(self.errors)) * self.lattice.sampling,
            "from_lattice_angstrom": self.way,
            "other_share": self.other,
            "explained": self.explained,
            "sampling_angstrom": self.lattice.sampling,
            "correlation": self.lattice.score,
        }

    def to_csv(self, path: str | Path) -> None:
        """Write a row for each column; nm by the lattice's pixel size."""
        names = (*_HEADER, "class", "probability", *(f"{kind}_probability" for kind in CLASSES))
        nanometre = self.lattice.sampling / 10
        rows = [
            [
                *(f"{value:.3f}" for value in point),
                *(f"{value * nanometre:.5f}" for value in point),
                *(f"{value:.3f}" for value in error),
                f"{intensity:.3f}",
                f"{intensity_error:.3f}",
                kind,
                f"{probability.max():.4f}",
                *(f"{value:.4f}" for value in probability),
            ]
            for point, error, intensity, intensity_error, kind, probability in zip(
                self.points,
                self.errors,
                self.intensity,
                self.intensity_error,
                self.kind,
                self.probability,
                strict=True,
            )
        ]
        write_csv(path, names, rows)
