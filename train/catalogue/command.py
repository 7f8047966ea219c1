"""The commands ``stemforge recipe list``, ``show`` and ``explain``."""

from stemforge.console import results, show as print_result
from stemforge.options import Overrides, parse_overrides


def list_recipes() -> None:
    """List the recipes that come with stemforge: what each is, and which commands take it; in a pipe, a line each."""
    from rich.table import Table
    from rich.text import Text

    from stemforge.train.catalogue.shipped import shipped

    rows = [(one.name, ", ".join(one.uses), one.summary) for one in shipped()]
    if not results.is_terminal:
        wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
        print_result("\n".join(f"{name:{wide[0]}}  {uses:{wide[1]}}  {text}" for name, uses, text in rows))
        return
    table = Table("recipe", "taken by", "what it is", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for name, uses, text in rows:
        table.add_row(name, uses, Text(text))
    print_result(table)


def show(recipe: str, /, *overrides: Overrides, full: bool = False) -> None:
    """Show a recipe as YAML with its comments; in a pipe, the plain file.

    Any field can be set: `--degradation.dose 2e4 --single_atoms.0.element Ir`. So `stemforge recipe show pt-nc
    --single_atoms.0.element Ir > ir-nc.yaml` makes a recipe from one that ships.

    Parameters
    ----------
    recipe
        A YAML file, or the name of a recipe that ships with stemforge (`stemforge recipe list` shows them).
    overrides
        Fields of the recipe by dotted name.
    full
        Show every field, also those at their default, each with its meaning and unit, in place of the file's comments.
    """
    from stemforge.train.catalogue.shipped import find_recipe

    found, values = find_recipe(recipe), parse_overrides(overrides)
    text = found.load(values).to_yaml() if full else found.written(values)
    if results.is_terminal:
        from rich.syntax import Syntax

        print_result(Syntax(text.rstrip("\n"), "yaml", theme="ansi_dark", background_color="default"))
    else:
        print_result(text.rstrip("\n"))


def explain(recipe: str, field: str | None = None, /) -> None:
    """Explain a field of a recipe: meaning, unit, values, default, and how it is set.

    Parameters
    ----------
    recipe
        A YAML file, the name of a recipe that ships, simulate for recipes of corpora in general, or the name of a
        network. Where it is left out, every kind of recipe is searched.
    field
        Dotted name, `single_atoms.0.element`, or its end where only one field ends so: `element`.
    """
    from stemforge.train.catalogue.explanation import explained

    for block in explained(recipe, field):
        print_result(block)
