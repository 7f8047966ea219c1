"""Completeness and purity of one image: grafts, false atoms and the density that follows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stemforge.errors import InputError, errors_about
from stemforge.infer.atoms.detection import TILE, Detection, detect_atoms
from stemforge.infer.completeness.brightness import IdealObserver, TypicalAtom, typical_atom
from stemforge.infer.completeness.density import Density, corrected_density
from stemforge.infer.completeness.injection import Grafts, inject
from stemforge.infer.completeness.purity import FalseAtoms, false_atoms
from stemforge.infer.completeness.recall import Bin, RecallCurve, recall_bins
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.image import Micrograph
from stemforge.simulate.grafting.host import Host
from stemforge.simulate.grafting.spots import Spots
from stemforge.simulate.labels.limits import bandwidth, ideal_recall, localisation_bound
from stemforge.train.card import Card

GRAFTS = 300
"""Grafts on an image: each of ten bins of contrast-to-noise has thirty, so that recall is known within 0.18."""

_WIDTHS = 24  # of the spots, from in focus to far out of it
_NARROW, _WIDE = 0.8, 3.5  # their range, over the width of the typical atom
_BRIGHT = (10.0, 40.0)  # range of the brightest grafts' contrast-to-noise
_USUAL_CNR = 4.0  # from which an atom counts where the card does not say
_REFINE = 2  # times that noise is measured without the atoms that are known


@dataclass(frozen=True)
class Completeness:
    """How much of an image's atoms was found, and how much of what was found is atoms.

    Parameters
    ----------
    detection
        What was found.
    host
        The image as grafts see it.
    atom
        The typical atom found, which grafts resemble.
    grafts, curve
        What became of grafts, and recall over contrast-to-noise.
    false
        Estimates of the false atoms.
    density
        Atoms from a contrast-to-noise on, corrected.
    measured
        Contrast-to-noise that the ideal observer measures of each atom found.
    """

    detection: Detection
    host: Host
    atom: TypicalAtom
    grafts: Grafts
    curve: RecallCurve
    false: FalseAtoms
    density: Density
    measured: NDArray[np.float64]

    @property
    def brightest(self) -> float:
        """Contrast-to-noise up to which grafts went."""
        return float(np.ceil(self.grafts.cnr.max()))

    def bins(self) -> list[Bin]:
        """Return recall in bins of contrast-to-noise."""
        step = 1.0 if self.brightest <= 14 else 2.0
        return recall_bins(self.grafts.cnr, self.grafts.found, np.arange(1, self.brightest + step, step))

    def brightness_bins(self) -> list[Bin]:
        """Return recall in bins of brightness: electrons over those of the typical atom."""
        share = self.grafts.atoms["electrons"] / self.atom.electrons
        return recall_bins(share, self.grafts.found, [0, 0.25, 0.5, 0.8, 1.25, 2, 4, np.inf])

    def ideal(self, cnr: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the ideal linear observer's recall at the expected number of false atoms, half of one at least."""
        number = max(self.false.expected()[0], 0.5)
        beta = bandwidth(self._one(), self.host.dose, 0.0, self.host.texture)
        return ideal_recall(cnr, number, np.full(len(cnr), beta[0]), self.density.area * 100)

    def localisation(self) -> list[dict[str, float]]:
        """Return the root mean square error of a coordinate [Å] in bins of contrast-to-noise, beside the bound."""
        rows: list[dict[str, float]] = []
        found = self.grafts.atoms.where(self.grafts.found)
        error = (self.grafts.error[self.grafts.found] ** 2).mean(1)
        if not len(found):
            return rows
        bound = localisation_bound(found, self.host.dose, 0.0, self.host.texture) ** 2
        for one in self.bins():
            inside = (found["cnr"] >= one.low) & (found["cnr"] < one.high)
            if inside.sum() >= 3:
                root = {"error": np.sqrt(error[inside].mean()), "bound": np.sqrt(bound[inside].mean())}
                rows.append({"low": one.low, "high": one.high, "number": int(inside.sum()), **_floats(root)})
        return rows

    def summary(self) -> dict[str, Any]:
        """Return everything as plain values: what is written as JSON and, shortened, in ``run.json``."""
        number, low, high = self.false.expected()
        per_area = dict(zip(("expected", "low", "high"), self.density.per_area, strict=True))
        scores = np.unique(np.append(np.linspace(0, 0.9, 10), self.detection.threshold))
        by_score = [
            dict(
                zip(
                    ("from_score", "expected", "low", "high"),
                    (float(s), *self.false.expected(s)),
                    strict=True,
                )
            )
            for s in scores[scores >= self.detection.threshold]
        ]
        return {
            "atoms": len(self.detection.atoms),
            "threshold": self.detection.threshold,
            "area_nm2": self.density.area,
            "typical_atom": {
                "width_angstrom": self.atom.width,
                "electrons": self.atom.electrons,
                "from_atoms": self.atom.atoms,
            },
            "counting_noise": self.host.counted,
            "grafts": {"number": len(self.grafts.found), "rounds": self.grafts.rounds},
            "half_found_at_cnr": self.curve.half,
            "lost_however_bright": self.curve.lost,
            "recall_by_cnr": [vars(one) for one in self.bins()],
            "recall_by_brightness": [vars(one) for one in self.brightness_bins()],
            "localisation_angstrom": self.localisation(),
            "false_atoms": {
                "expected": number,
                "low": low,
                "high": high,
                "by_likelihoods": self.false.likelihood,
                "on_negative": len(self.false.negative),
                "on_surrogates": self.false.surrogate,
                "by_score": by_score,
            },
            "corrected": {"from_cnr": self.density.cnr, "atoms_per_nm2": per_area},
        }

    def _one(self) -> Annotations:
        return self.host.visibility(np.zeros((1, 2)), self.atom.electrons, self.atom.width, self.atom.width)


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
    is wider, as atoms of one element are that lie out of focus.

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
    """
    if number < 1:
        raise InputError(f"grafts must be 1 or more, not {number}")
    options: dict[str, Any] = {"tile": tile, "device": device, "augment": augment}
    if detection is None:
        detection = detect_atoms(micrograph, model, card, threshold=threshold, **options)
    found, limit = detection.atoms, detection.threshold

    def find(image: NDArray[np.float32]) -> Annotations:
        return detect_atoms(micrograph.with_image(image), model, card, threshold=limit, **options).atoms

    with errors_about(micrograph.name):
        host = Host.of(micrograph.image, micrograph.sampling or card.sampling or 1.0, detection.usable)
        host, atom, observer = _measured(host, found)
        on_specimen = found.where(host.covers(found.points))
        measured = observer.at(host.image, on_specimen.points)
        spots, electrons = _spots(host, atom, spots)
        grafts = inject(
            host, spots, electrons, find, found, observer, rng,
            number=number, brightest=_brightest(host, atom), advance=advance,
        )  # fmt: skip
        curve = RecallCurve.fit(grafts.cnr, grafts.found, rng)
        known = observer.electrons(found.points, observer.at(host.image, found.points))
        calibrated = card.calibration is not None
        false = false_atoms(host, known, find, on_specimen, rng, calibrated=calibrated)
        density = corrected_density(
            measured, false.true(), grafts, curve,
            cnr=max(_USUAL_CNR, round(curve.half, 1)), brightest=grafts.cnr.max(), area=host.area / 100, rng=rng,
        )  # fmt: skip
    return Completeness(detection, host, atom, grafts, curve, false, density, measured)


def _measured(host: Host, found: Annotations) -> tuple[Host, TypicalAtom, IdealObserver]:
    """Measure noise without the atoms that are known, and these by the noise, in turn."""
    atom = typical_atom(host, found)
    for _ in range(_REFINE):
        observer = IdealObserver(host, atom.width)
        host = host.without(observer.electrons(found.points, observer.at(host.image, found.points)))
        atom = typical_atom(host, found)
    return host, atom, IdealObserver(host, atom.width)


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


def _floats(values: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}
