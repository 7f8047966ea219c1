"""What ``run.json`` says of an image, as far as it can be believed: the file may be damaged, or another program's."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from stemforge.evaluate.statistics.density import CorrectedDensity

_ALIKE = 0.01  # pixel sizes that differ by less, of their own size, are one: tables round their lengths
_SAMPLING = {"angstrom", "in_file", "relative_error"}


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _share(value: Any) -> bool:
    return _number(value) and 0 <= value <= 1


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _shares(value: Any) -> bool:
    return isinstance(value, Mapping) and all(_share(one) for one in value.values())


def _density(value: Any) -> bool:
    return CorrectedDensity.recorded({"visible_atoms_per_nm2": value}) is not None


def _specimen(value: Any) -> bool:
    return isinstance(value, Mapping) and not any(
        isinstance(one, float) and not np.isfinite(one) for one in value.values()
    )


def _sampling(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    numbers = [value[name] for name in _SAMPLING & set(value) if value[name] is not None]
    return (
        all(_number(one) and one > 0 for one in numbers)
        and isinstance(value.get("estimated", False), bool)
        and isinstance(value.get("remark", ""), str)
    )


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "weights": lambda value: isinstance(value, str),
    "augment": lambda value: isinstance(value, bool),
    "threshold": _share,
    "threshold_asked": _share,
    "expected_f1": _share,
    "visible_atoms_per_nm2": _density,
    "specimen": _specimen,
    "left_out": _shares,
    "doubts": _texts,
    "sampling": _sampling,
}


def sound_facts(entry: Mapping[str, Any], sampling: float | None = None) -> tuple[dict[str, Any], list[str]]:
    """Return what a page needs of an image's entry in ``run.json``, and the names of what cannot be so.

    Weights are called by their file's name alone: a page is given to others, whom folders of a machine do not concern.

    Parameters
    ----------
    entry
        As it was read.
    sampling
        Pixel size that the page goes by [Å]; where it is not the one of the detection, nothing is said of how that was
        estimated.

    Examples
    --------
    >>> sound_facts({"weights": "/home/me/net.safetensors", "expected_f1": 7, "doubts": ["blurred"]})
    ({'weights': 'net.safetensors', 'doubts': ['blurred']}, ['expected_f1'])
    """
    given = {name: entry[name] for name in _CHECKS if entry.get(name) is not None}
    facts = {name: value for name, value in given.items() if _CHECKS[name](value)}
    damaged = [name for name in given if name not in facts]
    if "weights" in facts:
        facts["weights"] = re.split(r"[/\\]", facts["weights"])[-1]
    for name in ("threshold", "expected_f1"):
        if name in facts:
            facts[name] = float(facts[name])
    if "sampling" in facts:
        pixel = dict(facts["sampling"])
        known = pixel.get("angstrom")
        if sampling is None or known is None or abs(known - sampling) > _ALIKE * sampling:
            pixel.pop("estimated", None)
        facts["sampling"] = pixel
    return facts, damaged


def estimated_errors(facts: Sequence[Mapping[str, Any]]) -> list[float | None]:
    """Return the relative error of each image's pixel size where it was estimated from atoms; None where it was not.

    Parameters
    ----------
    facts
        From :func:`sound_facts`. An estimate without its error has NaN.

    Examples
    --------
    >>> estimated_errors([{}, {"sampling": {"estimated": True, "relative_error": 0.27}}])
    [None, 0.27]
    """
    errors: list[float | None] = []
    for one in facts:
        pixel = one.get("sampling", {})
        errors.append(float(pixel.get("relative_error") or np.nan) if pixel.get("estimated") else None)
    return errors


def estimate_remark(error: float) -> str:
    """Return what a reader must know of lengths and densities where the pixel size was estimated.

    Examples
    --------
    >>> estimate_remark(0.27).split(";")[0]
    'pixel size estimated from the atoms, ± 27 % (one standard deviation): densities ± 54 %, lengths ± 27 %'
    """
    text = "pixel size estimated from the atoms"
    if np.isnan(error):
        return f"{text}, with unknown error; no interval on this page holds that"
    length = f"± {100 * error:.2g} %"
    return (
        f"{text}, {length} (one standard deviation): densities ± {200 * error:.2g} %, lengths {length}; "
        "no interval on this page holds that"
    )
