"""A field of a recipe in words, as ``stemforge recipe explain`` prints it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from stemforge.errors import RecipeError
from stemforge.files import plain
from stemforge.settings import Field, Settings, find_fields, nearest_fields, value_at
from stemforge.settings.notes import flow
from stemforge.simulate.recipe import SimulationRecipe
from stemforge.simulate.recipe_set import RecipeSet
from stemforge.train.catalogue.shipped import SIMULATE, find_recipe, kinds, shipped


@dataclass(frozen=True)
class Held:
    """What one recipe holds in a field.

    Parameters
    ----------
    recipe
        Its name.
    name
        Dotted name of the field, with the number of the entry that was asked for.
    settings
        Class of the settings that have the field in that recipe.
    value
        The value, as YAML has it.
    """

    recipe: str
    name: str
    settings: type
    value: Any


def explained(recipe: str, field: str | None = None) -> Iterator[str | Table]:
    """Yield what a field is: text, and tables of what it may hold.

    Parameters
    ----------
    recipe
        Name of a recipe, a file, ``simulate``, or, if `field` is None, the field, which is then looked for in all kinds
        of recipes.
    field
        Dotted name.

    Raises
    ------
    RecipeError
        No such recipe or field; the message names the nearest.
    """
    if field is None:
        yield from _of_any_kind(recipe)
    elif recipe == SIMULATE and not Path(recipe).is_file():
        yield from _in_words(_fields(SimulationRecipe, field, "a recipe for a corpus"), None, SIMULATE)
    else:
        file = find_recipe(recipe)
        settings = file.load()
        if isinstance(settings, RecipeSet):
            # All members have the same fields; the values are the first one's, or those of the one that is named.
            members = settings.members()
            first, _, below = field.partition(".")
            name, field = (first, below) if first in members and below else (next(iter(members)), field)
            settings, recipe = members[name], f"{recipe}, {name}"
        found = _fields(type(settings), field, recipe)
        held = _held(settings, recipe, found[0], field)
        # Of a union, the member that the recipe has; all of them where it has another.
        same = [replace(one, name=held.name) for one in found if held and one.settings is held.settings]
        yield from _in_words(same or found, held, file.kind)


def _of_any_kind(field: str) -> Iterator[str | Table]:
    """Look for a field in every kind of recipe; those of networks share many."""
    found: dict[str, tuple[list[str], list[Field]]] = {}
    for kind, settings in kinds().items():
        fields = find_fields(settings, field)
        if fields:
            known = repr([(one.name, one.description, one.default) for one in fields])
            found.setdefault(known, ([], fields))[0].append(kind)
    if not found:
        near = [name for settings in kinds().values() for name in nearest_fields(settings, field)]
        raise RecipeError(_unknown(field, "any recipe", list(dict.fromkeys(near))))
    for names, fields in found.values():
        yield f"in recipes for {', '.join(names)}:"
        yield from _in_words(fields, None, names[0])


def _fields(settings: type[Settings], field: str, recipe: str) -> list[Field]:
    found = find_fields(settings, field)
    if not found:
        raise RecipeError(_unknown(field, recipe, nearest_fields(settings, field)))
    return found


def _unknown(field: str, where: str, near: list[str]) -> str:
    mend = (
        f"did you mean {' or '.join(near)}?"
        if near
        else "stemforge recipe show NAME --full lists every field"
    )
    return f"'{field}': {where} has no such field; {mend}"


def _held(settings: Settings, recipe: str, field: Field, asked: str) -> Held | None:
    """Return what a recipe holds in a field, in the entry of a list that was asked for; None where it has none."""
    last = field.name.rpartition(".")[2]
    for name in (asked, field.name):
        try:
            holder, value = value_at(settings, name)
        except KeyError:
            continue
        if last in holder.model_fields and name.rpartition(".")[2] == last:
            return Held(recipe, name, holder, plain(value))
    return None


def _in_words(fields: list[Field], held: Held | None, kind: str) -> Iterator[str | Table]:
    for field in fields:
        yield from _one_in_words(field, held, kind)
        yield ""


def _one_in_words(field: Field, held: Held | None, kind: str) -> Iterator[str | Table]:
    found = field.description
    yield f"{field.name}{f' of {field.of}' if field.of else ''}"
    yield f"  {found.full}"
    yield f"  values   {field.kind}{f'; {found.allowed}' if found.allowed else ''}"
    if found.unit:
        yield f"  unit     {found.unit}"
    yield f"  default  {'none, it must be stated' if field.needed else flow(field.default)}"
    if held:
        yield f"  here     {flow(held.value)} ({held.recipe})"
    example = held.value if held and held.value is not None else _example(field, kind)
    if example is not None:
        yield f"  set      {field.option(example)}"
    if field.distributions:
        yield f"  drawn    {field.option(drawn_about(example, field))}"
        yield _table([(one.name, one.summary) for one in field.distributions])
    if field.members:
        yield _table([(one.name, f"{one.summary}: {', '.join(one.fields)}") for one in field.members])


def _table(rows: list[tuple[str, str]]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2))
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _example(field: Field, kind: str) -> Any:
    """Return what the first recipe of a kind that ships and uses the field holds in it, or the default."""
    for one in shipped():
        if one.kind != kind:
            continue
        try:
            holder, value = value_at(one.load(), field.name)
        except KeyError:
            continue
        if holder is field.settings and value is not None and value != ():
            return plain(value)
    return field.default


def drawn_about(value: Any, field: Field) -> Any:
    """Return a uniform distribution, a tenth to both sides of a number and within a field's bounds.

    Examples
    --------
    >>> drawn_about(0.5, Field("focus", SimulationRecipe))
    {'uniform': [0.45, 0.55]}
    """
    if isinstance(value, dict):
        return value
    middle = float(value) if isinstance(value, int | float) else 1.0
    low, high = sorted((middle * 0.9, middle * 1.1)) if middle else (0.0, 0.1)
    found = field.description
    return {"uniform": [float(f"{max(low, found.low):.6g}"), float(f"{min(high, found.high):.6g}")]}
