"""Which threshold a detector gets, from what it finds on images that it was not trained on, and on a control."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stemforge.errors import InputError
from stemforge.evaluate.likelihoods.reliability import Reliability
from stemforge.train.card import Card

_EVEN = np.linspace(0.05, 0.6, 12).round(2).tolist()
_NEAR_ONE = (0.93, 0.95, 0.97, 0.98, 0.985, 0.99, 0.993, 0.995, 0.997, 0.998, 0.999)
THRESHOLDS = (*_EVEN, 0.7, 0.8, 0.85, 0.9, *_NEAR_ONE)
"""Likelihoods that are tried."""

GATES = tuple(np.linspace(0, 0.8, 81).round(2).tolist())
"""Values that are tried of the expected F1 from which an image gets a threshold of its own."""

USUAL_GATE = 0.4
"""The same without a control: the networks that ship promise up to 0.4 where there is no atom."""

MAX_FALSE = 0.003
"""Atoms a nm² that may be found where there are none: one on a field of 18 nm."""


@dataclass(frozen=True)
class ThresholdCalibration:
    """F1 over the threshold on held-out images.

    ``thresholds`` and ``f1_mean``, ``f1_sd`` have one entry a threshold; ``best`` is the threshold of the
    highest mean F1. ``before`` and ``after`` are reliability curves without and with calibration, either half
    of the images judged by what the other half gave; None where likelihoods were not calibrated. ``false`` are the
    atoms falsely found a nm² of control images, and ``max_false`` how many may be. ``min_expected_f1`` is from where on
    images get thresholds of their own, None if none does; ``chosen_f1`` (mean and standard deviation) and
    ``chosen_false`` are at the thresholds that images get in the end.
    """

    thresholds: tuple[float, ...]
    f1_mean: tuple[float, ...]
    f1_sd: tuple[float, ...]
    images: int
    before: Reliability | None = None
    after: Reliability | None = None
    false: tuple[float, ...] | None = None
    max_false: float = np.inf
    min_expected_f1: float | None = None
    chosen_f1: tuple[float, float] = (np.nan, np.nan)
    chosen_false: float | None = None

    @property
    def best(self) -> float:
        """Threshold with the highest mean F1, of those that find few enough atoms on the control images.

        Raises
        ------
        InputError
            There is none.
        """
        allowed = np.array(self.false or np.zeros(len(self.thresholds))) <= self.max_false
        if not allowed.any():
            raise InputError(
                f"even at a threshold of {self.thresholds[-1]:g} more than {self.max_false:g} per nm² are found "
                "on the control; train with such images, or allow more"
            )
        return self.thresholds[int(np.argmax(np.where(allowed, self.f1_mean, -1.0)))]


@dataclass(frozen=True)
class Trial:
    """What is found on an image at each threshold and, last, at its own.

    Parameters
    ----------
    points
        Of what is found at each, shape (n, 2).
    expected_f1
        What its own threshold promises.
    area
        Of the image [nm²]; of controls alone.
    """

    points: list[NDArray[np.float64]]
    expected_f1: float
    area: float = 0.0


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Parameters
    ----------
    calibration
        The curve, and the gate from which images get thresholds of their own.
    columns
        Of the thresholds, which one each image gets; −1 its own.
    """

    calibration: ThresholdCalibration
    columns: list[int]


def choose_threshold(
    card: Card,
    trials: Sequence[Trial],
    f1: NDArray[np.float64],
    controls: Sequence[Trial],
    thresholds: Sequence[float],
    *,
    max_false: float,
    reliability: tuple[Reliability | None, Reliability | None] = (None, None),
) -> Choice:
    """Choose the threshold of a detector, and from which expected F1 on images get one of their own.

    Parameters
    ----------
    card
        Of the detector; without a calibration no image gets a threshold of its own.
    trials, f1
        Of held-out images; F1 at each threshold and at the image's own, shape (images, thresholds + 1).
    controls
        Of images on which nothing is to be found.
    thresholds
        That were tried.
    max_false
        How much may be found on the controls [1/nm²].
    reliability
        Before and after calibration.
    """
    sd = f1.std(0, ddof=1) if len(f1) > 1 else np.zeros(f1.shape[1])
    area = sum(trial.area for trial in controls)
    false = np.array([[len(points) for points in trial.points] for trial in controls])
    rates = tuple((false.sum(0)[:-1] / area).tolist()) if controls else None
    most = max_false if controls else np.inf
    curve = ThresholdCalibration(
        tuple(thresholds),
        tuple(f1.mean(0).tolist()[:-1]),
        tuple(sd.tolist()[:-1]),
        len(f1),
        *reliability,
        rates,
        most,
    )
    fixed = list(thresholds).index(curve.best)
    gate = None
    if card.calibration is not None:
        gate = choose_gate(trials, f1, controls, false, fixed, most)
    # The last column is at the image's own threshold.
    columns = [-1 if gate is not None and trial.expected_f1 >= gate else fixed for trial in trials]
    chosen = f1[np.arange(len(f1)), columns]
    found = false_at(gate, controls, false, fixed) / area if controls else None
    spread = float(chosen.std(ddof=1)) if len(chosen) > 1 else 0.0
    curve = replace(curve, min_expected_f1=gate, chosen_f1=(float(chosen.mean()), spread), chosen_false=found)
    return Choice(curve, columns)


def choose_gate(
    trials: Sequence[Trial],
    f1: NDArray[np.float64],
    nothing: Sequence[Trial],
    false: NDArray[np.int64],
    fixed: int,
    max_false: float,
) -> float | None:
    """Return the expected F1 from which images get thresholds of their own; None if that is worse.

    By theory an image's own threshold is the best, so that only the control speaks against it: the lowest value at
    which few enough atoms are found there.
    """
    allowed = [USUAL_GATE]
    if nothing:
        most = max_false * sum(trial.area for trial in nothing)
        allowed = [gate for gate in GATES if false_at(gate, nothing, false, fixed) <= most]
    if not allowed:
        return None
    adaptive = np.array([trial.expected_f1 >= allowed[0] for trial in trials])
    mean = np.where(adaptive, f1[:, -1], f1[:, fixed]).mean()
    return allowed[0] if adaptive.any() and mean >= f1[:, fixed].mean() else None


def false_at(gate: float | None, nothing: Sequence[Trial], false: NDArray[np.int64], fixed: int) -> int:
    """Return the atoms found on control images at their own thresholds where they promise enough."""
    adaptive = [gate is not None and trial.expected_f1 >= gate for trial in nothing]
    return int(np.where(adaptive, false[:, -1], false[:, fixed]).sum())
