"""What channels hold in the mean over blocks of neighbouring cells: less noise, fewer places."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemforge.errors import InputError
from stemforge.files import write_csv
from stemforge.infer.occupancy.copies import copies_of
from stemforge.infer.occupancy.crystal import ChannelCrystal
from stemforge.infer.occupancy.result import EMPTY, FILLED, OPEN, Occupancy

_COLUMNS = (
    "x_px",
    "y_px",
    "x_nm",
    "y_nm",
    "channel",
    "copies",
    "content",
    "content_error",
    "spread",
    "probability",
)


@dataclass(frozen=True)
class BlockAverages:
    """What the copies of each channel of the cell hold in the mean, block by block.

    Parameters
    ----------
    occupancy
        What is known of each channel.
    copies
        Which of its channels are averaged, shape (n, copies); those of one entry are copies of one channel of the
        crystal's cell, in one block and one domain.
    channel
        Number of that channel in the crystal's cell, shape (n,).

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> content = np.array([0.9, 1.1, 0.8, 1.0])
    >>> measured = SimpleNamespace(content=content, content_error=np.full(4, 0.2))  # of an Occupancy
    >>> block = BlockAverages(measured, copies=np.array([[0, 1, 2, 3]]), channel=np.array([0]))
    >>> block.content.round(2).tolist(), block.content_error.tolist()  # known twice as well as that of one channel
    ([0.95], [0.1])
    """

    occupancy: Occupancy
    copies: NDArray[np.int64]
    channel: NDArray[np.int64]

    @property
    def points(self) -> NDArray[np.float64]:
        """Middles of the copies (x, y) [pixel], shape (n, 2)."""
        return np.asarray(self.occupancy.points[self.copies].mean(1))

    @property
    def content(self) -> NDArray[np.float64]:
        """Molecules in a unit cell along the beam, mean of the copies, shape (n,)."""
        return np.asarray(self.occupancy.content[self.copies].mean(1))

    @property
    def content_error(self) -> NDArray[np.float64]:
        """Its standard deviation by the image's noise, shape (n,)."""
        squares = self.occupancy.content_error[self.copies] ** 2
        return np.asarray(np.sqrt(squares.sum(1)) / self.copies.shape[1])

    @property
    def spread(self) -> NDArray[np.float64]:
        """Standard deviation of the copies' contents among themselves, shape (n,)."""
        return np.asarray(self.occupancy.content[self.copies].std(1, ddof=1))

    @property
    def probability(self) -> NDArray[np.float64]:
        """Share of the copies that are filled, as expected by their probabilities, shape (n,)."""
        return np.asarray(self.occupancy.probability[self.copies].mean(1))

    def to_csv(self, path: str | Path) -> None:
        """Write a row for each block and channel of the cell; nm by the lattice's pixel size."""
        states = self.occupancy.state[self.copies]
        step = self.occupancy.lattice.sampling / 10
        values = zip(self.content, self.content_error, self.spread, self.probability, strict=True)
        rows = [
            [
                *(f"{v:.2f}" for v in point),
                *(f"{v * step:.4f}" for v in point),
                int(channel) + 1,
                len(state),
                *(f"{v:.3f}" for v in numbers),
                *(int(np.sum(state == word)) for word in (FILLED, EMPTY, OPEN)),
            ]
            for point, channel, state, numbers in zip(self.points, self.channel, states, values, strict=True)
        ]
        write_csv(path, (*_COLUMNS, FILLED, EMPTY, OPEN), rows)


def average_occupancy(occupancy: Occupancy, crystal: ChannelCrystal, cells: int) -> BlockAverages:
    """Average what channels hold over the copies of each channel of the cell in blocks of cells.

    The noise falls with the root of the number of copies. What the framework's image is off by is alike in all copies
    and does not fall; nor does an average say that its copies are alike: compare ``spread`` with the error of one
    channel.

    Parameters
    ----------
    occupancy
        From :func:`measure_occupancy`.
    crystal
        The framework that it was asked for.
    cells
        Cells along each side of a block, two or more.

    Raises
    ------
    InputError
        Fewer than two cells, or no channel has all its copies in a block.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from stemforge.infer import Domains, Lattice
    >>> crystal = ChannelCrystal.named("mfi", ("pyridine",))
    >>> lattice = Lattice((0.0, 0.0), (80.0, 0.0), (0.0, 54.0), 0.25, 0.0, 0.0, 0.9, "mfi", tuple(crystal.cell))
    >>> where = np.zeros((22, 25), dtype=int), np.zeros((22, 25, 2)), np.ones((22, 25)), np.zeros((1, 2))
    >>> domains = Domains(lattice, *where, 10, (0.0, 0.0))
    >>> channels = lattice.sites(crystal.channels / crystal.cell, (216, 240))
    >>> measured = SimpleNamespace(points=channels, domains=domains, content=np.ones(len(channels)))  # an Occupancy
    >>> blocks = average_occupancy(measured, crystal, 2)
    >>> blocks.copies.shape[1], blocks.channel.tolist(), blocks.content.tolist()
    (4, [0, 0, 1, 1], [1.0, 1.0, 1.0, 1.0])
    """
    if cells < 2:
        raise InputError(f"cells must be 2 or more to be averaged, got {cells}")
    steps, site = copies_of(occupancy.points, occupancy.domains, crystal)
    copies = blocks_of(steps, site, cells)
    if not len(copies):
        raise InputError(
            f"{occupancy.micrograph.name}: cells must be smaller than {cells}: no channel has all its copies in a "
            f"block of {cells} × {cells} cells"
        )
    return BlockAverages(occupancy, copies, site[copies[:, 0]] % len(crystal.channels))


def blocks_of(steps: NDArray[np.int64], site: NDArray[np.int64], cells: int) -> NDArray[np.int64]:
    """Group channels into blocks of cells, laid so that as many as possible are whole.

    Parameters
    ----------
    steps
        In which cell each channel is, in steps along both axes, shape (channels, 2).
    site
        Which of the cell's channels it is, other numbers in other domains, shape (channels,).
    cells
        Along each side of a block.

    Returns
    -------
    ndarray
        The copies of one channel in one block, shape (n, cells²).

    Examples
    --------
    >>> steps = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [2, 0]])
    >>> blocks_of(steps, np.zeros(5, dtype=int), 2).tolist()
    [[0, 1, 2, 3]]
    """
    best = np.empty((0, cells**2), dtype=np.int64)
    for start in np.ndindex(cells, cells):
        block = np.column_stack([site, np.floor_divide(steps - np.array(start), cells)])
        _, inverse, count = np.unique(block, axis=0, return_inverse=True, return_counts=True)
        whole = np.flatnonzero(count == cells**2)
        if len(whole) > len(best):
            best = np.array([np.flatnonzero(inverse.ravel() == number) for number in whole])
    return best
