"""How fields are declared: numbers that may be drawn, their bounds, and fields that settings got later."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Discriminator, Tag

from stemforge.settings.annotations import UNBOUNDED, Bounds
from stemforge.settings.distributions import Choice, Distribution, LogUniform, Normal, Quantiles, Uniform


class _AddedLater:
    """The type of :data:`ADDED_LATER`."""


ADDED_LATER = _AddedLater()
"""Marks a field that settings got after recipes with them had been used: ``x: Annotated[float, ADDED_LATER] = 1.0``.

At its default such a field is left out of :attr:`stemforge.settings.Settings.hash`, so that recipes which do not use it
keep the hash that corpora know them by. The default must never change: it stands for what was done before the field was
there.
"""

_KINDS: dict[str, type[Distribution]] = {
    "uniform": Uniform,
    "loguniform": LogUniform,
    "normal": Normal,
    "choice": Choice,
    "quantiles": Quantiles,
}


def _kind(value: Any) -> str:
    """Tell a distribution by its one key, so that a misspelt one is named in the error."""
    if isinstance(value, Distribution):
        return next(name for name, kind in _KINDS.items() if isinstance(value, kind))
    if isinstance(value, Mapping) and len(value) == 1:
        key = next(iter(value))
        return key if key in _KINDS else "unknown"
    return "number"


if TYPE_CHECKING:
    # Code works on drawn settings, in which every such field is a number.
    Random = float
else:
    Random = Annotated[
        Annotated[float, Tag("number")]
        | Annotated[Uniform, Tag("uniform")]
        | Annotated[LogUniform, Tag("loguniform")]
        | Annotated[Normal, Tag("normal")]
        | Annotated[Choice, Tag("choice")]
        | Annotated[Quantiles, Tag("quantiles")],
        Discriminator(
            _kind,
            custom_error_type="distribution",
            custom_error_message="must be a number or one of {uniform: [a, b]}, {loguniform: [a, b]}, "
            "{normal: [mean, sd]}, {choice: [...]}, {quantiles: [...]}",
        ),
    ]
    """A number, or a distribution from which each sample draws its own."""


def within(low: float = -UNBOUNDED, high: float = UNBOUNDED, *, open_low: bool = False) -> AfterValidator:
    """Bound a :data:`Random` field: the number, or every value its distribution can give."""
    return AfterValidator(Bounds(low, high, open_low))


NonNegative = Annotated[Random, within(0)]
"""A random number that is never negative."""
Positive = Annotated[Random, within(0, open_low=True)]
"""A random number that is always above zero."""
Fraction = Annotated[Random, within(0, 1)]
"""A random number between 0 and 1."""
