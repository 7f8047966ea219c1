"""How many of an image's candidates to believe: likelihoods that mean what they say choose the threshold themselves."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stemforge.train.card import Card

CANDIDATE = 0.02
"""Calibrated likelihood from which something may be an atom or a molecule, and counts towards their number by it."""


def lowest_likelihood(card: Card) -> float:
    """Return from which likelihood candidates are looked for: where likelihoods are not calibrated, the threshold."""
    return CANDIDATE if card.calibration is not None else card.threshold


@dataclass(frozen=True)
class Decision:
    """Where an image's threshold lies.

    Parameters
    ----------
    threshold
        Likelihood from which a candidate is an atom, or a molecule.
    expected_f1
        F1 to be expected of the best choice by the likelihoods alone; None where these are not calibrated.

    Examples
    --------
    >>> from stemforge.infer import decide
    >>> decide([0.9, 0.8, 0.1], Card("sac-cnn", threshold=0.6))  # its likelihoods are not calibrated
    Decision(threshold=0.6, expected_f1=None)
    """

    threshold: float
    expected_f1: float | None = None


def best_expected_f1(likelihoods: ArrayLike) -> Decision:
    """Choose the threshold with the highest expected F1.

    Of k candidates with likelihoods p that are called atoms, or molecules, Σp are; all candidates hold Σp in all. So
    F1 is about 2 Σₖp / (k + Σp), and it is highest at a threshold of half its own value (Lipton, Elkan & Naryanaswamy
    2014, arXiv:1402.1892). On an image with few candidates, any threshold between the last that is taken and the next
    takes the same ones; half the F1 lies between them, and is right for a further candidate, too, such as a graft.

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
    Decision(threshold=0.435..., expected_f1=0.871...)
    """
    p = np.sort(np.asarray(likelihoods, dtype=float))[::-1]
    if not len(p):
        return Decision(1.0, 0.0)
    f1 = 2 * np.cumsum(p) / (np.arange(1, len(p) + 1) + p.sum())
    best = int(np.argmax(f1))
    # Never above the last that is taken, as rounding could have it.
    return Decision(float(min(f1[best] / 2, p[best])), float(f1[best]))


def decide(likelihoods: ArrayLike, card: Card) -> Decision:
    """Choose an image's threshold: its own where its likelihoods promise enough, else the card's.

    Where there is nothing to be found the best choice is still a bad one, and its expected F1 says so.

    Parameters
    ----------
    likelihoods
        Of the image's candidates, from :data:`CANDIDATE` on.
    card
        Of the network.

    Examples
    --------
    >>> card = Card("atom-net", threshold=0.6, min_expected_f1=0.4)
    >>> decide([0.95, 0.9, 0.5, 0.1], card).threshold  # likelihoods promise enough for a threshold of its own
    0.431...
    >>> decide([0.2, 0.1, 0.1], card).threshold  # little to be found: the card's
    0.6
    """
    if card.min_expected_f1 is None:
        return Decision(card.threshold)
    best = best_expected_f1(likelihoods)
    enough = (best.expected_f1 or 0.0) >= card.min_expected_f1
    return Decision(best.threshold if enough else card.threshold, best.expected_f1)
