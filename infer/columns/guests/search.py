"""Which channels of an ordered crystal hold a molecule in the same pose throughout, and the columns of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

from stemforge.infer.columns.guests.cell import WhiteCell, potential_of
from stemforge.infer.columns.guests.columns import GuestColumn, columns_of
from stemforge.infer.columns.guests.poses import Mode, distinct, find_modes, refined
from stemforge.infer.columns.guests.rigid import RigidGuest
from stemforge.infer.columns.image import FrameworkImage
from stemforge.infer.columns.structure import fit_cell
from stemforge.infer.occupancy.copies import copies_of
from stemforge.infer.occupancy.crystal import ChannelCrystal
from stemforge.infer.occupancy.result import SURE, Occupancy

_FULL = 0.8  # mean probability of a channel's copies, from which it is filled throughout
_PASSES = 3  # framework and molecules are known better each time
_ALIKE = 0.5  # probability that molecules of a filled channel lie alike
_SAME = 4  # turns of a molecule with a mirror plane and a twofold axis that have one projection
_PLACED = 0.35  # standard deviation of a place along an axis, up to which a column is stated [Å]
NOT_DETERMINED = "guest columns not determined"


@dataclass(frozen=True)
class ChannelGuest:
    """The molecule that a channel of the crystal's cell holds in all cells.

    Parameters
    ----------
    channel
        Its number in the cell.
    name
        Of the likeliest molecule.
    probability
        That it lies alike in all cells, in a pose that was found.
    content
        Molecules in a cell along the beam.
    columns
        Of it; none where its pose is not known well enough.
    """

    channel: int
    name: str
    probability: float
    content: float
    columns: tuple[GuestColumn, ...]


@dataclass(frozen=True)
class GuestSearch:
    """What was found, and what not.

    Parameters
    ----------
    guests
        By channel.
    remarks
        Sentences on what is not determined.
    filled
        Axes (x, y) [pixel] of the channels that hold a molecule, and the number of each in the cell; shapes (n, 2) and
        (n,).
    """

    guests: tuple[ChannelGuest, ...] = ()
    remarks: tuple[str, ...] = ()
    filled: tuple[NDArray[np.float64], NDArray[np.int64]] = field(
        default_factory=lambda: (np.zeros((0, 2)), np.zeros(0, dtype=np.int64))
    )


def find_guests(shown: FrameworkImage, crystal: ChannelCrystal, occupancy: Occupancy) -> GuestSearch:
    """Refine the molecules of an ordered crystal against the average cell, framework and transfer free, too.

    Each channel of the cell that holds a molecule in all its copies is given one that is moved and turned as a whole.
    Whether molecules lie alike is weighed against channels that are empty, or filled in any pose.

    Parameters
    ----------
    shown
        The framework on the image, after its passes.
    crystal
        With the molecules to look for.
    occupancy
        Of the same image.
    """
    _, site = copies_of(occupancy.points, occupancy.domains, crystal)
    channel = site % len(crystal.channels)
    full, reason = _full_channels(occupancy, site, channel)
    if not full:
        return GuestSearch(remarks=(f"{NOT_DETERMINED}: {reason}",))
    copies = [int((channel == number).sum()) for number in full]
    guests = _Refinement(shown, crystal).guests(full, copies)
    remarks = tuple(
        f"{NOT_DETERMINED} in channel {one.channel} of the cell: that its molecules lie alike has a probability of "
        f"{one.probability:.2f}"
        if one.probability < SURE
        else f"{NOT_DETERMINED} in channel {one.channel} of the cell: places are not known to {_PLACED} Å"
        for one in guests
        if not one.columns
    )
    chosen = (occupancy.probability >= 0.5) & np.isin(channel, full)
    return GuestSearch(guests, remarks, (occupancy.points[chosen], channel[chosen]))


def _full_channels(
    occupancy: Occupancy, site: NDArray[np.int64], channel: NDArray[np.int64]
) -> tuple[list[int], str]:
    """Return which channels of the cell hold a molecule in all copies; else why that is not known."""
    if occupancy.ordered is None or occupancy.ordered < SURE:
        chance = (
            "cannot be asked"
            if occupancy.ordered is None
            else f"has a probability of {occupancy.ordered:.2f}"
        )
        return [], f"that the same channels of every cell are filled {chance}"
    mean = {
        number: float(occupancy.probability[site == number].mean()) for number in np.unique(site).tolist()
    }
    full = []
    for number in np.unique(channel).tolist():
        by_domain = np.array([mean[one] for one in np.unique(site[channel == number]).tolist()])
        if (by_domain >= _FULL).all():
            full.append(number)
        elif (by_domain > 1 - _FULL).any():
            return [], f"channel {number} of the cell is filled in some copies only"
    return full, "no channel is filled in all cells"


class _Refinement:
    """The passes over one average cell."""

    def __init__(self, shown: FrameworkImage, crystal: ChannelCrystal) -> None:
        self.shown, self.crystal = shown, crystal
        self.area = float(crystal.cell.prod())
        self.measured, self.variance = shown.average()

    def guests(self, channels: Sequence[int], copies: Sequence[int]) -> tuple[ChannelGuest, ...]:
        """Return what channels hold that are averages over so many copies."""
        known = np.zeros((len(channels), len(self.shown.k)), dtype=np.complex128)
        modes: dict[int, list[Mode]] = {}
        odds = np.full(len(channels), np.inf)
        cells: dict[int, WhiteCell] = {}
        for _ in range(_PASSES):
            fit = fit_cell(
                self.measured,
                self.variance,
                self.shown.k,
                self.shown.sites,
                self.shown.powers,
                self.area,
                known.sum(0),
            )
            for number, channel in enumerate(channels):
                axis = self.crystal.channels[channel]
                cell = WhiteCell.of(self.measured, self.shown.k, fit, known[number], self.area)
                starts = self._starts(channel)
                if number not in modes:
                    modes[number] = distinct([mode for one in starts for mode in find_modes(cell, one, axis)])
                else:
                    modes[number] = distinct([refined(cell, mode.guest, axis) for mode in modes[number]])
                cells[number] = cell
                odds[number] = min(odds[number], self._odds(cell, modes[number], starts, copies[number]))
            known = np.array(
                [potential_of(modes[n][0].guest, self.shown.k, self.area) for n in range(len(channels))]
            )
        return tuple(
            self._described(channel, cells[n], modes[n], float(expit(odds[n])))
            for n, channel in enumerate(channels)
        )

    def _starts(self, channel: int) -> list[list[RigidGuest]]:
        """Return poses of each molecule in a channel."""
        found: dict[str, list[RigidGuest]] = {}
        for one in self.crystal.guests:
            atoms = one.atoms.copy()
            atoms.positions[:, :2] += self.crystal.channels[channel]
            found.setdefault(one.name, []).append(RigidGuest(one.name, atoms))
        return list(found.values())

    def _odds(
        self, cell: WhiteCell, modes: Sequence[Mode], starts: Sequence[Sequence[RigidGuest]], copies: int
    ) -> float:
        """Return the logarithm of the odds that molecules lie alike, over empty channels and any poses together."""
        alike = logsumexp([mode.evidence for mode in modes]) + np.log(_SAME / len(starts)) + np.log(_ALIKE)
        anyhow = [
            cell.disordered(np.array([one.waves(cell.k).sum(0) for one in poses]), copies) for poses in starts
        ]
        otherwise = [np.log((1 - _ALIKE) / len(starts)) + one for one in anyhow]
        return float(alike - logsumexp([cell.evidence, *otherwise]))

    @staticmethod
    def _described(channel: int, cell: WhiteCell, modes: Sequence[Mode], probability: float) -> ChannelGuest:
        columns = columns_of(cell, modes, probability) if probability >= SURE else ()
        placed = tuple(
            one
            for one in columns
            if one.probability >= SURE and np.sqrt(np.linalg.eigvalsh(one.covariance)[-1]) <= _PLACED
        )
        best = modes[0].guest
        return ChannelGuest(channel, best.name, probability, best.content, placed)
