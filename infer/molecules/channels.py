"""Boxes of a detector, asked of the image as it was recorded: which lie in channels that hold a molecule."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from stemforge.errors import InputError
from stemforge.infer.crystals.domains import NOTHING, find_domains
from stemforge.infer.crystals.lattice import Lattice, find_lattice
from stemforge.infer.molecules.detection import MoleculeDetection, choose_molecules
from stemforge.infer.occupancy.analysis import measure_occupancy
from stemforge.infer.occupancy.crystal import ChannelCrystal
from stemforge.infer.occupancy.result import EMPTY, FILLED, OPEN, Occupancy
from stemforge.micrograph.annotations import Annotations
from stemforge.train.card import Card, log_odds

_NEAR = 5.0  # of a box's middle from the axis of the channel that it lies in [Å]


@dataclass(frozen=True)
class ChannelCheck:
    """What the image as recorded says of a detector's boxes.

    Parameters
    ----------
    detection
        With the boxes that are left, and columns ``state`` (filled or open), ``probability``, ``guest`` and
        ``guest_probability`` of their channels; of a channel that the image does not show whole nothing is known.
    occupancy
        Of all channels; None where none was measured.
    boxes, empty, beside
        How many boxes there were, of calibrated detectors all candidates, and how many of them were left out since
        their channel is empty, or since no crystal is there.
    reason
        Why no channel was measured; empty where channels were.
    """

    detection: MoleculeDetection
    occupancy: Occupancy | None
    boxes: int
    empty: int
    beside: int
    reason: str = ""

    def __str__(self) -> str:
        if self.reason:
            return self.reason
        filled = int(np.sum(self.detection.molecules["state"] == FILLED))
        rest = len(self.detection.molecules) - filled
        unlikely = f", {self.unlikely} that are not likely" if self.unlikely else ""
        return (
            f"of {self.boxes} boxes {filled} lie in channels that the image as recorded shows to be filled, {rest} "
            f"where it does not tell; left out: {self.empty} in empty channels, {self.beside} beside the "
            f"crystal{unlikely}"
        )

    @property
    def unlikely(self) -> int:
        """How many boxes were left out since they are not likely to be right."""
        return self.boxes - self.empty - self.beside - len(self.detection.molecules)

    def to_dict(self) -> dict[str, int]:
        """Return plain values for JSON."""
        filled = int(np.sum(self.detection.molecules["state"] == FILLED))
        left_out = {
            "left_out_empty": self.empty,
            "left_out_beside": self.beside,
            "left_out_unlikely": self.unlikely,
        }
        return {"boxes": self.boxes, "filled": filled, **left_out}


def check_channels(
    detection: MoleculeDetection,
    crystal: ChannelCrystal,
    *,
    lattice: Lattice | None = None,
    card: Card | None = None,
    threshold: float | None = None,
) -> ChannelCheck:
    """Ask the image as it was recorded of every box that a detector drew; leave out those that it denies.

    A detector that looks at restored images finds what the restorer draws, in empty channels and where there is no
    crystal as well. A box stays where :func:`measure_occupancy` calls its channel filled, or leaves it open. Of a
    calibrated detector, all candidates are asked; what score and channel say together is the box's likelihood, and the
    threshold is chosen anew.

    Parameters
    ----------
    detection
        From :func:`stemforge.infer.detect_molecules`.
    crystal
        The framework in whose channels molecules are.
    lattice
        Of this framework, as found on the image; by default it is found.
    card
        Of the detector, to make likelihoods by its ``channel_calibration``; without, boxes are as they were found.
    threshold
        As for :func:`stemforge.infer.detect_molecules`.

    Examples
    --------
    >>> from stemforge.micrograph.image import Micrograph
    >>> blank = Micrograph(np.random.default_rng(0).normal(size=(128, 128)).astype("float32"))
    >>> box = Annotations.of_boxes([[30, 30, 60, 50]], {"label": np.array(["molecule"], object), "score": [0.9]})
    >>> found = check_channels(
    ...     MoleculeDetection(blank, box, blank.image, 0.5, 0.25), ChannelCrystal.named("mfi", ("pyridine",))
    ... )
    >>> len(found.detection.molecules), str(found)[:27]
    (0, 'no lattice of the framework')
    """
    calibration = None if card is None else card.channel_calibration
    boxes = detection.molecules
    if calibration is not None and detection.candidates is not None:
        boxes = detection.candidates
    number, points = len(boxes), boxes.points.reshape(-1, 2)
    if not number:
        kept = replace(detection, molecules=_with(boxes, ChannelStates.unknown(0)))
        return ChannelCheck(kept, None, 0, 0, 0, "no boxes, so no channel was looked at")
    try:
        lattice = lattice or find_lattice(detection.micrograph, framework=crystal.framework)
    except InputError:
        reason = f"no lattice of the framework: {number} boxes left out, as no channel is known to hold them"
        none = _with(boxes, ChannelStates.unknown(number)).where(np.zeros(number, bool))
        return ChannelCheck(replace(detection, molecules=none), None, number, 0, number, reason)
    try:
        occupancy = measure_occupancy(detection.micrograph, framework=crystal, lattice=lattice)
    except InputError as error:
        # A lattice, but next to no channel: boxes beside the crystal go all the same.
        boxes = detection.molecules
        domains = find_domains(detection.micrograph, lattice, framework=crystal.framework)
        beside = domains.at(boxes.points.reshape(-1, 2)) == NOTHING
        number, left = len(boxes), int(np.sum(~beside))
        reason = f"{error}: {left} boxes left open, {number - left} beside the crystal left out"
        kept = replace(detection, molecules=_with(boxes, ChannelStates.unknown(number)).where(~beside))
        return ChannelCheck(kept, None, number, 0, number - left, reason)
    channels = ChannelStates.of(occupancy, points)
    boxes = _with(boxes, channels)
    beside = occupancy.domains.at(points) == NOTHING
    empty = (channels.state == EMPTY) & ~beside
    left_over = boxes.where(~beside & ~empty)
    kept = replace(detection, molecules=left_over)
    if card is not None and calibration is not None:
        likelihood = calibration.likelihood(log_odds(boxes["score"]), channels.odds)[~beside & ~empty]
        columns = {**left_over.columns, "likelihood": likelihood}
        candidates = Annotations(left_over.points, left_over.boxes, columns)
        kept = choose_molecules(detection, candidates, card, threshold)
    return ChannelCheck(kept, occupancy, number, int(empty.sum()), int(beside.sum()))


@dataclass(frozen=True)
class ChannelStates:
    """What is known of the channels in which points lie, each of shape (n,).

    Parameters
    ----------
    state
        Filled, empty or open.
    probability
        That the channel is filled; not a number where the image does not show a channel whole.
    odds
        Logarithm of the odds that it is filled; of a channel that the image does not show whole by the share of all.
    guest, guest_probability
        Which molecule it is if there is one, and how probable that is; empty, and not a number where that is not known.
    """

    state: NDArray[np.object_]
    probability: NDArray[np.float64]
    odds: NDArray[np.float64]
    guest: NDArray[np.object_]
    guest_probability: NDArray[np.float64]

    @classmethod
    def unknown(cls, number: int) -> "ChannelStates":
        """Return what is known without channels: nothing."""
        unknown = np.full(number, np.nan)
        names = np.full(number, "", dtype=object)
        return cls(np.full(number, OPEN, dtype=object), unknown, unknown, names, unknown)

    @classmethod
    def of(cls, occupancy: Occupancy, points: NDArray[np.float64]) -> "ChannelStates":
        """Look up the channels nearest to points (x, y) [pixel], shape (n, 2)."""
        distance, channel = cKDTree(occupancy.points).query(points)
        near = distance * occupancy.lattice.sampling < _NEAR
        filled = np.where(near, occupancy.probability[channel], np.nan)
        return cls(
            np.where(near, occupancy.state[channel], OPEN).astype(object),
            filled,
            log_odds(np.where(near, filled, occupancy.share[2])),
            np.where(near, occupancy.guest[channel], "").astype(object),
            np.where(near, occupancy.guest_probability[channel], np.nan),
        )


def _with(boxes: Annotations, channels: ChannelStates) -> Annotations:
    """Return boxes with what is known of their channels."""
    columns = {
        "state": channels.state,
        "probability": channels.probability,
        "guest": channels.guest,
        "guest_probability": channels.guest_probability,
    }
    return Annotations(boxes.points, boxes.boxes, {**boxes.columns, **columns})
