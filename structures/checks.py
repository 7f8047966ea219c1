"""Refusals of bad input: one wording for every builder."""

from collections.abc import Sequence
from numbers import Integral

import numpy as np

__all__ = ["require", "require_count", "require_generator", "require_lengths", "require_range"]


def require(ok: bool, name: str, allowed: str, value: object, mend: str = "") -> None:
    """Raise ``ValueError`` unless `ok`, naming the parameter, what is allowed, what came and the mend.

    Examples
    --------
    >>> from stemforge.structures.checks import require
    >>> require(-1.0 > 0, "density", "positive", -1.0, "Give it in g/cm³.")
    Traceback (most recent call last):
    ValueError: density must be positive, got -1.0. Give it in g/cm³.
    """
    if not ok:
        raise ValueError(f"{name} must be {allowed}, got {value!r}. {mend}".rstrip())


def require_count(name: str, value: object) -> None:
    """Raise ``ValueError`` unless the value is a whole number of at least 1."""
    require(isinstance(value, Integral) and int(value) >= 1, name, "a whole number, at least 1", value)


def require_range(name: str, value: float, low: float, high: float = np.inf, mend: str = "") -> None:
    """Raise ``ValueError`` unless ``low <= value <= high`` and the value is finite."""
    allowed = f"between {low:g} and {high:g}" if np.isfinite(high) else f"a finite number, at least {low:g}"
    require(bool(np.isfinite(value) and low <= value <= high), name, allowed, value, mend)


def require_lengths(name: str, value: Sequence[float], count: int, mend: str = "") -> None:
    """Raise ``ValueError`` unless the value is `count` finite positive lengths [Å]."""
    array = np.asarray(value, dtype=float)
    ok = array.shape == (count,) and bool(np.all(np.isfinite(array)) and np.all(array > 0))
    require(ok, name, f"{count} positive lengths in Å", value, mend)


def require_generator(rng: object) -> None:
    """Raise ``TypeError`` unless `rng` is a ``numpy.random.Generator``."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"rng must be a numpy.random.Generator, got {type(rng).__name__}. "
            "Make one with numpy.random.default_rng(seed)."
        )
