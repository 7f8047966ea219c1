"""Which detections are one atom: linked by LapTrack at the cost of how likely motion, misses and false atoms are."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from stemforge.errors import InputError
from stemforge.evaluate.series.chances import ALTERNATIVE, GATE, NEVER, LinkChances, LinkModel
from stemforge.evaluate.series.detections import Detections
from stemforge.installation.requirements import install_command

LONGEST_GAP = 5
"""Frames in a row on which an atom may be missed, at most."""

_FREE = (
    *("cutoff", "gap_closing_cutoff", "track_start_cost", "track_end_cost"),
    *("segment_start_cost", "segment_end_cost"),
)


def link(found: Detections, model: LinkModel) -> list[NDArray[np.int64]]:
    """Link the detections of a series, drift taken off.

    First, neighbours from frame to frame whose distance an ordinary step explains; then, all at once, the ends of what
    came of it with later starts, over gaps and by hops (Jaqaman et al. 2008, doi:10.1038/nmeth.1237). A link costs the
    logarithm of how much likelier it is than its alternative, that one atom was lost and the other detection is a new
    atom or false: by the distance, the frames on which the atom was missed, and the detector's likelihoods. So a false
    atom beside one that is missed once is no hop there and back.

    Returns
    -------
    list of ndarray
        Indices of the detections of each track, in order of time. Detections that are likelier false are in none.

    Raises
    ------
    InputError
        LapTrack is not installed (extra ``stemforge[track]``).
    """
    nodes = _Nodes(found)
    chances = LinkChances(model, found.frames)
    first = nodes.linked(chances, np.ones(len(found)))
    atom = np.ones(len(found))
    for segment in first:
        atom[segment] = expit(chances.evidence(found, segment))
    whole = [chances.trimmed(found, track) for track in nodes.linked(chances, atom, first)]
    return [track for track in whole if chances.evidence(found, track) > 0]


class _Nodes:
    """Detections as LapTrack takes them: a table for each frame, whose rows also hold what costs are made of."""

    def __init__(self, found: Detections) -> None:
        self.found, self.start = found, np.searchsorted(found.frame, np.arange(found.frames))

    def linked(
        self, chances: LinkChances, atom: NDArray[np.float64], segments: Sequence[NDArray[np.int64]] = ()
    ) -> list[NDArray[np.int64]]:
        """Link by ordinary steps from frame to frame; or segments that came of that, over gaps and by hops."""
        kind, graph = require_library()
        found = self.found
        table = np.column_stack([found.frame, found.points, found.variance, atom])
        costs: dict[str, Any] = dict.fromkeys(_FREE, ALTERNATIVE)
        if len(segments):
            costs |= {"metric": _never, "gap_closing_metric": chances.cost}
            costs["gap_closing_max_frame_count"] = LONGEST_GAP + 1
        else:
            costs |= {"metric": chances.ordinary_cost, "gap_closing_cutoff": False}
        known = [(self._node(a), self._node(b)) for one in segments for a, b in pairwise(one.tolist())]
        by_frame = [table[found.frame == number] for number in range(found.frames)]
        tree = kind(**costs).predict(by_frame, connected_edges=known or None)
        tracks = [
            np.array(sorted(int(self.start[frame] + index) for frame, index in nodes))
            for nodes in graph.connected_components(tree.to_undirected())
        ]
        return sorted(tracks, key=lambda one: (int(found.frame[one[0]]), *found.points[one[0]].tolist()))

    def _node(self, index: int) -> tuple[int, int]:
        frame = int(self.found.frame[index])
        return frame, index - int(self.start[frame])


def split_track(
    found: Detections, track: NDArray[np.int64], model: LinkModel
) -> tuple[list[NDArray[np.int64]], list[int]]:
    """Split a track at its hops: steps longer than ordinary ones.

    One detection elsewhere between two at the same place is no hop there and back: more often a place was badly found,
    or the atom was missed beside a false one.

    Returns
    -------
    parts, aside
        Indices of the detections of each part, and of those detections that stand aside.
    """
    whole = [*np.split(track, np.flatnonzero(_hops(found, track, model)) + 1)]
    aside: list[int] = []
    number = 1
    while number < len(whole) - 1:
        before, one, after = whole[number - 1 : number + 2]
        if len(one) == 1 and not _hops(found, np.array([before[-1], after[0]]), model)[0]:
            aside.append(int(one[0]))
            whole[number - 1 : number + 2] = [np.concatenate([before, after])]
            number = max(number - 1, 1)
        else:
            number += 1
    return whole, aside


def _hops(found: Detections, track: NDArray[np.int64], model: LinkModel) -> NDArray[np.bool_]:
    """Tell which steps of a track are longer than ordinary ones, shape (detections − 1,)."""
    steps = np.diff(found.points[track], axis=0)
    variance = found.variance[track[1:]] + found.variance[track[:-1]]
    width = model.width(variance, np.diff(found.frame[track]))
    return np.asarray(np.hypot(*steps.T) > np.maximum(GATE * width, model.least))


def _never(first: Any, second: Any) -> float:
    """Return the cost of a link that cannot be."""
    return NEVER


def require_library() -> tuple[Any, Any]:
    """Return LapTrack's tracker, and the library of its graphs.

    Raises
    ------
    InputError
        LapTrack is not installed (extra ``stemforge[track]``).
    """
    try:
        import networkx
        from laptrack import LapTrack
    except ImportError as error:
        raise InputError(f"tracks need LapTrack; install it with: {install_command('track')}") from error
    return LapTrack, networkx
