"""What an image as it was recorded says of the channels in which a detector's boxes lie."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from stemforge.errors import InputError
from stemforge.infer.crystals.domains import NOTHING, find_domains
from stemforge.infer.crystals.lattice import Lattice, find_lattice
from stemforge.infer.occupancy.analysis import measure_occupancy
from stemforge.infer.occupancy.crystal import ChannelCrystal
from stemforge.infer.occupancy.result import EMPTY, OPEN, Occupancy
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.image import Micrograph
from stemforge.train.card import log_odds

_NEAR = 5.0  # of a box's middle from the axis of the channel that it lies in [Å]


@dataclass(frozen=True)
class ChannelStates:
    """What is known of the channels in which points lie; arrays of shape (n,).

    Parameters
    ----------
    state
        Filled, empty or open.
    probability
        That the channel is filled; not a number where the image does not show a channel whole.
    odds
        Logarithm of the odds that it is filled; of a channel that the image does not show whole by the share of all.
        Not a number where no channel was measured.
    guest, guest_probability
        Which molecule it is if there is one, and how probable that is; empty, and not a number where that is not known.
    beside
        Whether the image shows no crystal there.
    channel
        Number of the channel among those of ``occupancy``; -1 where the image does not show it whole.
    occupancy
        Of all channels; None where none was measured.
    reason
        Why none was measured; empty where channels were.
    """

    state: NDArray[np.object_]
    probability: NDArray[np.float64]
    odds: NDArray[np.float64]
    guest: NDArray[np.object_]
    guest_probability: NDArray[np.float64]
    beside: NDArray[np.bool_]
    channel: NDArray[np.int64]
    occupancy: Occupancy | None = None
    reason: str = ""

    @classmethod
    def at(
        cls,
        micrograph: Micrograph,
        points: NDArray[np.float64],
        crystal: ChannelCrystal,
        lattice: Lattice | None = None,
    ) -> "ChannelStates":
        """Measure the channels of an image, and look up those nearest to points.

        Parameters
        ----------
        micrograph
            As recorded.
        points
            (x, y) [pixel], shape (n, 2).
        crystal
            The framework with its channels.
        lattice
            As found on the image; by default it is found.
        """
        if not len(points):
            return cls.unknown(np.zeros(0, dtype=bool), "no boxes, so no channel was looked at")
        try:
            lattice = lattice or find_lattice(micrograph, framework=crystal.framework)
        except InputError as error:
            return cls.unknown(np.ones(len(points), dtype=bool), _without_name(error, micrograph))
        try:
            occupancy = measure_occupancy(micrograph, framework=crystal, lattice=lattice)
        except InputError as error:
            # A lattice, but next to no channel: what lies beside the crystal is known all the same.
            domains = find_domains(micrograph, lattice, framework=crystal.framework)
            return cls.unknown(domains.at(points) == NOTHING, _without_name(error, micrograph))
        distance, channel = cKDTree(occupancy.points).query(points)
        near = distance * occupancy.lattice.sampling < _NEAR
        filled = np.where(near, occupancy.probability[channel], np.nan)
        # One more channel: that all others are empty, or filled, does not make it certain (Jeffreys 1946).
        expected = (occupancy.probability.sum() + 0.5) / (len(occupancy.probability) + 1)
        return cls(
            np.where(near, occupancy.state[channel], OPEN).astype(object),
            filled,
            log_odds(np.where(near, filled, expected)),
            np.where(near, occupancy.guest[channel], "").astype(object),
            np.where(near, occupancy.guest_probability[channel], np.nan),
            occupancy.domains.at(points) == NOTHING,
            np.where(near, channel, -1),
            occupancy,
        )

    @classmethod
    def unknown(cls, beside: NDArray[np.bool_], reason: str) -> "ChannelStates":
        """Return what is known without channels: what lies beside the crystal, shape (n,), and why it is no more."""
        unknown = np.full(len(beside), np.nan)
        state, guest = (np.full(len(beside), word, dtype=object) for word in (OPEN, ""))
        nowhere = np.full(len(beside), -1)
        return cls(state, unknown, unknown, guest, unknown, beside, nowhere, reason=reason)

    @property
    def denied(self) -> NDArray[np.bool_]:
        """Whether the image says that there is no molecule: in empty channels and beside the crystal."""
        return self.beside | (self.state == EMPTY)

    def surplus(self, score: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Say which boxes lie in a channel that a better one has: seen along its axis, it shows one molecule.

        Boxes in channels that the image does not show whole are not compared.

        Parameters
        ----------
        score
            By which boxes are better, shape (n,); in one channel the likelihood rises with the score.
        """
        order = np.argsort(-np.asarray(score, dtype=float), kind="stable")
        order = order[self.channel[order] >= 0]
        surplus = np.zeros(len(self.channel), dtype=bool)
        surplus[np.delete(order, np.unique(self.channel[order], return_index=True)[1])] = True
        return surplus

    def added_to(self, boxes: Annotations) -> Annotations:
        """Return boxes with columns that say what is known of their channels."""
        names = ("state", "probability", "guest", "guest_probability")
        columns = {name: getattr(self, name) for name in names}
        return Annotations(boxes.points, boxes.boxes, {**boxes.columns, **columns})


def _without_name(error: InputError, micrograph: Micrograph) -> str:
    """Return a message on an image for a place where the image is named already."""
    return str(error).removeprefix(f"{micrograph.name}: ")
