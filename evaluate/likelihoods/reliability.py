"""Reliability of likelihoods: how often atoms are right at each likelihood, and calibration by Platt scaling."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from stemforge.colours import BLUE, GREY, VERMILION
from stemforge.errors import InputError
from stemforge.files import write_figure
from stemforge.micrograph.drawing import literal
from stemforge.train.card import Calibration, Counting, log_odds

BINS = 10
"""Bins of a reliability curve, of equally many candidates each."""


def fit_platt(scores: ArrayLike, truth: ArrayLike, channels: ArrayLike | None = None) -> Calibration:
    """Fit scale a and shift b, so that σ(a·logit(score) + b) is the probability of a hit.

    Parameters
    ----------
    scores
        Likelihoods of candidates, shape (n,).
    truth
        Whether each is a hit, shape (n,).
    channels
        Of boxes of molecules: log odds that their channels are filled, shape (n,); they get a weight of their own.

    Returns
    -------
    Calibration
        By maximum likelihood (Platt 1999, Advances in Large Margin Classifiers, with his prior on the targets).

    Raises
    ------
    InputError
        No hit among the candidates, or nothing else.

    Examples
    --------
    >>> from scipy.special import expit, logit
    >>> rng = np.random.default_rng(0)
    >>> score = rng.uniform(0.05, 0.95, 20000)
    >>> truth = rng.random(20000) < expit(2 * logit(score) + 1)
    >>> fitted = fit_platt(score, truth)
    >>> bool(abs(fitted.scale - 2) < 0.1 and abs(fitted.shift - 1) < 0.1)
    True
    """
    x, hit = log_odds(scores), np.asarray(truth, dtype=bool)
    hits, misses = int(hit.sum()), int((~hit).sum())
    if not hits or not misses:
        raise InputError(
            "likelihoods can be calibrated only where some candidates are atoms and some are not"
        )
    target = np.where(hit, (hits + 1) / (hits + 2), 1 / (misses + 2))

    columns = [x, np.ones(len(x))] + ([] if channels is None else [np.asarray(channels, dtype=float)])
    design = np.column_stack(columns)

    def loss(values: NDArray[np.float64]) -> float:
        z = design @ values
        return float(np.mean(np.logaddexp(0, z) - target * z))

    found = minimize(loss, np.eye(design.shape[1])[0], method="BFGS")
    return Calibration(*(float(value) for value in found.x))


@dataclass(frozen=True)
class Reliability:
    """How often candidates of a likelihood are hits.

    Parameters
    ----------
    likelihood, share
        Mean likelihood and share of hits of each bin, shape (bins,).
    number
        Candidates in each bin, shape (bins,).

    Examples
    --------
    >>> curve = Reliability.of([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 0], bins=2)
    >>> curve.likelihood.round(2).tolist(), curve.share.tolist()  # too sure at the upper end
    ([0.15, 0.85], [0.0, 0.5])
    """

    likelihood: NDArray[np.float64]
    share: NDArray[np.float64]
    number: NDArray[np.int64]

    @classmethod
    def of(cls, likelihood: ArrayLike, truth: ArrayLike, bins: int = BINS) -> "Reliability":
        """Sort candidates into bins of equally many.

        Examples
        --------
        >>> Reliability.of([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], bins=2).error
        0.149...
        """
        values, hit = np.asarray(likelihood, dtype=float), np.asarray(truth, dtype=float)
        if len(values) < bins:
            raise InputError(
                f"a reliability curve of {bins} bins needs as many candidates, not {len(values)}"
            )
        parts = np.array_split(np.argsort(values, kind="stable"), bins)
        return cls(
            np.array([values[part].mean() for part in parts]),
            np.array([hit[part].mean() for part in parts]),
            np.array([len(part) for part in parts]),
        )

    @property
    def error(self) -> float:
        """Expected calibration error: mean distance of likelihood and share of hits (Guo et al. 2017)."""
        return float(np.average(np.abs(self.likelihood - self.share), weights=self.number))


def draw_reliability(curves: Sequence[tuple[str, Reliability]], path: str | Path | None = None) -> Figure:
    """Draw reliability curves beside the diagonal; each with its name and expected calibration error.

    Examples
    --------
    >>> curve = Reliability.of([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], bins=2)
    >>> figure = draw_reliability([("calibrated", curve)], "reliability.png")
    >>> Path("reliability.png").exists(), figure.axes[0].get_legend().get_texts()[0].get_text()
    (True, 'calibrated: ECE 0.150')
    """
    figure = Figure(figsize=(4.6, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.6", lw=1)
    for (name, curve), colour in zip(curves, (GREY, BLUE, VERMILION), strict=False):
        label = literal(f"{name}: ECE {curve.error:.3f}")
        axes.plot(curve.likelihood, curve.share, "o-", color=colour, ms=4, label=label)
    axes.set(xlabel="likelihood", ylabel="share that are atoms", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.legend(frameon=False, loc="upper left", fontsize=8)
    if path is not None:
        write_figure(figure, path, dpi=120)
    return figure


def fit_counting(expected: ArrayLike, variance: ArrayLike, atoms: ArrayLike) -> Counting:
    """Fit how the number of atoms on an image follows from its candidates' likelihoods p.

    Parameters
    ----------
    expected, variance, atoms
        Σp, Σp(1 − p) and the known number of atoms of each image, shape (images,).

    Raises
    ------
    InputError
        Fewer than two images.
    """
    mean, independent, number = (np.asarray(v, dtype=float) for v in (expected, variance, atoms))
    if len(mean) < 2:
        raise InputError("the error of a number of atoms shows on two images or more")
    ratio = np.log((number + 0.5) / (mean + 0.5))
    excess = ratio.var(ddof=1) - np.mean(independent / (mean + 0.5) ** 2)
    return Counting(float(np.exp(ratio.mean())), float(np.sqrt(max(0.0, excess))))
