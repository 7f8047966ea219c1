"""What calibration found: the new recipe, each parameter's posterior, and what speaks against them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemforge.adapt.posterior.parameters import OF_THE_FIELD
from stemforge.files import write_json
from stemforge.settings import Distribution
from stemforge.simulate import SimulationRecipe

_ENDS = 2  # bins of the histogram at an end
_PILED = 2.0  # times the prior's share, from which on a posterior runs into the end
# What of a recipe makes each kind of statistic, by how its name begins.
_MADE_BY = {
    "level": "degradation.dose, the support's thickness",
    "power ring": "the support's fields, degradation.source_size",
    "power sector": "microscope.defocus, microscope.A1, microscope.B2, degradation.drift",
    "power axis": "degradation.flicker, degradation.flicker_time",
    "line noise": "degradation.flicker, degradation.flicker_time",
    "noise at level": "degradation.dose, degradation.read_noise",
    "noise correlation": "degradation.decay_time, degradation.line_jitter_across",
    "skewness": "the atoms' areal_density, the support's fields",
    "kurtosis": "the atoms' areal_density, the support's fields",
    "brightest": "the atoms' areal_density, the support's fields",
}


@dataclass(frozen=True)
class Estimate:
    """What the images say of one parameter.

    Parameters
    ----------
    field
        Dotted name in the recipe.
    prior
        Its distribution before.
    interval
        5th, 50th and 95th percentile of the distribution over images.
    heights
        Histogram of that distribution over the shares of the prior, from 0 to 1; None where patches tell nothing.
    determined
        Whether it is narrower than the prior.
    information
        What a hidden simulated patch tells of it [nat].
    coverage
        How often the true value of hidden patches lay in the 90 % interval.
    distribution
        What replaces the prior; None where it is kept.

    Examples
    --------
    >>> from stemforge.settings import LogUniform
    >>> prior = LogUniform(loguniform=(1e4, 1e5))
    >>> heights = tuple(np.r_[np.zeros(12), np.arange(12)] / 66)
    >>> dose = Estimate("degradation.dose", prior, (4e4, 8e4, 1e5), heights, True, 0.7, 0.91, None)
    >>> dose.edge  # the images may have had more electrons than the prior allows
    'upper'
    """

    field: str
    prior: Distribution
    interval: tuple[float, float, float]
    heights: tuple[float, ...] | None
    determined: bool
    information: float
    coverage: float
    distribution: Distribution | None

    @staticmethod
    def shares_of(heights: ArrayLike) -> NDArray[np.float64]:
        """Return the shares at 5, 50 and 95 % of a histogram over shares."""
        values = np.asarray(heights, dtype=float)
        cumulated = np.r_[0, np.cumsum(values)] / values.sum()
        return np.interp([0.05, 0.5, 0.95], cumulated, np.linspace(0, 1, len(cumulated)))

    @property
    def edge(self) -> str | None:
        """The end of the prior into which the posterior runs, ``"lower"`` or ``"upper"``; None where it does not."""
        if self.heights is None or not self.determined or self.field in OF_THE_FIELD:
            return None
        heights = np.array(self.heights)
        prior = _ENDS / len(heights)
        ends = {"lower": heights[:_ENDS], "upper": heights[: -_ENDS - 1 : -1]}
        name, end = max(ends.items(), key=lambda item: item[1].sum())
        if end.sum() <= _PILED * prior or end[0] < 0.9 * end[1]:
            return None
        # No field is known to go on below zero: nothing could be widened.
        return None if name == "lower" and self.prior.bounds[0] == 0 else name


@dataclass(frozen=True)
class Calibration:
    """A recipe that was calibrated on micrographs.

    Parameters
    ----------
    recipe
        The base recipe, in which what the images determine has replaced the priors.
    images
        Names of the micrographs.
    estimates
        One for each parameter.
    changes
        The new distributions by field.
    unlike
        Statistics in which more than a quarter of the real patches lie beyond nearly all simulated ones, with that
        share: what no parameter of the recipe explains.
    hidden
        Number of simulated signals on which the posterior was checked.
    real, simulated
        Patches of the micrographs, and by the new recipe, in electrons a pixel, shape (n, side, side).
    sampling
        Pixel size of the patches [Å]; None where the recipe leaves it open.

    Examples
    --------
    >>> from stemforge.settings import Uniform
    >>> prior = Uniform(uniform=(50, 400))
    >>> share = (0.0, 0.8, 0.2, 0.0)
    >>> one = Estimate("support.mean_thickness", prior, (90.0, 120.0, 160.0), share, True, 0.7, 0.91, None)
    >>> patches = np.zeros((4, 8, 8), dtype=np.float16)
    >>> recipe = SimulationRecipe.shipped("pt-nc")
    >>> found = Calibration(recipe, ("a", "b", "c"), (one,), {}, {}, 64, patches, patches, 0.3)
    >>> print(found.lines()[1])
    support.mean_thickness                            90 – 160       120               50 – 400
    >>> print(found.lines()[2])
    check on 64 hidden simulated patches: the true value lay in the 90 % interval in 91 % of all cases
    """

    recipe: SimulationRecipe
    images: tuple[str, ...]
    estimates: tuple[Estimate, ...]
    changes: Mapping[str, Distribution]
    unlike: Mapping[str, float]
    hidden: int
    real: NDArray[np.float16]
    simulated: NDArray[np.float16]
    sampling: float | None

    @property
    def coverage(self) -> float:
        """How often true values of hidden patches lay in their 90 % interval, over all parameters."""
        return float(np.mean([estimate.coverage for estimate in self.estimates]))

    def lines(self) -> list[str]:
        """Return what was found as lines of text."""
        lines = [f"{'':34}{'90 % of the images':>24}{'median':>10}   {'prior':>20}"]
        for one in self.estimates:
            if one.determined:
                low, middle, high = (f"{value:.3g}" for value in one.interval)
                prior = " – ".join(f"{value:.3g}" for value in one.prior.bounds)
                lines.append(f"{one.field:34}{f'{low} – {high}':>24}{middle:>10}   {prior:>20}")
        vague = [one.field for one in self.estimates if not one.determined]
        if vague:
            lines.append(f"not determined by the images, prior kept: {', '.join(vague)}")
        lines += self.warnings()
        lines.append(
            f"check on {self.hidden} hidden simulated patches: the true value lay in the 90 % interval in "
            f"{100 * self.coverage:.0f} % of all cases"
        )
        return lines

    def warnings(self) -> list[str]:
        """Return what a user should act on: ends of priors, and what the recipe cannot explain."""
        lines = []
        for one in self.estimates:
            if one.edge:
                end = one.prior.bounds[one.edge == "upper"]
                way = "raise its upper end" if one.edge == "upper" else "lower its lower end"
                lines.append(
                    f"{one.field}: runs into the {one.edge} end of its prior, {end:.3g}; {way} and repeat"
                )
        if self.unlike:
            names = ", ".join(f"{name} ({100 * share:.0f} %)" for name, share in self.unlike.items())
            lines.append(
                f"unlike anything that the recipe makes, share of the real patches: {names}. Until that is mended the "
                f"posterior is not to be trusted; widen {self._to_widen()}, or take another support"
            )
        return lines

    def _to_widen(self) -> str:
        """Say what makes the statistics that no parameter explains; each once, in their order."""
        makers = [
            maker for name in self.unlike for start, maker in _MADE_BY.items() if name.startswith(start)
        ]
        return ", ".join(dict.fromkeys(", ".join(makers).split(", ")))

    def to_json(self, path: str | Path) -> None:
        """Write images, posteriors, checks and warnings to a JSON file."""
        content = {
            "images": self.images,
            "parameters": {one.field: _entry(one) for one in self.estimates},
            "hidden_patches": self.hidden,
            "coverage_of_90_percent": self.coverage,
            "unlike": dict(self.unlike),
            "warnings": self.warnings(),
        }
        write_json(path, content)


def _entry(one: Estimate) -> dict[str, object]:
    low, middle, high = one.interval
    return {
        "prior": one.prior,
        "p5": low,
        "median": middle,
        "p95": high,
        "determined": one.determined,
        "edge": one.edge,
        "information_nat": one.information,
        "coverage_of_90_percent": one.coverage,
        "distribution": one.distribution,
        "histogram_over_prior": one.heights,
    }
