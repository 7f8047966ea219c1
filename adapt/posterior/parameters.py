"""The parameters of a recipe: its fields that are distributions, as numbers between 0 and 1."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stemforge.settings import Choice, Distribution, Quantiles
from stemforge.simulate import SimulationRecipe

# Images come in any unit: their own gain and offset are measured, and a raster's place on the specimen says nothing.
_IGNORED = ("degradation.gain", "degradation.offset", "degradation.bits", "scan.rotation", "scan.shift")
# Hold for the whole field: what a patch says of them does not hold for a larger image.
OF_THE_FIELD = ("support.vacuum_fraction", "support.patches")
_STEPS = 20  # of a new distribution's table
_DIGITS = 4


@dataclass(frozen=True)
class Parameters:
    """What a recipe leaves open, with its priors.

    Values are held as shares: the share of the prior's draws that lie below. Whatever the prior, shares are uniform
    between 0 and 1 before an image is looked at.

    Parameters
    ----------
    priors
        Distribution of each field, by dotted name; entries of lists are numbered from 0.

    Examples
    --------
    >>> parameters = Parameters.of(SimulationRecipe.shipped("pt-nc"))
    >>> parameters.values("focus", np.array([0.5])).tolist()
    [0.35]
    """

    priors: Mapping[str, Distribution]

    @classmethod
    def of(cls, recipe: SimulationRecipe) -> Self:
        """Return a recipe's parameters; fields whose distribution has no width are none."""
        return cls(
            {
                field: prior
                for field, prior in recipe.distributions.items()
                if not field.startswith(_IGNORED) and prior.bounds[0] < prior.bounds[1]
            }
        )

    @property
    def fields(self) -> tuple[str, ...]:
        """Dotted names, in the recipe's order."""
        return tuple(self.priors)

    def shares(self, drawn: Mapping[str, Any], rng: np.random.Generator) -> NDArray[np.float64]:
        """Return the shares of a drawn recipe's values, shape (parameters,).

        Of a choice between few values the share is drawn among those that stand for the value.
        """
        found = []
        for field, prior in self.priors.items():
            value = np.array([_look_up(drawn, field)], dtype=float)
            share = float(prior.shares(value)[0])
            if isinstance(prior, Choice):
                share += rng.uniform(-0.5, 0.5) * float(np.isclose(prior.choice, value).mean())
            found.append(share)
        return np.clip(found, 0, 1)

    def values(self, field: str, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values of a field that belong to shares."""
        return self.priors[field].quantile(shares)

    def distribution(self, field: str, heights: Sequence[float] | NDArray[np.float64]) -> Distribution:
        """Return the distribution of a field whose shares have a histogram of these heights between 0 and 1."""
        cumulated = np.r_[0, np.cumsum(heights)] / np.sum(heights)
        edges = np.linspace(0, 1, len(heights) + 1)
        prior = self.priors[field]
        if isinstance(prior, Choice):
            middles = (np.arange(_STEPS) + 0.5) / _STEPS
            return Choice(choice=tuple(prior.quantile(np.interp(middles, cumulated, edges)).tolist()))
        shares = np.interp(np.linspace(0, 1, _STEPS + 1), cumulated, edges)
        rounded = [float(f"{value:.{_DIGITS}g}") for value in prior.quantile(shares)]
        return Quantiles(quantiles=tuple(np.clip(rounded, *prior.bounds).tolist()))


def _look_up(drawn: Mapping[str, Any], field: str) -> float:
    node: Any = drawn
    for key in field.split("."):
        node = node[int(key)] if isinstance(node, Sequence) else node[key]
    return float(node)
