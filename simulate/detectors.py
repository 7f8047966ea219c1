"""Detectors: annular rings by name, or four segments. Each knows its channels and angles."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Discriminator, Tag, model_validator

from stemforge.settings import Settings

SEGMENTS = ("DPC_0", "DPC_1", "DPC_2", "DPC_3")
"""Channels of the segmented detector: segment k is centred at azimuth k · 90°, from the scan's x towards its y."""


class _Detectors(Settings):
    """What every kind of detector knows."""

    segmented: ClassVar[bool] = False

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the signals that are recorded."""
        return tuple(self.angles)

    @property
    def angles(self) -> Mapping[str, tuple[float, float]]:
        """Inner and outer collection angle [mrad] of each detector, by name."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _inner_below_outer(self) -> Self:
        for name, (inner, outer) in self.angles.items():
            if not 0 <= inner < outer:
                raise ValueError(f"{name} must have 0 <= inner < outer [mrad], got {[inner, outer]}")
        return self


class Rings(_Detectors):
    """Annular detectors.

    Parameters
    ----------
    rings
        Inner and outer collection angle [mrad] of each detector, by name.

    Examples
    --------
    >>> detectors = Rings(rings={"HAADF": (90, 185), "MAADF": (40, 90)})
    >>> detectors.channels, detectors.angles["MAADF"]
    (('HAADF', 'MAADF'), (40.0, 90.0))
    >>> Rings.from_mapping({"rings": {"HAADF": [185, 90]}})
    Traceback (most recent call last):
        ...
    stemforge.errors.RecipeError: settings: HAADF must have 0 <= inner < outer [mrad], got [185.0, 90.0]
    """

    rings: dict[str, tuple[float, float]]

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.rings:
            raise ValueError("rings needs at least one entry, such as HAADF: [90, 185]")
        return self

    @property
    def angles(self) -> Mapping[str, tuple[float, float]]:
        """Inner and outer collection angle [mrad] of each detector, by name."""
        return self.rings

    def abtem_detectors(self) -> list[Any]:
        """Return them as detectors of abTEM."""
        import abtem  # see Microscope.probe

        return [abtem.AnnularDetector(inner, outer) for inner, outer in self.rings.values()]


class Segments(_Detectors):
    """One detector of four quadrants, for differential phase contrast; its channels are :data:`SEGMENTS`.

    Parameters
    ----------
    segments
        Inner and outer angle [mrad].

    Examples
    --------
    >>> Segments(segments=(4, 22)).channels
    ('DPC_0', 'DPC_1', 'DPC_2', 'DPC_3')
    >>> from stemforge.simulate import Microscope
    >>> Microscope(preset="low-dose-idpc").detectors.segmented
    True
    """

    segmented: ClassVar[bool] = True
    segments: tuple[float, float]

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the signals that are recorded."""
        return SEGMENTS

    @property
    def angles(self) -> Mapping[str, tuple[float, float]]:
        """Inner and outer angle [mrad], under the name ``segments``."""
        return {"segments": self.segments}

    def abtem_detectors(self) -> list[Any]:
        """Return it as detectors of abTEM: one, turned so that segment 0 is centred on the x axis."""
        import abtem

        inner, outer = self.segments
        return [abtem.SegmentedDetector(1, 4, inner=inner, outer=outer, rotation=-np.pi / 4)]  # radians


def _kind(value: Any) -> str:
    """Tell detectors by the key that they hold."""
    if isinstance(value, _Detectors):
        return "segmented" if value.segmented else "annular"
    keys = set(value) if isinstance(value, Mapping) else set()
    both = {"rings": "annular", "segments": "segmented"}
    named = [kind for key, kind in both.items() if key in keys]
    return named[0] if len(named) == 1 else "unknown"


Detectors = Annotated[
    Annotated[Rings, Tag("annular")] | Annotated[Segments, Tag("segmented")],
    Discriminator(
        _kind,
        custom_error_type="detectors",
        custom_error_message="must be either {rings: {HAADF: [90, 185]}}, annular detectors by name, or "
        "{segments: [4, 22]}, a detector of four segments; for both make two corpora of the same seed",
    ),
]
