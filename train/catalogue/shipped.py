"""What ships: recipes for corpora, sets of them, and recipes for networks, each with the settings that it fills."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from stemforge.errors import RecipeError
from stemforge.settings import Settings
from stemforge.simulate.recipe import SimulationRecipe, shipped_recipes
from stemforge.simulate.recipe_set import RecipeSet, is_set
from stemforge.train.networks import NETWORKS, recipe_class

# The end of a sentence; not that of "Chem. Soc.", words that begin with a capital.
_END = re.compile(r"(?:(?<=[a-z]{4})|(?<=\d)|(?<=V)|(?<=\)))[.] ")
_LONG = 100  # characters of a sentence that is cut at its first colon or semicolon

SIMULATE, SET = "simulate", "set"
"""Kinds of recipes for corpora; those for networks go by the network's name."""


@dataclass(frozen=True)
class RecipeFile:
    """A recipe in a file.

    Parameters
    ----------
    name
        Name of a recipe that ships, or the file.
    path
        The file.
    kind
        ``simulate``, ``set``, or the name of a network.
    """

    name: str
    path: Path
    kind: str

    @property
    def settings(self) -> type[Settings]:
        """Class of the recipe."""
        return settings_of(self.kind)

    @property
    def uses(self) -> tuple[str, ...]:
        """Commands that take it; calibrate and adapt are for single atoms on annular images."""
        if self.kind == SET:
            return (SIMULATE,)
        if self.kind != SIMULATE:
            return (f"train {self.kind}",)
        recipe = SimulationRecipe.from_file(self.path)
        atoms = any(not species.impurity for species in recipe.single_atoms)
        annular = not recipe.microscope.detectors.segmented
        return (SIMULATE, "plan", *(("calibrate", "adapt") if atoms and annular else ()))

    @property
    def text(self) -> str:
        """The file as it is."""
        return self.path.read_text(encoding="utf-8")

    @property
    def summary(self) -> str:
        """What it is for: the first sentence of the comment at its top."""
        lines = []
        for line in self.text.splitlines():
            if not line.startswith("#"):
                break
            lines.append(line.removeprefix("#").strip())
        sentence = _END.split(" ".join(lines), maxsplit=1)[0].removesuffix(".").replace("`", "")
        return re.split("[:;] ", sentence, maxsplit=1)[0] if len(sentence) > _LONG else sentence

    def load(self, overrides: Mapping[str, Any] | None = None) -> Settings:
        """Read it; of a set of recipes each is checked, too."""
        found = self.settings.from_file(self.path, overrides)
        if isinstance(found, RecipeSet):
            found.members()
        return found

    def written(self, overrides: Mapping[str, Any]) -> str:
        """Return it as YAML with other values and its own comments."""
        return self.load(overrides).to_yaml(like=self.text) if overrides else self.text


def settings_of(kind: str) -> type[Settings]:
    """Return the class of the recipes of a kind."""
    classes: dict[str, type[Settings]] = {SIMULATE: SimulationRecipe, SET: RecipeSet}
    return classes[kind] if kind in classes else recipe_class(kind)


def kinds() -> dict[str, type[Settings]]:
    """Return the classes of all recipes but sets, by kind."""
    return {kind: settings_of(kind) for kind in (SIMULATE, *NETWORKS)}


def shipped() -> tuple[RecipeFile, ...]:
    """Return every recipe that ships, those for corpora first.

    Examples
    --------
    >>> [one.kind for one in shipped() if one.name == "vae-sr"]
    ['divaesr']
    """
    folder = Path(str(files("stemforge.train"))) / "recipes"
    corpora = [RecipeFile(name, path, SIMULATE) for name, path in shipped_recipes().items()]
    sets = [RecipeFile(name, path, SET) for name, path in shipped_recipes(sets=True).items()]
    rows = [(kind, name) for kind, row in NETWORKS.items() for name in row.recipes]
    return (*corpora, *sets, *(RecipeFile(name, folder / f"{name}.yaml", kind) for kind, name in rows))


def find_recipe(name: str) -> RecipeFile:
    """Return the recipe of a name that ships, or in a file of the user's.

    Raises
    ------
    RecipeError
        Neither a file nor a name, or a file that holds no mapping.
    """
    path = Path(name)
    if not path.is_file():
        known = {one.name: one for one in shipped()}
        if name not in known:
            raise RecipeError(
                f"{name}: no such recipe file, and no shipped recipe of that name ({', '.join(known)})"
            )
        return known[name]
    stated = Settings.mapping(path)
    if is_set(path):
        return RecipeFile(name, path, SET)
    if "support" not in stated:  # of a network, which the file does not name: the first that takes its fields
        for kind in NETWORKS:
            if set(stated) <= set(settings_of(kind).model_fields):
                return RecipeFile(name, path, kind)
    return RecipeFile(name, path, SIMULATE)
