"""Priors of a recipe, fitted to the statistics of unlabelled micrographs (the command ``stemforge calibrate``)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from stemforge.console import progress
from stemforge.errors import InputError
from stemforge.evaluate.corpora.comparison import calibrated_sampling, draw_statistics
from stemforge.evaluate.corpora.image_statistics import ImageStatistics, image_statistics
from stemforge.files import write_json
from stemforge.micrograph.image import Micrograph
from stemforge.simulate import SimulationRecipe, degrade, simulate_sample
from stemforge.simulate.stages import Stage

_MOST_POROUS = 0.6


@dataclass(frozen=True)
class FittedPriors:
    """A recipe whose priors were fitted to micrographs.

    Parameters
    ----------
    recipe
        The base recipe with the priors put in.
    images
        Names of the micrographs.
    real, before, after
        Statistics of the micrographs, and of images simulated by the base recipe and by the new one.
    changes
        Fields that were set, by dotted name.
    """

    recipe: SimulationRecipe
    images: tuple[str, ...]
    real: tuple[ImageStatistics, ...]
    before: tuple[ImageStatistics, ...]
    after: tuple[ImageStatistics, ...]
    changes: dict[str, Any]

    def to_json(self, path: str | Path) -> None:
        """Write the statistics and the changes to a JSON file."""
        write_json(path, {"images": self.images, "changes": self.changes, **self.tables})

    @property
    def tables(self) -> dict[str, list[dict[str, float]]]:
        """Statistics of each image by name, for the real ones and those simulated before and after."""
        return {kind: [one.flat() for one in getattr(self, kind)] for kind in ("real", "before", "after")}

    def figure(self) -> Figure:
        """Draw every statistic, see :func:`~stemforge.evaluate.corpora.comparison.draw_statistics`."""
        real, before, after = self.tables.values()
        return draw_statistics({"real": real, "simulated before": before, "simulated after": after})


def fit_priors(
    micrographs: Sequence[Micrograph], recipe: SimulationRecipe, *, samples: int = 6, quiet: bool = False
) -> FittedPriors:
    """Set a recipe's priors so that its images share the statistics of real ones. Labels are not needed.

    Pixel size, counts, dark counts, flicker and vacuum share are measured directly. The dose follows from the counts
    and from what the recipe's own supports scatter; the source size from how much wider the real blobs are; for a
    ``carbon_particle`` the porosity from the power of its texture, whose variance grows as φ/(1 − φ)².

    Parameters
    ----------
    micrographs
        Annular images with pixel size, of the same kind.
    recipe
        What to start from.
    samples
        Images to simulate with the old and the new priors.
    quiet
        Show no progress.

    Returns
    -------
    FittedPriors
        The new recipe and what it rests on.

    Raises
    ------
    InputError
        No micrograph, one without pixel size, pixel sizes that differ, or a recipe for segments.
    """
    if not micrographs:
        raise InputError("priors need at least one micrograph")
    if recipe.microscope.detectors.segmented:
        raise InputError("priors are fitted to annular images; this recipe has a segmented detector")
    if samples < 2:
        raise InputError(f"samples must be at least 2, not {samples}")
    sizes = [calibrated_sampling(micrograph) for micrograph in micrographs]
    if max(sizes) > 1.1 * min(sizes):
        raise InputError(
            f"the micrographs' pixel sizes differ ({min(sizes):g} to {max(sizes):g} Å); take one kind"
        )
    with progress("fit priors", len(micrographs) + 2 * samples, "images", quiet) as advance:
        real = []
        for micrograph, size in zip(micrographs, sizes, strict=True):
            real.append(image_statistics(micrograph.image, size))
            advance(1)
        base = recipe.replace(scan=recipe.scan.replace(sampling=round(float(np.median(sizes)), 5)))
        before, scattered = _simulated(base, samples, advance)
        changes = _changes(base, real, before, scattered)
        new = SimulationRecipe.from_mapping(base.model_dump(mode="json"), changes)
        after, _ = _simulated(new, samples, advance)
    names = tuple(micrograph.name for micrograph in micrographs)
    return FittedPriors(new, names, tuple(real), tuple(before), tuple(after), changes)


def _simulated(
    recipe: SimulationRecipe, number: int, advance: Any
) -> tuple[list[ImageStatistics], list[float]]:
    """Statistics of simulated images, and the fraction of electrons that each specimen scatters to the detector."""
    found, scattered = [], []
    for index in range(number):
        sample = simulate_sample(recipe, index)
        rng = recipe.rng(index, Stage.DEGRADATION)
        image = degrade(sample.signal[:1], recipe.degradation, recipe.scan.sampling, rng).image[0]
        found.append(image_statistics(image, recipe.scan.sampling))
        signal = sample.signal[0]
        scattered.append(float(signal[signal > 0.3 * np.percentile(signal, 90)].mean()))
        advance(1)
    return found, scattered


def _changes(
    recipe: SimulationRecipe,
    real: Sequence[ImageStatistics],
    before: Sequence[ImageStatistics],
    scattered: Sequence[float],
) -> dict[str, Any]:
    def over(name: str, statistics: Sequence[ImageStatistics] = real) -> np.ndarray:
        return np.array([getattr(one, name) for one in statistics], dtype=float)

    def spread(values: Any, low: float = 10, high: float = 90) -> list[float]:
        # With room to both sides: few images do not show the extremes.
        ends = np.percentile(values, [low, high])
        return [float(f"{ends[0] * 0.85:.3g}"), float(f"{ends[1] * 1.15:.3g}")]

    doses = np.outer(over("counts"), 1 / (np.array(scattered) * recipe.scan.sampling**2)).ravel()
    flicker = over("flicker")
    known = flicker[(flicker > 0) & (over("flicker_time") < 5)]
    changes: dict[str, Any] = {
        "scan.sampling": recipe.scan.sampling,
        "degradation.dose": {"loguniform": spread(doses, 15, 85)},
        "degradation.read_noise": {"uniform": spread(np.sqrt(np.maximum(over("dark"), 0.1)), 10, 60)},
        "degradation.beam_current": None,
        "degradation.dwell_time": None,
    }
    if len(known):
        changes["degradation.flicker"] = {"uniform": spread(known)}
    widths, simulated = over("blob_width"), over("blob_width", before)
    if (widths > 0).any() and (simulated > 0).any():
        wider = np.percentile(widths[widths > 0], [20, 80]) ** 2 - np.median(simulated[simulated > 0]) ** 2
        low, high = np.sqrt(np.clip(_source(recipe) ** 2 + wider, 0.5**2, 4.0**2)).tolist()
        changes["degradation.source_size"] = {"uniform": [round(low, 2), round(high + 0.1, 2)]}
    if recipe.support.kind == "carbon_particle":
        changes["support.vacuum_fraction"] = {"choice": [round(float(v), 2) for v in over("vacuum_fraction")]}
        ratio = np.median([s.texture[1] for s in real]) / max(np.median([s.texture[1] for s in before]), 1e-7)
        changes["support.porosity"] = {"uniform": _porosity(recipe, float(ratio))}
    return changes


def _source(recipe: SimulationRecipe) -> float:
    """Return the root mean square of the recipe's source sizes [Å]."""
    rng = np.random.default_rng(0)
    return float(np.sqrt(np.mean([recipe.degradation.draw(rng).source_size ** 2 for _ in range(64)])))


def _porosity(recipe: SimulationRecipe, ratio: float) -> list[float]:
    """Porosities whose texture has ``ratio`` times the variance."""
    rng = np.random.default_rng(0)
    now = [getattr(recipe.support.draw(rng), "porosity", 0.0) for _ in range(64)]
    middle = float(np.clip(np.median(now), 0.02, _MOST_POROUS))
    wanted = ratio * middle / (1 - middle) ** 2
    # φ/(1 − φ)² = w solved for φ.
    found = (2 * wanted + 1 - np.sqrt(4 * wanted + 1)) / (2 * wanted)
    centre = float(np.clip(found, 0.02, _MOST_POROUS))
    return [round(max(0.7 * centre, 0.01), 3), round(min(1.3 * centre, _MOST_POROUS + 0.05), 3)]
