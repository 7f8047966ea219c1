"""One image: every measure of triage, and the verdict."""

from typing import TYPE_CHECKING, Any

import numpy as np

from stemforge.evaluate.triage.candidates import Candidates, find_candidates
from stemforge.evaluate.triage.presence import atoms_probability
from stemforge.evaluate.triage.result import ImageTriage
from stemforge.evaluate.triage.specimen import measure_brightness
from stemforge.evaluate.triage.spectrum import LEAST_SIDE, image_spectrum
from stemforge.evaluate.triage.verdict import judged
from stemforge.evaluate.triage.width import LIKELY, atom_width
from stemforge.infer.atoms.detection import UNKNOWN_SAMPLING
from stemforge.infer.atoms.places.refinement import WIDTH
from stemforge.infer.decision import best_expected_f1
from stemforge.micrograph.image import Micrograph
from stemforge.simulate.microscope import FWHM
from stemforge.train.card import Card

if TYPE_CHECKING:
    import torch

SHARP = 1.2
"""Finest detail that a good probe gives [Å]; images with larger pixels end at two of them."""

_DRAWN = 150  # points that are kept for pictures


def triage_micrograph(
    micrograph: Micrograph, model: "torch.nn.Module", card: Card, *, device: "str | torch.device" = "cpu"
) -> ImageTriage:
    """Say whether an annular image is worth opening: atoms, focus, scan, specimen, and what makes it doubtful.

    Parameters
    ----------
    micrograph
        As recorded, annular (HAADF, MAADF).
    model, card
        Of a network that detects atoms with calibrated likelihoods, such as ``any-atom``.
    device
        Where the network runs.

    Returns
    -------
    ImageTriage
        Measures and verdict; what the image does not tell is None.

    Raises
    ------
    InputError
        An image without signal, or pixels that cannot show atoms.

    Examples
    --------
    >>> from stemforge.train import load_weights
    >>> noise = Micrograph(np.random.default_rng(0).poisson(30.0, (128, 128)), sampling=0.25, name="noise")
    >>> triage_micrograph(noise, *load_weights("any-atom")).verdict
    'no atoms'
    """
    return triage_candidates(micrograph, find_candidates(micrograph, model, card, device), card)


def triage_candidates(micrograph: Micrograph, candidates: Candidates, card: Card) -> ImageTriage:
    """Do what :func:`triage_micrograph` does with candidates that are known already.

    Parameters
    ----------
    micrograph
        As for :func:`triage_micrograph`.
    candidates
        Of the image, from :mod:`stemforge.evaluate.triage.candidates`.
    card
        Of the network that found them.

    Examples
    --------
    >>> from stemforge.evaluate.triage.candidates import known_candidates
    >>> image = Micrograph(np.random.default_rng(0).poisson(30.0, (128, 128)).astype(np.float32), 0.25)
    >>> card = Card("atom-net")
    >>> triage_candidates(image, known_candidates(image, [], [], card), card).verdict
    'no atoms'
    """
    likelihoods = candidates.on_specimen
    number: dict[str, Any] = {}
    if card.counting is not None:
        ends = card.counting.number(likelihoods)
        number = dict(zip(("atoms_expected", "atoms_low", "atoms_high"), ends, strict=True))
    likely = candidates.likelihoods >= LIKELY
    found = ImageTriage(
        micrograph.name,
        str(micrograph.metadata.get("file", micrograph.name)),
        atoms_probability=atoms_probability(likelihoods, _area(micrograph, candidates)),
        **number,
        expected_f1=best_expected_f1(likelihoods).expected_f1,
        sampling_angstrom=micrograph.sampling,
        width_px=micrograph.shape[1],
        height_px=micrograph.shape[0],
        points=tuple((round(x), round(y)) for x, y in candidates.points[likely][:_DRAWN].tolist()),
        **_sharpness(micrograph, candidates),
        **_specimen(micrograph, candidates),
    )
    return judged(found, micrograph, card.min_expected_f1 or 0.0)


def _area(micrograph: Micrograph, candidates: Candidates) -> float:
    """Return the area of the specimen [nm²]; with the network's pixel size where the image has none."""
    area, _, _ = candidates.specimen.area(micrograph.sampling or UNKNOWN_SAMPLING)
    return area


def _sharpness(micrograph: Micrograph, candidates: Candidates) -> dict[str, Any]:
    """Return focus, widths and jitter, in pixels."""
    sampling = micrograph.sampling or UNKNOWN_SAMPLING
    measures: dict[str, Any] = {"atom_width_px": atom_width(candidates, WIDTH * FWHM / sampling)}
    recorded = candidates.unfilled
    if min(recorded.shape) < LEAST_SIDE:
        return measures
    spectrum = image_spectrum(recorded)
    detail = spectrum.finest_detail()
    measures |= {"finest_detail_px": detail, "line_jitter_px": spectrum.line_jitter()}
    if detail is not None and micrograph.sampling is not None:
        measures["focus"] = min(1.0, max(2.0, SHARP / micrograph.sampling) / detail)
    return measures


def _specimen(micrograph: Micrograph, candidates: Candidates) -> dict[str, Any]:
    """Return what is vacuum, thick or not usable, and electrons."""
    brightness = measure_brightness(micrograph, candidates)
    usable = float(candidates.usable.mask.mean())
    return {
        "vacuum_share": float(np.clip(1 - candidates.specimen.share / usable, 0, 1)),
        "left_out_share": candidates.usable.left_out,
        "thick_share": brightness.thick,
        "electrons_per_px": brightness.electrons,
    }
