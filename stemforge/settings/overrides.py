"""Single values of a recipe set by dotted name: ``microscope.energy``, ``single_atoms.0.element``."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from stemforge.errors import RecipeError
from stemforge.files import plain
from stemforge.settings.checked import came_as


def set_value(
    values: dict[str, Any], dotted: str, value: Any, complete: Callable[[], BaseModel | None]
) -> None:
    """Set one value in a mapping of settings, in place.

    Parameters
    ----------
    values
        What a recipe states.
    dotted
        Name; entries of lists by their number, counted from 0.
    value
        The new value.
    complete
        Returns the settings with what the recipe leaves to defaults, or None where they are not valid: part of a list
        can be set only where the rest is known.

    Raises
    ------
    RecipeError
        A number that the list does not have, or a name below a plain value.

    Examples
    --------
    >>> values = {"single_atoms": [{"element": "Pt"}]}
    >>> set_value(values, "single_atoms.0.element", "Ir", lambda: None)
    >>> values
    {'single_atoms': [{'element': 'Ir'}]}
    """
    parts = dotted.split(".")
    node: Any = values
    for depth, part in enumerate(parts[:-1]):
        where = ".".join(parts[: depth + 1])
        if isinstance(node, dict):
            if part not in node:
                node[part] = _default(complete(), parts[: depth + 1])
            node = node[part]
        else:
            node = node[_number(node, parts[:depth], part, dotted)]
        if not isinstance(node, dict | list):
            raise RecipeError(f"'{dotted}' cannot be set, '{where}' holds a plain value ({came_as(node)})")
    if isinstance(node, dict):
        node[parts[-1]] = value
    else:
        node[_number(node, parts[:-1], parts[-1], dotted)] = value


def _number(entries: list[Any], parts: Sequence[str], part: str, dotted: str) -> int:
    """Return the number of a list's entry, or refuse one that the list does not have."""
    name, last = ".".join(parts), len(entries) - 1
    if part.isascii() and part.isdigit() and int(part) <= last:
        return int(part)
    has = f"1 entry, '{name}.0'" if last == 0 else f"{last + 1} entries, '{name}.0' to '{name}.{last}'"
    if last < 0:
        has = "no entry"
    raise RecipeError(
        f"'{dotted}' cannot be set, '{name}' has {has}; to add one, set the whole list '{name}'"
    )


def _default(complete: BaseModel | None, parts: Sequence[str]) -> Any:
    """Return what settings hold where the recipe states nothing; of models, what differs from their own defaults."""
    found: Any = complete
    for part in parts:
        if isinstance(found, BaseModel):
            found = getattr(found, part, None) if part in type(found).model_fields else None
        elif isinstance(found, Mapping):
            found = found.get(part)
        elif isinstance(found, tuple) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            return {}
    if isinstance(found, BaseModel):
        return found.model_dump(mode="json", exclude_unset=True)
    return {} if found is None else plain(found)
