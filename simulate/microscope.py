"""The microscope: energy, aperture, aberrations and detectors, with presets from the papers."""

from collections.abc import Mapping
from typing import Any

import abtem
from ase.units import _c, _e, _hplanck, _me
from pydantic import Field, model_validator

from stemforge.errors import InputError
from stemforge.settings import NonNegative, Positive, Random, Settings

# The angles of the UltraSTEM are those of Mitchell et al. (2022), doi:10.1021/jacs.1c12466. For the other two
# the papers' beam energy and convergence are taken with the same collection angles.
_ULTRASTEM_DETECTORS = {"HAADF": (90.0, 185.0), "MAADF": (55.0, 85.0)}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "nion-ultrastem-100": {"energy": 60e3, "semiangle_cutoff": 32.0, "detectors": _ULTRASTEM_DETECTORS},
    "nion-hermes": {"energy": 60e3, "semiangle_cutoff": 33.0, "detectors": _ULTRASTEM_DETECTORS},
    "jeol-arm300cf": {"energy": 60e3, "semiangle_cutoff": 30.5, "detectors": _ULTRASTEM_DETECTORS},
    # Low-dose iDPC of zeolites: Yang et al., Adv. Sci. 2024, doi:10.1002/advs.202408629.
    "low-dose-idpc": {"energy": 300e3, "semiangle_cutoff": 15.0, "segments": (4.0, 22.0)},
}
"""Microscopes by name; a recipe writes ``microscope: {preset: nion-ultrastem-100}`` and may override fields."""

SEGMENTS = ("DPC_0", "DPC_1", "DPC_2", "DPC_3")
"""Channels of the segmented detector: segment k is centred at azimuth k · 90°, from the scan's x towards its y."""


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
        Inner and outer collection angle [mrad] of each annular detector, by name.
    segments
        Inner and outer angle [mrad] of a detector of four quadrants, for differential phase contrast; it takes
        the place of the annular ones.
    defocus
        Distance of the focal plane below the plane where the operator meant it to be [Å]: −C1.
    A1, A1_angle
        Twofold astigmatism [Å] and its azimuth [rad]; abTEM's C12, phi12.
    B2, B2_angle
        Axial coma [Å] and its azimuth [rad]; abTEM's C21 is 3 × B2.
    C3, C5
        Spherical aberration of third and fifth order [Å].
    focal_spread
        Standard deviation of the defocus from the energy spread and lens instabilities [Å].

    Examples
    --------
    >>> Microscope(preset="nion-ultrastem-100").detectors["HAADF"]
    (90.0, 185.0)
    """

    preset: str | None = None
    energy: float = 60e3
    semiangle_cutoff: Positive = 32.0
    detectors: dict[str, tuple[float, float]] = Field(default={"HAADF": (90.0, 185.0)})
    segments: tuple[float, float] | None = None
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
        preset = values.get("preset") if isinstance(values, Mapping) else None
        if not isinstance(values, Mapping):
            return values
        if preset is not None and preset not in PRESETS:
            raise ValueError(f"unknown preset '{preset}'; known are {', '.join(PRESETS)}")
        values = {**PRESETS.get(str(preset), {}), **values}
        # A segmented detector stands alone: without this, the default annular one would stand beside it.
        return values if values.get("segments") is None else {"detectors": {}, **values}

    @model_validator(mode="after")
    def _check(self) -> "Microscope":
        if not 1e3 <= self.energy <= 1e6:
            raise ValueError(f"energy must be 1e3 to 1e6 eV, got {self.energy:g}; is it given in keV?")
        if self.segments is None and not self.detectors:
            raise ValueError("detectors needs at least one entry, such as HAADF: [90, 185]")
        if self.segments is not None and self.detectors:
            raise ValueError(
                "segments and detectors: one simulation has either the four segments or annular detectors; "
                "make two corpora of the same seed for both"
            )
        for name, (inner, outer) in self._angles().items():
            if not 0 <= inner < outer:
                raise ValueError(f"{name} must have 0 <= inner < outer [mrad], got {[inner, outer]}")
        return self

    def _angles(self) -> dict[str, tuple[float, float]]:
        """Inner and outer angle of every detector, by field."""
        if self.segments is not None:
            return {"segments": self.segments}
        return {f"detectors.{name}": angles for name, angles in self.detectors.items()}

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the signals that it records."""
        return SEGMENTS if self.segments is not None else tuple(self.detectors)

    @property
    def wavelength(self) -> float:
        """Relativistic electron wavelength [Å]."""
        energy = self.energy * _e
        return _hplanck / (2 * _me * energy * (1 + energy / (2 * _me * _c**2))) ** 0.5 * 1e10

    def probe(self, depth: float | Any = 0.0, **grid: Any) -> abtem.Probe:
        """Return abTEM's probe, focused ``depth`` [Å] (a number or a distribution) below the entrance plane.

        The settings must be drawn: every field a number. ``focal_spread`` is left to the caller, who must
        average intensities over it; abTEM's envelope averages the wave, which is wrong for imaging by
        high-angle scattering.
        """
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
        for name, (_, outer) in self._angles().items():
            if outer > cutoff:
                raise InputError(
                    f"microscope.{name}: outer angle {outer:g} mrad lies beyond the antialias limit "
                    f"{cutoff:.0f} mrad of a potential sampled at {sampling:g} Å; set engine.sampling to "
                    f"{0.99 * sampling * cutoff / outer:.3f} Å or less"
                )

    def potential_sampling(self) -> float:
        """Coarsest potential sampling [Å] at which every detector fits below the antialias limit (2/3)."""
        largest = max(outer for _, outer in self._angles().values())
        return self.wavelength / (3 * largest * 1e-3)
