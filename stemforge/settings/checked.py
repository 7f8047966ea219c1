"""Frozen, checked models, and errors that name a field as users write it."""

import difflib
import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Tag, ValidationError

from stemforge.errors import RecipeError


class Checked(BaseModel):
    """A frozen pydantic model in which an unknown key, infinity and not-a-number are errors.

    What settings are made of: :class:`stemforge.settings.Settings` themselves, the distributions in them, and the
    files that they name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

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
    lines = []
    for item in error.errors(include_url=False):
        if item["type"] == "extra_forbidden":
            *parents, key = item["loc"]
            written, names = _written(model, parents)
            lines.append(f"unknown key '{'.'.join([*written, str(key)])}'; {_siblings(str(key), names)}")
        else:
            field = ".".join(_written(model, item["loc"])[0])
            got = json.dumps(item["input"], default=str)
            message = item["msg"].removeprefix("Value error, ")
            lines.append(f"'{field}': {message} (got {got[:80]})" if field else message)
    return "; ".join(lines)


def _siblings(key: str, names: list[str]) -> str:
    """Name the closest allowed key, or all of them, next to an unknown one."""
    close = difflib.get_close_matches(key, names, n=1)
    return f"did you mean '{close[0]}'?" if close else f"allowed are {', '.join(names)}"


def _written(model: type[BaseModel], location: Sequence[int | str]) -> tuple[list[str], list[str]]:
    """Return a location as users write it, and the names of the fields that it leads to.

    pydantic also names the branch of a union that it tried ("number", "carbon_particle"); users wrote no such key.
    """
    candidates: list[type[BaseModel]] = [model]
    written: list[str] = []
    tags: set[str] = set()
    for part in location:
        fields = [
            c.model_fields[part] for c in candidates if isinstance(part, str) and part in c.model_fields
        ]
        tagged = [c for c in candidates if part in _discriminators(c)]
        if part in tags or (tagged and not fields):
            candidates, tags = tagged or candidates, set()
            continue
        written.append(str(part))
        if fields:  # not for the number of an entry, which leads to what its list leads to
            parts = [one for field in fields for one in _parts(field.annotation)]
            candidates = [one for one in parts if isinstance(one, type)] or candidates
            tags = {one.tag for one in parts if isinstance(one, Tag)}
    return written, sorted({name for c in candidates for name in c.model_fields})


def _parts(annotation: Any) -> Iterator[type[BaseModel] | Tag]:
    """Yield the models in an annotation, and the tags by which pydantic names its branches."""
    if isinstance(annotation, Tag) or (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        yield annotation
    for argument in get_args(annotation):
        yield from _parts(argument)


def _discriminators(model: type[BaseModel]) -> set[Any]:
    """Return the values of a model's literal fields: one of them tells it from the other branches of a union."""
    literals = (f.annotation for f in model.model_fields.values())
    return {
        value for one in literals if getattr(one, "__origin__", None) is Literal for value in get_args(one)
    }
