"""Likelihoods that hold on the user's images: what is found there beyond what simulation finds falsely."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from stemforge.console import progress
from stemforge.corpus.reader import Corpus
from stemforge.evaluate import match_boxes
from stemforge.evaluate.likelihoods.calibration import USUAL_GATE, held_out_images
from stemforge.infer import CANDIDATE, atom_finder, detect_atoms
from stemforge.micrograph.image import Micrograph
from stemforge.train.card import Calibration, Card, log_odds

_SEED = 12  # of the recordings: others than those that the calibration was fitted to
_REPEATS = 3  # recordings of each held-out image
_LEAST = 30  # candidates of either kind
# How far the images' likelihoods are expected to be from the recipe's; standard deviations of log scale and shift.
_SCALE, _SHIFT = 0.3, 1.5
_TRUSTED = 0.6, 1.7  # scales; beyond, the images' candidates are not of the kinds that the recipe makes


@dataclass(frozen=True)
class Candidates:
    """Log odds of what may be atoms, by the detector's calibration, and the area on which they were found.

    Parameters
    ----------
    odds
        Shape (n,).
    area
        In any unit.
    """

    odds: NDArray[np.float64]
    area: float


def fit_likelihoods(found: Candidates, false: Candidates) -> Calibration | None:
    """Fit what candidates on images without labels are, where it is known how many false ones there are to be.

    Of the candidates at log odds z a share σ(a z + b) is to be atoms, so that there are 1 + exp(a z + b) times as many as
    false ones on an equal area. This is the ratio of two densities, fitted as a classification between what was found
    and what is false (Qin 1998, doi:10.1093/biomet/85.3.619); one less the share is the local false discovery rate of
    Efron (2004, doi:10.1198/016214504000000089).

    Parameters
    ----------
    found
        On the images: atoms and false ones.
    false
        On simulated images: false ones alone.

    Returns
    -------
    Calibration or None
        From log odds to likelihoods. None where too few candidates say anything, or where they are not of the kinds that
        the simulation makes.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> false = Candidates(rng.normal(-2, 1, 4000), 1.0)
    >>> nothing = fit_likelihoods(Candidates(rng.normal(-2, 1, 4000), 1.0), false)
    >>> bool(nothing.likelihood(0.0) < 0.2)
    True
    """
    if min(len(found.odds), len(false.odds)) < _LEAST:
        return None
    area = np.log(found.area / false.area)

    def loss(values: NDArray[np.float64]) -> float:
        def more(odds: NDArray[np.float64]) -> NDArray[np.float64]:
            return area + np.logaddexp(0, np.exp(values[0]) * odds + values[1])

        fit = np.logaddexp(0, -more(found.odds)).sum() + np.logaddexp(0, more(false.odds)).sum()
        return float(fit + ((values / (_SCALE, _SHIFT)) ** 2).sum() / 2)

    best = minimize(loss, [0.0, 0.0], method="Nelder-Mead")
    scale = float(np.exp(best.x[0]))
    return Calibration(scale, float(best.x[1])) if _TRUSTED[0] <= scale <= _TRUSTED[1] else None


def calibrate_on_images(
    model: Any,
    card: Card,
    micrographs: Sequence[Micrograph],
    corpus: str | Path,
    *,
    device: str = "cpu",
    quiet: bool = False,
) -> tuple[Card, Calibration | None]:
    """Make a detector's likelihoods hold on images without labels, by the false atoms of held-out simulated ones.

    On images with more atoms than the recipe draws, or with fewer, likelihoods that were calibrated on its images are
    wrong.

    Parameters
    ----------
    model, card
        A detector with calibrated likelihoods.
    micrographs
        Of one kind, with pixel sizes.
    corpus
        Simulated to be like them; its validation part is used.
    device
        Where the network runs.
    quiet
        Show no progress.

    Returns
    -------
    card, calibration
        The card with new likelihoods, and what was done to its log odds; the card as it was and None where the images
        do not tell.
    """
    if card.calibration is None:
        return card, None
    opened = Corpus(corpus)
    held_out = held_out_images([opened], card.visible, card.validation, seed=_SEED, repeats=_REPEATS)
    false, found = [], []
    area = 0.0
    with progress("likelihoods", len(held_out) + len(micrographs), "images", quiet) as advance:
        for labelled in held_out:
            candidates = atom_finder(model, card, labelled.image, device=device)[1](CANDIDATE)
            # Doubtful atoms are background here, as where the likelihoods were calibrated.
            hits = match_boxes(candidates.points, labelled.atoms).pairs[:, 0]
            false.append(np.delete(candidates["score"], hits))
            area += labelled.image.size * float(opened[0].sampling or 1) ** 2
            advance(1)
        on_images = 0.0
        for micrograph in micrographs:
            detection = detect_atoms(micrograph, model, card, threshold=CANDIDATE, device=device)
            found.append(detection.atoms["score"])
            on_images += detection.share * micrograph.image.size * float(micrograph.sampling or 1) ** 2
            advance(1)
    fitted = fit_likelihoods(Candidates(_odds(found), on_images), Candidates(_odds(false), area))
    if fitted is None:
        return card, None
    before = card.calibration
    calibration = Calibration(fitted.scale * before.scale, fitted.scale * before.shift + fitted.shift)
    return replace(card, calibration=calibration, min_expected_f1=USUAL_GATE), fitted


def _odds(likelihoods: Sequence[ArrayLike]) -> NDArray[np.float64]:
    return log_odds(np.concatenate([np.asarray(values, dtype=float) for values in likelihoods]))
