"""What each field of a recipe is, by its dotted name: meaning, unit, type, range, default, members of unions."""

import difflib
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemforge.errors import RecipeError
from stemforge.files import plain
from stemforge.settings.annotations import alternatives, choices, entries, is_list, is_mapping, models
from stemforge.settings.checked import Checked
from stemforge.settings.described import Description, describe, summary
from stemforge.settings.distributions import Distribution
from stemforge.settings.files import NamedFile
from stemforge.settings.notes import flow

_WORDS: Mapping[Any, str] = {
    int: "whole number",
    float: "number",
    str: "text",
    bool: "true or false",
    type(None): "null",
    Path: "path of a file",
    NamedFile: "path of a file",
    Any: "anything",
}
_DRAWN = "number, or a distribution from which each sample draws its own"


@dataclass(frozen=True)
class Member:
    """Settings that a field may hold: which they are, what they are, and their fields.

    Parameters
    ----------
    name
        What tells them from the others of a union, such as ``carbon_particle``; or the name of the class.
    summary
        What they are, in one line.
    fields
        Names of their fields.
    """

    name: str
    summary: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Field:
    """A field of a recipe.

    Parameters
    ----------
    name
        Dotted, as it is set: ``single_atoms.0.element``. The first entry of a list stands for all of them.
    settings
        Class that has the field.
    """

    name: str
    settings: type[Checked]

    @property
    def description(self) -> Description:
        """Meaning, unit and bounds, from the docstring."""
        return describe(self.settings, self.name.rpartition(".")[2])

    @property
    def of(self) -> str:
        """Member of a union that has the field, such as ``carbon_particle``; empty where there is no union."""
        return _member(self.settings).name if _tag(self.settings) else ""

    @property
    def kind(self) -> str:
        """Which values it takes, in words."""
        return _kind(self._declared.annotation)

    @property
    def members(self) -> tuple[Member, ...]:
        """Settings that it may hold; of a list, those of an entry."""
        return tuple(_member(one) for one in _below(self._declared.annotation)[1])

    @property
    def is_mapping(self) -> bool:
        """Whether it may hold a mapping whose keys a recipe chooses, such as the names of detectors."""
        return any(is_mapping(one.kind) for one in alternatives(self._declared.annotation))

    @property
    def distributions(self) -> tuple[Member, ...]:
        """Distributions that it may hold."""
        found = [one for one in models(self._declared.annotation) if issubclass(one, Distribution)]
        return tuple(Member(next(iter(one.model_fields)), summary(one), ()) for one in found)

    @property
    def needed(self) -> bool:
        """Whether it has no default."""
        return self._declared.is_required()

    @property
    def default(self) -> Any:
        """What it holds where a recipe states nothing, as YAML has it; None where it has no default."""
        return None if self.needed else plain(self._declared.get_default(call_default_factory=True))

    def option(self, value: Any) -> str:
        """Return how the field is set on the command line.

        Examples
        --------
        >>> from stemforge.settings import Settings
        >>> Field("scan.shape", Settings).option([64, 64])
        "--scan.shape '[64, 64]'"
        """
        return f"--{self.name} {shlex.quote(flow(value))}"

    @property
    def _declared(self) -> Any:
        return self.settings.model_fields[self.name.rpartition(".")[2]]


def fields_of(settings: type[Checked]) -> Iterator[Field]:
    """Yield every field of settings at any depth, with those of all members of unions."""
    yield from _fields_of(settings, "")


def _fields_of(settings: type[Checked], before: str) -> Iterator[Field]:
    for name, declared in settings.model_fields.items():
        yield Field(before + name, settings)
        between, found = _below(declared.annotation)
        for one in found:
            yield from _fields_of(one, f"{before}{name}{between}.")


def _below(annotation: Any) -> tuple[str, list[type[Checked]]]:
    """Return the settings in a field, and what stands between its name and theirs: the number of a list's entry."""
    for one in alternatives(annotation):
        found = (
            [below for entry in entries(one.kind) for below in _settings(entry)] if is_list(one.kind) else []
        )
        if found:
            return ".0", found
    return "", _settings(annotation)


def _settings(annotation: Any) -> list[type[Checked]]:
    """Return the settings among alternatives; distributions and files are values."""
    return [one for one in models(annotation) if not issubclass(one, Distribution | NamedFile)]  # type: ignore[misc]


