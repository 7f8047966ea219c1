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
from stemforge.evaluate.likelihoods.calibration import held_out_images
from stemforge.evaluate.likelihoods.choosing import USUAL_GATE
from stemforge.infer import CANDIDATE, detect_atoms
from stemforge.micrograph.image import Micrograph
from stemforge.train.card import Calibration, Card, log_odds

_SEED = 12  # of the recordings: others than those that the calibration was fitted to
_REPEATS = 3  # recordings of each held-out image
_LEAST = 30  # candidates of either kind
# How far the images are expected to be from the recipe: standard deviations of the scale's logarithm, the shift, and
# the logarithm of the excess of false candidates.
_SCALE, _SHIFT, _EXCESS = 0.3, 1.5, 0.25
# Beyond these, the images' candidates are not of the kinds that the recipe makes.
_SCALES, _EXCESSES = (0.5, 2.0), (1 / 3, 3.0)
# Nor are they where most of even the least likely ones, this share of the false ones, would have to be atoms.
_LEAST_LIKELY, _MOST_ATOMS = 0.1, 0.5


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


@dataclass(frozen=True)
class FittedLikelihoods:
    """What images without labels say of a detector's likelihoods.

    Parameters
    ----------
    calibration
        From log odds to likelihoods that hold there.
    excess
        False candidates on an area for each one on simulated images.
    """

    calibration: Calibration
    excess: float


def fit_likelihoods(found: Candidates, false: Candidates) -> FittedLikelihoods | None:
    """Fit what candidates on images without labels are, where it is known how many false ones there are to be.

    For each candidate that is false on simulated images there are c + exp(a z + b) at the same log odds z on an equal
    area of the others: c false ones, about 1, which the least likely candidates tell, and atoms. This is the ratio of
    two densities, fitted as a classification between what was found and what is false (Qin 1998,
    doi:10.1093/biomet/85.3.619); the share of false ones is the local false discovery rate of Efron (2004,
    doi:10.1198/016214504000000089).

    Parameters
    ----------
    found
        On the images: atoms and false ones.
    false
        On simulated images: false ones alone.

    Returns
    -------
    FittedLikelihoods or None
        None where too few candidates say anything, or where they are not of the kinds that the simulation makes.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> false = Candidates(rng.normal(-2, 1, 4000), 1.0)
    >>> nothing = fit_likelihoods(Candidates(rng.normal(-2, 1, 4000), 1.0), false)
    >>> bool(nothing.calibration.likelihood(0.0) < 0.2)
    True
    """
    if min(len(found.odds), len(false.odds)) < _LEAST:
        return None
    area = np.log(found.area / false.area)

    def loss(values: NDArray[np.float64]) -> float:
        def more(odds: NDArray[np.float64]) -> NDArray[np.float64]:
            return area + np.logaddexp(values[2], np.exp(values[0]) * odds + values[1])

        fit = np.logaddexp(0, -more(found.odds)).sum() + np.logaddexp(0, more(false.odds)).sum()
        return float(fit + ((values / (_SCALE, _SHIFT, _EXCESS)) ** 2).sum() / 2)

    best = minimize(loss, np.zeros(3), method="Nelder-Mead", options={"maxiter": 3000}).x
    scale, excess = (float(np.exp(value)) for value in best[[0, 2]])
    if not (_SCALES[0] <= scale <= _SCALES[1] and _EXCESSES[0] <= excess <= _EXCESSES[1]):
        return None
    calibration = Calibration(scale, float(best[1] - best[2]))
    if calibration.likelihood(np.quantile(false.odds, _LEAST_LIKELY)) > _MOST_ATOMS:
        return None
    return FittedLikelihoods(calibration, excess)


def calibrate_on_images(
    model: Any,
    card: Card,
    micrographs: Sequence[Micrograph],
    corpus: str | Path,
    *,
    device: str = "cpu",
    quiet: bool = False,
) -> tuple[Card, FittedLikelihoods | None]:
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
    card, fitted
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
            simulated = Micrograph(labelled.image, opened[0].sampling, "HAADF", "held out")
            candidates = detect_atoms(simulated, model, card, threshold=CANDIDATE, device=device).atoms
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
    after = fitted.calibration
    calibration = Calibration(after.scale * before.scale, after.scale * before.shift + after.shift)
    return replace(card, calibration=calibration, min_expected_f1=USUAL_GATE), fitted


def _odds(likelihoods: Sequence[ArrayLike]) -> NDArray[np.float64]:
    return log_odds(np.concatenate([np.asarray(values, dtype=float) for values in likelihoods]))
