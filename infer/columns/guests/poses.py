"""Poses of a molecule that explain an average cell, and how probable they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from scipy.special import logsumexp

from stemforge.infer.columns.guests.cell import WhiteCell
from stemforge.infer.columns.guests.rigid import NUMBER, RigidGuest

# How far a molecule is from the axis of its channel along x and y [Å], and molecules a cell from one: standard
# deviations of what is likely before; and how far a turn may be followed along a straight line [rad].
_PLACE, _CONTENT, _TURN = 1.5, 0.3, 1.0
_LEAST = 0.1  # molecules a cell, below which a pose is not followed
_STARTS, _BEST, _STEPS = 24, 6, 40
_DONE, _FURTHEST = 1e-4, 0.5  # of a step's largest value [Å, rad, molecules]
_SAME = 0.15  # within which poses are one [Å]
_FAR = 25.0  # logarithm of likelihood below the best pose's, from where poses are left out
_SEED = 0  # of turns that are tried: the same image has the same result


@dataclass(frozen=True)
class Mode:
    """A pose that explains a cell better than those near it.

    Parameters
    ----------
    guest
        The molecule in its pose.
    evidence
        Logarithm of the likelihood of the cell, poses near this one integrated over.
    framework
        Mean place (x, y) of the framework's columns from those expected, if the molecule lies so [Å].
    covariance
        Of what ``NUMBER`` lists, the framework's mean place taken away from x and y; shape (6, 6).
    """

    guest: RigidGuest
    evidence: float
    framework: NDArray[np.float64]
    covariance: NDArray[np.float64]


def find_modes(cell: WhiteCell, starts: Sequence[RigidGuest], axis: NDArray[np.float64]) -> list[Mode]:
    """Search for the poses of a molecule that explain a cell, the best one first.

    Those of the poses given, and of as many turned at random, that explain it best are refined; the best of them are
    then turned about the ring's normal as well, which looks nearly the same, and refined again.

    Parameters
    ----------
    cell
        Without its framework.
    starts
        The molecule in poses that are likely, in the cell [Å].
    axis
        Of its channel (x, y) [Å].
    """
    rng = np.random.default_rng(_SEED)
    turns = Rotation.random(len(starts), random_state=rng).as_rotvec()
    tried = [*starts, *(one.moved(np.r_[0, 0, turn, 0]) for one, turn in zip(starts, turns, strict=True))]
    shown = cell.shown(np.array([one.waves(cell.k).sum(0) for one in tried]))
    score = shown @ cell.left - (shown**2).sum(1) / 2 - [_prior(one, axis) for one in tried]
    first = np.argsort(-score, kind="stable")[:_STARTS]
    modes = distinct([refined(cell, tried[number], axis) for number in first])[:_BEST]
    count = len(starts[0].heavy)
    turned = [
        refined(cell, mode.guest.turned_in_plane(2 * np.pi * part / count), axis)
        for mode in modes
        for part in range(1, count)
    ]
    return distinct([*modes, *turned])


def refined(cell: WhiteCell, guest: RigidGuest, axis: NDArray[np.float64]) -> Mode:
    """Refine a pose by least squares (Levenberg and Marquardt)."""
    damping = 1e-2
    left, slopes = _linear(cell, guest)
    cost = _cost(left, guest, axis)
    for _ in range(_STEPS):
        pull, known = _known(guest, axis)
        information = slopes @ slopes.T + known
        damped = information + damping * np.diag(np.diag(information))
        step = np.asarray(np.linalg.solve(damped, slopes @ left - pull), dtype=np.float64)
        step *= min(1.0, _FURTHEST / np.abs(step).max())
        moved = guest.moved(step)
        if moved.content < _LEAST:
            break  # nothing of the cell is explained by it
        left_then, slopes_then = _linear(cell, moved)
        cost_then = _cost(left_then, moved, axis)
        if cost_then > cost:
            damping *= 5
            if damping > 1e6:
                break
            continue
        guest, left, slopes, cost, damping = moved, left_then, slopes_then, cost_then, damping / 5
        if np.abs(step).max() < _DONE:
            break
    information = slopes @ slopes.T + _known(guest, axis)[1]
    inverse = np.asarray(np.linalg.inv(information), dtype=np.float64)
    # Turns are as likely as each other: 8 π² is the volume of all.
    before = -np.log(2 * np.pi) * 1.5 - np.log(_PLACE**2 * _CONTENT * 8 * np.pi**2)
    volume = (NUMBER * np.log(2 * np.pi) - np.linalg.slogdet(information)[1]) / 2
    evidence = cell.evidence + float(cell.left @ cell.left) / 2 - cost + before + volume
    return Mode(guest, float(evidence), cell.shift @ left, _beside_framework(cell, slopes, inverse))


def distinct(modes: Sequence[Mode]) -> list[Mode]:
    """Return each pose once, the best first, those without a chance left out."""
    kept: list[Mode] = []
    for mode in sorted(modes, key=lambda one: -one.evidence):
        if mode.evidence < kept[0].evidence - _FAR if kept else False:
            break
        if not any(mode.guest.same(one.guest, _SAME) for one in kept):
            kept.append(mode)
    return kept


def weights(modes: Sequence[Mode]) -> NDArray[np.float64]:
    """Return the probability of each pose if one of them is right."""
    evidence = np.array([mode.evidence for mode in modes])
    return np.asarray(np.exp(evidence - logsumexp(evidence)))


def known_before() -> NDArray[np.float64]:
    """Return the information on what ``NUMBER`` lists that is known before, shape (6, 6)."""
    return np.diag(np.r_[np.full(2, _PLACE), np.full(3, _TURN), _CONTENT] ** -2.0)


def _linear(cell: WhiteCell, guest: RigidGuest) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what a molecule leaves of a cell, and how what is shown of it changes with its pose, (NUMBER, 2 n)."""
    waves = guest.waves(cell.k)
    both = np.concatenate([guest.content * waves.sum(0)[None], guest.slopes(cell.k, waves)])
    shown = cell.shown(both)
    return cell.left - shown[0], shown[1:]


def _cost(left: NDArray[np.float64], guest: RigidGuest, axis: NDArray[np.float64]) -> float:
    return float(left @ left) / 2 + _prior(guest, axis)


def _prior(guest: RigidGuest, axis: NDArray[np.float64]) -> float:
    beside = (guest.middle - axis) / _PLACE
    return float(beside @ beside + ((guest.content - 1) / _CONTENT) ** 2) / 2


def _known(guest: RigidGuest, axis: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the slope of what is likely before, and its information."""
    information = known_before()
    beside = np.r_[guest.middle - axis, np.zeros(3), guest.content - 1]
    return information @ beside, information


def _beside_framework(
    cell: WhiteCell, slopes: NDArray[np.float64], inverse: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the covariance of a pose where places are those beside the mean place of the framework's columns.

    A shift of all columns alike cannot be told from one that the microscope makes, for guests as for the framework.
    """
    change = np.eye(NUMBER)
    change[:2] += (
        cell.shift @ slopes.T
    )  # what is shown of the molecule is taken from what the framework explains
    covariance = np.asarray(change @ inverse @ change.T)
    covariance[:2, :2] += cell.doubt
    return covariance
