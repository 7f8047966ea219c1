"""Columns of a molecule whose pose is known: places, intensities, what they hold."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.optimize import linear_sum_assignment
from scipy.stats import norm

from stemforge.infer.columns.guests.cell import WhiteCell
from stemforge.infer.columns.guests.poses import Mode, known_before, weights
from stemforge.infer.columns.guests.rigid import RigidGuest
from stemforge.infer.columns.sites import MERGE, ColumnSite
from stemforge.infer.occupancy.mixture import tempered

_AMPLITUDE = 1.0  # standard deviation of a column's contents about one molecule's, expected before
_KNOWN = 0.5  # of its contents, below which a column's intensity is stated
_OTHER, _SPREAD = 0.01, 0.1  # share of columns that are missing, and spread of contents, as for the framework
_ELSEWHERE = MERGE  # from where a column of another pose is another one [Å]


@dataclass(frozen=True)
class GuestColumn:
    """A column of a molecule.

    Parameters
    ----------
    place
        In the crystal's cell (x, y) [Å], where the framework's columns are in the mean where they are expected.
    covariance
        Of the place, shape (2, 2) [Å²].
    intensity, intensity_error
        What it scatters forward in a cell along the beam, in silicon atoms; not a number where that is not known.
    elements, elements_probability
        Atoms but hydrogen in it, such as ``C`` or ``CN``, and how probable that is.
    probability
        That there is such a column.
    """

    place: NDArray[np.float64]
    covariance: NDArray[np.float64]
    intensity: float
    intensity_error: float
    elements: str
    elements_probability: float
    probability: float


def columns_of(cell: WhiteCell, modes: Sequence[Mode], probability: float) -> tuple[GuestColumn, ...]:
    """Return the columns of a molecule by all poses that it may have; as in the likeliest, which comes first.

    Parameters
    ----------
    cell
        That the poses explain.
    modes
        Poses.
    probability
        That a molecule lies in one of these.
    """
    weight = weights(modes)
    # Which of a ring's atoms is which rests on what an image shows least well.
    by_element = tempered(weight[:, None])[:, 0]
    best = modes[0]
    groups = column_atoms(best.guest)
    amplitude, error = amplitudes(cell, best, groups)
    expected = best.guest.content
    found = []
    others = [_matched(best, mode) for mode in modes]
    for number, group in enumerate(groups):
        places = np.array(
            [np.average(at[group], axis=0, weights=_weight(best.guest)[group]) for at, _ in others]
        )
        near = np.linalg.norm(places - places[0], axis=1) < _ELSEWHERE
        share = weight * near
        beside = places - places[0]
        between = np.einsum("m,mi,mj->ij", share, beside, beside) / share.sum()
        symbols = [sorted(names[group].tolist()) for _, names in others]
        alike = np.array([one == symbols[0] for one in symbols])
        chance = probability * min(1.0, float(share.sum()))
        known = bool(error[number] < _KNOWN)
        if known:
            with_it = norm.pdf(amplitude[number], expected, np.hypot(error[number], _SPREAD * expected))
            without = norm.pdf(amplitude[number], 0, error[number])
            odds = (1 - _OTHER) * with_it / max(_OTHER * without, 1e-300)
            chance *= float(odds / (1 + odds))
        atoms = best.guest.atoms[_with_hydrogen(best.guest, group)]
        strength = ColumnSite.of(atoms).strength if known else np.nan
        found.append(
            GuestColumn(
                places[0],
                _place_covariance(best, group) + between,
                float(amplitude[number] * strength),
                float(error[number] * strength),
                "".join(symbols[0]),
                float(by_element[alike & near].sum() / by_element[near].sum()),
                chance,
            )
        )
    return tuple(found)


def column_atoms(guest: RigidGuest) -> list[NDArray[np.intp]]:
    """Group heavy atoms (numbered among these) that are near each other in projection into columns.

    Examples
    --------
    >>> from ase import Atoms
    >>> pair = RigidGuest("pair", Atoms("C3", [(0, 0, 0), (0.3, 0, 1.4), (2.0, 0, 0)]))
    >>> [group.tolist() for group in column_atoms(pair)]
    [[0, 1], [2]]
    """
    points = guest.atoms.positions[guest.heavy, :2]
    if len(points) == 1:
        return [np.zeros(1, dtype=np.intp)]
    label = fcluster(linkage(points, "average"), MERGE, "distance")
    return sorted((np.flatnonzero(label == one) for one in np.unique(label)), key=lambda group: int(group[0]))


def amplitudes(
    cell: WhiteCell, mode: Mode, groups: Sequence[NDArray[np.intp]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit how much each column holds [molecules a cell], pose and all columns free; and its standard deviation."""
    guest = mode.guest
    waves = guest.waves(cell.k)
    parts = np.array([waves[_with_hydrogen(guest, group)].sum(0) for group in groups])
    slopes = cell.shown(np.concatenate([guest.slopes(cell.k, waves)[:-1], parts]))
    left = cell.left - cell.shown(guest.content * waves.sum(0))
    number = len(groups)
    prior = np.diag(np.r_[np.diag(known_before())[:-1], np.full(number, _AMPLITUDE**-2.0)])
    pull = prior @ np.r_[np.zeros(len(slopes) - number), np.full(number, guest.content - 1)]
    covariance = np.linalg.inv(slopes @ slopes.T + prior)
    step = covariance @ (slopes @ left - pull)
    return guest.content + step[-number:], np.sqrt(np.diag(covariance)[-number:])


def _with_hydrogen(guest: RigidGuest, group: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the numbers of a column's atoms, with the hydrogen that is bonded to them."""
    positions, heavy = guest.atoms.positions, guest.heavy
    nearest = np.linalg.norm(positions[:, None] - positions[heavy], axis=2).argmin(1)
    return np.flatnonzero(np.isin(nearest, group))


def _weight(guest: RigidGuest) -> NDArray[np.float64]:
    return np.asarray(guest.atoms.numbers[guest.heavy], dtype=np.float64)


def _matched(best: Mode, mode: Mode) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Return where another pose has atoms for those of the best one, whatever their element, and which these are.

    A pose of another molecule may have fewer: what is not matched is far off.
    """
    one, two = (m.guest.atoms.positions[m.guest.heavy, :2] - m.framework for m in (best, mode))
    rows, columns = linear_sum_assignment(np.linalg.norm(one[:, None] - two, axis=2))
    places = np.full(one.shape, np.inf)
    names = np.full(len(one), "", dtype="<U2")
    places[rows] = two[columns]
    names[rows] = np.array(mode.guest.atoms.get_chemical_symbols())[mode.guest.heavy][columns]
    return np.where(np.isfinite(places), places, 1e3), names


def _place_covariance(mode: Mode, group: NDArray[np.intp]) -> NDArray[np.float64]:
    slopes = mode.guest.place_slopes()[:, mode.guest.heavy[group]]
    change = np.average(slopes, axis=1, weights=_weight(mode.guest)[group])  # (5, 2)
    pose = mode.covariance[: len(change), : len(change)]
    return np.asarray(change.T @ pose @ change)
