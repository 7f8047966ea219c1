"""What a field of settings means, as docstrings say it, and which values it takes."""

import functools
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass

from docstring_parser import DocstringStyle, parse

from stemforge.settings.annotations import bounds
from stemforge.settings.checked import Checked

_UNIT = re.compile(r"\s*\[([^\]]+)\]")
_SENTENCE = re.compile(r"[.](?:\s|$)")
_ROLE = re.compile(r":\w+:`~?(?:[\w.]*\.)?(\w+)`")


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
    full
        The whole entry.
    allowed
        The bounds in words; empty where it has none.
    """

    text: str
    unit: str
    low: float
    high: float
    full: str = ""
    allowed: str = ""


def describe(settings: type[Checked], field: str) -> Description:
    """Describe a field by the entry that a docstring has for it.

    The docstring is the class's, or that of the class from which it has the field, or of a function in its
    ``DESCRIBED_BY``.

    Parameters
    ----------
    settings
        The class.
    field
        Name of one of its fields.

    Raises
    ------
    KeyError
        No docstring says anything of the field.

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
    >>> found = describe(Film, "thickness")
    >>> found.text, found.unit, found.allowed
    ('Along the beam', 'Å', 'at least 1 and at most 50')
    """
    sources: list[type | Callable[..., object]] = [
        one for one in settings.__mro__ if issubclass(one, Checked)
    ]
    sources += settings.DESCRIBED_BY
    entry = next((found[field] for found in map(_entries, sources) if field in found), None)
    if entry is None:
        raise KeyError(f"no docstring of {settings.__name__} says what {field} is")
    first = _SENTENCE.split(entry, maxsplit=1)[0]
    unit = _UNIT.search(entry)
    declared = settings.model_fields[field]
    found = bounds(declared.annotation, declared.metadata)
    text = _UNIT.sub("", first).strip()
    return Description(text, unit[1] if unit else "", found.low, found.high, entry, found.words)


def summary(settings: type[Checked]) -> str:
    """Return what settings are, by the first sentence of their docstring."""
    text = _plain(" ".join((settings.__doc__ or "").strip().split("\n\n")[0].split()))
    return _SENTENCE.split(text.partition("; ")[0], maxsplit=1)[0].removesuffix(".")


@functools.cache
def _entries(source: type | Callable[..., object]) -> dict[str, str]:
    """Return the text of each parameter in a docstring as numpydoc has it."""
    parameters = parse(inspect.cleandoc(source.__doc__ or ""), style=DocstringStyle.NUMPYDOC).params
    return {
        name.strip(): _plain(" ".join((one.description or "").split()))
        for one in parameters
        if one.args[0] == "param"
        for name in one.arg_name.split(",")
    }


def _plain(text: str) -> str:
    """Return a text without the markup of docstrings."""
    return _ROLE.sub(r"\1", text).replace("`", "")