def find_fields(settings: type[Checked], name: str) -> list[Field]:
    """Return the fields of a dotted name: several where members of a union share it, none where there is none.

    Parameters
    ----------
    settings
        Of a recipe.
    name
        The whole name, ``single_atoms.1.element``, or its end where that is enough: ``element``. A key of a mapping
        stands for the mapping: ``microscope.detectors.rings.HAADF``.

    Raises
    ------
    RecipeError
        Only the end of a name is given, and several fields end so.
    """
    wanted = _first_entries(name)
    every = list(fields_of(settings))
    found = [one for one in every if one.name == wanted]
    # An entry of a list of plain values has no meaning beyond the list's.
    found = found or [one for one in every if one.name == wanted.removesuffix(".0")]
    if found:
        return found
    ends = [one for one in every if one.name.endswith(f".{wanted}")]
    names = list(dict.fromkeys(one.name for one in ends))
    if len(names) > 1:
        raise RecipeError(f"'{name}': several fields end so: {', '.join(names)}; give the whole name")
    return ends or _of_mapping(every, wanted)


def _of_mapping(every: list[Field], name: str) -> list[Field]:
    """Return the field that is a mapping, if the last part of a name is a key of it."""
    mapping = name.removesuffix(".0").rpartition(".")[0]
    return [one for one in every if one.is_mapping and f".{one.name}".endswith(f".{mapping}")]


def nearest_fields(settings: type[Checked], name: str) -> list[str]:
    """Return the names of fields that are most like a name: of the whole of it first, then of its last part."""
    names = list(dict.fromkeys(one.name for one in fields_of(settings)))
    wanted = _first_entries(name)
    close = difflib.get_close_matches(wanted, names, n=3, cutoff=0.75)
    last = wanted.rpartition(".")[2]
    ends = difflib.get_close_matches(last, list({one.rpartition(".")[2] for one in names}), n=2, cutoff=0.7)
    close += [one for one in names if one.rpartition(".")[2] in ends]
    return list(dict.fromkeys(close))[:5]


def _first_entries(name: str) -> str:
    return re.sub(r"(?<=\.)\d+(?=\.|$)", "0", name.strip().lstrip("-").replace("-", "_"))


def value_at(settings: Checked, name: str) -> tuple[type[Checked], Any]:
    """Return which settings hold a field of a recipe, and its value.

    Raises
    ------
    KeyError
        The recipe has no such field: the list has fewer entries, or a union holds another member.
    """
    holder: Checked = settings
    found: Any = settings
    for part in name.split("."):
        if isinstance(found, Checked) and part in type(found).model_fields:
            holder, found = found, getattr(found, part)
        elif isinstance(found, tuple) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            raise KeyError(name)
    return type(holder), found


def _kind(annotation: Any) -> str:
    found = list(alternatives(annotation))
    kinds = [one.kind for one in found]
    drawn = any(isinstance(kind, type) and issubclass(kind, Distribution) for kind in kinds)
    if drawn:
        kinds = [kind for kind in kinds if kind is type(None)]
    words = [_DRAWN] if drawn else []
    inner = _settings(annotation)
    if inner:
        kinds = [kind for kind in kinds if kind not in inner]
        words.append("one of the following" if len(inner) > 1 else "mapping of the fields below")
    return ", or ".join((*words, *(_one_kind(kind) for kind in kinds)))


def _one_kind(kind: Any) -> str:
    values = choices(kind)
    if values:
        return f"one of {', '.join(map(str, values))}" if len(values) > 1 else str(values[0])
    parts = [_kind(one) for one in entries(kind)]
    if is_list(kind):
        several = len(set(parts)) == 1 and len(parts) > 1
        inside = f"each {parts[0]}" if several or len(parts) == 1 else ", ".join(parts)
        return f"list of {len(parts)}: {inside}" if len(parts) > 1 else f"list, {inside}"
    if parts:
        return f"mapping of names to: {parts[0]}"
    return _WORDS.get(kind, "mapping" if kind is dict else getattr(kind, "__name__", str(kind)))


def _tag(settings: type[Checked]) -> str:
    """Return what tells settings from the other members of a union: the value of their first literal field."""
    for declared in settings.model_fields.values():
        values = choices(declared.annotation)
        if len(values) == 1 and isinstance(values[0], str):
            return str(values[0])
    return ""


def _member(settings: type[Checked]) -> Member:
    return Member(_tag(settings) or settings.__name__, summary(settings), tuple(settings.model_fields))
