"""Frozen, checked models, and errors that name a field as users write it."""

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from stemforge.errors import RecipeError
from stemforge.settings.annotations import Alternative, alternatives, choices, entries, is_list, is_model


class Checked(BaseModel):
    """A frozen pydantic model in which an unknown key, infinity and not-a-number are errors.

    What settings are made of: :class:`stemforge.settings.Settings` themselves, the distributions in them, and the
    files that they name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    DESCRIBED_BY: ClassVar[tuple[Callable[..., object], ...]] = ()
    """Functions that take the fields: what the class's docstring does not say of one, theirs do."""

    def replace(self, **changes: Any) -> Self:
        """Return the same model with some fields changed, checked as if they had been read.

        Raises
        ------
        RecipeError
            An unknown field, a wrong type or a value out of range.

        Examples
        --------
        >>> from stemforge.settings import Uniform
        >>> Uniform(uniform=(0, 1)).replace(uniform=(0, 2))
        Uniform(uniform=(0.0, 2.0))
        """
        try:
            return type(self).model_validate({**dict(self), **changes})
        except ValidationError as error:
            raise RecipeError(f"settings: {explain(error, type(self))}") from error


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Say which fields are wrong, what is allowed and what came.

    Examples
    --------
    >>> from stemforge.settings import Uniform
    >>> try:
    ...     Uniform.model_validate({"uniform": [1, 0]})
    ... except ValidationError as error:
    ...     print(explain(error, Uniform))
    bounds must be ordered, got [1.0, 0.0]
    """
    faults: dict[str, list[str]] = {}
    for item in error.errors(include_url=False):
        place = _place(model, item["loc"])
        if item["type"] == "extra_forbidden":
            key = place.written[-1]
            field = f"unknown key '{'.'.join(place.written)}'; {_siblings(key, place.names)}"
            faults.setdefault(field, [])
            continue
        field, allowed, came = ".".join(place.written), _allowed(item, place), came_as(item["input"])
        if item["type"].startswith("union_tag"):
            field += f".{item['ctx']['discriminator'].strip(chr(39))}"
            came = str(item["ctx"].get("tag", ""))
        text = f"{allowed} (got {came})" if came and field and item["type"] != "missing" else allowed
        # A union of plain types has a fault for each: all of them are allowed.
        faults.setdefault(f"'{field}'" if field else "", []).append(text)
    return "; ".join(_fault(field, texts) for field, texts in faults.items())


def _fault(field: str, texts: Sequence[str]) -> str:
    joined = " or ".join(dict.fromkeys(texts))
    return f"{field}: {joined}" if field and joined else field or joined


def came_as(value: Any) -> str:
    """Write a value as a user wrote it, in a few words; never the content of a mapping.

    Examples
    --------
    >>> came_as({"kind": "cube", "side": 3}), came_as([1, 2]), came_as([{"element": "Pt"}])
    ('a mapping of kind, side', '[1, 2]', 'a list of 1 entry')
    """
    if isinstance(value, Mapping):
        return f"a mapping of {', '.join(map(str, value))[:80]}" if value else "an empty mapping"
    if isinstance(value, BaseModel):
        return f"a mapping of {', '.join(type(value).model_fields)[:80]}"
    if isinstance(value, list | tuple):
        if any(isinstance(one, Mapping | BaseModel | list | tuple) for one in value):
            return f"a list of {len(value)} {'entry' if len(value) == 1 else 'entries'}"
        value = list(value)
    return json.dumps(value, default=str, ensure_ascii=False)[:80]


_MESSAGES = {
    "greater_than_equal": "must be at least {ge:g}",
    "greater_than": "must be greater than {gt:g}",
    "less_than_equal": "must be at most {le:g}",
    "less_than": "must be less than {lt:g}",
    "finite_number": "must be a finite number",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "must match {pattern}",
    "too_short": "must have at least {min_length} entries, has {actual_length}",
    "too_long": "must have at most {max_length} entries",
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_parsing", "float_type"), "must be a number"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "must be true or false"),
    "string_type": "must be text",
    **dict.fromkeys(("tuple_type", "list_type"), "must be a list"),
    **dict.fromkeys(("dict_type", "mapping_type"), "must be a mapping of names to values"),
}
"""What is allowed, by pydantic's kind of error; its sentences name classes and speak of Python."""


