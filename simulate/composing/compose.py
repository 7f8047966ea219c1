"""A recipe from what is known, with wide priors for the rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stemforge.files import plain_yaml
from stemforge.settings.notes import Noted, noted_yaml
from stemforge.simulate.composing.extras import defect_fields, particle_fields
from stemforge.simulate.composing.priors import (
    ASSUMED,
    aberrations,
    assumed,
    instrument,
    loguniform,
    uniform,
)
from stemforge.simulate.composing.request import RecipeRequest
from stemforge.simulate.composing.supports import support_fields
from stemforge.simulate.recipe import SimulationRecipe

# Error that is allowed to an engine where atoms stand in columns, as a share of the image's standard deviation.
_MAX_ERROR = 0.2


@dataclass(frozen=True)
class ComposedRecipe:
    """A recipe as text with notes, and as settings.

    Parameters
    ----------
    text
        YAML with a note at every value that needs one.
    recipe
        The same, checked.
    assumed
        Dotted names of the fields that were not given.

    Examples
    --------
    >>> composed = compose_recipe(RecipeRequest(support="carbon", element="Pt", dose=2e4))
    >>> composed.recipe.single_atoms[0].element, "degradation.dose" in composed.assumed
    ('Pt', False)
    >>> [field for field in composed.assumed if field.startswith("scan")]
    ['scan.sampling']
    """

    text: str
    recipe: SimulationRecipe
    assumed: tuple[str, ...]


def compose_recipe(request: RecipeRequest) -> ComposedRecipe:
    """Compose a recipe from what is known of specimen and microscope.

    Parameters
    ----------
    request
        What is known. What is not gets a wide prior, or, where a recipe takes one number only, an assumed value.

    Raises
    ------
    RecipeError
        A support that is not known, or values that do not go together.

    Examples
    --------
    >>> composed = compose_recipe(RecipeRequest(support="carbon", element="Pt", sampling=0.2, energy=80e3))
    >>> composed.recipe.microscope.energy, "degradation.dose" in composed.assumed
    (80000.0, True)
    """
    support = support_fields(request)
    fields = {
        "name": request.name,
        "num_samples": request.num,
        "support": support,
        **particle_fields(request),
        **defect_fields(request),
        **_single_atoms(request, str(_value(support["kind"]))),
        "microscope": _microscope(request),
        "scan": {
            "shape": list(request.shape),
            "sampling": assumed(request.sampling, 0.2, "[Å per pixel]"),
            "margin": 6.0,
        },
        "focus": Noted({"uniform": [0.0, 1.0]}, "0 at the entrance side of the specimen, 1 at its exit side"),
        "engine": _engine(str(_value(support["kind"]))),
        "degradation": {
            "source_size": uniform(request.source_size, (0.6, 2.0), "FWHM [Å]"),
            "dose": loguniform(request.dose, (3e3, 3e5), "[e/Å²]"),
            **instrument(),
        },
    }
    text = _heading(request) + noted_yaml(fields)
    recipe = SimulationRecipe.from_mapping(plain_yaml(text), source="the recipe from these options")
    return ComposedRecipe(text, recipe, tuple(_assumed(fields)))


def _single_atoms(request: RecipeRequest, kind: str) -> Mapping[str, Any]:
    if request.element is None:
        return {}
    entry: dict[str, Any] = {
        "element": request.element,
        "areal_density": loguniform(request.density, (0.05, 2.0), "[1/nm²]"),
        "placement": request.placement or _USUAL_PLACE.get(kind, "surface"),
    }
    return {"single_atoms": [entry]}


# Where single atoms mostly are: in the pores of a thick carbon as well as on it.
_USUAL_PLACE = {"carbon_particle": "volume"}


def _microscope(request: RecipeRequest) -> Mapping[str, Any]:
    angles = request.detector
    rings = {"HAADF": list(angles or (70.0, 200.0))}
    note = "[mrad]" if angles else f"[mrad]; {ASSUMED}: assumed"
    return {
        "energy": assumed(request.energy, 200e3, "[eV]"),
        "semiangle_cutoff": uniform(request.semiangle, (20, 33), "[mrad]"),
        "detectors": Noted({"rings": rings}, note),
        **aberrations(),
    }


def _engine(kind: str) -> Any:
    if kind in ("crystal_slab", "file"):
        return Noted(
            {"name": "auto", "max_error": _MAX_ERROR},
            "atoms in columns channel the beam: see docs/physics.md",
        )
    return {"name": "kernels"}


def _heading(request: RecipeRequest) -> str:
    atoms = f"{request.element} on " if request.element else ""
    return (
        f"# {atoms}{request.support}, written by `stemforge new`. Values marked '{ASSUMED}' are wide or assumed:\n"
        "# what you know of your specimen and microscope belongs in their place, and makes a better detector.\n"
    )


def _assumed(fields: Mapping[str, Any], before: str = "") -> list[str]:
    found = []
    for name, value in fields.items():
        if isinstance(value, Noted) and ASSUMED in value.note:
            found.append(before + name)
        elif isinstance(value, Mapping):
            found += _assumed(value, f"{before}{name}.")
        elif isinstance(value, list):
            for part in value:
                found += _assumed(part, f"{before}{name}.") if isinstance(part, Mapping) else []
    return found


def _value(value: Any) -> Any:
    return value.value if isinstance(value, Noted) else value
