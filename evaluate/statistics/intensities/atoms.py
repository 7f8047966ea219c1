"""Intensities of atoms as tables have them, each image's over its own median, and what each atom is."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stemforge.errors import InputError
from stemforge.evaluate.statistics.intensities.mixture import (
    LEAST_INTENSITIES,
    IntensityMixture,
    mix_intensities,
)
from stemforge.files import write_csv
from stemforge.micrograph.annotations import Annotations

COLUMNS = ("intensity", "intensity_error", "fitted")
"""What tables must have for it: as ``stemforge infer atoms`` writes them."""


@dataclass(frozen=True, eq=False)
class AtomIntensities:
    """How bright the atoms of all images are, and what each is.

    Parameters
    ----------
    atoms
        Of each image, by its name: those that could be fitted, with positive intensity.
    mixture
        Of all together, each over the median of its image, in the order of ``atoms``.
    error
        Median of the stated errors over intensities.

    Examples
    --------
    >>> values = np.random.default_rng(0).lognormal(3, 0.2, 60)
    >>> columns = {"intensity": values, "intensity_error": values / 5, "fitted": np.ones(60)}
    >>> found = measure_intensities({"area": Annotations(np.zeros((60, 2)), columns=columns)})
    >>> found.summary()["shares_of_images"]
    {'area': {'one atom': 1.0}}
    """

    atoms: Mapping[str, Annotations]
    mixture: IntensityMixture
    error: float

    @property
    def sentence(self) -> str:
        """How to read it."""
        return f"{self.mixture.sentence} One intensity is known to ± {100 * self.error:.0f} % (median, by its fit)."

    def summary(self) -> dict[str, Any]:
        """Return the components and the share of each in every image, as plain values."""
        names, start, shares = self.mixture.names, 0, {}
        for image, atoms in self.atoms.items():
            chances = self.mixture.chances[start : start + len(atoms)]
            shares[image] = dict(zip(names, map(float, chances.mean(axis=0)), strict=True))
            start += len(atoms)
        found = self.mixture.summary() | {"error_of_one": self.error, "shares_of_images": shares}
        return found | {"how_to_read": self.sentence}

    def to_csv(self, path: str | Path) -> None:
        """Write a row an atom: its intensity over the median of its image, and the chance to be of each component."""
        names = [f"chance_{name.replace(' ', '_')}" for name in self.mixture.names]
        header = ["image", "x_px", "y_px", "intensity", "intensity_error", "relative_intensity", *names]
        rows, relative = [], iter(zip(self.mixture.intensities, self.mixture.chances, strict=True))
        for image, atoms in self.atoms.items():
            for (x, y), value, error in zip(
                atoms.points, atoms["intensity"], atoms["intensity_error"], strict=True
            ):
                ratio, chances = next(relative)
                numbers = (f"{value:.6g}", f"{error:.6g}", f"{ratio:.5g}")
                rows.append([image, f"{x:.3f}", f"{y:.3f}", *numbers, *(f"{one:.4f}" for one in chances)])
        write_csv(path, header, rows)

    def figure(self) -> Figure:
        """Draw the histogram with its components."""
        return self.mixture.figure()


def measure_intensities(atoms: Mapping[str, Annotations]) -> AtomIntensities | None:
    """Say of what kinds the atoms of images are, by their intensities.

    Parameters
    ----------
    atoms
        Of each image, by its name, with columns ``intensity``, ``intensity_error`` and ``fitted`` as
        :func:`stemforge.infer.refine_places` gives them; atoms that could not be fitted do not count.

    Returns
    -------
    AtomIntensities or None
        None where tables have no such columns, as labels have not.

    Raises
    ------
    InputError
        Fewer than 30 atoms with an intensity.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> values = rng.lognormal(3, 0.2, 60)
    >>> columns = {"intensity": values, "intensity_error": values / 5, "fitted": np.ones(60)}
    >>> found = measure_intensities({"a": Annotations(rng.uniform(0, 500, (60, 2)), columns=columns)})
    >>> found.mixture.names, round(found.error, 2)
    (('one atom',), 0.2)
    """
    kept = {name: _fitted(one) for name, one in atoms.items() if set(COLUMNS) <= set(one.columns)}
    kept = {name: one for name, one in kept.items() if len(one)}
    if not kept:
        return None
    number = sum(len(one) for one in kept.values())
    if number < LEAST_INTENSITIES:
        raise InputError(f"{number} atoms have an intensity; what kinds they are needs {LEAST_INTENSITIES}")
    relative: list[NDArray[np.float64]] = [
        one["intensity"] / np.median(one["intensity"]) for one in kept.values()
    ]
    errors = np.concatenate([one["intensity_error"] / one["intensity"] for one in kept.values()])
    return AtomIntensities(kept, mix_intensities(np.concatenate(relative)), float(np.median(errors)))


def _fitted(atoms: Annotations) -> Annotations:
    intensity, error = atoms["intensity"], atoms["intensity_error"]
    sound = (atoms["fitted"] == 1) & np.isfinite(intensity) & (intensity > 0) & np.isfinite(error)
    return atoms.where(sound)
