"""YAML in which each value may carry a note."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import yaml

_COLUMN = 44  # where notes begin, if the value leaves room
_WIDTH = 118


@dataclass(frozen=True)
class Noted:
    """A value of a recipe and what a reader should know of it.

    Parameters
    ----------
    value
        Plain value: number, text, list or mapping.
    note
        Unit, meaning, source: one line.
    """

    value: Any
    note: str = ""


def noted_yaml(fields: Mapping[str, Any], indent: str = "") -> str:
    """Return a mapping as YAML with its notes as comments.

    Mappings that hold a :class:`Noted` are written in blocks, other values in one line.

    Parameters
    ----------
    fields
        Values, :class:`Noted` values, mappings and tuples of mappings of them.
    indent
        Put before every line.

    Examples
    --------
    >>> print(noted_yaml({"name": "a", "scan": {"sampling": Noted(0.2, "[Å]")}}), end="")
    name: a
    scan:
      sampling: 0.2                             # [Å]
    """
    return "".join(f"{line}\n" for line in _lines(fields, indent))


def plain(value: Any) -> Any:
    """Return the value without notes, as a YAML reader would see it."""
    if isinstance(value, Noted):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value


def _lines(fields: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, value in fields.items():
        note = value.note if isinstance(value, Noted) else ""
        value = value.value if isinstance(value, Noted) else value
        if isinstance(value, Mapping) and _noted(value):
            yield from _with_note(f"{indent}{name}:", note)
            yield from _lines(value, indent + "  ")
        elif isinstance(value, list | tuple) and value and all(isinstance(part, Mapping) for part in value):
            yield from _with_note(f"{indent}{name}:", note)
            for part in value:
                first, *others = _lines(part, "")
                yield f"{indent}  - {first}"
                yield from (f"{indent}    {line}" for line in others)
        else:
            yield from _with_note(f"{indent}{name}: {flow(value)}", note)


def _noted(value: Mapping[str, Any]) -> bool:
    return any(isinstance(part, Noted | Mapping) for part in value.values())


def _with_note(line: str, note: str) -> Iterator[str]:
    if not note:
        yield line
        return
    together = f"{line:<{_COLUMN - 2}}  # {note}"
    if len(together) <= _WIDTH:
        yield together
    else:
        indent = line[: len(line) - len(line.lstrip())]
        yield from wrap(note, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        yield line


def flow(value: Any) -> str:
    """Return a value as one line of YAML; numbers as people write them.

    Examples
    --------
    >>> flow({"element": "No", "doses": [1e-7, 2e4]})
    "{element: 'No', doses: [1.0e-07, 20000]}"
    """
    text = yaml.dump(
        plain(value),
        Dumper=_Dumper,
        default_flow_style=True,
        width=10_000,
        allow_unicode=True,
        sort_keys=False,
    )
    return text.removesuffix("\n").removesuffix("\n...").strip()


class _Dumper(yaml.SafeDumper):
    pass


def _number(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    if value == int(value) and abs(value) < 1e5:
        return dumper.represent_int(int(value))
    text = f"{value:.6g}" if float(f"{value:.6g}") == value else repr(value)
    mantissa, _, exponent = text.partition("e")
    # YAML 1.1 reads 2e+04 as text: a number with an exponent needs its dot.
    if exponent and "." not in mantissa:
        text = f"{mantissa}.0e{exponent}"
    elif not exponent and "." not in text:
        text = f"{text}.0"
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


_Dumper.add_representer(float, _number)
