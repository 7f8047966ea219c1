"""Injection and recovery: grafts put into an image, and which of them a detector finds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from stemforge.errors import InputError
from stemforge.infer.completeness.brightness import IdealObserver, spot_electrons
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate.grafting.graft import graft
from stemforge.simulate.grafting.host import Host
from stemforge.simulate.grafting.places import free_places
from stemforge.simulate.grafting.spots import Spots

Find = Callable[[NDArray[np.float32]], Annotations]
"""Finds atoms, with column ``score``, on an image of the same field."""

TOLERANCE = 1.5
"""Distance within which a found atom is the graft [Å]."""
RANGE = (1.0, 12.0)
"""Contrast-to-noise of the grafts, even between these."""
SPACING = 16.0
"""Least distance of two grafts of one round [Å]: neither sees the other."""
CLEARANCE = 3.0
"""Least distance of a graft from an atom found before [Å]: nearer, an atom is not free but beside another."""
BESIDE = 1.0
"""Least distance of a graft that is put beside an atom found before [Å]; the largest is :data:`CLEARANCE`."""
MOST_ROUNDS = 40
"""Rounds after which no more are made, where an image has little room."""


@dataclass(frozen=True)
class Grafts:
    """What became of grafts.

    Parameters
    ----------
    atoms
        All of them, columns as :func:`stemforge.simulate.grafting.graft.graft` gives.
    found
        Whether each was found, shape (n,).
    measured
        Contrast-to-noise that the ideal observer measured at the place where it was found; NaN where not.
    error
        Distance from its place along x and y [Å], shape (n, 2); NaN where it was not found.
    light
        Electrons of its fit over those that were put in, shape (n,); NaN where it was not found or not fitted.
    kept
        Whether the nearest atom found before was found again, shape (n,).
    rounds
        In how many images they were.
    """

    atoms: Annotations
    found: NDArray[np.bool_]
    measured: NDArray[np.float64]
    error: NDArray[np.float64]
    light: NDArray[np.float64]
    kept: NDArray[np.bool_]
    rounds: int

    @property
    def cnr(self) -> NDArray[np.float64]:
        """Contrast-to-noise of each graft."""
        return self.atoms["cnr"]


def typical_spots(
    host: Host, spots: Spots, electrons: NDArray[np.float64]
) -> Callable[..., NDArray[np.int_]]:
    """Return what chooses spots so that atoms of given brightness have a wanted contrast-to-noise.

    Atoms of one element scatter alike, wherever they are: those that are less visible are wider, as they lie out of
    focus. Of the spots the one is taken that comes nearest to the wanted contrast-to-noise with its electrons.

    Parameters
    ----------
    host, spots
        Image and spots.
    electrons
        Of each spot.
    """
    each = host.sensitivity(spots.noise_width)
    half_peak = electrons * host.sampling**2 / (4 * np.pi * spots.peak_width**2)

    def choose(points: NDArray[np.float64], cnr: NDArray[np.float64]) -> NDArray[np.int_]:
        level = np.maximum(host.background_at(points)[:, None], half_peak)
        shown = electrons * each / np.sqrt(level)
        return np.asarray(np.abs(np.log(shown) - np.log(cnr)[:, None]).argmin(axis=1))

    return choose


def inject(
    host: Host,
    spots: Spots,
    electrons: NDArray[np.float64],
    find: Find,
    found: Annotations,
    observer: IdealObserver,
    rng: np.random.Generator,
    *,
    number: int,
    brightest: float = RANGE[1],
    area: NDArray[np.bool_] | None = None,
    clearance: float = CLEARANCE,
    spacing: float = SPACING,
    advance: Callable[[int], None] = lambda grafts: None,
) -> Grafts:
    """Put grafts into an image in rounds, and look for them.

    Parameters
    ----------
    host
        The image, its noise measured without the atoms that are known.
    spots, electrons
        What is grafted, and how bright each is by itself; see :func:`typical_spots`.
    find
        The detector, with the threshold that it had on the image.
    found
        What it found there before.
    observer
        Measures brightness.
    rng
        Source of all randomness.
    number
        Grafts in all; fewer where the image has little room.
    brightest
        Contrast-to-noise up to which grafts go.
    clearance
        Least distance from atoms found before [Å].
    spacing
        Least distance of two grafts of one round [Å].
    advance
        Called with the number of grafts after each round.
    """
    choose = typical_spots(host, spots, electrons)
    parts: list[tuple[Any, ...]] = []
    total = 0
    while total < number and len(parts) < MOST_ROUNDS:
        points = free_places(
            host.specimen if area is None else area,
            number - total,
            rng,
            spacing=spacing / host.sampling,
            taken=found.points,
            clearance=clearance / host.sampling,
        )
        if not len(points):
            break
        cnr = rng.uniform(RANGE[0], brightest, len(points))
        grafted = graft(host, spots, points, choose(points, cnr), rng, cnr=cnr)
        after = find(grafted.image)
        parts.append((grafted.atoms, *_recovered(host, grafted.atoms, found, after, grafted.image, observer)))
        total += len(points)
        advance(len(points))
    if not parts:
        raise InputError("there is no room for a single graft: the image shows next to no specimen")
    atoms, *columns = zip(*parts, strict=True)
    hit, measured, error, light, kept = (np.concatenate(one) for one in columns)
    return Grafts(_joined(atoms), hit, measured, error, light, kept, len(parts))


def beside(host: Host, found: Annotations) -> NDArray[np.bool_]:
    """Return where on the specimen an atom would be beside one that was found, shape (height, width)."""
    free = np.ones(host.specimen.shape, dtype=bool)
    height, width = host.image.shape
    cells = np.rint(found.points).astype(int).reshape(-1, 2).clip(0, [width - 1, height - 1])
    free[cells[:, 1], cells[:, 0]] = False
    if free.all():
        return ~free
    distance = ndimage.distance_transform_edt(free) * host.sampling
    return np.asarray(host.specimen & (distance >= BESIDE) & (distance <= CLEARANCE))


def _recovered(
    host: Host,
    grafts: Annotations,
    before: Annotations,
    after: Annotations,
    image: NDArray[np.float32],
    observer: IdealObserver,
) -> tuple[NDArray[Any], ...]:
    """Pair what is found now with grafts and with what was found before: nearest pairs first, one to one."""
    targets = np.concatenate([grafts.points, before.points])
    every = nearest_pairs(targets, after.points, TOLERANCE / host.sampling)
    partner, again = every[: len(grafts)], every[len(grafts) :] >= 0
    hit = partner >= 0
    kept = np.ones(len(grafts), dtype=bool)
    if len(before):
        kept = again[cKDTree(before.points).query(grafts.points)[1]]
    measured = np.full(len(grafts), np.nan)
    error = np.full((len(grafts), 2), np.nan)
    places = after.points[partner[hit]]
    measured[hit] = observer.at(image, places)
    error[hit] = (places - grafts.points[hit]) * host.sampling
    light = np.full(len(grafts), np.nan)
    fitted = spot_electrons(host, after)[partner[hit]]
    light[hit] = np.where(fitted > 0, fitted, np.nan) / grafts["electrons"][hit]
    return hit, measured, error, light, kept


def nearest_pairs(
    targets: NDArray[np.float64], points: NDArray[np.float64], tolerance: float
) -> NDArray[np.int_]:
    """Return the number of each target's point, -1 where it has none: nearest pairs first, one to one."""
    partner = np.full(len(targets), -1)
    if not (len(targets) and len(points)):
        return partner
    near = cKDTree(targets).sparse_distance_matrix(cKDTree(points), tolerance, output_type="ndarray")
    taken = np.zeros(len(points), dtype=bool)
    for pair in np.sort(near, order="v"):
        if partner[pair["i"]] < 0 and not taken[pair["j"]]:
            partner[pair["i"]], taken[pair["j"]] = pair["j"], True
    return partner


def _joined(parts: tuple[Annotations, ...]) -> Annotations:
    points = np.concatenate([part.points for part in parts])
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0].columns}
    return Annotations(points, columns=columns)
