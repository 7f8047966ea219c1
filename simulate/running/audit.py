"""Auditing: samples of a corpus compared with the reference engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stemforge.console import progress
from stemforge.corpus.sample import Sample
from stemforge.errors import InputError
from stemforge.files import write_json
from stemforge.simulate.planning.deviation import EngineError, check_engine
from stemforge.simulate.recipe import SimulationRecipe


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Parameters
    ----------
    recipe_hash
        Of the recipe whose samples were looked at.
    checks
        The deviation of each audited sample.
    """

    recipe_hash: str
    checks: tuple[EngineError, ...]

    @property
    def worst(self) -> EngineError:
        """The sample with the largest error."""
        return max(self.checks, key=lambda check: check.error)

    def __str__(self) -> str:
        errors = [check.error for check in self.checks]
        return (
            f"{len(errors)} images deviate from {self.worst.reference.name} by {np.mean(errors):.1%} of the standard "
            f"deviation in the mean, {max(errors):.1%} at most (image {self.worst.sample})"
        )

    def to_json(self, path: str | Path) -> None:
        """Write everything to a JSON file."""
        errors = [check.error for check in self.checks]
        content = {
            "recipe_hash": self.recipe_hash,
            "mean_error": float(np.mean(errors)),
            "largest_error": float(np.max(errors)),
            "checks": self.checks,
        }
        write_json(path, content)


def audited_samples(recipe: SimulationRecipe, share: float) -> list[int]:
    """Draw which samples are audited: at least one, always the same for a recipe.

    Examples
    --------
    >>> audited_samples(SimulationRecipe.load("pt-nc"), 0.01)
    [44, 135]
    """
    if not 0 < share <= 1:
        raise InputError(f"audit must lie between 0 and 1, not {share}")
    count = max(1, round(share * recipe.num_samples))
    rng = np.random.default_rng([recipe.seed, 0xA0D17])
    return sorted(int(i) for i in rng.choice(recipe.num_samples, count, replace=False))


def audit_samples(
    recipe: SimulationRecipe, corpus: Sequence[Sample], samples: Sequence[int], *, quiet: bool = False
) -> Audit:
    """Simulate a piece of some samples again by the reference engine.

    Parameters
    ----------
    recipe
        That made the corpus.
    corpus
        Its samples in order; signals are not looked at. Each says with which engine it was made.
    samples
        Numbers of the samples.
    quiet
        Show no progress.

    Returns
    -------
    Audit
        Their deviations, see :func:`stemforge.simulate.check_engine`.
    """
    with progress(f"audit {recipe.name}", len(samples), "images", quiet) as advance:
        checks = []
        for index in samples:
            engine = recipe.replace(engine=corpus[index].metadata["drawn"]["engine"]).engine
            checks.append(check_engine(recipe, engine, index))
            advance(1)
    return Audit(recipe.content_hash, tuple(checks))
