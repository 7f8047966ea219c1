"""The microscope: energy, aperture, aberrations and detectors, with presets from the papers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from ase.units import _c, _e, _hplanck, _me
from numpy.typing import NDArray
from pydantic import model_validator

from stemforge.errors import InputError
from stemforge.settings import NonNegative, Positive, Random, Settings
from stemforge.simulate.detectors import Detectors, Rings

if TYPE_CHECKING:
    import abtem

FWHM = 2 * np.sqrt(2 * np.log(2))
"""Full width at half maximum of a Gaussian of standard deviation 1: the size of a source is stated as such."""

# The angles of the UltraSTEM are those of Mitchell et al. (2022), doi:10.1021/jacs.1c12466. For the other two
# the papers' beam energy and convergence are taken with the same collection angles.
_ULTRASTEM_DETECTORS = {"rings": {"HAADF": (90.0, 185.0), "MAADF": (55.0, 85.0)}}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "nion-ultrastem-100": {"energy": 60e3, "semiangle_cutoff": 32.0, "detectors": _ULTRASTEM_DETECTORS},
    "nion-hermes": {"energy": 60e3, "semiangle_cutoff": 33.0, "detectors": _ULTRASTEM_DETECTORS},
    "jeol-arm300cf": {"energy": 60e3, "semiangle_cutoff": 30.5, "detectors": _ULTRASTEM_DETECTORS},
    # Low-dose iDPC of zeolites: Yang et al., Adv. Sci. 2024, doi:10.1002/advs.202408629.
    "low-dose-idpc": {"energy": 300e3, "semiangle_cutoff": 15.0, "detectors": {"segments": (4.0, 22.0)}},
}
"""Microscopes by name; a recipe writes ``microscope: {preset: nion-ultrastem-100}`` and may override fields."""


class Microscope(Settings):
    """Probe-forming optics and detectors of a STEM.

    Parameters
    ----------
    preset
        Name in :data:`PRESETS` whose values stand in for the fields not given.
    energy
        Beam energy [eV].
    semiangle_cutoff
        Convergence semiangle [mrad].
    detectors
        Annular detectors by name, or one of four segments, with inner and outer angles [mrad].
    defocus
        Distance of the focal plane below the plane where the operator meant it to be [Å]: −C1.
    A1
        Twofold astigmatism [Å]; abTEM's C12.
    A1_angle
        Azimuth of the twofold astigmatism [rad]; abTEM's phi12.
    B2
        Axial coma [Å]; abTEM's C21 is 3 × B2.
    B2_angle
        Azimuth of the coma [rad].
    C3
        Spherical aberration of third order [Å].
    C5
        Spherical aberration of fifth order [Å].
    focal_spread
        Standard deviation of the defocus from the energy spread and lens instabilities [Å].

    Examples
    --------
    >>> Microscope(preset="nion-ultrastem-100").detectors.angles["HAADF"]
    (90.0, 185.0)
    """

    preset: str | None = None
    energy: float = 60e3
    semiangle_cutoff: Positive = 32.0
    detectors: Detectors = Rings(rings={"HAADF": (90.0, 185.0)})
    defocus: Random = 0.0
    A1: NonNegative = 0.0
    A1_angle: Random = 0.0
    B2: NonNegative = 0.0
    B2_angle: Random = 0.0
    C3: Random = 0.0
    C5: Random = 0.0
    focal_spread: NonNegative = 0.0

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        preset = values.get("preset")
        if preset is not None and preset not in PRESETS:
            raise ValueError(f"unknown preset '{preset}'; known are {', '.join(PRESETS)}")
        return {**PRESETS.get(str(preset), {}), **values}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not 1e3 <= self.energy <= 1e6:
            raise ValueError(f"energy must be 1e3 to 1e6 eV, got {self.energy:g}; is it given in keV?")
        return self

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the signals that it records."""
        return self.detectors.channels

    @property
    def wavelength(self) -> float:
        """Relativistic electron wavelength [Å]."""
        energy = self.energy * _e
        return _hplanck / (2 * _me * energy * (1 + energy / (2 * _me * _c**2))) ** 0.5 * 1e10

    @property
    def nyquist_sampling(self) -> float:
        """Largest distance of probe positions that misses nothing of an image [Å]: λ/4α."""
        return self.wavelength / (4e-3 * self.semiangle_cutoff)

    @property
    def coarsest_sampling(self) -> float:
        """Coarsest potential sampling [Å] at which every detector fits below the antialias limit (2/3)."""
        largest = max(outer for _, outer in self.detectors.angles.values())
        return self.wavelength / (3 * largest * 1e-3)

    @property
    def potential_sampling(self) -> float:
        """Potential sampling [Å] that suits the detectors: a little below the coarsest."""
        return 0.97 * self.coarsest_sampling

    @property
    def focal_series(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Changes of focus [Å] and their weights, sum 1, for the average over ``focal_spread`` (Gauss–Hermite)."""
        if not self.focal_spread:
            return np.zeros(1), np.ones(1)
        nodes, weights = np.polynomial.hermite_e.hermegauss(5)
        return self.focal_spread * nodes, weights / weights.sum()

    def probe(self, depth: float | Any = 0.0, **grid: Any) -> "abtem.Probe":
        """Return abTEM's probe, focused ``depth`` [Å] (a number or a distribution) below the entrance plane.

        The settings must be drawn: every field a number. ``focal_spread`` is left to the caller, who must
        average intensities over :attr:`focal_series`; abTEM's envelope averages the wave, which is wrong for
        imaging by high-angle scattering.
        """
        import abtem  # takes a second and 180 MB, which who reads settings alone does not need

        return abtem.Probe(
            energy=self.energy,
            semiangle_cutoff=self.semiangle_cutoff,
            defocus=depth,
            C12=self.A1,
            phi12=self.A1_angle,
            C21=3 * self.B2,
            phi21=self.B2_angle,
            C30=self.C3,
            C50=self.C5,
            **grid,
        )

    def check_antialias(self, cutoff: float, sampling: float) -> None:
        """Refuse a detector that reaches beyond the scattering angles that a potential grid can carry.

        Parameters
        ----------
        cutoff
            Antialias limit of the simulation [mrad].
        sampling
            Grid sampling that led to it [Å], for the message.

        Raises
        ------
        InputError
            abTEM would truncate such a detector without a word.
        """
        for name, (_, outer) in self.detectors.angles.items():
            if outer > cutoff:
                raise InputError(
                    f"microscope.detectors: outer angle {outer:g} mrad of {name} lies beyond the antialias limit "
                    f"{cutoff:.0f} mrad of a potential sampled at {sampling:g} Å; set engine.sampling to "
                    f"{0.99 * sampling * cutoff / outer:.3f} Å or less"
                )
