"""Mixtures of atoms' intensities: single atoms, several in line, several kinds, with a background; chosen by BIC."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp
from scipy.stats import norm

from stemforge.errors import InputError
from stemforge.evaluate.statistics.intensities.figure import draw_mixture

LEAST_INTENSITIES = 30
"""Fewer say nothing of a mixture."""
MARGIN = 6.0
"""By how much the BIC of a richer description must be lower: what statisticians call strong evidence."""

_NARROWEST, _WIDEST = 0.05, 1.5  # standard deviation of a component, of the logarithm
_MOST_IN_LINE, _MOST_KINDS = 3, 3
_FAINTER = 0.2  # the background's mean is below that of one atom by this at least [logarithm]
_LEAST = 1e-3  # atoms that every component keeps: an empty one would have no mean
_STARTS = ((0.2, 0.8, 0.6), (0.1, 0.5, 0.5), (0.5, 0.95, 0.5))  # quantiles of means; of the width
_STEPS, _ENOUGH = 200, 1e-3  # of a fit; gain of its logarithm of the likelihood below which it ends
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Description:
    """What kinds of atoms there are.

    Parameters
    ----------
    in_line
        Largest number of atoms in line: components at one, two … times the intensity of one; 1 where there are kinds.
    kinds
        Number of kinds, each of an intensity of its own.
    background
        Whether a part of its own mean and width, fainter than the atoms, is no atoms.
    """

    in_line: int = 1
    kinds: int = 1
    background: bool = False

    @property
    def parameters(self) -> int:
        """Free numbers: means, the common width, shares, and the background's."""
        return self.kinds + max(self.in_line, self.kinds) + (self.in_line > 1) + 3 * self.background

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its components, the background first."""
        if self.kinds > 1:
            atoms = [f"kind {index + 1}" for index in range(self.kinds)]
        else:
            atoms = ["one atom", *(f"{number} atoms in line" for number in range(2, self.in_line + 1))]
        return ("background", *atoms) if self.background else tuple(atoms)

    @property
    def layout(self) -> tuple[Values, NDArray[np.int64], NDArray[np.int64]]:
        """Offset from its mean, number of its mean and number of its width for each component, shape (components,).

        The background is first; it has a mean and a width of its own. Atoms in line have a common width.
        """
        number, first = max(self.in_line, self.kinds), int(self.background)
        offsets = np.log(np.arange(1, number + 1)) if self.kinds == 1 else np.zeros(number)
        means = np.zeros(number, dtype=int) if self.kinds == 1 else np.arange(number)
        before = np.zeros(first)
        width = np.append(before, first + (np.arange(number) > 0) * (self.kinds == 1)).astype(int)
        return np.append(before, offsets), np.append(before, means + first).astype(int), width


@dataclass(frozen=True, eq=False)
class IntensityMixture:
    """The components of a set of intensities.

    Parameters
    ----------
    intensities
        Relative ones, shape (n,).
    description
        The one chosen.
    shares, means, spreads
        Of its components: share of what was found, mean and standard deviation of the logarithm, shape (components,).
    chances
        Of each intensity to be of each component, shape (n, components).
    bic
        Of each description that was tried; the lowest is the best, less :data:`MARGIN` for what comes first.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> mixture = mix_intensities(np.concatenate([rng.lognormal(0, 0.15, 80), 2 * rng.lognormal(0, 0.15, 20)]))
    >>> mixture.evidence > 10, mixture.chances.shape  # one kind of single atoms explains them worse
    (True, (100, 2))
    """

    intensities: Values
    description: Description
    shares: Values
    means: Values
    spreads: Values
    chances: Values
    bic: dict[Description, float]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the components."""
        return self.description.names

    @property
    def evidence(self) -> float:
        """By how much the BIC of one kind of single atoms exceeds that of the description chosen."""
        return self.bic[Description()] - self.bic[self.description]

    @property
    def sentence(self) -> str:
        """How to read it."""
        number, first = len(self.intensities), int(self.description.background)
        spread = f"{self.names[first]} ± {100 * self.spreads[first]:.0f} %"
        if self.description == Description():
            return (
                f"Intensities of {number} atoms are those of one kind of single atoms, alike to a factor of "
                f"{np.exp(self.spreads[0]):.2f}; fewer atoms in line, or kinds less different, than this spread "
                "shows remain unknown."
            )
        parts = ", ".join(
            f"{100 * share:.0f} % {name} at {np.exp(mean):.2f}"
            for name, share, mean in zip(self.names, self.shares, self.means, strict=True)
        )
        return (
            f"Intensities of {number} atoms are a mixture: {parts} ({spread}); one component is "
            f"worse by {self.evidence:.0f} of BIC."
        )

    def density(self, logs: ArrayLike) -> Values:
        """Return the density of each component over the logarithm of the intensity, shape (components, …)."""
        x = np.asarray(logs, dtype=float)
        return np.array(
            [
                share * norm.pdf(x, mean, spread)
                for share, mean, spread in zip(self.shares, self.means, self.spreads, strict=True)
            ]
        )

    def summary(self) -> dict[str, Any]:
        """Return the components as plain values."""
        return {
            "atoms": len(self.intensities),
            "components": [
                {
                    "name": name,
                    "share": float(share),
                    "intensity": float(np.exp(mean)),
                    "spread": float(spread),
                }
                for name, share, mean, spread in zip(
                    self.names, self.shares, self.means, self.spreads, strict=True
                )
            ],
            "bic": [vars(one) | {"bic": float(value)} for one, value in self.bic.items()],
            "how_to_read": self.sentence,
        }

    def figure(self) -> Figure:
        """Draw the histogram with its components, and the BIC of every description."""
        return draw_mixture(self)


