"""Completeness and purity of one image: grafts, false atoms and the density that follows."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stemforge.errors import InputError, errors_about
from stemforge.infer.atoms.detection import Detection, detect_atoms
from stemforge.infer.atoms.maps import TILE
from stemforge.infer.completeness.brightness import IdealObserver, TypicalAtom, typical_atom
from stemforge.infer.completeness.density import Clusters, corrected_density
from stemforge.infer.completeness.injection import Grafts, beside, inject
from stemforge.infer.completeness.multiplicity import FEWEST, SCATTER, TOGETHER, Multiplicity
from stemforge.infer.completeness.neighbours import TRUE_COMPANIONS, SpotList, with_companions
from stemforge.infer.completeness.purity import false_atoms
from stemforge.infer.completeness.recall import RecallCurve
from stemforge.infer.completeness.result import Completeness
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.image import Micrograph
from stemforge.simulate.grafting.host import Host
from stemforge.simulate.grafting.spots import Spots
from stemforge.train.card import Card

GRAFTS = 300
"""Grafts on an image: each of ten bins of contrast-to-noise has thirty, so that recall is known within 0.18."""

BESIDE_SHARE = 5
"""Free grafts for one that is put beside an atom found."""

ALIKE = 0.5
"""Difference of the logarithms of contrast-to-noise up to which grafts scatter as spots do."""
ENOUGH = 15
"""Grafts of which the scatter of one atom's electrons is learnt, at least."""
OF_GRAFTS = 0.15
"""By what factor atoms may scatter otherwise than grafts (standard deviation of its logarithm)."""

_WIDTHS = 24  # of the spots, from in focus to far out of it
_NARROW, _WIDE = 0.8, 3.5  # their range, over the width of the typical atom
_BRIGHT = (10.0, 40.0)  # range of the brightest grafts' contrast-to-noise
_USUAL_CNR = 4.0  # from which an atom counts where the card does not say
_REFINE = 2  # times that noise is measured without the atoms that are known


