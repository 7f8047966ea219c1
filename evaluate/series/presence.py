"""Whether an atom that is not found was missed, has not come yet, or has left: a hidden Markov model of each track."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stemforge.evaluate.series.truncation import unfollowed

_RECALLS = np.array([0.1, 0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 0.88, 0.94, 0.98, 0.995])
_ROUNDS = 60
_SETTLED = 1e-4  # of the log likelihood, an atom
_START = (0.8, 0.02)  # share that is there on the first frame, and chance to leave, at first

CERTAIN = 1.92
"""Log likelihood from which events are more than chance: half of the 95th hundredth of χ² (Wilks 1938)."""


@dataclass(frozen=True, eq=False)
class Presence:
    """When each atom was present.

    Parameters
    ----------
    chance
        That an atom is present on a frame, shape (atoms, frames).
    visible
        On which frames its place was in the image, shape (atoms, frames); none where a frame is blank.
    recall
        Chance that a present atom is found on a frame, of each atom, shape (atoms,).
    appeared, disappeared
        Chance that an atom was not there on the first frame, and not on the last one, shape (atoms,).
    losses, exposure
        Expected number of disappearances, and in how many frames × present atoms as many are expected, atoms in no
        track counted: their ratio is the chance to disappear from frame to frame.
    arrivals, followed
        Expected number of appearances, and which share of the atoms that appear is followed.
    found
        On which frames each atom was found, shape (atoms, frames).
    log_likelihood
        Of all atoms.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = rng.random((40, 30)) < 0.8
    >>> found[:10, 15:] = False  # ten atoms leave in the middle
    >>> presence = fit_presence(found, np.ones_like(found))
    >>> presence.some_left, 9 < presence.losses < 12, presence.chance.shape
    (True, True, (40, 30))
    """

    chance: NDArray[np.float64]
    visible: NDArray[np.bool_]
    recall: NDArray[np.float64]
    appeared: NDArray[np.float64]
    disappeared: NDArray[np.float64]
    losses: float
    exposure: float
    arrivals: float
    followed: float
    found: NDArray[np.bool_]
    log_likelihood: float

    @property
    def shown(self) -> float:
        """Atoms on a frame that are present and in the image, mean of the frames that show any place."""
        return self.whole / max(int(self.visible.any(0).sum()), 1)

    @property
    def whole(self) -> float:
        """Atoms that are present and in the image, summed over the frames."""
        return float((self.chance * self.visible).sum())

    @property
    def loss(self) -> float:
        """Chance to disappear from frame to frame."""
        return self.losses / self.exposure if self.exposure > 0 else 0.0

    @cached_property
    def some_left(self) -> bool:
        """Whether losses explain what was found better than misses alone, beyond chance."""
        return self._gain(_START[0], 0.0) > CERTAIN

    @cached_property
    def some_came(self) -> bool:
        """Whether arrivals explain what was found better than misses alone, beyond chance."""
        return self._gain(1.0, _START[1]) > CERTAIN

    def _gain(self, begun: float, leave: float) -> float:
        """Return by how much the log likelihood is above that of atoms of which none leaves, or none comes."""
        none = _fitted(_likelihoods(self.found, self.visible), self.visible, begun, leave)
        return self.log_likelihood - none.total


def fit_presence(found: NDArray[np.bool_], visible: NDArray[np.bool_]) -> Presence:
    """Tell misses from absences by all atoms together.

    An atom is not yet there, present, or gone. It comes at any frame with the same chance, and leaves from frame to
    frame with a chance that is the same for all atoms. Present, it is found with a chance of its own, whose
    distribution over atoms (11 values) is learnt from all: an atom found on every frame up to the tenth, and on none of
    the ten after it, has left; one found on every third frame may be there still. All are the likeliest ones by
    expectation maximisation (Baum, Petrie, Soules & Weiss 1970). Atoms found once or never are in no track; so the
    likelihood is that of atoms found twice and more, and what the others did is expected beside
    (:func:`stemforge.evaluate.series.truncation.unfollowed`): who left soon or came late would be missing. No event is
    believed in beforehand: half a loss more would be a quarter of what few atoms on few frames lose.

    Parameters
    ----------
    found
        On which frames each atom was found, shape (atoms, frames); each on two at least.
    visible
        On which frames its place was in the image; elsewhere nothing follows from its not being found.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = rng.random((40, 30)) < 0.8
    >>> found[:10, 15:] = False
    >>> presence = fit_presence(found, np.ones_like(found))
    >>> bool(9 < presence.losses < 12), bool((presence.disappeared[:10] > 0.8).all())
    (True, True)
    """
    like = _likelihoods(found, visible)
    whole = _fitted(like, visible, *_START)
    return Presence(
        whole.chance[:, :, 1],
        visible,
        whole.recall @ _RECALLS,
        appeared=whole.chance[:, 0, 0],
        disappeared=whole.chance[:, -1, 2],
        losses=whole.losses,
        exposure=whole.exposure,
        arrivals=whole.arrivals,
        followed=whole.followed,
        found=found,
        log_likelihood=whole.total,
    )


@dataclass(frozen=True, eq=False)
class _Fit:
    """The likeliest description of all atoms: chances of states and recalls; events of those followed, and chances."""

    chance: NDArray[np.float64]
    recall: NDArray[np.float64]
    losses: float
    exposure: float
    arrivals: float
    followed: float
    total: float


def _fitted(like: NDArray[np.float64], visible: NDArray[np.bool_], begun: float, leave: float) -> _Fit:
    """Fit by expectation maximisation; where none leaves at first, or all are there, so it remains."""
    frames, all_begun = like.shape[1], begun == 1
    weights = np.full(len(_RECALLS), 1 / len(_RECALLS))
    previous = -np.inf
    for _ in range(_ROUNDS):
        steps = _steps(frames, leave)
        chance, each, total, counts = _smooth(like, weights, begun, steps)
        coming, leaving, staying = counts
        few = unfollowed(visible, _RECALLS, weights, steps, begun)
        total -= few.log_followed
        number = len(like) + few.atoms.sum()
        # Events that are followed, over those of all atoms at the same rate. Not over the number of events itself: it
        # may be almost nothing, and then is no measure of anything.
        exposure = staying + few.staying - (few.leaving / leave if leave > 0 else 0.0)
        arriving = number * (1 - begun)
        rate = (leaving + few.leaving) / max(staying + few.staying, 1e-12)
        first = (chance[:, 0, 1].sum() + few.begun) / number
        weights = (each.sum(0) + few.atoms) / number
        if total - previous < _SETTLED * len(like):
            break
        previous, leave = total, rate
        begun = begun if all_begun else float(np.clip(first, 0.01, 0.99))
    return _Fit(
        chance,
        each,
        leaving,
        exposure,
        coming,
        followed=1 - few.coming / arriving if arriving > 0 else 1.0,
        total=total,
    )


def _likelihoods(found: NDArray[np.bool_], visible: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how likely each observation is, shape (atoms, frames, recalls, states)."""
    number, frames = found.shape
    like = np.ones((number, frames, len(_RECALLS), 3))
    absent = np.where(found, 1e-12, 1.0)[..., None]
    like[..., 0] = like[..., 2] = absent
    like[..., 1] = np.where(
        found[..., None], _RECALLS, np.where(visible[..., None], 1 - _RECALLS, np.ones_like(_RECALLS))
    )
    return like


