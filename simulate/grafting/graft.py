"""Grafting: atoms added to a recorded image as if they had been there when it was recorded."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemforge.errors import InputError
from stemforge.micrograph.annotations import Annotations
from stemforge.simulate.grafting.host import Host
from stemforge.simulate.grafting.spots import Spots
from stemforge.structures import Tag


@dataclass(frozen=True)
class Grafted:
    """An image with grafts.

    Parameters
    ----------
    image
        Detector units, shape (height, width).
    atoms
        The grafts, with the columns of :func:`stemforge.simulate.label_atoms` but for two: widths contain the source,
        and ``z_angstrom`` is the same as ``defocus_angstrom``. ``scattering`` and ``background`` are in units of one
        electron a pixel where no dose is known; ``electrons`` is what the detector counted of each on average.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> host = Host.of(rng.poisson(np.linspace(30, 90, 96), (96, 96)), 0.3)
    >>> grafted = graft(host, Spots.gaussian([1.1], 0.3), np.array([[40.3, 50.8]]), np.array([0]), rng, cnr=8.0)
    >>> grafted.image.shape, grafted.atoms.points.tolist()
    ((96, 96), [[40.3, 50.8]])
    >>> float(grafted.atoms["electrons"][0]) > 0
    True
    """

    image: NDArray[np.float32]
    atoms: Annotations


def electrons_for(
    host: Host, spots: Spots, points: NDArray[np.float64], chosen: NDArray[np.int_], cnr: ArrayLike
) -> NDArray[np.float64]:
    """Return the electrons that give grafts a contrast-to-noise in the eyes of an ideal observer, texture included.

    Parameters
    ----------
    host, spots
        Image and spots.
    points
        Places (x, y) [pixel], shape (n, 2).
    chosen
        Number of the spot at each place, shape (n,).
    cnr
        Wanted contrast-to-noise as :func:`stemforge.simulate.visibility` has it, shape (n,).

    Examples
    --------
    >>> host = Host.of(np.random.default_rng(0).poisson(40, (96, 96)), 0.3)
    >>> points, spots = np.array([[40.0, 50.0]]), Spots.gaussian([1.1], 0.3)
    >>> faint, strong = (electrons_for(host, spots, points, np.array([0]), cnr) for cnr in ([4.0], [8.0]))
    >>> (strong / faint).round(2)
    array([2.])
    """
    wanted = np.asarray(cnr, dtype=float)
    each = host.sensitivity(spots.noise_width)[chosen]
    on_background = wanted * np.sqrt(host.background_at(points)) / each
    # In vacuum half the atom's own peak stands in for the background.
    height = host.sampling**2 / (2 * np.pi * spots.peak_width[chosen] ** 2)
    return np.maximum(on_background, wanted**2 * height / (2 * each**2))


def graft(
    host: Host,
    spots: Spots,
    points: NDArray[np.float64],
    chosen: NDArray[np.int_],
    rng: np.random.Generator,
    *,
    cnr: ArrayLike | None = None,
    electrons: ArrayLike | None = None,
    dose: float | None = None,
) -> Grafted:
    """Put atoms into a recorded image.

    Brightness is given in one of three ways: the contrast-to-noise that grafts are to have, the electrons that the
    detector counts of each, or, for spots of an element, the incident dose.

    Parameters
    ----------
    host
        The image.
    spots
        Images of atoms at its pixel size.
    points
        Places (x, y) [pixel], shape (n, 2), such as :func:`free_places` draws.
    chosen
        Number of the spot at each place, shape (n,).
    rng
        Source of the grafts' counting noise.
    cnr, electrons
        Of each graft, or one for all.
    dose
        Incident electrons per area [e/Å²]; its product with the cross-section gives the electrons.

    Returns
    -------
    Grafted
        The image, and what was put where.

    Raises
    ------
    InputError
        Not one of the three, another pixel size, or a brightness below 0.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> host = Host.of(rng.poisson(np.linspace(30, 90, 96), (96, 96)), 0.3)
    >>> spots = Spots.gaussian([1.1], 0.3)
    >>> grafted = graft(host, spots, np.array([[40.3, 50.8]]), np.array([0]), rng, cnr=8.0)
    >>> grafted.atoms["cnr"].round(2).tolist(), bool(grafted.image.sum() > host.image.sum())
    ([8.0], True)
    """
    if sum(value is not None for value in (cnr, electrons, dose)) != 1:
        raise InputError("give one of cnr, electrons and dose")
    if abs(spots.sampling / host.sampling - 1) > 1e-6:
        raise InputError(f"spots have pixels of {spots.sampling:g} Å, the image of {host.sampling:g} Å")
    points, chosen = np.asarray(points, dtype=float).reshape(-1, 2), np.asarray(chosen, dtype=int)
    if cnr is not None:
        total = electrons_for(host, spots, points, chosen, cnr)
    elif electrons is not None:
        total = np.broadcast_to(np.asarray(electrons, dtype=float), len(points))
    else:
        total = spots.scattering[chosen] * float(dose or 0)
    if not (np.isfinite(total).all() and (total >= 0).all()):
        raise InputError("brightness must be 0 or more; with a dose, spots must be those of an element")
    added = spots.put((host.image.shape[0], host.image.shape[1]), points, chosen, total)
    if host.counted:
        within = added > 0
        added[within] = rng.poisson(added[within])
    image = host.image + np.float32(host.gain) * added
    if host.whole:
        image = np.where(added > 0, np.rint(image), image)
    if host.ceiling is not None:
        image = np.minimum(image, np.float32(host.ceiling))
    return Grafted(image.astype(np.float32), _labels(host, spots, points, chosen, total, dose))


def _labels(
    host: Host,
    spots: Spots,
    points: NDArray[np.float64],
    chosen: NDArray[np.int_],
    total: NDArray[np.float64],
    dose: float | None,
) -> Annotations:
    shown = host.visibility(points, total, spots.peak_width[chosen], spots.noise_width[chosen])
    columns = dict(shown.columns)
    if dose is not None:
        columns["scattering"] = spots.scattering[chosen]
        columns["background"] = columns["background"] * host.dose / dose
    described: dict[str, Any] = {
        "element": spots.element[chosen],
        "tag": np.full(len(points), Tag.SINGLE_ATOM, np.uint8),
        "z_angstrom": spots.defocus[chosen],
        "defocus_angstrom": spots.defocus[chosen],
    }
    return Annotations(points, columns={**described, **columns})
