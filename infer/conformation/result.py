"""What is known of the structure that an image shows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemforge.files import write_csv
from stemforge.infer.conformation.candidates import NONE
from stemforge.infer.crystals.domains import Domains
from stemforge.infer.crystals.lattice import Lattice
from stemforge.micrograph.image import Micrograph


@dataclass(frozen=True)
class Likeness:
    """Plain likeness of each block with each candidate's image, as published work compares them.

    Parameters
    ----------
    correlation, similarity
        Over the whole cell; similarity is structural (SSIM). Shape (b, m).
    """

    correlation: NDArray[np.float64]
    similarity: NDArray[np.float64]


@dataclass(frozen=True)
class Prospects:
    """What can be told of these candidates at this noise, whatever the image shows.

    Parameters
    ----------
    confusion
        How often a block that shows one candidate (rows) is taken for another (columns), shape (m, m).
    factor
        By how much the dose must grow for a single cell's answer to be right in 95 %; infinite where nothing helps,
        since candidates look alike within what is known of the microscope.
    block
        How many cells along each side must be averaged at this dose for that; None where 20 are not enough.
    """

    confusion: NDArray[np.float64]
    factor: float
    block: int | None

    @property
    def right(self) -> float:
        """Mean share of right answers for blocks as they were averaged."""
        return float(np.diag(self.confusion).mean())


@dataclass(frozen=True)
class Conformation:
    """Which of several candidate structures the cells of an image show.

    Parameters
    ----------
    micrograph, domains
        What was looked at, and where the lattice found on it holds.
    lattice
        That of the largest domain; its origin is a corner of a cell.
    names
        Of the m candidates.
    points
        Middles of the blocks of cells (x, y) [pixel], shape (b, 2).
    whole_cells, averaged
        Cells that the image shows whole, and cells in a block.
    log_likelihood
        Natural logarithm, shape (b, m).
    none_log_likelihood
        The same of what is none of the candidates, shape (b,).
    probability
        Of each candidate and, last, of none of them; all are as likely before. Shape (b, m + 1).
    likeness
        Plain correlation and structural similarity.
    prospects
        Confusion among the candidates, and what it takes to tell them.
    cell
        The average of all cells, mean 0, shape (rows, columns).
    images
        The candidates' images of it, shape (m, rows, columns).
    explained
        Share of the average cell's variance, noise taken away, that the best candidate explains.

    Examples
    --------
    >>> likely = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1]])  # of two candidates and none of them
    >>> lattice = Lattice((2.0, 2.0), (4.0, 0.0), (0.0, 4.0), 5.0, 0.0, 0.0, 1.0, "mfi", (20.1, 13.4))
    >>> places = np.zeros((2, 2))
    >>> domains = Domains(lattice, places.astype(int), np.zeros((2, 2, 2)), places, np.zeros((1, 2)), 2, (1.0, 1.0))
    >>> beside = Likeness(np.ones((3, 2)), np.ones((3, 2))), Prospects(np.eye(2), 1.0, 1), places, np.zeros((2, 2, 2))
    >>> film, logs, names = Micrograph(np.eye(4)), np.log(likely), ("straight", "tilted")
    >>> found = Conformation(
    ...     film, domains, lattice, names, np.ones((3, 2)), 9, 1, logs[:, :2], logs[:, 2], likely, *beside, 0.9
    ... )
    >>> found.best, found.mean_probability.round(2).tolist()
    (['straight', 'straight', 'tilted'], [0.47, 0.43, 0.1])
    """

    micrograph: Micrograph
    domains: Domains
    lattice: Lattice
    names: tuple[str, ...]
    points: NDArray[np.float64]
    whole_cells: int
    averaged: int
    log_likelihood: NDArray[np.float64]
    none_log_likelihood: NDArray[np.float64]
    probability: NDArray[np.float64]
    likeness: Likeness
    prospects: Prospects
    cell: NDArray[np.float64]
    images: NDArray[np.float64]
    explained: float

    @property
    def best(self) -> list[str]:
        """The most probable candidate of each block, or :data:`NONE`."""
        names = (*self.names, NONE)
        return [names[i] for i in self.probability.argmax(1)]

    @property
    def margin(self) -> NDArray[np.float64]:
        """Decimal logarithm of how much more likely the best candidate is than the next, shape (b,)."""
        ordered = np.sort(self.log_likelihood, axis=1)
        return np.asarray((ordered[:, -1] - ordered[:, -2]) / np.log(10))

    @property
    def mean_probability(self) -> NDArray[np.float64]:
        """Mean over blocks, shape (m + 1,): what share of them shows which candidate."""
        return np.asarray(self.probability.mean(0))

    def __str__(self) -> str:
        blocks = len(self.points)
        if blocks == 1:
            sure = 100 * self.probability.max()
            return f"{self.best[0]} ({sure:.1f} %, average of {self.averaged} cells)"
        counted = sorted({(self.best.count(name), name) for name in self.best}, reverse=True)
        kind = "cells" if self.averaged == 1 else f"blocks of {self.averaged} cells"
        return f"{blocks} {kind}: " + ", ".join(f"{name} {count}" for count, name in counted)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "blocks": len(self.points),
            "whole_cells": self.whole_cells,
            "cells_averaged": self.averaged,
            "mean_probability": dict(zip((*self.names, NONE), self.mean_probability.tolist(), strict=True)),
            "best": {name: self.best.count(name) for name in dict.fromkeys(self.best)},
            "expected_right": self.prospects.right,
            "confusion": self.prospects.confusion.tolist(),
            "dose_factor_for_95_percent": self.prospects.factor
            if np.isfinite(self.prospects.factor)
            else None,
            "cells_for_95_percent": None if self.prospects.block is None else self.prospects.block**2,
            "explained": self.explained,
            "sampling_angstrom": self.lattice.sampling,
            "correlation": self.lattice.score,
            **self.domains.to_dict(),
        }

    def to_csv(self, path: str | Path) -> None:
        """Write a row for each block; nm by the lattice's pixel size."""
        header = ["x_px", "y_px", "x_nm", "y_nm", "cells", "best", "probability", "margin"]
        # A candidate may have any name: "none", too.
        header += [
            "correlation",
            "similarity",
            "none_probability",
            *(f"probability_{name}" for name in self.names),
        ]
        chosen = self.log_likelihood.argmax(1)
        rows = [
            [
                *(f"{v:.2f}" for v in point),
                *(f"{v * self.lattice.sampling / 10:.4f}" for v in point),
                self.averaged,
                best,
                f"{probability.max():.4f}",
                f"{margin:.2f}",
                f"{self.likeness.correlation[i, chosen[i]]:.4f}",
                f"{self.likeness.similarity[i, chosen[i]]:.4f}",
                *(f"{v:.4f}" for v in (probability[-1], *probability[:-1])),
            ]
            for i, (point, best, probability, margin) in enumerate(
                zip(self.points, self.best, self.probability, self.margin, strict=True)
            )
        ]
        write_csv(path, header, rows)
