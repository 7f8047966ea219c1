"""The version of a recipe's layout, and what to do with a recipe or corpus of an older one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from stemforge.errors import CorpusError

VERSION: Final = 2
"""Version of the layout: part of a recipe's hash, and stored with its corpus. 1 stated no version."""

BUILDER: Final = 3
"""Number of what makes samples from a recipe: raised when the same recipe gives other bytes. It stands in a corpus's
header, so that no corpus is begun by one and finished by another. 1 is named nowhere; its structures were the same,
its images differed by less than 1e-4 of their standard deviation. 2 imaged by PRISM on grids that its interpolation
did not divide."""


def older_layout(recipe: Mapping[str, Any]) -> str | None:
    """Return in which fields a recipe follows another layout than this version's; None where in none.

    Examples
    --------
    >>> older_layout({"microscope": {"segments": [4, 22]}})
    'microscope.segments: [4, 22] is now microscope.detectors: {segments: [4, 22]}'
    """
    microscope, engine = (_mapping(recipe.get(name)) for name in ("microscope", "engine"))
    detectors = _mapping(microscope.get("detectors"))
    changed = []
    if "segments" in microscope:
        changed.append("microscope.segments: [4, 22] is now microscope.detectors: {segments: [4, 22]}")
    if detectors and not {"rings", "segments"} & set(detectors):
        changed.append(
            "microscope.detectors: {HAADF: [90, 185]} is now microscope.detectors: {rings: {HAADF: [90, 185]}}"
        )
    if engine.get("max_error") is not None and engine.get("name") == "prism":
        changed.append("engine: {name: prism, max_error: …} is now engine: {name: auto, max_error: …}")
    if not changed and recipe.get("version", VERSION) != VERSION:
        changed.append(f"version {recipe['version']}, this stemforge reads version {VERSION}")
    return "; ".join(changed) or None


def refuse_older(recipe: Mapping[str, Any], folder: Path) -> None:
    """Refuse a corpus that was made from a recipe of another layout.

    Raises
    ------
    CorpusError
        Names the fields that changed.
    """
    changed = older_layout(recipe)
    if changed:
        raise CorpusError(
            f"{folder}: was made from a recipe of an older layout ({changed}); simulate it again into a new folder"
        )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
