"""Boxes of a detector, asked of the image as it was recorded: which lie in channels that hold a molecule."""

from dataclasses import dataclass, replace

import numpy as np

from stemforge.infer.crystals.lattice import Lattice
from stemforge.infer.molecules.detection import MoleculeDetection, choose_molecules
from stemforge.infer.molecules.states import ChannelStates
from stemforge.infer.occupancy.crystal import ChannelCrystal
from stemforge.infer.occupancy.result import FILLED, Occupancy
from stemforge.micrograph.annotations import Annotations
from stemforge.train.card import Card


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
    boxes, empty, beside, surplus
        How many boxes there were, of calibrated detectors all candidates, and how many of them were left out since
        their channel is empty, since no crystal is there, or since a better box lies in the same channel.
    reason
        Why no channel was measured; empty where channels were.

    Examples
    --------
    >>> from stemforge import Micrograph
    >>> columns = {"score": np.array([0.9]), "state": np.array(["filled"], dtype=object)}
    >>> found = Annotations([[8, 8]], np.array([[4.0, 4.0, 12.0, 12.0]]), columns)
    >>> left = MoleculeDetection(Micrograph(np.eye(32)), found, np.eye(32), 0.5, 0.25)
    >>> print(ChannelCheck(left, None, boxes=4, empty=2, beside=1))
    of 4 boxes 1 lie in channels that the image as recorded shows to be filled, ... left out: 2 in empty channels, ...
    """

    detection: MoleculeDetection
    occupancy: Occupancy | None
    boxes: int
    empty: int
    beside: int
    surplus: int = 0
    reason: str = ""

    def __str__(self) -> str:
        if self.reason:
            return self.reason
        filled = int(np.sum(self.detection.molecules["state"] == FILLED))
        rest = len(self.detection.molecules) - filled
        unlikely = f", {self.surplus} in a channel with a better one" if self.surplus else ""
        unlikely += f", {self.unlikely} that are not likely" if self.unlikely else ""
        return (
            f"of {self.boxes} boxes {filled} lie in channels that the image as recorded shows to be filled, {rest} "
            f"where it does not tell; left out: {self.empty} in empty channels, {self.beside} beside the "
            f"crystal{unlikely}"
        )

    @property
    def unlikely(self) -> int:
        """How many boxes were left out since they are not likely to be right."""
        return self.boxes - self.empty - self.beside - self.surplus - len(self.detection.molecules)

    def to_dict(self) -> dict[str, int]:
        """Return plain values for JSON."""
        filled = int(np.sum(self.detection.molecules["state"] == FILLED))
        left_out = {
            "left_out_empty": self.empty,
            "left_out_beside": self.beside,
            "left_out_surplus": self.surplus,
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
    crystal as well. A box stays where :func:`measure_occupancy` calls its channel filled, or leaves it open; of
    several boxes in one channel the best stays. Of a calibrated detector, all candidates are asked; what score and
    channel say together is the box's likelihood, and the threshold is chosen anew.

    Parameters
    ----------
    detection
        From :func:`stemforge.infer.detect_molecules`.
    crystal
        The framework in whose channels molecules are.
    lattice
        Of this framework, as found on the image; by default it is found.
    card
        Of the detector, to make likelihoods by its calibrations; without, boxes are as they were found.
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
    >>> len(found.detection.molecules), str(found)[:50]
    (0, '1 boxes left out, as no channel is known to hold t')
    """
    calibrated = card is not None and card.calibration is not None
    boxes = detection.molecules
    if calibrated and detection.candidates is not None:
        boxes = detection.candidates
    channels = ChannelStates.at(detection.micrograph, boxes.points, crystal, lattice)
    surplus = channels.surplus(boxes["score"]) & ~channels.denied
    left = ~channels.denied & ~surplus
    candidates = channels.added_to(boxes)
    if card is not None and calibrated:
        likelihood = card.box_likelihood(boxes["score"], channels.odds)
        candidates = Annotations(
            candidates.points, candidates.boxes, {**candidates.columns, "likelihood": likelihood}
        )
        kept = choose_molecules(detection, candidates.where(left), card, threshold)
    else:
        kept = replace(detection, molecules=candidates.where(left))
    beside = int(channels.beside.sum())
    reason = channels.reason
    if reason and len(kept.molecules):
        reason = f"{reason}: {len(kept.molecules)} boxes left open, {beside} beside the crystal left out"
    elif reason and len(detection.molecules):
        drawn = len(detection.molecules)
        reason = f"{drawn} boxes left out, as no channel is known to hold them: {reason}"
    empty = int(channels.denied.sum()) - beside
    return ChannelCheck(kept, channels.occupancy, len(boxes), empty, beside, int(surplus.sum()), reason)