def measure_completeness(
    micrograph: Micrograph,
    model: torch.nn.Module,
    card: Card,
    rng: np.random.Generator,
    *,
    detection: Detection | None = None,
    threshold: float | None = None,
    spots: Spots | None = None,
    number: int = GRAFTS,
    tile: int = TILE,
    device: str | torch.device = "cpu",
    augment: bool = False,
    advance: Callable[[int], None] = lambda grafts: None,
) -> Completeness:
    """Say of an image how many atoms of each brightness a detector finds on it, and how many of those found are none.

    Simulated atoms are put into the image, as many at a time as find room 16 Å from each other, and looked for with the
    image's threshold. By default they are Gaussians of the brightness of the typical atom found: what is less visible
    is wider, as atoms of one element are that lie out of focus. They stand free, 3 Å and more from what was found; a
    fifth as many others are put beside atoms found, to say how many of these are lost. The density counts what stands
    beside atoms found and several atoms that are one spot, by its intensity.

    Parameters
    ----------
    micrograph
        The image; one without pixel size is taken at the network's.
    model, card
        From :func:`stemforge.train.load_weights`.
    rng
        Source of all randomness.
    detection
        From :func:`stemforge.infer.detect_atoms`, where that is known already.
    threshold, tile, device, augment
        As for :func:`stemforge.infer.detect_atoms`.
    spots
        Images of atoms from physics (:meth:`Spots.of_atom`) at the image's pixel size, instead of Gaussians.
    number
        Grafts in all.
    advance
        Called with the number of grafts after each round.

    Returns
    -------
    Completeness
        Recall, localisation error, false atoms, corrected density.

    Raises
    ------
    InputError
        An image without noise, or without room for a graft; what :func:`detect_atoms` refuses.

    Examples
    --------
    >>> from stemforge.train import load_weights
    >>> y, x = np.mgrid[:96, :96]
    >>> spots = sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / 18) for a, b in [(20, 22), (70, 30), (48, 66)])
    >>> film, network = Micrograph(np.random.default_rng(0).poisson(100 + 60 * spots), 0.293), load_weights("atom-net")
    >>> found = measure_completeness(film, *network, np.random.default_rng(0), number=8)
    >>> len(found.detection.atoms), len(found.grafts.found)
    (3, 8)
    """
    if number < 1:
        raise InputError(f"grafts must be 1 or more, not {number}")
    options: dict[str, Any] = {"tile": tile, "device": device, "augment": augment}
    if detection is None:
        detection = detect_atoms(micrograph, model, card, threshold=threshold, **options)
    found, limit = detection.atoms, detection.threshold

    def find(image: NDArray[np.float32]) -> Annotations:
        # What shows the specimen is known: a few grafts, or a surrogate's grey values, do not change it.
        changed = micrograph.with_image(image)
        return detect_atoms(changed, model, card, threshold=limit, usable=detection.usable, **options).atoms

    with errors_about(micrograph.name):
        host = Host.of(micrograph.image, micrograph.sampling or card.sampling or 1.0, detection.usable)
        host, atom, observer = _measured(host, found)
        on_specimen = found.where(host.covers(found.points))
        measured = observer.at(host.image, on_specimen.points)
        spots, electrons = _spots(host, atom, spots)
        look = partial(
            inject, host, spots, electrons, find, found, observer, rng, brightest=_brightest(host, atom)
        )
        grafts = look(number=number, advance=advance)
        near = beside(host, found)
        others = look(number=max(number // BESIDE_SHARE, 1), area=near, clearance=0.0) if near.any() else None
        curve = RecallCurve.fit(grafts.cnr, grafts.found, rng)
        known = observer.electrons(found.points, observer.at(host.image, found.points))
        calibrated = card.calibration is not None
        false = false_atoms(host, known, find, on_specimen, rng, calibrated=calibrated)
        shown = with_companions(host, on_specimen, atom)
        true = np.append(false.true(), np.full(shown.companions, TRUE_COMPANIONS))
        density = corrected_density(
            shown.measured, true, grafts, curve, _clusters(shown, grafts),
            cnr=max(_USUAL_CNR, round(curve.half, 1)), brightest=grafts.cnr.max(), area=host.area / 100, rng=rng,
        )  # fmt: skip
    return Completeness(detection, host, atom, grafts, curve, others, false, shown, density, measured)


def _measured(host: Host, found: Annotations) -> tuple[Host, TypicalAtom, IdealObserver]:
    """Measure noise without the atoms that are known, and these by the noise, in turn."""
    atom = typical_atom(host, found)
    for _ in range(_REFINE):
        observer = IdealObserver(host, atom.width)
        host = host.without(observer.electrons(found.points, observer.at(host.image, found.points)))
        atom = typical_atom(host, found)
    return host, atom, IdealObserver(host, atom.width)


def _clusters(spots: SpotList, grafts: Grafts) -> Clusters | None:
    """Say by their electrons how many atoms spots are; None where too few were fitted to tell."""
    if np.count_nonzero(spots.electrons) < FEWEST:
        return None
    scatter = SCATTER
    alike = np.isfinite(grafts.light) & (np.abs(np.log(grafts.measured / np.median(spots.measured))) < ALIKE)
    if alike.sum() >= ENOUGH:
        logs = np.log(grafts.light[alike])
        scatter = (float(1.4826 * np.median(np.abs(logs - np.median(logs)))), OF_GRAFTS)
    model = Multiplicity.fit(spots.electrons, scatter)
    return Clusters(partial(model.chances, spots.electrons), TOGETHER, model.further)


def _spots(host: Host, atom: TypicalAtom, spots: Spots | None) -> tuple[Spots, NDArray[np.float64]]:
    if spots is None:
        narrowest = max(_NARROW * atom.width, 0.5 * host.sampling)
        spots = Spots.gaussian(np.geomspace(narrowest, _WIDE * atom.width, _WIDTHS), host.sampling)
    return spots, np.full(len(spots), atom.electrons)


def _brightest(host: Host, atom: TypicalAtom) -> float:
    if not host.specimen.any():
        return _BRIGHT[0]
    level = float(np.median(host.background[host.specimen]))
    shown = atom.electrons * host.sensitivity(atom.width)[0] / np.sqrt(level)
    return float(np.clip(1.3 * shown, *_BRIGHT))