def mix_intensities(intensities: ArrayLike, margin: float = MARGIN) -> IntensityMixture:
    """Say of what kinds the intensities of atoms are.

    The logarithm of a single atom's intensity is close to normal: depth, focus and fitted width act as factors. Tried
    are single atoms; up to three in line, at two and three times the intensity (incoherent imaging of thin columns);
    two and three kinds of atoms at any intensities; and each of them but the kinds with a fainter background of false
    atoms. Kinds have one width; m atoms in line have one between 1/√m of a single atom's, as where these vary
    independently, and all of it, as where they share focus and depth. Bayes' information criterion decides: the
    simplest first, atoms in line before kinds, each other one must be better by ``margin``.

    Parameters
    ----------
    intensities
        Sums over atoms' images without background, positive; of several images, each over its own median. Shape (n,).
    margin
        As above.

    Returns
    -------
    IntensityMixture
        Shares, means and spreads of the components, and of each atom the chance to be of each.

    Raises
    ------
    InputError
        Fewer than 30 intensities, or some that are not positive.

    References
    ----------
    Schwarz 1978, Ann. Stat. 6, 461, doi:10.1214/aos/1176344136; Kass & Raftery 1995,
    doi:10.1080/01621459.1995.10476572.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> single, double = rng.lognormal(0, 0.15, 80), 2 * rng.lognormal(0, 0.15, 20)
    >>> mixture = mix_intensities(np.concatenate([single, double]))
    >>> mixture.names, bool(abs(mixture.shares[1] - 0.2) < 0.08)
    (('one atom', '2 atoms in line'), True)
    """
    values = np.asarray(intensities, dtype=float).ravel()
    if len(values) < LEAST_INTENSITIES:
        raise InputError(f"{len(values)} intensities; a mixture needs {LEAST_INTENSITIES} at least")
    if not np.all(np.isfinite(values)) or values.min() <= 0:
        raise InputError("intensities must be positive and finite; leave out atoms that could not be fitted")
    logs = np.log(values)
    fits = {one: _fit(one, logs) for one in descriptions()}
    bic = {
        one: -2 * fit.likelihood(logs) + one.parameters * float(np.log(len(logs)))
        for one, fit in fits.items()
    }
    best = fits[_chosen(bic, margin)]
    parts = best.parts(logs)
    chances = np.exp(parts - logsumexp(parts, axis=1, keepdims=True))
    return IntensityMixture(values, best.description, best.shares, best.means, best.spreads, chances, bic)


