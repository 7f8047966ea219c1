"""What a field of settings means, as their docstrings say it, and which values it takes."""

import inspect
import re
from dataclasses import dataclass

import numpy as np
from annotated_types import Ge, Gt, Le, Lt
from pydantic import AfterValidator

from stemforge.settings.base import Settings
from stemforge.settings.fields import Bounds

__all__ = ["Description", "describe"]

_UNIT = re.compile(r"\s*\[([^\]]+)\]")
_SENTENCE = re.compile(r"[.](?:\s|$)")


@dataclass(frozen=True)
class Description:
    """A field in a few words.

    Parameters
    ----------
    text
        What it is: the first sentence of its entry in the docstring, without unit.
    unit
        Such as ``Å``; empty where it has none.
    low, high
        Least and greatest value that the field takes; infinite where it has no bound.
    """

    text: str
    unit: str
    low: float
    high: float


def describe(settings: type[Settings], field: str) -> Description:
    """Describe a field by the entry that the class's docstring has for it.

    Parameters
    ----------
    settings
        The class.
    field
        Name of one of its fields.

    Raises
    ------
    KeyError
        The docstring says nothing of the field.

    Examples
    --------
    >>> from typing import Annotated
    >>> from stemforge.settings import Random, Settings, within
    >>> class Film(Settings):
    ...     '''A film.
    ...
    ...     Parameters
    ...     ----------
    ...     thickness
    ...         Along the beam [Å]. Layers are counted.
    ...     '''
    ...     thickness: Annotated[Random, within(1, 50)] = 10.0
    >>> describe(Film, "thickness")
    Description(text='Along the beam', unit='Å', low=1, high=50)
    """
    entry = _entries(settings)[field]
    first = _SENTENCE.split(entry, maxsplit=1)[0]
    unit = _UNIT.search(entry)
    low, high = _bounds(settings, field)
    return Description(_UNIT.sub("", first).replace("``", "").strip(), unit[1] if unit else "", low, high)


def _entries(settings: type[Settings]) -> dict[str, str]:
    """Return the text of each parameter in a docstring as numpydoc has it."""
    lines = (inspect.getdoc(settings) or "").splitlines()
    if "Parameters" not in lines:
        return {}
    entries: dict[str, str] = {}
    names: list[str] = []
    for line, after in zip(
        lines[lines.index("Parameters") + 2 :], [*lines[lines.index("Parameters") + 3 :], ""], strict=True
    ):
        if after and set(after) == {"-"}:  # the next section's title
            break
        if line and not line.startswith(" "):
            names = [name.strip() for name in line.split(",")]
            entries |= dict.fromkeys(names, "")
        else:
            entries |= {name: f"{entries[name]} {line.strip()}".strip() for name in names}
    return entries


def _bounds(settings: type[Settings], field: str) -> tuple[float, float]:
    low, high = -np.inf, np.inf
    for one in settings.model_fields[field].metadata:
        if isinstance(one, AfterValidator) and isinstance(one.func, Bounds):
            low, high = max(low, one.func.low), min(high, one.func.high)
        elif isinstance(one, Ge | Gt):
            low = max(low, float(one.ge if isinstance(one, Ge) else one.gt))  # type: ignore[arg-type]
        elif isinstance(one, Le | Lt):
            high = min(high, float(one.le if isinstance(one, Le) else one.lt))  # type: ignore[arg-type]
    return low, high
