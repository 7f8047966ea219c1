"""Settings: frozen, checked, hashed; and numbers that are drawn anew for every sample.

More than 400 lines, as settings draw distributions, and distributions are settings.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_serializer,
    model_validator,
)
from scipy import special

from stemforge.errors import RecipeError
from stemforge.files import plain_yaml, sha256_of_file


class _AddedLater:
    """The type of :data:`ADDED_LATER`."""


ADDED_LATER = _AddedLater()
"""Marks a field that settings got after recipes with them had been used: ``x: Annotated[float, ADDED_LATER] = 1.0``.

At its default such a field is left out of :attr:`Settings.hash`, so that recipes which do not use it keep the hash that
corpora know them by. The default must never change: it stands for what was done before the field was there.
"""


class Settings(BaseModel):
    """Base of all settings: frozen pydantic models in which an unknown key is an error.

    A field may be declared :data:`Random`; then a recipe gives either a number or a distribution, and
    :meth:`draw` returns the same settings with every distribution replaced by a number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def from_file(cls, path: str | Path, overrides: Mapping[str, Any] | None = None) -> Self:
        """Read settings from a YAML file.

        Parameters
        ----------
        path
            YAML file with one mapping.
        overrides
            Values that replace those of the file, by dotted name: ``{"microscope.energy": 80e3}``.

        Raises
        ------
        RecipeError
            File missing, not YAML, an unknown key, a wrong type or a value out of range.
        """
        path = Path(path)
        try:
            values = plain_yaml(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise RecipeError(f"{path}: cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise RecipeError(f"{path}: is not YAML ({error})") from error
        if not isinstance(values, dict):
            raise RecipeError(f"{path}: a recipe is a YAML mapping of keys to values, this is {type(values)}")
        return cls.from_mapping(values, overrides, source=str(path))

    @classmethod
    def from_mapping(
        cls, values: Mapping[str, Any], overrides: Mapping[str, Any] | None = None, source: str = "settings"
    ) -> Self:
        """Check a mapping against these settings; parameters and errors as in :meth:`from_file`."""
        merged: dict[str, Any] = json.loads(json.dumps(dict(values), default=str))
        for dotted, value in (overrides or {}).items():
            *parents, last = dotted.split(".")
            node: Any = merged
            for key in parents:
                node = node.setdefault(key, {}) if isinstance(node, dict) else None
                if not isinstance(node, dict):
                    raise RecipeError(f"{source}: '{dotted}' cannot be set, '{key}' holds a plain value")
            node[last] = value
        try:
            return cls.model_validate(merged)
        except ValidationError as error:
            changed = f" with {', '.join(overrides)} set" if overrides else ""
            raise RecipeError(f"{source}{changed}: {_explain(error, cls)}") from error

    def to_yaml(self) -> str:
        """Return the settings as YAML, every field spelled out."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    @property
    def hash(self) -> str:
        """SHA-256 of the settings' content, independent of key order and file layout.

        A field that is declared with :data:`ADDED_LATER` counts only where it is not at its default.
        """
        values = self.model_dump(mode="json", exclude=_unused_additions(self) or None)
        canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def replace(self, **changes: Any) -> Self:
        """Return the same settings with some fields changed, checked as if they had been read.

        Raises
        ------
        RecipeError
            An unknown field, a wrong type or a value out of range.

        Examples
        --------
        >>> Uniform(uniform=(0, 1)).replace(uniform=(0, 2))
        Uniform(uniform=(0.0, 2.0))
        """
        try:
            return type(self).model_validate({**dict(self), **changes})
        except ValidationError as error:
            raise RecipeError(f"settings: {_explain(error, type(self))}") from error

    def draw(self, rng: np.random.Generator) -> Self:
        """Replace every distribution in these settings by a number drawn from ``rng``, in field order."""
        return _changed(self, lambda leaf, _: leaf.sample(rng) if isinstance(leaf, Distribution) else leaf)

    @property
    def files(self) -> "dict[str, NamedFile]":
        """The files that these settings name, by dotted field."""
        found: dict[str, NamedFile] = {}

        def note(leaf: Any, field: str) -> Any:
            if isinstance(leaf, NamedFile):
                found[field] = leaf
            return leaf

        _changed(self, note)
        return found

    @property
    def distributions(self) -> "dict[str, Distribution]":
        """The distributions in these settings, by dotted field; entries of lists are numbered from 0."""
        found: dict[str, Distribution] = {}

        def note(leaf: Any, field: str) -> Any:
            if isinstance(leaf, Distribution):
                found[field] = leaf
            return leaf

        _changed(self, note)
        return found

    def with_distributions(self, changes: "Mapping[str, Distribution | float]") -> Self:
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
            raise RecipeError(f"settings: {_explain(error, type(self))}") from error

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


class NamedFile(Settings):
    """A file that settings name: a path, or ``{path: …, sha256: …}``.

    Every field that names a file is declared with this type, never as a bare path: the content decides a result as
    much as any number in the settings, and :meth:`Settings.pinned` must find it.

    Parameters
    ----------
    path
        Where it is.
    sha256
        Of its content; not known before the settings are pinned.

    Examples
    --------
    >>> NamedFile.model_validate("slab.cif").model_dump(mode="json")
    'slab.cif'
    """

    path: Path
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: Any) -> Any:
        if not isinstance(value, str | Path | Mapping | NamedFile) or not value:
            raise ValueError("must be the path of a file, or {path: …, sha256: …}")
        return {"path": value} if isinstance(value, str | Path) else value

    @model_serializer
    def _as_written(self) -> Any:
        return {"path": str(self.path), "sha256": self.sha256} if self.sha256 else str(self.path)

    def pin(self, field: str = "file") -> Self:
        """Return the file with the SHA-256 of its content, or with the one it has; errors name `field`."""
        if self.sha256:
            return self
        if self.path.exists() and not self.path.is_file():  # a folder, or a pipe that never ends
            raise RecipeError(f"'{field}': {self.path} is not a file; give the path of a file")
        try:
            return self.replace(sha256=sha256_of_file(self.path))
        except OSError as error:
            raise RecipeError(
                f"'{field}': {self.path} cannot be read ({error.strerror or error}); give the path of a file"
            ) from error


class Distribution(Settings):
    """A number that is drawn anew for each sample."""

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value that can be drawn."""
        raise NotImplementedError

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        raise NotImplementedError

    def quantile(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values below which these shares (0 to 1) of all draws lie."""
        raise NotImplementedError

    def shares(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of all draws below each value; where many draws are equal, the middle of theirs."""
        raise NotImplementedError


class Uniform(Distribution):
    """Uniform between two bounds: ``{uniform: [low, high]}``."""

    uniform: tuple[float, float]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.uniform[0] > self.uniform[1]:
            raise ValueError(f"bounds must be ordered, got {list(self.uniform)}")
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value that can be drawn."""
        return self.uniform

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return float(rng.uniform(*self.uniform))

    def quantile(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values below which these shares of all draws lie."""
        return np.interp(shares, (0, 1), self.uniform)

    def shares(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of all draws below each value."""
        return np.clip((values - self.uniform[0]) / max(self.uniform[1] - self.uniform[0], 1e-300), 0, 1)


class LogUniform(Distribution):
    """Uniform in the logarithm between two positive bounds: ``{loguniform: [low, high]}``."""

    loguniform: tuple[float, float]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high = self.loguniform
        if not 0 < low <= high:
            raise ValueError(f"bounds must be positive and ordered, got {[low, high]}")
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value that can be drawn."""
        return self.loguniform

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return float(np.clip(np.exp(rng.uniform(*np.log(self.loguniform))), *self.loguniform))

    def quantile(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values below which these shares of all draws lie."""
        return np.clip(np.exp(np.interp(shares, (0, 1), np.log(self.loguniform))), *self.loguniform)

    def shares(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of all draws below each value."""
        low, high = np.log(self.loguniform)
        return np.clip((np.log(values) - low) / max(high - low, 1e-300), 0, 1)


class Normal(Distribution):
    """Normal with mean and standard deviation, cut at three of them: ``{normal: [mean, sd]}``.

    The cut gives the distribution bounds, so that a recipe whose draws could leave a field's allowed range
    is refused when it is read and not in the middle of the night.
    """

    normal: tuple[float, float]

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if self.normal[1] < 0:
            raise ValueError(f"the standard deviation must not be negative, got {self.normal[1]}")
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value that can be drawn."""
        mean, sd = self.normal
        return mean - 3 * sd, mean + 3 * sd

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return float(np.clip(rng.normal(*self.normal), *self.bounds))

    def quantile(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values below which these shares of all draws lie."""
        mean, sd = self.normal
        return np.clip(mean + sd * special.ndtri(shares), *self.bounds)

    def shares(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of all draws below each value."""
        mean, sd = self.normal
        return special.ndtr((values - mean) / max(sd, 1e-300))


class Choice(Distribution):
    """One of several numbers, equally likely: ``{choice: [a, b, c]}``."""

    choice: Annotated[tuple[float, ...], Field(min_length=1)]

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value that can be drawn."""
        return min(self.choice), max(self.choice)

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return self.choice[int(rng.integers(len(self.choice)))]

    def quantile(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values below which these shares of all draws lie."""
        places = np.asarray(shares) * len(self.choice)
        return np.sort(self.choice)[np.clip(places.astype(int), 0, len(self.choice) - 1)]

    def shares(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of all draws below each value; the middle of those that are equal."""
        ordered = np.sort(self.choice)
        ends = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
        return ends / (2 * len(ordered))


class Quantiles(Distribution):
    """Any shape, by values at equal steps of probability: ``{quantiles: [lowest, …, highest]}``.

    Between neighbours the density is even: of five values, each quarter of the draws lies between one and the next.
    What was measured on images (``stemforge calibrate``) is seldom uniform or normal.

    Examples
    --------
    >>> middle = Quantiles(quantiles=(0, 4, 5, 6, 10)).quantile(np.array([0.25, 0.5, 1]))
    >>> middle.tolist()
    [4.0, 5.0, 10.0]
    """

    quantiles: Annotated[tuple[float, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if any(np.diff(self.quantiles) < 0):
            raise ValueError(f"values must not decrease, got {list(self.quantiles)}")
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value that can be drawn."""
        return self.quantiles[0], self.quantiles[-1]

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return float(self.quantile(rng.uniform(size=1))[0])

    def quantile(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values below which these shares of all draws lie."""
        return np.interp(shares, np.linspace(0, 1, len(self.quantiles)), self.quantiles)

    def shares(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of all draws below each value; the middle of those that are equal."""
        steps = np.linspace(0, 1, len(self.quantiles))
        below, above = (
            np.interp(values, self.quantiles, steps),
            1 - np.interp(-np.asarray(values), -np.array(self.quantiles[::-1]), steps),
        )
        return (below + above) / 2


_KINDS: dict[str, type[Distribution]] = {
    "uniform": Uniform,
    "loguniform": LogUniform,
    "normal": Normal,
    "choice": Choice,
    "quantiles": Quantiles,
}


def _kind(value: Any) -> str:
    """Tell a distribution by its one key, so that a misspelt one is named in the error."""
    if isinstance(value, Distribution):
        return next(name for name, kind in _KINDS.items() if isinstance(value, kind))
    if isinstance(value, Mapping) and len(value) == 1:
        key = next(iter(value))
        return key if key in _KINDS else "unknown"
    return "number"


if TYPE_CHECKING:
    # Code works on drawn settings, in which every such field is a number.
    Random = float
else:
    Random = Annotated[
        Annotated[float, Tag("number")]
        | Annotated[Uniform, Tag("uniform")]
        | Annotated[LogUniform, Tag("loguniform")]
        | Annotated[Normal, Tag("normal")]
        | Annotated[Choice, Tag("choice")]
        | Annotated[Quantiles, Tag("quantiles")],
        Discriminator(
            _kind,
            custom_error_type="distribution",
            custom_error_message="must be a number or one of {uniform: [a, b]}, {loguniform: [a, b]}, "
            "{normal: [mean, sd]}, {choice: [...]}, {quantiles: [...]}",
        ),
    ]
    """A number, or a distribution from which each sample draws its own."""


def within(low: float = -np.inf, high: float = np.inf, *, open_low: bool = False) -> AfterValidator:
    """Bound a :data:`Random` field: the number, or every value its distribution can give."""

    def check(value: Any) -> Any:
        if value is None:
            return value
        smallest, largest = value.bounds if isinstance(value, Distribution) else (value, value)
        if smallest < low or largest > high or (open_low and smallest == low):
            allowed = f"{'greater than' if open_low else 'at least'} {low:g}" if np.isfinite(low) else ""
            allowed += " and " if np.isfinite(low) and np.isfinite(high) else ""
            allowed += f"at most {high:g}" if np.isfinite(high) else ""
            raise ValueError(f"must be {allowed}")
        return value

    return AfterValidator(check)


NonNegative = Annotated[Random, within(0)]
"""A random number that is never negative."""
Positive = Annotated[Random, within(0, open_low=True)]
"""A random number that is always above zero."""
Fraction = Annotated[Random, within(0, 1)]
"""A random number between 0 and 1."""


def _explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Say which fields are wrong, what is allowed and what came."""
    lines = []
    for item in error.errors(include_url=False):
        if item["type"] == "extra_forbidden":
            *parents, key = item["loc"]
            written, names = _follow(model, parents)
            lines.append(f"unknown key '{'.'.join([*written, str(key)])}'; {_siblings(str(key), names)}")
        else:
            field = ".".join(_follow(model, item["loc"])[0])
            got = json.dumps(item["input"], default=str)
            message = item["msg"].removeprefix("Value error, ")
            lines.append(f"'{field}': {message} (got {got[:80]})" if field else message)
    return "; ".join(lines)


def _siblings(key: str, names: list[str]) -> str:
    """Name the closest allowed key, or all of them, next to an unknown one."""
    import difflib

    close = difflib.get_close_matches(key, names, n=1)
    return f"did you mean '{close[0]}'?" if close else f"allowed are {', '.join(names)}"


def _follow(model: type[BaseModel], parents: Sequence[int | str]) -> tuple[list[str], list[str]]:
    """Return ``parents`` as users write them, and the fields that they lead to.

    pydantic also names the union branch it tried ("number", "carbon_particle"); users wrote no such key.
    """

    def models(annotation: Any) -> list[type[BaseModel]]:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return [annotation]
        return [m for argument in get_args(annotation) for m in models(argument)]

    candidates, written = [model], []
    for part in parents:
        fields = [c.model_fields[part] for c in candidates if part in c.model_fields]
        named = [m for field in fields for m in models(field.annotation)]
        # A part that is no field is the tag of a union's branch: keep those whose discriminator allows it.
        tagged = [
            c
            for c in candidates
            if any(
                getattr(f.annotation, "__origin__", None) is Literal and part in get_args(f.annotation)
                for f in c.model_fields.values()
            )
        ]
        if fields or not (tagged or part in {"number", *_KINDS}):
            written.append(str(part))
        candidates = named or tagged or candidates
    return written, sorted({name for c in candidates for name in c.model_fields})
