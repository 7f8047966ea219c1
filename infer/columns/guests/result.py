"""Columns of molecules on an image."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from stemforge.infer.columns.guests.columns import GuestColumn
from stemforge.infer.columns.guests.search import ChannelGuest, GuestSearch
from stemforge.infer.columns.white import Grid
from stemforge.infer.occupancy.crystal import ChannelCrystal

GUEST = "guest"
"""Class of a column of a molecule."""
COLUMNS = ("guest_probability", "guest", "channel", "elements", "elements_probability")
"""Of a table, beside those of the framework."""
_SAME = 1.5  # within which an axis is that of a channel whose content is known [Å]


@dataclass(frozen=True)
class GuestColumns:
    """Columns of molecules in every channel of an image that holds one.

    Parameters
    ----------
    points, errors
        Places (x, y) and their standard deviations [pixel], shape (n, 2): copies of a column are taken to be alike, and
        have the errors of the average cell. A shift that the framework's columns have, too, is in no error.
    which
        Number of each in ``columns``, shape (n,).
    search
        What was found of the crystal's cell, and what not.
    """

    points: NDArray[np.float64]
    errors: NDArray[np.float64]
    which: NDArray[np.intp]
    search: GuestSearch

    @classmethod
    def placed(
        cls,
        search: GuestSearch,
        crystal: ChannelCrystal,
        moved: NDArray[np.float64],
        grid: Grid,
        copies: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    ) -> "GuestColumns":
        """Put columns of the cell on an image.

        Parameters
        ----------
        search
            What was found of the cell.
        crystal
            With its channels.
        moved
            Of the framework's columns in the cell, as they are stated: shape (sites, 2) [Å].
        grid
            The image's pixels.
        copies
            What gives all points (x, y) [pixel] at a place of the cell (x, y) [Å].
        """
        axes, channel = search.filled
        points, errors, numbers = [np.zeros((0, 2))], [np.zeros((0, 2))], [np.zeros(0, dtype=np.intp)]
        for number, (column, guest) in enumerate(_columns(search)):
            every = copies(column.place)
            beside = grid.axes @ (column.place - crystal.channels[guest.channel])
            far, _ = cKDTree(axes[channel == guest.channel]).query(every - beside)
            here = every[far * np.sqrt(grid.area) < _SAME] + grid.axes @ moved.mean(0)
            covariance = grid.axes @ column.covariance @ grid.axes.T
            points.append(here)
            errors.append(np.tile(np.sqrt(np.diag(covariance)), (len(here), 1)))
            numbers.append(np.full(len(here), number, dtype=np.intp))
        return cls(np.concatenate(points), np.concatenate(errors), np.concatenate(numbers), search)

    @property
    def columns(self) -> list[GuestColumn]:
        """Of the cell."""
        return [column for column, _ in _columns(self.search)]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON: what is known of the cell."""
        return {
            GUEST: len(self.points),
            "guest_remarks": list(self.search.remarks),
            "guests_of_the_cell": [
                {
                    "channel": guest.channel,
                    "guest": guest.name,
                    "lying_alike": guest.probability,
                    "content": guest.content,
                    "columns": [_described(column) for column in guest.columns],
                }
                for guest in self.search.guests
            ],
        }

    def rows(self) -> Iterator[list[str]]:
        """Yield the fields of a table beside places: intensity, class, probabilities, and ``COLUMNS``."""
        every = list(_columns(self.search))
        for number in self.which.tolist():
            column, guest = every[number]
            known = bool(np.isfinite(column.intensity))
            chance = f"{column.probability:.4f}"
            yield [
                f"{column.intensity:.3f}" if known else "",
                f"{column.intensity_error:.3f}" if known else "",
                GUEST,
                chance,
                "0.0000",
                "0.0000",
                f"{1 - column.probability:.4f}",
                chance,
                guest.name,
                str(guest.channel),
                column.elements,
                f"{column.elements_probability:.3f}",
            ]


def _columns(search: GuestSearch) -> Iterator[tuple[GuestColumn, ChannelGuest]]:
    return ((column, guest) for guest in search.guests for column in guest.columns)


def _described(column: GuestColumn) -> dict[str, Any]:
    known = bool(np.isfinite(column.intensity))
    return {
        "place_angstrom": column.place.round(4).tolist(),
        "error_angstrom": np.sqrt(np.diag(column.covariance)).round(4).tolist(),
        "intensity": round(column.intensity, 4) if known else None,
        "intensity_error": round(column.intensity_error, 4) if known else None,
        "elements": column.elements,
        "elements_probability": round(column.elements_probability, 4),
        "probability": round(column.probability, 4),
    }
