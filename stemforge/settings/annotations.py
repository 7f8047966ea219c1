"""What a field's annotation allows: the alternatives of unions, the entries of lists, bounds of numbers."""

import math
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import AfterValidator, BaseModel, Tag
from pydantic.fields import FieldInfo

UNBOUNDED = math.inf


class Alternative(NamedTuple):
    """One branch of a union: its type, and the tag by which pydantic names it, if it has one."""

    kind: Any
    tag: str = ""


def alternatives(annotation: Any, tag: str = "") -> Iterator[Alternative]:
    """Yield the branches of a union, however it is nested; of anything else itself.

    Examples
    --------
    >>> [one.kind.__name__ for one in alternatives(int | None)]
    ['int', 'NoneType']
    """
    if get_origin(annotation) is Annotated:
        inner, *others = get_args(annotation)
        tags = [one.tag for one in others if isinstance(one, Tag)]
        yield from alternatives(inner, tags[0] if tags else tag)
    elif get_origin(annotation) in (Union, types.UnionType):
        for one in get_args(annotation):
            yield from alternatives(one, tag)
    else:
        yield Alternative(annotation, tag)


def models(annotation: Any) -> list[type[BaseModel]]:
    """Return the models among the alternatives."""
    return [one.kind for one in alternatives(annotation) if is_model(one.kind)]


def is_model(kind: Any) -> bool:
    """Whether a type is a pydantic model."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def entries(kind: Any) -> tuple[Any, ...]:
    """Return the types of a list's entries, or of a mapping's values; none for anything else."""
    arguments = get_args(kind)
    if is_list(kind):
        return tuple(one for one in arguments if one is not Ellipsis)
    return arguments[1:] if is_mapping(kind) else ()


def is_list(kind: Any) -> bool:
    """Whether a type is that of a list: its entries go by number."""
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Sequence)


def is_mapping(kind: Any) -> bool:
    """Whether a type is that of a mapping with types for its keys and values."""
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def choices(kind: Any) -> tuple[Any, ...]:
    """Return the values of a ``Literal``; none for anything else."""
    return get_args(kind) if get_origin(kind) is Literal else ()


@dataclass(frozen=True)
class Bounds:
    """Least and greatest value of a number, or of every value that its distribution can give.

    Parameters
    ----------
    low, high
        Least and greatest value.
    open_low, open_high
        Whether that value itself is refused.

    Examples
    --------
    >>> Bounds(0, 1, open_low=True).words
    'greater than 0 and at most 1'
    """

    low: float = -UNBOUNDED
    high: float = UNBOUNDED
    open_low: bool = False
    open_high: bool = False

    def __call__(self, value: Any) -> Any:
        """Return the value, or raise ValueError."""
        if value is None:
            return value
        smallest, largest = getattr(value, "bounds", (value, value))
        below = smallest < self.low or (self.open_low and smallest == self.low)
        above = largest > self.high or (self.open_high and largest == self.high)
        if below or above:
            raise ValueError(f"must be {self.words}")
        return value

    @property
    def words(self) -> str:
        """What is allowed; empty where everything is."""
        least = f"{'greater than' if self.open_low else 'at least'} {self.low:g}"
        most = f"{'less than' if self.open_high else 'at most'} {self.high:g}"
        limits = ((least, self.low), (most, self.high))
        return " and ".join(text for text, limit in limits if math.isfinite(limit))


def bounds(annotation: Any, metadata: Sequence[Any] = ()) -> Bounds:
    """Return the bounds of a number, or of the numbers in a list, at any depth of unions."""
    found = Bounds()
    for one in (*metadata, *_metadata(annotation)):
        found = _narrowed(found, one)
    return found


def _metadata(annotation: Any) -> Iterator[Any]:
    """Yield what annotations say beside types, at any depth, but not of models and mappings."""
    if get_origin(annotation) is Annotated:
        inner, *others = get_args(annotation)
        for one in others:
            yield from one.metadata if isinstance(one, FieldInfo) else (one,)
        yield from _metadata(inner)
    elif get_origin(annotation) in (Union, types.UnionType) or is_list(annotation):
        for one in get_args(annotation):
            yield from _metadata(one)


def _narrowed(known: Bounds, constraint: Any) -> Bounds:
    """Return bounds that hold to a constraint, too."""
    if isinstance(constraint, AfterValidator) and isinstance(constraint.func, Bounds):
        new = constraint.func
    elif isinstance(constraint, Ge | Gt):
        is_open = isinstance(constraint, Gt)
        new = Bounds(low=constraint.gt if is_open else constraint.ge, open_low=is_open)  # type: ignore
    elif isinstance(constraint, Le | Lt):
        is_open = isinstance(constraint, Lt)
        new = Bounds(high=constraint.lt if is_open else constraint.le, open_high=is_open)  # type: ignore
    else:
        return known
    low = max((known.low, known.open_low), (new.low, new.open_low))
    high = min((known.high, not known.open_high), (new.high, not new.open_high))
    return Bounds(low[0], high[0], low[1], not high[1])
