"""Atoms that were found less than twice are in no track: how many there are, by those that are, and what they did."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_STATES = 3  # not yet there, present, gone
_TINY = 1e-9


@dataclass(frozen=True)
class Unfollowed:
    """Expected numbers of atoms that are in no track, and of what they did.

    Parameters
    ----------
    atoms
        By their recall, shape (recalls,).
    begun
        Present on the first frame.
    coming, leaving, staying
        Arrivals, losses, and steps from "present".
    log_followed
        Logarithm of the chance that the followed atoms are found twice and more.
    """

    atoms: Array
    begun: float
    coming: float
    leaving: float
    staying: float
    log_followed: float


def unfollowed(
    visible: NDArray[np.bool_], recalls: Array, weights: Array, steps: Array, begun: float, fewest: int = 2
) -> Unfollowed:
    """Say what atoms did that were found less than twice, beside those that were found twice and more.

    Of n atoms found twice and more, each with the chance P to be so, n (1 − P)/P others are expected (Dempster, Laird &
    Rubin 1977, doi:10.1111/j.2517-6161.1977.tb01600.x, section 4.2: truncated data). What they did follows from
    runs forwards and backwards over states in which a detection, one at most, is counted.

    Parameters
    ----------
    visible
        On which frames the places of the followed atoms were in the image, shape (atoms, frames).
    recalls, weights
        Chances to be found on a frame, and how many atoms have each, shape (recalls,).
    steps
        Chances from state to state on the way to each frame: not yet there, present, gone, shape (frames, 3, 3).
    begun
        Share of atoms that are present on the first frame.
    """
    masks, number = np.unique(visible, axis=0, return_counts=True)
    frames, kinds = masks.shape[1], len(recalls)
    # What a frame does to (state, detections before): detections rise by one where an atom is found.
    hit = masks.T[:, :, None] * recalls  # (frames, masks, recalls)
    forward = np.zeros((frames, len(masks), kinds, _STATES, fewest))
    state = np.zeros((len(masks), kinds, _STATES, fewest))
    state[..., 0, 0], state[..., 1, 0] = 1 - begun, begun
    for time in range(frames):
        state = np.einsum("mrsc,st->mrtc", state, steps[time]) if time else state
        state = _found(state, hit[time])
        forward[time] = state
    few = state.sum((-2, -1))  # chance to be found less than twice, of each mask and recall
    whole = (few * weights).sum(1)
    each = (number / np.maximum(1 - whole, _TINY))[:, None] * weights
    counts = np.zeros((_STATES, _STATES))
    back = np.ones_like(state)
    for time in range(frames - 1, 0, -1):
        later = _found_back(back, hit[time])
        pair = np.einsum("mr,mrsc,st,mrtc->st", each, forward[time - 1], steps[time], later)
        counts += pair
        back = np.einsum("st,mrtc->mrsc", steps[time], later)
    first = np.einsum("mr,mrc,mrc->", each, forward[0][:, :, 1], back[:, :, 1])
    return Unfollowed(
        (each * few).sum(0),
        begun=float(first),
        coming=float(counts[0, 1]),
        leaving=float(counts[1, 2]),
        staying=float(counts[1].sum()),
        log_followed=float((number * np.log(np.maximum(1 - whole, _TINY))).sum()),
    )


def _found(state: Array, hit: Array) -> Array:
    """Take a frame's detection into the states: found a second time, an atom is in a track."""
    after = state.copy()
    after[..., 1, :] *= (1 - hit)[..., None]
    after[..., 1, 1:] += state[..., 1, :-1] * hit[..., None]
    return after


def _found_back(back: Array, hit: Array) -> Array:
    """Return the chances of what follows, before a frame's detection is known."""
    before = back.copy()
    before[..., 1, :] *= (1 - hit)[..., None]
    before[..., 1, :-1] += back[..., 1, 1:] * hit[..., None]
    return before
