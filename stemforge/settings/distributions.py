"""Distributions: numbers that are drawn anew for each sample, each written as a mapping of one key."""

from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy import special

from stemforge.settings.checked import Checked


class Distribution(Checked):
    """A number that is drawn anew for each sample."""

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value that can be drawn."""
        raise NotImplementedError

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        raise NotImplementedError

    def quantile(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values below which these shares (0 to 1) of all draws lie."""
        raise NotImplementedError

    def shares(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of all draws below each value; where many draws are equal, the middle of theirs."""
        raise NotImplementedError


class Uniform(Distribution):
    """Uniform between two bounds: ``{uniform: [low, high]}``.

    Parameters
    ----------
    uniform
        Lowest and highest value.
    """

    uniform: tuple[float, float]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.uniform[0] > self.uniform[1]:
            raise ValueError(f"bounds must be ordered, got {list(self.uniform)}")
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value that can be drawn."""
        return self.uniform

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return float(rng.uniform(*self.uniform))

    def quantile(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values below which these shares of all draws lie."""
        return np.interp(shares, (0, 1), self.uniform)

    def shares(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of all draws below each value."""
        return np.clip((values - self.uniform[0]) / max(self.uniform[1] - self.uniform[0], 1e-300), 0, 1)


class LogUniform(Distribution):
    """Uniform in the logarithm between two positive bounds: ``{loguniform: [low, high]}``.

    Parameters
    ----------
    loguniform
        Lowest and highest value, both above 0.
    """

    loguniform: tuple[float, float]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high = self.loguniform
        if not 0 < low <= high:
            raise ValueError(f"bounds must be positive and ordered, got {[low, high]}")
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value that can be drawn."""
        return self.loguniform

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return float(np.clip(np.exp(rng.uniform(*np.log(self.loguniform))), *self.loguniform))

    def quantile(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values below which these shares of all draws lie."""
        return np.clip(np.exp(np.interp(shares, (0, 1), np.log(self.loguniform))), *self.loguniform)

    def shares(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of all draws below each value."""
        low, high = np.log(self.loguniform)
        return np.clip((np.log(values) - low) / max(high - low, 1e-300), 0, 1)


class Normal(Distribution):
    """Normal with mean and standard deviation, cut at three of them: ``{normal: [mean, sd]}``.

    The cut gives the distribution bounds, so that a recipe whose draws could leave a field's allowed range
    is refused when it is read and not in the middle of the night.

    Parameters
    ----------
    normal
        Mean and standard deviation.
    """

    normal: tuple[float, float]

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if self.normal[1] < 0:
            raise ValueError(f"the standard deviation must not be negative, got {self.normal[1]}")
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value that can be drawn."""
        mean, sd = self.normal
        return mean - 3 * sd, mean + 3 * sd

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return float(np.clip(rng.normal(*self.normal), *self.bounds))

    def quantile(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values below which these shares of all draws lie."""
        mean, sd = self.normal
        return np.clip(mean + sd * special.ndtri(shares), *self.bounds)

    def shares(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of all draws below each value."""
        mean, sd = self.normal
        return special.ndtr((values - mean) / max(sd, 1e-300))


class Choice(Distribution):
    """One of several numbers, equally likely: ``{choice: [a, b, c]}``.

    Parameters
    ----------
    choice
        The numbers; one that is listed twice is twice as likely.
    """

    choice: Annotated[tuple[float, ...], Field(min_length=1)]

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value that can be drawn."""
        return min(self.choice), max(self.choice)

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return self.choice[int(rng.integers(len(self.choice)))]

    def quantile(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values below which these shares of all draws lie."""
        places = np.asarray(shares) * len(self.choice)
        return np.sort(self.choice)[np.clip(places.astype(int), 0, len(self.choice) - 1)]

    def shares(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of all draws below each value; the middle of those that are equal."""
        ordered = np.sort(self.choice)
        ends = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
        return ends / (2 * len(ordered))


class Quantiles(Distribution):
    """Any shape, by values at equal steps of probability: ``{quantiles: [lowest, …, highest]}``.

    Between neighbours the density is even: of five values, each quarter of the draws lies between one and the next.
    What was measured on images (``stemforge calibrate``) is seldom uniform or normal.

    Parameters
    ----------
    quantiles
        The lowest value, those at equal steps of probability, and the highest.

    Examples
    --------
    >>> middle = Quantiles(quantiles=(0, 4, 5, 6, 10)).quantile(np.array([0.25, 0.5, 1]))
    >>> middle.tolist()
    [4.0, 5.0, 10.0]
    """

    quantiles: Annotated[tuple[float, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if any(np.diff(self.quantiles) < 0):
            raise ValueError(f"values must not decrease, got {list(self.quantiles)}")
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value that can be drawn."""
        return self.quantiles[0], self.quantiles[-1]

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return float(self.quantile(rng.uniform(size=1))[0])

    def quantile(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values below which these shares of all draws lie."""
        return np.interp(shares, np.linspace(0, 1, len(self.quantiles)), self.quantiles)

    def shares(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of all draws below each value; the middle of those that are equal."""
        steps = np.linspace(0, 1, len(self.quantiles))
        below, above = (
            np.interp(values, self.quantiles, steps),
            1 - np.interp(-np.asarray(values), -np.array(self.quantiles[::-1]), steps),
        )
        return (below + above) / 2
