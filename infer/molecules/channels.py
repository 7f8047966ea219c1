"""Boxes of a detector, asked of the image as it was recorded: which lie in channels that hold a molecule."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from stemforge.errors import InputError
from stemforge.infer.crystals.domains import NOTHING, find_domains
from stemforge.infer.crystals.lattice import Lattice, find_lattice
from stemforge.infer.molecules.detection import MoleculeDetection
from stemforge.infer.occupancy.analysis import measure_occupancy
from stemforge.infer.occupancy.crystal import ChannelCrystal
from stemforge.infer.occupancy.result import EMPTY, FILLED, OPEN, Occupancy
from stemforge.micrograph.annotations import Annotations

_NEAR = 5.0  # of a box's middle from the axis of the channel that it lies in [Å]


@dataclass(frozen=True)
class ChannelCheck:
    """What the image as recorded says of a detector's boxes.

    Parameters
    ----------
    detection
        With the boxes that are left, and columns ``state`` (filled or open) and ``probability`` of their channels; the
        latter is not a number where no channel is near that the image shows whole.
    occupancy
        Of all channels; None where none was measured.
    boxes, empty, beside
        How many boxes there were, and how many of them were left out since their channel is empty, or since no crystal
        is there.
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
        return (
            f"of {self.boxes} boxes {filled} lie in channels that the image as recorded shows to be filled, {rest} "
            f"where it does not tell; left out: {self.empty} in empty channels, {self.beside} beside the crystal"
        )

    def to_dict(self) -> dict[str, int]:
        """Return plain values for JSON."""
        filled = int(np.sum(self.detection.molecules["state"] == FILLED))
        left_out = {"left_out_empty": self.empty, "left_out_beside": self.beside}
        return {"boxes": self.boxes, "filled": filled, **left_out}


def check_channels(
    detection: MoleculeDetection, crystal: ChannelCrystal, *, lattice: Lattice | None = None
) -> ChannelCheck:
    """Ask the image as it was recorded of every box that a detector drew; leave out those that it denies.

    A detector that looks at restored images finds what the restorer draws, in empty channels and where there is no
    crystal as well. A box stays where :func:`measure_occupancy` calls its channel filled, or leaves it open.

    Parameters
    ----------
    detection
        From :func:`stemforge.infer.detect_molecules`.
    crystal
        The framework in whose channels molecules are.
    lattice
        Of this framework, as found on the image; by default it is found.

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
    molecules = detection.molecules
    number, points = len(molecules), molecules.points.reshape(-1, 2)
    none = np.zeros(number, bool)
    if not number:
        return ChannelCheck(_kept(detection, none), None, 0, 0, 0, "no boxes, so no channel was looked at")
    try:
        lattice = lattice or find_lattice(detection.micrograph, framework=crystal.framework)
    except InputError:
        reason = f"no lattice of the framework: {number} boxes left out, as no channel is known to hold them"
        return ChannelCheck(_kept(detection, none), None, number, 0, number, reason)
    try:
        occupancy = measure_occupancy(detection.micrograph, framework=crystal, lattice=lattice)
    except InputError as error:
        # A lattice, but next to no channel: boxes beside the crystal go all the same.
        beside = (
            find_domains(detection.micrograph, lattice, framework=crystal.framework).at(points) == NOTHING
        )
        left = int(number - beside.sum())
        reason = f"{error}: {left} boxes left open, {number - left} beside the crystal left out"
        return ChannelCheck(_kept(detection, ~beside), None, number, 0, number - left, reason)
    distance, channel = cKDTree(occupancy.points).query(points)
    near = distance * lattice.sampling < _NEAR
    state = np.where(near, occupancy.state[channel], OPEN).astype(object)
    probability = np.where(near, occupancy.probability[channel], np.nan)
    beside = occupancy.domains.at(points) == NOTHING
    empty = (state == EMPTY) & ~beside
    kept = _kept(detection, ~beside & ~empty, state, probability)
    return ChannelCheck(kept, occupancy, number, int(empty.sum()), int(beside.sum()))


def _kept(
    detection: MoleculeDetection,
    chosen: NDArray[np.bool_],
    state: NDArray[np.object_] | None = None,
    probability: NDArray[np.float64] | None = None,
) -> MoleculeDetection:
    """Return the chosen boxes with what their channels say."""
    molecules = detection.molecules
    number = len(molecules)
    columns = {
        **molecules.columns,
        "state": np.full(number, OPEN, dtype=object) if state is None else state,
        "probability": np.full(number, np.nan) if probability is None else probability,
    }
    return replace(detection, molecules=Annotations(molecules.points, molecules.boxes, columns).where(chosen))
