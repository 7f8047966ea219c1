"""The base of all settings: read from YAML, hashed, drawn, and walked to the numbers and files in it."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import ValidationError
from ruamel.yaml.error import YAMLError

from stemforge.errors import RecipeError
from stemforge.files import plain_yaml
from stemforge.settings.checked import Checked, came_as, explain
from stemforge.settings.distributions import Distribution
from stemforge.settings.fields import ADDED_LATER
from stemforge.settings.files import NamedFile
from stemforge.settings.overrides import set_value
from stemforge.settings.written import explained_yaml, rewritten_yaml


class Settings(Checked):
    """Base of all settings: frozen pydantic models in which an unknown key is an error.

    A field may be declared :data:`stemforge.settings.Random`; then a recipe gives either a number or a distribution,
    and :meth:`draw` returns the same settings with every distribution replaced by a number.

    Examples
    --------
    >>> from stemforge.settings import Random
    >>> class Film(Settings):
    ...     thickness: Random = 50.0
    >>> film = Film.from_mapping({"thickness": {"uniform": [20, 60]}})
    >>> round(film.draw(np.random.default_rng(0)).thickness, 2), len(film.hash)
    (45.48, 64)
    >>> Film.from_mapping({"thicknes": 20})
    Traceback (most recent call last):
        ...
    stemforge.errors.RecipeError: settings: unknown key 'thicknes'; did you mean 'thickness'?
    """

    @classmethod
    def from_file(cls, path: str | Path, overrides: Mapping[str, Any] | None = None) -> Self:
        """Read settings from a YAML file.

        Parameters
        ----------
        path
            YAML file with one mapping.
        overrides
            Values that replace those of the file, by dotted name: ``{"microscope.energy": 80e3}``; entries of lists by
            their number, counted from 0: ``{"single_atoms.0.element": "Ir"}``.

        Raises
        ------
        RecipeError
            File missing, not YAML, an unknown key, a wrong type or a value out of range.
        """
        return cls.from_mapping(cls.mapping(path), overrides, source=str(path))

    @staticmethod
    def mapping(path: str | Path) -> dict[str, Any]:
        """Read what a YAML file states, unchecked; errors as in :meth:`from_file`."""
        path = Path(path)
        try:
            values = plain_yaml(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise RecipeError(f"{path}: cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise RecipeError(f"{path}: is not YAML ({error})") from error
        if not isinstance(values, dict):
            raise RecipeError(
                f"{path}: a recipe is a YAML mapping of keys to values, this is {came_as(values)}"
            )
        return values

    @classmethod
    def from_mapping(
        cls, values: Mapping[str, Any], overrides: Mapping[str, Any] | None = None, source: str = "settings"
    ) -> Self:
        """Check a mapping against these settings; parameters and errors as in :meth:`from_file`."""
        merged: dict[str, Any] = json.loads(json.dumps(dict(values), default=str))
        try:
            for dotted, value in (overrides or {}).items():
                set_value(merged, dotted, value, lambda: cls._if_valid(values))
        except RecipeError as error:
            raise RecipeError(f"{source}: {error}") from error
        try:
            return cls.model_validate(merged)
        except ValidationError as error:
            changed = f" with {', '.join(overrides)} set" if overrides else ""
            raise RecipeError(f"{source}{changed}: {explain(error, cls)}") from error

    @classmethod
    def _if_valid(cls, values: Mapping[str, Any]) -> Self | None:
        """Return settings of a mapping, or None where they are not valid: what overrides add may make them so."""
        try:
            return cls.model_validate(values)
        except ValidationError:
            return None

    def to_yaml(self, like: str | None = None) -> str:
        """Return the settings as YAML with comments.

        Parameters
        ----------
        like
            Text of a YAML file whose comments, order and layout are kept: only values that differ are changed. Without
            it every field is spelled out, with its meaning and unit.
        """
        if like is not None:
            try:
                stated = type(self).from_mapping(plain_yaml(like))
                changed = rewritten_yaml(like, stated.model_dump(mode="json"), self.model_dump(mode="json"))
                if type(self).from_mapping(plain_yaml(changed)) == self:
                    return changed
            except (
                RecipeError,
                ValueError,
                YAMLError,
            ):  # a file that states something else, or aliases that hide a value
                pass
        return explained_yaml(self)

    @property
    def hash(self) -> str:
        """SHA-256 of the settings' content, independent of key order and file layout.

        A field that is declared with :data:`stemforge.settings.ADDED_LATER` counts only where it is not at its default.
        """
        values = self.model_dump(mode="json", exclude=_unused_additions(self) or None)
        canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def draw(self, rng: np.random.Generator) -> Self:
        """Replace every distribution in these settings by a number drawn from ``rng``, in field order."""
        return _changed(self, lambda leaf, _: leaf.sample(rng) if isinstance(leaf, Distribution) else leaf)

    @property
    def files(self) -> dict[str, NamedFile]:
        """The files that these settings name, by dotted field."""
        return {field: leaf for field, leaf in _leaves(self).items() if isinstance(leaf, NamedFile)}

    @property
    def distributions(self) -> dict[str, Distribution]:
        """The distributions in these settings, by dotted field; entries of lists are numbered from 0."""
        return {field: leaf for field, leaf in _leaves(self).items() if isinstance(leaf, Distribution)}

    def with_distributions(self, changes: Mapping[str, Distribution | float]) -> Self:
        """Return the same settings with other distributions, or numbers, in the fields of :attr:`distributions`.

        Raises
        ------
        RecipeError
            A field that holds no distribution, or values out of its range.
        """
        unknown = sorted(set(changes) - set(self.distributions))
        if unknown:
            raise RecipeError(f"settings: '{unknown[0]}' holds no distribution")
        try:
            return _changed(self, lambda leaf, field: changes.get(field, leaf))
        except ValidationError as error:
            raise RecipeError(f"settings: {explain(error, type(self))}") from error

    def pinned(self) -> Self:
        """Return the same settings, in which every file that they name has the SHA-256 of its content.

        A file is known by its content from then on: another content gives another :attr:`hash`, and whoever reads
        the file can tell whether it is still the same. A hash that the settings state already is left as it is.

        Raises
        ------
        RecipeError
            A file that cannot be read.
        """
        return _changed(self, lambda leaf, field: leaf.pin(field) if isinstance(leaf, NamedFile) else leaf)


def _unused_additions(value: Any) -> dict[Any, Any]:
    """Return the fields added later that are at their default, at any depth, as pydantic's ``exclude`` takes them."""
    parts: dict[Any, Any]
    unused: dict[Any, Any] = {}
    if isinstance(value, Settings):
        fields = type(value).model_fields
        parts = {name: getattr(value, name) for name in fields}
        unused = {
            name: True
            for name, field in fields.items()
            if ADDED_LATER in field.metadata and parts[name] == field.get_default(call_default_factory=True)
        }
    elif isinstance(value, tuple):
        parts = dict(enumerate(value))
    else:
        return {}
    below = {name: _unused_additions(part) for name, part in parts.items() if name not in unused}
    return {**unused, **{name: found for name, found in below.items() if found}}


def _leaves(settings: Settings) -> dict[str, Distribution | NamedFile]:
    """Return the distributions and files in settings, at any depth, by dotted field."""
    found: dict[str, Distribution | NamedFile] = {}

    def note(leaf: Distribution | NamedFile, field: str) -> Distribution | NamedFile:
        found[field] = leaf
        return leaf

    _changed(settings, note)
    return found


def _changed(value: Any, change: Callable[[Any, str], Any], field: str = "") -> Any:
    """Return a value with the distributions and files in it replaced by what ``change(leaf, field)`` gives."""
    below = f"{field}." if field else ""
    if isinstance(value, Distribution | NamedFile):
        return change(value, field)
    if isinstance(value, Settings):
        names = type(value).model_fields
        return type(value).model_validate(
            {name: _changed(getattr(value, name), change, below + name) for name in names}
        )
    if isinstance(value, tuple):
        return tuple(_changed(item, change, f"{below}{number}") for number, item in enumerate(value))
    return value
