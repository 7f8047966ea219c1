"""Atoms right beside those found: a network takes two for one that nearly touch, the image may tell them apart."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from stemforge.infer.atoms.places.refinement import refine_places
from stemforge.infer.atoms.places.spots import Spots
from stemforge.infer.completeness.brightness import IdealObserver, TypicalAtom
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate.grafting.host import Host

REACH = 4.5
"""Distance from an atom found within which others are looked for [Å]."""

CERTAIN = 4.0
"""Contrast-to-noise in what the atoms found leave of the image, from which it is an atom."""

TRUE_COMPANIONS = 0.86
"""Share of the companions that are atoms: 245 of 285 on simulated images of four domains, seed 61."""

_APART = 1.2  # least distance from other atoms [Å]
_LEAST = 0.4  # of the electrons of one atom: less is what a Gaussian leaves of a bright one
_ROUNDS = 2
_PEAK = 0.9  # radius in which a peak is the highest [Å]


@dataclass(frozen=True)
class SpotList:
    """Atoms found and their companions, fitted together.

    Parameters
    ----------
    atoms
        The atoms found, in order, then the companions; columns as :func:`stemforge.infer.refine_places` gives.
    companions
        How many of the last are companions.
    electrons
        Of each spot; 0 where it could not be fitted.
    measured
        Contrast-to-noise that the ideal observer measures of each, the others taken away.
    """

    atoms: Annotations
    companions: int
    electrons: NDArray[np.float64]
    measured: NDArray[np.float64]


def with_companions(host: Host, found: Annotations, atom: TypicalAtom) -> SpotList:
    """Look for further atoms in what those found leave of the image beside them.

    Parameters
    ----------
    host
        The image, its noise measured without the atoms that are known.
    found
        From :func:`stemforge.infer.detect_atoms`.
    atom
        What one atom looks like.
    """
    observer = IdealObserver(host, atom.width)
    spots = _fitted(host, found.points, atom)
    for _ in range(_ROUNDS):
        new = _left(host, observer, found.points, spots)
        if not len(new):
            break
        more = _fitted(host, np.concatenate([spots.points, new]), atom)
        bright = more["intensity"] >= _LEAST * atom.electrons * host.gain
        bright[: len(found)] = True
        if bright.sum() == len(spots):
            break
        spots = more.where(bright)
    electrons = np.where(spots["fitted"] == 1, spots["intensity"], 0) / host.gain
    left = observer.at(_rest(host, spots), spots.points)
    # What the observer measures of a spot alone is what it measures of its Gaussian, and of the rest.
    alone = spots["intensity"] / host.gain * observer.response(spots["width_px"] * host.sampling)
    return SpotList(
        spots, len(spots) - len(found), electrons, left + alone / np.sqrt(host.background_at(spots.points))
    )


def _fitted(host: Host, points: NDArray[np.float64], atom: TypicalAtom) -> Annotations:
    return refine_places(
        host.usable.fill(host.image), Annotations(points), atom.width / host.sampling, host.usable.mask
    )


def _rest(host: Host, spots: Annotations, widest: float = np.inf) -> NDArray[np.float32]:
    """Return the image without spots, but for what is wider than ``widest`` [pixel] of them."""
    if not len(spots):
        return host.image
    height = spots["intensity"] / (2 * np.pi * spots["width_px"] ** 2)
    parameters = np.column_stack([height, spots.points, np.log(np.minimum(spots["width_px"], widest))])
    return np.asarray(host.image - Spots(parameters, host.usable.mask).sum(height), dtype=np.float32)


def _left(
    host: Host, observer: IdealObserver, found: NDArray[np.float64], spots: Annotations
) -> NDArray[np.float64]:
    """Return the peaks (x, y) [pixel] that are left beside atoms found."""
    # A spot that is two atoms is fitted by a wide one, which would leave nothing of the second.
    view = observer.view(_rest(host, spots, observer.width / host.sampling))
    reach = max(1, round(_PEAK / host.sampling))
    disc = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1]) <= reach
    highest = (view == ndimage.maximum_filter(view, footprint=disc)) & (view >= CERTAIN) & host.specimen
    peaks = np.argwhere(highest)[:, ::-1].astype(float)
    if not (len(peaks) and len(found)):
        return np.empty((0, 2))
    near = cKDTree(found).query(peaks)[0] <= REACH / host.sampling
    clear = cKDTree(spots.points).query(peaks)[0] >= _APART / host.sampling
    return np.asarray(peaks[near & clear])