def _steps(frames: int, leave: float) -> NDArray[np.float64]:
    """Return the chances from state to state on the way to each frame, shape (frames, 3, 3)."""
    steps = np.zeros((frames, 3, 3))
    steps[:, 1], steps[:, 2] = [0.0, 1 - leave, leave], [0.0, 0.0, 1.0]
    # As many come at each frame: an atom that is still to come does so at any that is left.
    come = 1 / np.maximum(frames - np.arange(frames), 1)
    steps[:, 0] = np.stack([1 - come, come, np.zeros(frames)], 1)
    return steps


def _smooth(
    like: NDArray[np.float64], weights: NDArray[np.float64], begun: float, steps: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, tuple[float, float, float]]:
    """Run forwards and backwards over all atoms and recalls at once.

    Returns
    -------
    chance, each, total, counts
        Of each state, shape (atoms, frames, states); of each recall, shape (atoms, recalls); log likelihood; expected
        number of arrivals, of losses, and of steps from "present".
    """
    number, frames, recalls, _ = like.shape
    forward = np.empty((frames, number, recalls, 3))
    scale = np.empty((frames, number, recalls))
    state = np.broadcast_to(np.array([1 - begun, begun, 0.0]), (number, recalls, 3))
    for time in range(frames):
        state = (state @ steps[time] if time else state) * like[:, time]
        scale[time] = state.sum(-1)
        state = state / scale[time][..., None]
        forward[time] = state
    log = np.log(scale).sum(0) + np.log(np.maximum(weights, 1e-12))
    top = log.max(1, keepdims=True)
    each = np.exp(log - top)
    total = float((top[:, 0] + np.log(each.sum(1))).sum())
    each /= each.sum(1, keepdims=True)
    chance = np.empty((number, frames, 3))
    coming = leaving = staying = 0.0
    back = np.ones((number, recalls, 3))
    for time in range(frames - 1, -1, -1):
        both = forward[time] * back
        both /= both.sum(-1, keepdims=True)
        chance[:, time] = (each[..., None] * both).sum(1)
        if not time:
            break
        later = like[:, time] * back / scale[time][..., None]
        pair = forward[time - 1][..., :, None] * steps[time] * later[..., None, :]
        pair = (each[..., None, None] * pair).sum((0, 1))
        coming += pair[0, 1]
        leaving, staying = leaving + pair[1, 2], staying + pair[1].sum()
        back = later @ steps[time].T
    return chance, each, total, (float(coming), float(leaving), float(staying))
