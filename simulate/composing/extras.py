"""Particles and point defects by short words: ``Au:20,60``, ``vacancy:S:0.2``, ``substitution:Mo>W:0.05``."""

from collections.abc import Mapping
from typing import Any

from stemforge.errors import RecipeError
from stemforge.settings.notes import Noted
from stemforge.simulate.composing.priors import loguniform, uniform
from stemforge.simulate.composing.request import RecipeRequest, Span

_KINDS = "vacancy:S:0.2, interstitial:N:0.1 or substitution:Mo>W:0.05"


def particle_fields(request: RecipeRequest) -> Mapping[str, Any]:
    """Return the nanoparticles of a recipe with notes; an empty mapping where none are wanted."""
    if request.particles is None:
        return {}
    element, _, diameter = request.particles.partition(":")
    entry = {
        "element": element,
        "diameter": uniform(_span("particles", diameter), (15, 60), "[Å]"),
        "diameter_spread": Noted(0.15, "among the particles of an image"),
        "areal_density": Noted({"loguniform": [0.002, 0.02]}, "[1/nm²]"),
        "shape": "wulff",
    }
    return {"particles": [entry]}


def defect_fields(request: RecipeRequest) -> Mapping[str, Any]:
    """Return the point defects of a recipe with notes; an empty mapping where none are wanted."""
    return {"defects": [_defect(word) for word in request.defects]} if request.defects else {}


def _defect(word: str) -> Mapping[str, Any]:
    kind, _, rest = word.partition(":")
    element, _, density = rest.partition(":")
    replaced, arrow, by = element.partition(">")
    if (
        kind not in ("vacancy", "interstitial", "substitution")
        or not element
        or bool(arrow) != (kind == "substitution")
    ):
        raise RecipeError(f"defect: must be such as {_KINDS}, got '{word}'")
    fields = {"kind": kind, "element": replaced, **({"by": by} if arrow else {})}
    return {**fields, "areal_density": loguniform(_span("defect", density), (0.02, 0.5), "[1/nm²]")}


def _span(name: str, text: str) -> Span | None:
    """Read a number, or the lowest and highest of a range; None where nothing is stated."""
    try:
        numbers = [float(part) for part in text.split(",")] if text else []
    except ValueError as error:
        raise RecipeError(
            f"{name}: expected a number or LOWEST,HIGHEST after the colon, got '{text}'"
        ) from error
    if not numbers:
        return None
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[-1])