def descriptions() -> tuple[Description, ...]:
    """Return all that are tried, the simplest first."""
    lines = [
        Description(number, background=background)
        for number in range(1, _MOST_IN_LINE + 1)
        for background in (False, True)
    ]
    kinds = [Description(kinds=number) for number in range(2, _MOST_KINDS + 1)]
    return tuple(
        sorted([*lines, *kinds], key=lambda one: one.parameters)
    )  # atoms in line before as many kinds


def _chosen(bic: dict[Description, float], margin: float) -> Description:
    """Return the description that is better by the margin than what was best of those before it."""
    best, *others = bic
    for one in others:
        if bic[one] < bic[best] - margin:
            best = one
    return best


@dataclass(frozen=True, eq=False)
class _Fit:
    """A description with its numbers: shares, means and widths of all components, shape (components,) each."""

    description: Description
    shares: Values
    means: Values
    spreads: Values

    def parts(self, logs: Values) -> Values:
        """Return the logarithm of each component's density at each intensity, shape (n, components)."""
        pull = (logs[:, None] - self.means) / self.spreads
        return np.asarray(np.log(self.shares / self.spreads) - 0.5 * pull**2 - 0.5 * np.log(2 * np.pi))

    def likelihood(self, logs: Values) -> float:
        """Return the logarithm of the likelihood."""
        return float(logsumexp(self.parts(logs), axis=1).sum())

    def improved(self, logs: Values) -> "tuple[_Fit, float]":
        """Return the next step of expectation and maximisation (Dempster, Laird & Rubin 1977), and this one's value."""
        parts = self.parts(logs)
        top = parts.max(axis=1, keepdims=True)
        chances = np.exp(parts - top)
        total = chances.sum(axis=1, keepdims=True)
        chances /= total
        offsets, mean, width = self.description.layout
        weight = chances.sum(0) + _LEAST
        centre = np.bincount(
            mean, (chances * (logs[:, None] - offsets)).sum(0) + _LEAST * (self.means - offsets)
        )
        means = (centre / np.bincount(mean, weight))[mean] + offsets
        if self.description.background:
            means[0] = min(means[0], means[1] - _FAINTER)
        square = np.bincount(width, (chances * (logs[:, None] - means) ** 2).sum(0))
        spreads = np.sqrt(square / np.bincount(width, weight))[width].clip(_NARROWEST, _WIDEST)
        if self.description.in_line > 1:
            one, more = int(self.description.background), np.arange(1, self.description.in_line + 1)
            # Between atoms that vary independently and those that share focus and depth.
            spreads[one:] = spreads[one:].clip(spreads[one] / np.sqrt(more), spreads[one])
        value = float(np.log(total).sum() + top.sum())
        return _Fit(self.description, weight / weight.sum(), means, spreads), value


def _fit(description: Description, logs: Values) -> _Fit:
    """Return the likeliest numbers of a description, from several starts."""
    offsets, mean, _ = description.layout
    number, spread = mean.max() + 1, max(float(logs.std()), _NARROWEST)
    fits = []
    for low, high, part in _STARTS:
        means = np.quantile(logs, np.linspace(low, high, number))[mean] + offsets
        shares = np.full(len(means), 1 / len(means))
        one = _Fit(description, shares, means, np.full(len(means), part * spread))
        before = -np.inf
        for _ in range(_STEPS):
            one, after = one.improved(logs)
            if after - before < _ENOUGH:
                break
            before = after
        fits.append(one)
    return max(fits, key=lambda one: one.likelihood(logs))
