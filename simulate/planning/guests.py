"""From which dose on a recipe's guests can be seen at all: what the ideal observer makes of them."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from stemforge.settings import Distribution
from stemforge.simulate.engines.segmented import segmented_signal
from stemforge.simulate.microscope import FWHM
from stemforge.simulate.recipe import SimulationRecipe
from stemforge.simulate.scan import Scan
from stemforge.simulate.specimen.zeolite import Zeolite
from stemforge.simulate.stages import Stage
from stemforge.structures import place_guest

SEEN = 4.0
"""Contrast-to-noise d' from which the ideal observer finds 95 % at 1 % false ones: Φ(4 − 2.33)."""

_SAMPLING = 0.25  # of the images compared [Å]
_SLICE = 8.0  # of the potential [Å]
_TRIES = 4000


@dataclass(frozen=True)
class GuestVisibility:
    """How well an observer who knows everything tells a molecule in a recipe's film from an empty channel.

    Parameters
    ----------
    guest
        Name of the molecule.
    count
        Molecules one behind the other.
    thickness
        Unit cells of the film along the beam.
    per_dose
        d' at 1 e/Å²; it grows with the root of the dose.
    doses
        The recipe's lowest and highest [e/Å²].

    Examples
    --------
    >>> pyridine = GuestVisibility("pyridine", count=1, thickness=4, per_dose=0.1, doses=(3000.0, 3000.0))
    >>> round(pyridine.needed), pyridine.too_faint
    (1600, False)
    >>> print(pyridine)
    at 3000 e/Å² a pyridine in a film of 4 cells has d' 5.5: to be seen at every dose
    """

    guest: str
    count: int
    thickness: int
    per_dose: float
    doses: tuple[float, float]

    @property
    def detectability(self) -> tuple[float, float]:
        """D' at the lowest and at the highest dose."""
        low, high = (self.per_dose * np.sqrt(dose) for dose in self.doses)
        return float(low), float(high)

    @property
    def needed(self) -> float:
        """Dose [e/Å²] from which the guest can be seen."""
        return float((SEEN / self.per_dose) ** 2)

    @property
    def too_faint(self) -> bool:
        """Whether at some of its doses nobody can find 95 % of the guests at 1 % found falsely."""
        return self.detectability[0] < SEEN

    def __str__(self) -> str:
        low, high = self.detectability
        what = self.guest if self.count == 1 else f"column of {self.count} {self.guest}"
        film = f"a film of {self.thickness} cell{'s'[: self.thickness != 1]}"
        doses, found = f"{self.doses[0]:.4g}", f"{low:.1f}"
        if self.doses[1] > self.doses[0]:
            doses, found = f"{doses} to {self.doses[1]:.4g}", f"{found} to {high:.1f}"
        needed = f"about {float(f'{self.needed:.1e}'):.0f} e/Å² (d' {SEEN:g})"
        verdict = "to be seen at every dose"
        if high < SEEN:
            verdict = f"not to be told from none with certainty; from {needed} on"
        elif low < SEEN:
            verdict = f"not to be told from none with certainty below {needed}"
        return f"at {doses} e/Å² a {what} in {film} has d' {found}: {verdict}"


def guest_visibility(recipe: SimulationRecipe) -> tuple[GuestVisibility, ...]:
    """Ask for each guest of a zeolite recipe whether its doses can show it.

    One tile of the first sample's film is imaged with one guest and without. An observer who knows both images and
    decides from the counted electrons of all four segments tells them apart by d' = √(D Σ (ΔN)²/N): no detector can do
    better (Barrett & Myers, Foundations of Image Science, 2004, ch. 13). Aberrations are those of the first sample.

    Parameters
    ----------
    recipe
        Any recipe.

    Returns
    -------
    tuple of GuestVisibility
        One for each guest; empty where the recipe has no zeolite with guests, no segmented detector, or no counting.

    Examples
    --------
    >>> guest_visibility(SimulationRecipe.load("pt-nc"))
    ()
    """
    doses = _doses(recipe)
    support = recipe.support
    if not isinstance(support, Zeolite) or not support.guests or doses is None:
        return ()
    if not recipe.microscope.detectors.segmented:
        return ()
    drawn = recipe.draw(recipe.rng(0, Stage.DRAW))
    assert isinstance(drawn.support, Zeolite)  # noqa: S101  # drawing changes no kind
    if not drawn.support.occupancy:
        return ()
    film = drawn.support.tile()
    empty = _image(drawn, film)
    found = []
    for name in (name for name, weight in support.guests.items() if weight > 0):
        rng = np.random.default_rng(0)
        try:
            filled = place_guest(film, name, columns=drawn.support.columns, max_tries=_TRIES, rng=rng)
        except ValueError:
            continue  # it does not fit: the sample that asks for it says so
        one = filled[np.flatnonzero(filled.arrays["molecule"] <= 0)]
        change = (_image(drawn, one) - empty) ** 2 / np.maximum(empty, 1e-12)
        count, per_dose = int(filled.info["molecules"][0]["count"]), float(np.sqrt(change.sum())) * _SAMPLING
        found.append(GuestVisibility(name, count, film.info["thickness"], per_dose, doses))
    return tuple(found)


def _doses(recipe: SimulationRecipe) -> tuple[float, float] | None:
    """Lowest and highest dose [e/Å²] of a recipe, where it counts electrons and states a dose."""
    settings = recipe.degradation
    dose = settings.dose
    if dose is None or not settings.counting:
        return None
    if isinstance(dose, Distribution):
        low, high = dose.bounds if all(np.isfinite(dose.bounds)) else dose.quantile(np.array([0.05, 0.95]))
        return float(low), float(high)
    return float(dose), float(dose)


def _image(drawn: SimulationRecipe, atoms: Atoms) -> NDArray[np.float64]:
    """Image one tile as the source blurs it, without scan rotation."""
    width, height = (int(side / _SAMPLING) for side in atoms.cell.lengths()[:2])
    scan = Scan.of_any_size((height, width), _SAMPLING)
    focus = float(drawn.focus_depth(atoms))
    sampling = drawn.engine.model_dump().get("sampling")
    signal = segmented_signal(atoms, drawn.microscope, scan, focus, sampling=sampling, slice_thickness=_SLICE)
    blur = drawn.degradation.source_size / FWHM / _SAMPLING
    return np.asarray(gaussian_filter(signal.astype(float), (0, blur, blur), mode="wrap"))
