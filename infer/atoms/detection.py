"""Single atoms in micrographs: which of a network's candidates they are, and where."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemforge.errors import InputError, errors_about
from stemforge.infer.atoms.maps import TILE, atom_finder
from stemforge.infer.atoms.places.refinement import FARTHEST, WIDTH, refine_places
from stemforge.infer.decision import Decision, decide, lowest_likelihood
from stemforge.infer.resampling import check_sampling, file_sampling, resampled, scaled_places
from stemforge.infer.specimen.mask import Specimen, find_specimen
from stemforge.micrograph.annotations import Annotations
from stemforge.micrograph.image import Micrograph
from stemforge.micrograph.usable import UsableArea, usable_area
from stemforge.train.card import Card
from stemforge.train.networks import AtomDetector

if TYPE_CHECKING:
    import torch

BESIDE = 5.0
"""Distance from what is left out of an image within which nothing is taken for an atom [pixel of the network]."""

UNKNOWN_SAMPLING = 0.293
"""Pixel size that atoms' images are expected to have where none is known [Å]: that of the weights that ship."""


@dataclass(frozen=True)
class Detection:
    """The atoms found on a micrograph.

    Parameters
    ----------
    micrograph
        What was looked at.
    atoms
        Points (x, y) [pixel of the micrograph], fitted to the image below the pixel, with column ``score``, the
        likelihood at the peak, and those of :func:`stemforge.infer.refine_places`.
    likelihood
        Probability of an atom at every pixel, at ``sampling``; shape as the micrograph's unless resampled.
    sampling
        Pixel size of the likelihood [Å], or None.
    threshold
        Likelihood from which a pixel counted.
    number
        Visible atoms on the specimen, and the ends of an interval that holds 95 in 100, from the likelihoods of all
        candidates, whatever the threshold; None where these are not calibrated. Visible is what counts as an atom in
        training; further ones may be out of focus or too faint.
    expected_f1
        F1 to be expected of the best threshold by the likelihoods alone; None where these are not calibrated.
    usable
        What of the micrograph was looked at; None: all.
    share
        Share of the micrograph in which atoms could be found: the usable area without its very edge.
    specimen
        Where the micrograph shows specimen and not vacuum; None: not asked.

    Examples
    --------
    >>> likelihood = np.zeros((100, 100), dtype=np.float32)
    >>> atoms = Annotations([[20, 30], [70, 60]], columns={"score": [0.9, 0.7]})
    >>> found = Detection(Micrograph(np.eye(100), 0.2), atoms, likelihood, 0.2, 0.5, number=(2.4, 1.6, 3.6))
    >>> "{:.2f} ({:.2f} to {:.2f}) visible atoms per nm²".format(*found.density)
    '0.60 (0.40 to 0.90) visible atoms per nm²'
    """

    micrograph: Micrograph
    atoms: Annotations
    likelihood: NDArray[np.float32]
    sampling: float | None
    threshold: float
    number: tuple[float, float, float] | None = None
    expected_f1: float | None = None
    usable: UsableArea | None = None
    share: float = 1.0
    specimen: Specimen | None = None

    @property
    def density(self) -> tuple[float, float, float] | None:
        """Visible atoms per area of specimen [1/nm²], and the ends of an interval that holds 95 in 100.

        Of vacuum, what is not usable, and the very edge no area counts. None without pixel size, and for networks whose
        likelihoods are not calibrated.
        """
        if self.number is None or self.micrograph.sampling is None:
            return None
        expected, low, high = self.number
        area = self.share * self.likelihood.size * ((self.sampling or self.micrograph.sampling) / 10) ** 2
        smallest = largest = area
        if self.specimen is not None and self.usable is not None:
            of_usable = np.array([self.specimen.share, self.specimen.low, self.specimen.high])
            area, smallest, largest = area * of_usable / self.usable.mask.mean()
        return expected / area, low / largest, high / smallest

    def likelihood_at(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return the likelihoods of atoms at places that somebody else chose, such as a user.

        A hand is less exact than a pixel: it is the highest likelihood within 0.88 Å of the place, as far as a fit may
        move an atom from it.

        Parameters
        ----------
        points
            Places (x, y) [pixel of the micrograph], shape (n, 2).

        Returns
        -------
        ndarray
            Shape (n,); 0 off the image, and in what was left out of it.

        Examples
        --------
        >>> likelihood = np.zeros((100, 100), dtype=np.float32)
        >>> likelihood[30, 20] = 0.75
        >>> found = Detection(Micrograph(np.eye(100), 0.3), Annotations([]), likelihood, 0.3, 0.5)
        >>> found.likelihood_at([[21.5, 30], [40, 30]]).tolist()
        [0.75, 0.0]
        """
        atoms = Annotations(points)
        known = atoms.inside(self.micrograph.shape)
        if self.usable is not None:
            known &= self.usable.inside(atoms.points)
        scale = np.divide(self.likelihood.shape, self.micrograph.shape)[::-1]
        reach = FARTHEST * WIDTH / (self.sampling or UNKNOWN_SAMPLING)
        around = int(reach) + 1
        found = np.zeros(len(atoms))
        for n in np.flatnonzero(known):
            x, y = scaled_places(atoms.points[n], scale)
            top, left = max(0, round(y) - around), max(0, round(x) - around)
            part = self.likelihood[top : round(y) + around + 1, left : round(x) + around + 1]
            rows, columns = np.indices(part.shape)
            near = np.hypot(rows + top - y, columns + left - x) <= reach
            found[n] = part[near].max(initial=0.0)
        return found


@dataclass(frozen=True)
class Chosen:
    """Candidates on an image, and at which threshold they are atoms.

    Examples
    --------
    >>> candidates = Annotations([[4, 5], [20, 9], [30, 31]], columns={"score": [0.9, 0.6, 0.2]})
    >>> Chosen(candidates, Decision(threshold=0.5)).atoms.points.tolist()
    [[4.0, 5.0], [20.0, 9.0]]
    """

    candidates: Annotations
    decision: Decision

    @property
    def atoms(self) -> Annotations:
        """Candidates that are taken for atoms."""
        return self.candidates.where(self.candidates["score"] >= self.decision.threshold)


def choose_atoms(find: Callable[[float], Annotations], card: Card) -> Chosen:
    """Choose the threshold as :func:`stemforge.infer.decide` does; the card's where likelihoods are not calibrated.

    ``find`` is what :func:`stemforge.infer.atom_finder` gives.

    Examples
    --------
    >>> candidates = Annotations([[4, 5], [20, 9], [30, 31]], columns={"score": [0.9, 0.6, 0.2]})
    >>> def find(least):  # as atom_finder returns it
    ...     return candidates.where(candidates["score"] >= least)
    >>> found = choose_atoms(find, Card("sac-cnn", threshold=0.5))
    >>> found.decision.threshold, len(found.atoms)
    (0.5, 2)
    """
    candidates = find(lowest_likelihood(card))
    if card.calibration is None:
        return Chosen(candidates, Decision(card.threshold))
    return Chosen(candidates, decide(candidates["score"], card))


def detect_atoms(
    micrograph: Micrograph,
    model: "torch.nn.Module",
    card: Card,
    *,
    threshold: float | None = None,
    usable: UsableArea | None = None,
    tile: int = TILE,
    device: "str | torch.device" = "cpu",
    augment: bool = False,
    fit: bool = True,
    advance: Callable[[float], None] = lambda share: None,
) -> Detection:
    """Find single atoms on a micrograph with a trained network, such as AtomNet or SAC-CNN.

    A calibrated image is resampled to the pixel size that the network was trained at, and the atoms found are
    given in the image's own pixels; an uncalibrated one is taken as it is. What does not show the specimen
    (:func:`stemforge.micrograph.usable.usable_area`) is filled before, and nothing in it or right beside it is an atom,
    a candidate, or area of the image.

    Parameters
    ----------
    micrograph
        The image.
    model, card
        From :func:`stemforge.train.load_weights`.
    threshold
        Likelihood from which a candidate is an atom; by default what :func:`stemforge.infer.decide` chooses for the
        image, or the card's where likelihoods are not calibrated.
    usable
        What of the image shows the specimen, where that is known already, as on the same image with grafts.
    tile, device
        As for :func:`stemforge.infer.map_image`.
    augment
        Average over the image's eight orientations: eight times the work.
    fit
        Fit the atoms' images (:func:`stemforge.infer.refine_places`); without, atoms stay where the network has them.
    advance
        Called with the share of the network's work that was done since the last call.

    Returns
    -------
    Detection
        Atoms, sorted by score, and the likelihood map.

    Raises
    ------
    InputError
        Threshold not between 0 and 1, an image without signal, or pixels that cannot show atoms (see
        :func:`stemforge.infer.check_sampling`).
    WeightsError
        A network that detects no atoms.

    Examples
    --------
    >>> from stemforge.train import load_weights
    >>> y, x = np.mgrid[:64, :64]
    >>> spots = sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / 18) for a, b in [(20, 22), (44, 40)])
    >>> image = np.random.default_rng(0).poisson(100 + 60 * spots)
    >>> found = detect_atoms(Micrograph(image, sampling=0.293), *load_weights("atom-net"))
    >>> sorted(found.atoms.points.round().tolist()), found.likelihood.shape
    ([[20.0, 22.0], [44.0, 40.0]], (64, 64))
    """
    if threshold is not None and not 0 < threshold < 1:
        raise InputError(f"threshold must lie between 0 and 1, not {threshold}")
    AtomDetector.named(card.architecture)
    with errors_about(micrograph.name):
        check_sampling(
            micrograph.sampling, card.sampling, micrograph.shape, "atoms", file_sampling(micrograph)
        )
        usable = usable_area(micrograph.image) if usable is None else usable
        filled = usable.fill(micrograph.image)
        image, sampling = resampled(filled, micrograph.sampling, card.sampling, white=True)
        likelihood, find = atom_finder(
            model, card, image, tile=tile, device=device, augment=augment, advance=advance
        )
    scale = np.array([micrograph.shape[1] / image.shape[1], micrograph.shape[0] / image.shape[0]])
    counted = usable.beyond(BESIDE * float(scale.max()))
    if not counted.all():
        find = partial(_found_in, counted, find, scale)
    chosen = choose_atoms(find, card)
    atoms, decision = chosen.atoms, chosen.decision
    if threshold is not None:
        found = chosen.candidates if threshold == lowest_likelihood(card) else find(threshold)
        atoms, decision = found, replace(decision, threshold=threshold)
    del find  # and with it the network's maps
    # Where a pixel size is not known, or not to the network, nothing is known but that it sees atoms.
    known = micrograph.sampling if card.sampling is not None else None
    atoms = _enlarged(atoms, scale)
    if fit:
        atoms = refine_places(filled, atoms, WIDTH / (known or UNKNOWN_SAMPLING), usable.mask)
    specimen = find_specimen(micrograph, usable).believed(atoms.points, usable)
    on_it = specimen.inside(scaled_places(chosen.candidates.points, scale))
    number = None if card.counting is None else card.counting.number(chosen.candidates["score"][on_it])
    result = Detection(
        micrograph, atoms, likelihood, sampling, decision.threshold, number, decision.expected_f1
    )
    return replace(result, usable=usable, share=float(counted.mean()), specimen=specimen)


def _enlarged(atoms: Annotations, scale: NDArray[np.float64]) -> Annotations:
    """Bring atoms from the pixels of a network's image to the micrograph's, ``scale`` (x, y) times as many."""
    columns = dict(atoms.columns)
    if "sigma_px" in columns:
        columns["sigma_px"] = columns["sigma_px"] * np.sqrt(scale.prod())
    return Annotations(scaled_places(atoms.points, scale), columns=columns)


def _found_in(
    area: NDArray[np.bool_],
    find: Callable[[float], Annotations],
    scale: NDArray[np.float64],
    threshold: float,
) -> Annotations:
    """Return the atoms of a network's image that lie in an area of the micrograph, ``scale`` (x, y) times as large."""
    found = find(threshold)
    x, y = scaled_places(found.points, scale).round().astype(int).T
    height, width = area.shape
    return found.where(area[y.clip(0, height - 1), x.clip(0, width - 1)])
