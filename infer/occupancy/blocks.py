"""Occupancy of channels in blocks of cells: copies of a channel have one answer together."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stemforge.errors import InputError
from stemforge.infer.crystals.lattice import Lattice, find_lattice
from stemforge.infer.occupancy.analysis import _Fit
from stemforge.infer.occupancy.crystal import GUESTS, ChannelCrystal
from stemforge.infer.occupancy.mixture import Posterior, posterior_of
from stemforge.infer.occupancy.result import Occupancy
from stemforge.infer.occupancy.scores import Scores
from stemforge.micrograph.image import Micrograph

_FEW = 3  # channels of blocks


def average_occupancy(
    micrograph: Micrograph,
    cells: int,
    *,
    framework: str | ChannelCrystal = "mfi",
    guests: tuple[str, ...] = GUESTS,
) -> Occupancy:
    """Ask of blocks of cells, for each channel of the cell, whether its copies hold molecules.

    As :func:`measure_occupancy` asks each channel, but of the average of what the copies in a block leave of the
    framework's image: the noise falls with the number of copies, an error of the framework's image does not. The answer
    is about the mean: where copies differ, ``content`` is the mean of theirs, and ``filled`` says that some hold
    molecules.

    Parameters
    ----------
    micrograph, framework, guests
        As for :func:`measure_occupancy`.
    cells
        Cells along each side of a block.

    Returns
    -------
    Occupancy
        An entry for each block and channel of the cell; ``copies`` says which channels are averaged.

    Raises
    ------
    InputError
        As for :func:`measure_occupancy`, or fewer than three channels have all their copies in a block.

    Examples
    --------
    >>> from stemforge.infer.occupancy.crystal import ChannelCrystal, cell_image
    >>> crystal = ChannelCrystal.named("mfi", ("pyridine",))
    >>> hk = crystal.indices(1.5)
    >>> fade = np.exp(-((hk / crystal.cell) ** 2).sum(1) / 0.18)
    >>> cell = cell_image(crystal.coefficients(hk) * fade, hk, (54, 80))
    >>> empty = np.tile(cell, (4, 4)) + np.random.default_rng(0).normal(0, cell.std() / 20, (216, 320))
    >>> found = average_occupancy(Micrograph(empty.astype("float32")), 2, framework=crystal)
    >>> found.count("filled"), found.copies.shape[1]
    (0, 4)
    """
    if cells < 1:
        raise InputError(f"cells must be 1 or more, not {cells}")
    crystal = ChannelCrystal.named(framework, tuple(guests)) if isinstance(framework, str) else framework
    lattice = find_lattice(micrograph, framework=crystal.framework)
    fit = _Fit(micrograph, crystal, lattice) if cells == 1 else _Blocks(micrograph, crystal, lattice, cells)
    return fit.occupancy()


class _Blocks(_Fit):
    """The passes over one image, and what blocks of its cells say at the end."""

    def __init__(self, micrograph: Micrograph, crystal: ChannelCrystal, lattice: Lattice, cells: int) -> None:
        super().__init__(micrograph, crystal, lattice)
        self.blocks = blocks_of(self._steps(), self.site, cells)
        if len(self.blocks) < _FEW:
            raise InputError(
                f"{micrograph.name}: cells must be smaller than {cells}: of {len(self.axes)} whole channels, "
                f"{len(self.blocks)} have all their copies in a block of {cells} × {cells} cells; {_FEW} are needed"
            )

    def _described(
        self,
        places: NDArray[np.float64],
        posterior: Posterior,
        scores: Scores,
        names: NDArray[np.object_],
        framework: tuple[float, NDArray[np.float64]],
    ) -> Occupancy:
        together = summed(scores, self.blocks)
        copies = places[self.blocks]
        found = super()._described(copies.mean(1), posterior_of(together), together, names, framework)
        return replace(found, copies=copies)

    def _steps(self) -> NDArray[np.int64]:
        """Return in which cell of its domain each channel is, in steps along both axes, shape (channels, 2)."""
        channels = self.crystal.channels / self.crystal.cell
        domain = self.domains.at(self.axes)
        steps = np.zeros((len(self.axes), 2), dtype=np.int64)
        for label in np.unique(domain):
            chosen = domain == label
            points = self.axes[chosen] - self.domains.distortion_at(self.axes[chosen], label)
            inside = self.domains.moved(label).to_fractional(points)
            steps[chosen] = np.round(inside - channels[self.site[chosen] % len(channels)])
        return steps


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
        The copies of one channel in one block, shape (blocks, cells²).

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


def summed(scores: Scores, blocks: NDArray[np.int64]) -> Scores:
    """Return what the average of some channels says: as one channel whose noise is that of the average.

    Parameters
    ----------
    scores
        Of all channels.
    blocks
        Which are averaged, all of one site, shape (blocks, copies).
    """
    copies = blocks.shape[1]
    return replace(
        scores,
        products=scores.products[blocks].sum(1),
        norms=scores.norms * copies,
        mean_products=scores.mean_products[blocks].sum(1),
        mean_norm=scores.mean_norm * copies,
        overlaps=scores.overlaps * copies,
        site=None if scores.site is None else scores.site[blocks[:, 0]],
    )