def _allowed(item: Any, place: "_Place") -> str:
    """Say what is allowed in the place of an error."""
    kind, context = item["type"], item.get("ctx", {})
    if kind == "missing" and isinstance(item["loc"][-1], int):
        return f"is needed, the list is too short: got {came_as(item['input'])}"
    if kind == "missing":
        return "is needed"
    if kind in ("model_type", "model_attributes_type", "dataclass_type"):
        return f"must be a mapping of {', '.join(place.names)}"
    if kind == "union_tag_not_found":
        return f"is needed, one of {', '.join(place.tags)}"
    if kind == "union_tag_invalid":
        close = difflib.get_close_matches(str(context.get("tag")), place.tags, n=1)
        return f"must be one of {', '.join(place.tags)}" + (f"; did you mean {close[0]}?" if close else "")
    if kind == "string_type" and isinstance(item["input"], bool | int | float):
        return "must be text; put quotes round a word that YAML reads as something else, such as 'No'"
    if kind in _MESSAGES:
        return _MESSAGES[kind].format(**context)
    return str(item["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")


def _siblings(key: str, names: Sequence[str]) -> str:
    """Name the closest allowed key, or all of them, next to an unknown one."""
    close = difflib.get_close_matches(key, names, n=1)
    return f"did you mean '{close[0]}'?" if close else f"allowed are {', '.join(names)}"


@dataclass(frozen=True)
class _Place:
    """Where an error is.

    Parameters
    ----------
    written
        The parts of its name as users write it.
    names
        Fields of the settings there, or, of an unknown key, those beside it.
    tags
        What tells the members of a union there.
    """

    written: tuple[str, ...]
    names: tuple[str, ...]
    tags: tuple[str, ...]


def _place(model: type[BaseModel], location: Sequence[int | str]) -> _Place:
    """Follow a location of pydantic's through annotations.

    pydantic also names the branch of a union that it tried ("number", "carbon_particle", "float"); users wrote no such
    key.
    """
    found = [Alternative(model)]
    beside: list[Alternative] = found
    written: list[str] = []
    for part in location:
        branch = [one for one in found if part in _labels(one)]
        below = [below for one in found for below in _below(one.kind, part)]
        if branch and (not below or any(one.tag == part for one in branch)):
            found = [Alternative(one.kind) for one in branch]
        elif below:
            beside, found = found, below
            written.append(str(part))
        elif all(is_model(one.kind) for one in found):  # an unknown key
            beside, found = found, []
            written.append(str(part))
    return _Place(tuple(written), _names(found) or _names(beside), tuple(map(str, _tags(found))))


def _below(kind: Any, part: int | str) -> list[Alternative]:
    """Return what a field, a list's entry or a mapping's key may hold; nothing where it has none of that name."""
    if is_model(kind):
        field = kind.model_fields.get(part)
        return [] if field is None else list(alternatives(field.annotation))
    if is_list(kind) != isinstance(part, int):
        return []
    return [one for entry in entries(kind) for one in alternatives(entry)]


def _labels(one: Alternative) -> set[Any]:
    """Return the names that pydantic may give to a branch of a union."""
    return {one.tag, getattr(one.kind, "__name__", ""), *_tags([one])} - {""}


def _tags(found: Sequence[Alternative]) -> list[Any]:
    """Return the values of the models' literal fields: one of them tells each from the other branches of a union."""
    fields = [field for one in found if is_model(one.kind) for field in one.kind.model_fields.values()]
    required = [value for field in fields if field.is_required() for value in choices(field.annotation)]
    return required or [value for field in fields for value in choices(field.annotation)]


def _names(found: Sequence[Alternative]) -> tuple[str, ...]:
    names = {name for one in found if is_model(one.kind) for name in one.kind.model_fields}
    return tuple(sorted(names))
