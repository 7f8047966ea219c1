"""Several recipes in one file: what a detector must know that is to find atoms on anybody's images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from stemforge.files import plain_yaml
from stemforge.settings import Settings
from stemforge.simulate.recipe import SimulationRecipe, shipped_recipes


class RecipeSet(Settings):
    """Recipes that have much in common, each for a corpus of its own.

    Parameters
    ----------
    name
        Of the set.
    common
        Fields that all have.
    recipes
        By name, the fields of each; mappings are merged with the common ones, anything else replaces it.

    Examples
    --------
    >>> RecipeSet.shipped("any-atom").members()["pt-c3n4"].single_atoms[0].element
    'Pt'
    """

    name: str
    common: dict[str, Any] = Field(default_factory=dict)
    recipes: dict[str, dict[str, Any]]

    @classmethod
    def shipped(cls, name: str) -> "RecipeSet":
        """Return a set that ships with stemforge, by name."""
        return cls.from_file(shipped_recipes(sets=True)[name])

    def members(self, overrides: Mapping[str, Any] | None = None) -> dict[str, SimulationRecipe]:
        """Return the recipes by name.

        Parameters
        ----------
        overrides
            Values that replace those of every recipe, by dotted name.

        Raises
        ------
        RecipeError
            A member that cannot be used; it is named.
        """
        return {
            name: SimulationRecipe.from_mapping(
                {**merged(self.common, fields), "name": name}, overrides, source=f"{self.name}, recipe {name}"
            )
            for name, fields in self.recipes.items()
        }


def load_recipes(
    recipe: str | Path, overrides: Mapping[str, Any] | None = None
) -> dict[str, SimulationRecipe]:
    """Read a recipe, or a set of them: a YAML file, or the name of one that ships with stemforge.

    Parameters
    ----------
    recipe
        File or name.
    overrides
        Values that replace those of the file, or of every recipe of a set, by dotted name.

    Returns
    -------
    dict
        Recipes by name; a single one has the empty name.

    Raises
    ------
    RecipeError
        Neither a file nor a shipped recipe, or a recipe that cannot be used.

    Examples
    --------
    >>> list(load_recipes("pt-nc")), list(load_recipes("any-atom"))[:2]
    ([''], ['pt-carbon', 'ir-carbon'])
    """
    sets = shipped_recipes(sets=True)
    path = Path(recipe) if Path(recipe).is_file() else sets.get(str(recipe))
    if path is None or not is_set(path):
        return {"": SimulationRecipe.load(recipe, None if overrides is None else dict(overrides))}
    return RecipeSet.from_file(path).members(overrides)


def is_set(path: Path) -> bool:
    """Say whether a YAML file holds a set of recipes; what cannot be read holds none."""
    try:
        values = plain_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and "recipes" in values


def merged(common: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields over common ones, mapping by mapping.

    Examples
    --------
    >>> merged({"scan": {"sampling": 0.2, "margin": 6}, "seed": 1}, {"scan": {"sampling": 0.1}})
    {'scan': {'sampling': 0.1, 'margin': 6}, 'seed': 1}
    """
    found = dict(common)
    for name, value in fields.items():
        before = found.get(name)
        both = isinstance(value, Mapping) and isinstance(before, Mapping)
        found[name] = merged(before, value) if both else value  # type: ignore[arg-type]
    return found
