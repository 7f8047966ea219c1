"""How many of an image's candidates to believe: likelihoods that mean what they say choose the threshold themselves."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from stemforge.train.weights import Card

CANDIDATE = 0.02
"""Calibrated likelihood from which a peak may be an atom, and counts towards their number by its likelihood."""

_LEAST = 1e-6  # beyond, single precision says 0 or 1


def log_odds(likelihood: ArrayLike) -> NDArray[np.float64]:
    """Return the logarithm of the odds, finite also where a likelihood is 0 or 1."""
    return np.asarray(logit(np.clip(np.asarray(likelihood, dtype=float), _LEAST, 1 - _LEAST)))


def calibrated(odds: ArrayLike, calibration: Mapping[str, float]) -> NDArray[np.float64]:
    """Return the likelihoods that log odds stand for: σ(scale · odds + shift), σ(odds) where nothing is known.

    Examples
    --------
    >>> calibrated([0.0, 1.0], {"scale": 2.0, "shift": -1.0}).round(3).tolist()
    [0.269, 0.731]
    """
    scale, shift = calibration.get("scale", 1.0), calibration.get("shift", 0.0)
    return np.asarray(expit(scale * np.asarray(odds, dtype=float) + shift))


@dataclass(frozen=True)
class Decision:
    """Where an image's threshold lies.

    Parameters
    ----------
    threshold
        Likelihood from which a candidate is an atom.
    expected_f1
        F1 to be expected of the best choice by the likelihoods alone; None where these are not calibrated.
    """

    threshold: float
    expected_f1: float | None = None


def best_expected_f1(likelihoods: ArrayLike) -> Decision:
    """Choose the threshold with the highest expected F1.

    Of k candidates with likelihoods p that are called atoms, Σp are; of all there are Σp over all candidates. So F1 is
    about 2 Σₖp / (k + Σp), and it is highest at a threshold of half its own value (Lipton, Elkan & Naryanaswamy 2014,
    arXiv:1402.1892).

    Parameters
    ----------
    likelihoods
        Of an image's candidates, from :data:`CANDIDATE` on, calibrated.

    Returns
    -------
    Decision
        Threshold and expected F1; a threshold of 1 and an F1 of 0 where there is no candidate.

    Examples
    --------
    >>> best_expected_f1([0.9, 0.8, 0.1, 0.1])
    Decision(threshold=0.8, expected_f1=0.871...)
    """
    said = np.sort(np.asarray(likelihoods, dtype=float))[::-1]
    if not len(said):
        return Decision(1.0, 0.0)
    f1 = 2 * np.cumsum(said) / (np.arange(1, len(said) + 1) + said.sum())
    best = int(np.argmax(f1))
    return Decision(float(said[best]), float(f1[best]))


def decide(likelihoods: ArrayLike, card: Card) -> Decision:
    """Choose an image's threshold: its own where its likelihoods promise enough, else the card's.

    Where there are no atoms the best choice is still a bad one, and its expected F1 says so.

    Parameters
    ----------
    likelihoods
        Of the image's candidates, from :data:`CANDIDATE` on.
    card
        Of the network.
    """
    if card.min_expected_f1 is None:
        return Decision(card.threshold)
    own = best_expected_f1(likelihoods)
    enough = (own.expected_f1 or 0.0) >= card.min_expected_f1
    return Decision(own.threshold if enough else card.threshold, own.expected_f1)
